//! `egressctl runs`: what the journal knows of runs.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::fleet::{ShowArgs, StateArgs};
use super::problem::Problem;
use crate::core::explain::{story, story_json, story_text};
use crate::core::model::RunId;
use crate::core::near::nearest;
use crate::core::rollout::Progress;
use crate::ports::{Journal, RunMeta, RunVerb};
use crate::ui::table;

/// The runs in the journal
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct RunsArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the runs, newest first; `egressctl runs` alone does the same
    List(ListArgs),
    /// A run's plan in short, its waves, and how every host ended
    Show {
        /// The run, as `egressctl runs` lists it
        run: RunId,
        #[command(flatten)]
        args: ListArgs,
    },
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    show: ShowArgs,
}

pub(super) async fn run(args: RunsArgs) -> Result<ExitCode, Problem> {
    match args.what {
        None => list(&args.list).await,
        Some(What::List(args)) => list(&args).await,
        Some(What::Show { run, args }) => show(&run, &args).await,
    }
}

async fn list(args: &ListArgs) -> Result<ExitCode, Problem> {
    let (journal, ui) = (args.state.journal()?, args.show.ui()?);
    let runs = journal.runs().await.map_err(Problem::journal)?;
    if args.show.json {
        let run = |run: &RunMeta| {
            serde_json::json!({
                "run": run.id, "started_ms": run.started_ms, "what": what(run), "inventory": run.inventory,
            })
        };
        let runs: Vec<_> = runs.iter().map(run).collect();
        ui.out(&format!("{:#}\n", serde_json::json!({ "schema_version": 1, "runs": runs })));
        return Ok(ExitCode::SUCCESS);
    }
    let row = |run: &RunMeta| {
        let begun =
            jiff::Timestamp::from_millisecond(run.started_ms).map(|t| t.strftime("%F %T").to_string());
        vec![run.id.to_string(), begun.unwrap_or_default(), what(run), run.inventory.clone()]
    };
    let rows: Vec<Vec<String>> = runs.iter().map(row).collect();
    let headers = ["run", "begun (UTC)", "what", "inventory"].map(str::to_owned);
    ui.out(&table::render(&headers, &rows));
    Ok(ExitCode::SUCCESS)
}

async fn show(run: &RunId, args: &ListArgs) -> Result<ExitCode, Problem> {
    let (journal, ui) = (args.state.journal()?, args.show.ui()?);
    let run = find(&journal, run).await?;
    let notes = journal.notes(&run.id).await.map_err(Problem::journal)?;
    let records = journal.records(&run.id).await.map_err(Problem::journal)?;
    let what = what(&run);
    let story = story((run.id, what, run.inventory, run.started_ms), &notes, &records);
    ui.out(&if args.show.json { story_json(&story) } else { story_text(&story) });
    Ok(ExitCode::SUCCESS)
}

fn what(run: &RunMeta) -> String {
    match &run.verb {
        RunVerb::Apply => "apply".to_owned(),
        RunVerb::Rollback(of) => format!("rollback of {of}"),
    }
}

/// The run of that id; an error that names the ones that may have been meant.
pub(super) async fn find(journal: &impl Journal, run: &RunId) -> Result<RunMeta, Problem> {
    let runs = journal.runs().await.map_err(Problem::journal)?;
    if let Some(found) = runs.iter().find(|known| known.id == *run) {
        return Ok(found.clone());
    }
    let near = nearest(run.as_str(), runs.iter().map(|known| known.id.as_str()));
    let hint = match near.first() {
        Some(near) => format!("did you mean {near}?"),
        None => "`egressctl runs` lists those that there are".to_owned(),
    };
    Err(Problem::failed(format!("there is no run {run} in the journal; {hint}")))
}

/// Where a run has come to.
pub(super) async fn read(journal: &impl Journal, run: &RunId) -> Result<Progress, Problem> {
    let notes = journal.notes(run).await.map_err(Problem::journal)?;
    Ok(Progress::of(notes.iter().map(|(_, note)| note)))
}
