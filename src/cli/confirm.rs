//! `egressctl confirm [RUN|HOST]`: say to hosts that they are reached, where the process that should have is gone.
//!
//! The first part of what `resume` does, for whoever has no more time than the hosts' timers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::change::ChangeArgs;
use super::ending::{self, Running};
use super::fleet::{Fleet, FleetArgs};
use super::problem::Problem;
use super::resume::{choose, recorded_inventory};
use crate::core::inventory::HostDesired;
use crate::core::model::{HostName, RunId};
use crate::core::report::Verb;
use crate::engine;
use crate::ports::Journal;

/// Confirm what hosts wait for, over new connections, where the run that made the change is gone; `resume` does the rest
#[derive(Debug, Args)]
#[command(mut_arg("inventory", |arg| arg.required(false).help("Inventory file [default: that of the run]")))]
#[command(mut_arg("no_watchdog", |arg| arg.hide(true)), mut_arg("cutovers", |arg| arg.hide(true)))]
pub(super) struct ConfirmArgs {
    /// The run, or a host of the newest run that it took part in [default: the newest run that did not end]
    #[arg(value_name = "RUN|HOST")]
    what: Option<String>,
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    change: ChangeArgs,
    /// Write the report to FILE as well: .html, .txt, .xml (JUnit), else JSON
    #[arg(long, value_name = "FILE", env = "EGRESSCTL_REPORT")]
    report: Option<PathBuf>,
}

const NOTHING: &str = "nothing to confirm\n";

pub(super) async fn run(mut args: ConfirmArgs) -> Result<ExitCode, Problem> {
    let (run, host) = match &args.what {
        Some(what) => meant(&args.fleet.state.journal()?, what).await?,
        None => (None, None),
    };
    if args.fleet.inventory.is_none() {
        let Some(inventory) = recorded_inventory(&args.fleet, run.as_ref()).await? else {
            args.fleet.show.ui()?.out(NOTHING);
            return Ok(ExitCode::SUCCESS);
        };
        args.fleet.inventory = Some(inventory.into());
    }
    let mut fleet = args.fleet.open()?;
    // Whoever is alive and at it holds this lock.
    let change = args.change.begin(&mut fleet, "confirm")?;
    let Some(left) = choose(&fleet, run.as_ref()).await? else {
        fleet.ui.out(NOTHING);
        return Ok(ExitCode::SUCCESS);
    };
    let id = left.run.id;
    let hosts = wanted(&fleet, host.as_ref())?;
    let started = fleet.world.clock.now_ms();
    let work = engine::confirm(&fleet.world, &id, &hosts);
    let (results, asked) = match ending::heeding(&fleet, Running { run: &id, watched: false }, work).await {
        Ok(done) => done,
        Err(code) => return Ok(code),
    };
    let results = results?;
    change.done();
    fleet.say_warnings();
    if results.is_empty() {
        fleet.ui.out(NOTHING);
        return Ok(asked.map_or(ExitCode::SUCCESS, ExitCode::from));
    }
    let report = ending::report(&fleet, Some(id), Verb::Confirm, started, results);
    let code = ending::conclude(&fleet, &report, args.fleet.show.json, args.report.as_deref())?;
    Ok(asked.map_or(code, ExitCode::from))
}

/// The run, and the one host of it, that are meant.
async fn meant(journal: &impl Journal, what: &str) -> Result<(Option<RunId>, Option<HostName>), Problem> {
    let runs = journal.runs().await.map_err(Problem::journal)?;
    if let Some(run) = runs.into_iter().find(|run| run.id.as_str() == what) {
        return Ok((Some(run.id), None));
    }
    let latest = journal.latest().await.map_err(Problem::journal)?;
    match latest.into_iter().find(|latest| latest.host.as_str() == what) {
        Some(latest) => Ok((Some(latest.run), Some(latest.host))),
        None => Err(Problem::failed(format!(
            "{} is neither a run nor a host of a run in the journal",
            crate::core::report::for_terminal(what)
        ))),
    }
}

fn wanted<'f>(fleet: &'f Fleet, host: Option<&HostName>) -> Result<Vec<&'f HostDesired>, Problem> {
    let hosts = fleet.hosts();
    let Some(name) = host else { return Ok(hosts) };
    match hosts.into_iter().find(|host| host.name == *name) {
        Some(host) => Ok(vec![host]),
        None => Err(Problem::failed(format!("there is no host {name} among the selected ones"))),
    }
}
