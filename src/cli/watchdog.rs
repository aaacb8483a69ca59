//! `egressctl watchdog`: started by the verbs that change anything, for the case that their process dies while an EIP is bound
//! to nothing. Then it binds that EIP and writes down that it did.
//!
//! Must never do anything while the process that started it lives, and never outlive it if that ends well.

use std::io::BufRead;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::change::{DONE, READY, lock};
use super::fleet::FleetArgs;
use super::problem::Problem;
use crate::core::model::{HostName, RunId};
use crate::core::run::RunNote;
use crate::engine;

/// How long somebody else may hold the lock: whoever resumes the run meanwhile closes its windows first.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Bind the EIPs of a run whose process has died
#[derive(Debug, Args)]
pub(super) struct WatchdogArgs {
    /// The run
    run: RunId,
    #[command(flatten)]
    fleet: FleetArgs,
}

pub(super) async fn run(args: WatchdogArgs) -> Result<ExitCode, Problem> {
    // Neither an interrupt from the keyboard nor the end of the terminal is meant for this process.
    rustix::process::setsid().map_err(|error| Problem::failed(format!("new session: {error}")))?;
    let fleet = args.fleet.open()?;
    crate::ui::say(READY);
    let mut told = String::new();
    // A pipe that fails is one whose other end is gone.
    let _ = std::io::stdin().lock().read_line(&mut told);
    if told == DONE {
        return Ok(ExitCode::SUCCESS);
    }
    let _lock = lock(&fleet, "watchdog", PATIENCE)?;
    let closed = engine::close_windows(&fleet.world, &args.run, &fleet.hosts()).await?;
    if closed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let (failed, bound): (Vec<_>, Vec<_>) = closed.into_iter().partition(|closed| closed.problem.is_some());
    let names =
        |list: Vec<engine::Closed>| list.into_iter().map(|closed| closed.host).collect::<Vec<HostName>>();
    let note = RunNote::Watchdog { bound: names(bound), failed: names(failed) };
    let now = fleet.world.clock.now_ms();
    let kept = fleet.world.journal.note(&args.run, now, &note).await;
    kept.map(|()| ExitCode::SUCCESS).map_err(|error| Problem::failed(error.to_string()))
}
