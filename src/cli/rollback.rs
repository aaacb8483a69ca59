//! `egressctl rollback RUN`: take back what a run did, from its journal.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::apply::{REVIEW, begin, confirm};
use super::change::ChangeArgs;
use super::ending::{self, Running};
use super::fleet::{Fleet, FleetArgs};
use super::plan::look;
use super::problem::Problem;
use crate::core::inventory::HostDesired;
use crate::core::model::RunId;
use crate::core::plan::hosts as plural;
use crate::core::report::{Verb, for_terminal};
use crate::engine::{self, RollbackHost};
use crate::ports::RunVerb;

/// Take back what a run did to the selected hosts
#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    /// The run, as `egressctl runs` lists it
    run: RunId,
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    change: ChangeArgs,
    /// Do not ask
    #[arg(short, long, alias = "auto-approve")]
    yes: bool,
    /// Write the report to FILE as well: .html, .txt, .xml (JUnit), else JSON
    #[arg(long, value_name = "FILE", env = "EGRESSCTL_REPORT")]
    report: Option<PathBuf>,
}

pub(super) async fn run(args: RollbackArgs) -> Result<ExitCode, Problem> {
    let mut fleet = args.fleet.open()?;
    let mut change = args.change.begin(&mut fleet, "rollback")?;
    let started = fleet.world.clock.now_ms();
    let hosts = candidates(&fleet, &args.run).await?;
    if !args.fleet.show.json {
        fleet.ui.out(&rollback_text(&args.run, &hosts));
    }
    if hosts.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    if !args.yes {
        confirm(&fleet.ui, &format!("Take {} back as shown?", plural(hosts.len())), REVIEW)?;
    }
    let (discovered, _) = look(&fleet).await?;
    let id = begin(&fleet, RunVerb::Rollback(args.run.clone())).await?;
    args.change.watch(&mut change, &fleet, &id)?;
    let work = engine::rollback(&fleet.world, &id, &hosts, &discovered);
    let running = Running { run: &id, watched: change.is_watched() };
    let (results, asked) = match ending::heeding(&fleet, running, work).await {
        Ok(done) => done,
        Err(code) => return Ok(code),
    };
    change.done();
    let report = ending::report(&fleet, Some(id), Verb::Rollback, started, results);
    let code = ending::conclude(&fleet, &report, args.fleet.show.json, args.report.as_deref())?;
    Ok(asked.map_or(code, ExitCode::from))
}

/// The selected hosts of the run with anything left to take back.
pub(super) async fn candidates<'a>(
    fleet: &'a Fleet,
    run: &RunId,
) -> Result<Vec<(&'a HostDesired, RollbackHost)>, Problem> {
    let known: BTreeMap<_, _> = fleet.selected.iter().map(|host| (&host.name, host)).collect();
    let hosts = engine::rollback_hosts(&fleet.world, run).await?;
    Ok(hosts.into_iter().filter_map(|back| known.get(&back.host).map(|host| (*host, back))).collect())
}

/// What will be taken back, for people.
pub(super) fn rollback_text(run: &RunId, hosts: &[(&HostDesired, RollbackHost)]) -> String {
    let mut out = String::new();
    for (host, back) in hosts {
        let _ = writeln!(out, "< {} ({})", host.name, host.instance);
        if let Some(damage) = back.damage() {
            let _ = writeln!(out, "    nothing: {}", for_terminal(damage));
        }
        for (number, (step, possible)) in back.steps().iter().enumerate() {
            let remark = if *possible { "" } else { " stays: it cannot be taken back" };
            let _ = writeln!(out, "    {}. undo {}{remark}", number + 1, step.label());
        }
    }
    let _ = writeln!(out, "Rollback of {run}: {}.", plural(hosts.len()));
    out
}
