//! `egressctl runs`: what the journal knows.

use std::process::ExitCode;

use clap::Args;

use super::fleet::{ShowArgs, StateArgs};
use super::problem::Problem;
use crate::ports::{Journal, RunVerb};
use crate::ui::table;

/// List the runs in the journal, newest first
#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    show: ShowArgs,
}

pub(super) async fn run(args: RunsArgs) -> Result<ExitCode, Problem> {
    let journal = args.state.journal()?;
    let ui = args.show.ui()?;
    let runs = journal.runs().await.map_err(|error| Problem::failed(error.to_string()))?;
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            let verb = match &run.verb {
                RunVerb::Apply => "apply".to_owned(),
                RunVerb::Rollback(of) => format!("rollback of {of}"),
            };
            let begun =
                jiff::Timestamp::from_millisecond(run.started_ms).map(|t| t.strftime("%F %T").to_string());
            vec![run.id.to_string(), begun.unwrap_or_default(), verb, run.inventory.clone()]
        })
        .collect();
    let headers = ["run", "begun (UTC)", "what", "inventory"].map(str::to_owned);
    ui.out(&table::render(&headers, &rows));
    Ok(ExitCode::SUCCESS)
}
