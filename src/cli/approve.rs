//! `egressctl approve RUN`: let a run's next wave begin, from another process on the bastion.

use std::process::ExitCode;

use clap::Args;

use super::clock::SystemClock;
use super::fleet::{ShowArgs, StateArgs};
use super::problem::Problem;
use super::runs::{find, read};
use super::who::operator;
use crate::core::run::RunNote;
use crate::ports::{Clock, Journal};

/// Let the wave begin that a run waits with
#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// The run, as `egressctl runs` lists it
    run: crate::core::model::RunId,
    /// Only if it is this wave that waits
    #[arg(long, value_name = "N")]
    wave: Option<usize>,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    show: ShowArgs,
}

pub(super) async fn run(args: ApproveArgs) -> Result<ExitCode, Problem> {
    let (journal, ui) = (args.state.journal()?, args.show.ui()?);
    let run = find(&journal, &args.run).await?.id;
    let progress = read(&journal, &run).await?;
    let Some(wave) = progress.waiting else {
        let why = match (&progress.planned, &progress.stopped) {
            (Some(_), _) if progress.open().is_empty() => "it is over".to_owned(),
            (_, Some(reason)) => format!("it was stopped, because {reason}"),
            (None, _) => "it has no waves".to_owned(),
            (Some(_), None) => "it is not between two waves".to_owned(),
        };
        return Err(Problem::failed(format!("run {run} does not wait for an approval: {why}")));
    };
    if let Some(other) = args.wave.filter(|other| *other != wave) {
        return Err(Problem::failed(format!(
            "run {run} waits for an approval of wave {wave}, not of wave {other}"
        )));
    }
    let by = operator().map_err(|error| Problem::failed(error.to_string()))?.to_string();
    let note = RunNote::Approved { wave, by };
    journal.note(&run, SystemClock.now_ms(), &note).await.map_err(Problem::journal)?;
    if args.show.json {
        let document = serde_json::json!({ "schema_version": 1, "run": run, "wave": wave });
        ui.out(&format!("{document:#}\n"));
    } else {
        ui.out(&format!("wave {wave} of run {run} is approved\n"));
    }
    Ok(ExitCode::SUCCESS)
}
