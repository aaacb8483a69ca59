//! `egressctl resume [RUN]`: go on with a run whose process is gone, or that was interrupted.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::apply::confirm;
use super::change::ChangeArgs;
use super::ending::{self, Running};
use super::fleet::{Fleet, FleetArgs};
use super::problem::Problem;
use super::rollout::RolloutArgs;
use crate::core::event::Event;
use crate::core::model::RunId;
use crate::core::plan::hosts as plural;
use crate::core::report::Verb;
use crate::engine::{self, Resume, Unfinished};
use crate::ports::{Journal, RunVerb};

/// Go on with a run that was killed or interrupted: hosts without an inbound address first
#[derive(Debug, Args)]
#[command(mut_arg("inventory", |arg| arg.required(false).help("Inventory file [default: that of the run]")))]
pub(super) struct ResumeArgs {
    /// The run [default: the newest one that did not end]
    run: Option<RunId>,
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    rollout: RolloutArgs,
    /// Do not ask before hosts are begun that were approved and not begun
    #[arg(short, long, alias = "auto-approve")]
    yes: bool,
    /// Begin no host that was not begun
    #[arg(long, conflicts_with = "yes")]
    only_begun: bool,
    /// Try again where a human was needed
    #[arg(long)]
    retry_stuck: bool,
    /// Write the report to FILE as well: .html, .txt, .xml (JUnit), else JSON
    #[arg(long, value_name = "FILE", env = "EGRESSCTL_REPORT")]
    report: Option<PathBuf>,
}

pub(super) async fn run(mut args: ResumeArgs) -> Result<ExitCode, Problem> {
    if args.fleet.inventory.is_none() {
        let Some(inventory) = recorded_inventory(&args.fleet, args.run.as_ref()).await? else {
            args.fleet.show.ui()?.out("nothing to resume\n");
            return Ok(ExitCode::SUCCESS);
        };
        args.fleet.inventory = Some(inventory.into());
    }
    let mut fleet = args.fleet.open()?;
    let mut change = args.change.begin(&mut fleet, "resume")?;
    let Some(left) = choose(&fleet, args.run.as_ref()).await? else {
        fleet.ui.out("nothing to resume\n");
        return Ok(ExitCode::SUCCESS);
    };
    let id = left.run.id.clone();
    fleet.ui.err(&text(&left));
    if left.begun.is_empty() && left.waiting.is_empty() && left.stuck.is_empty() {
        fleet.ui.out("nothing to resume\n");
        return Ok(ExitCode::SUCCESS);
    }
    let started = fleet.world.clock.now_ms();
    fleet.world.events.emit(Event::RunStarted { run: id.clone() });
    args.change.watch(&mut change, &fleet, &id)?;
    let hosts = fleet.hosts();
    // Before anybody is asked anything: these hosts are cut off as long as it takes.
    engine::close_windows(&fleet.world, &id, &hosts).await?;
    let begin = !args.only_begun && !left.waiting.is_empty();
    if begin && !args.yes {
        let question = format!("Begin {} that the run has not begun?", plural(left.waiting.len()));
        confirm(&fleet.ui, &question, "add --yes, or --only-begun to leave them out")?;
    }
    let terms = args.rollout.terms(&fleet, args.yes);
    let how = Resume { begin: begin.then_some(terms), retry_stuck: args.retry_stuck };
    let work = engine::resume(&fleet.world, &id, &hosts, None, how);
    let running = Running { run: &id, watched: change.is_watched() };
    let (results, asked) = match ending::heeding(&fleet, running, work).await {
        Ok(done) => done,
        Err(code) => return Ok(code),
    };
    let results = results?;
    change.done();
    fleet.say_warnings();
    let verb = if left.run.verb == RunVerb::Apply { Verb::Apply } else { Verb::Rollback };
    let report = ending::report(&fleet, Some(id), verb, started, results);
    let code = ending::conclude(&fleet, &report, args.fleet.show.json, args.report.as_deref())?;
    Ok(asked.map_or(code, ExitCode::from))
}

/// The inventory of the run that is meant; `None` if there is no such run.
pub(super) async fn recorded_inventory(
    fleet: &FleetArgs,
    run: Option<&RunId>,
) -> Result<Option<String>, Problem> {
    let journal = fleet.state.journal()?;
    let open: Vec<RunId> = journal
        .latest()
        .await
        .map_err(Problem::journal)?
        .into_iter()
        .filter(|last| !last.ended)
        .map(|last| last.run)
        .collect();
    let runs = journal.runs().await.map_err(Problem::journal)?;
    let newest = runs.iter().position(|run| open.contains(&run.id)).unwrap_or_default();
    Ok(match run {
        Some(id) => runs.into_iter().find(|run| run.id == *id),
        None => runs.into_iter().nth(newest),
    }
    .map(|run| run.inventory))
}

/// The run that is meant; tells which one if nobody said so.
pub(super) async fn choose(fleet: &Fleet, run: Option<&RunId>) -> Result<Option<Unfinished>, Problem> {
    if let Some(run) = run {
        return Ok(Some(engine::unfinished(&fleet.world, run).await?));
    }
    let mut runs = engine::unfinished_runs(&fleet.world).await?;
    // A run with hosts in the middle goes before one that only has some left to begin.
    runs.sort_by_key(|run| run.begun.is_empty());
    if let [_, others @ ..] = runs.as_slice()
        && !others.is_empty()
    {
        let others: Vec<String> = others.iter().map(|other| other.run.id.to_string()).collect();
        fleet.ui.err(&format!("unfinished as well: {}\n", others.join(", ")));
    }
    Ok(runs.into_iter().next())
}

fn text(left: &Unfinished) -> String {
    let mut text = format!("run {}: {} in the middle", left.run.id, plural(left.begun.len()));
    if !left.cut.is_empty() {
        let _ = write!(text, " ({} perhaps without an inbound address)", left.cut.len());
    }
    for (list, what) in [(&left.stuck, "in need of a human"), (&left.waiting, "not begun")] {
        if !list.is_empty() {
            let _ = write!(text, ", {} {what}", list.len());
        }
    }
    text + "\n"
}
