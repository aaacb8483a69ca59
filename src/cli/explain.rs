//! `egressctl explain HOST`: every decision and event of one host, from the journal; `egressctl explain CODE`: what an error
//! code of the cloud means and what is done about it.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;

use super::fleet::{ShowArgs, StateArgs};
use super::problem::Problem;
use super::runs::find;
use crate::cloud::aliyun::codes;
use crate::core::explain::{Explanation, explain, explain_json, explain_text};
use crate::core::model::{HostName, RunId};
use crate::core::near::nearest;
use crate::core::run::RunNote;
use crate::ports::Journal;

/// Tell what happened to a host, step by step, and why; or what an error code of the cloud means
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The host, or an error code such as TaskConflict
    #[arg(value_name = "HOST|CODE")]
    host: HostName,
    /// In this run [default: the newest that the host took part in]
    #[arg(long, value_name = "RUN")]
    run: Option<RunId>,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    show: ShowArgs,
}

pub(super) async fn run(args: ExplainArgs) -> Result<ExitCode, Problem> {
    let ui = args.show.ui()?;
    // No host of an inventory is named as they are; one that were is found with --run.
    if args.run.is_none()
        && let Some(text) = codes::explain(args.host.as_str())
    {
        ui.out(&text);
        return Ok(ExitCode::SUCCESS);
    }
    let journal = args.state.journal()?;
    let explanation = look(&journal, &args.host, args.run.as_ref()).await?;
    ui.out(&if args.show.json { explain_json(&explanation) } else { explain_text(&explanation) });
    Ok(ExitCode::SUCCESS)
}

async fn look(journal: &impl Journal, host: &HostName, run: Option<&RunId>) -> Result<Explanation, Problem> {
    let runs = match run {
        Some(run) => vec![find(journal, run).await?],
        None => journal.runs().await.map_err(Problem::journal)?,
    };
    let mut known: BTreeSet<HostName> = BTreeSet::new();
    for meta in &runs {
        let notes = journal.notes(&meta.id).await.map_err(Problem::journal)?;
        let records = journal.records(&meta.id).await.map_err(Problem::journal)?;
        let own = records.iter().filter(|(of, ..)| of == host);
        let own: Vec<_> = own.map(|(_, at, record)| (*at, record.clone())).collect();
        if let Some(explanation) = explain(host, &meta.id, &notes, &own) {
            return Ok(explanation);
        }
        known.extend(records.into_iter().map(|(host, ..)| host));
        for (_, note) in notes {
            if let RunNote::Planned(planned) = note {
                known.extend(planned.plan.hosts.into_iter().map(|plan| plan.host));
            }
        }
    }
    let place = run.map_or_else(|| "in no run of the journal".to_owned(), |run| format!("not in run {run}"));
    let near: Vec<&str> =
        nearest(host.as_str(), known.iter().map(HostName::as_str)).into_iter().take(3).collect();
    let hint = if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(", ")) };
    Err(Problem::failed(format!("host {host} is {place}{hint}")))
}
