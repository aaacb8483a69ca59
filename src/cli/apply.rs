//! `egressctl apply`: plan, show, ask, do, prove.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::clock::new_run_id;
use super::ending;
use super::fleet::{Fleet, FleetArgs};
use super::plan::{detail, look};
use super::problem::Problem;
use super::rollout::RolloutArgs;
use crate::core::event::Event;
use crate::core::model::RunId;
use crate::core::plan::{Verdict, hosts, plan_text};
use crate::core::report::Verb;
use crate::core::rollout::{waves, waves_text};
use crate::engine;
use crate::ports::{RunMeta, RunVerb};

/// Bring the hosts to the desired state: plan, show, ask, do, prove
#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    rollout: RolloutArgs,
    /// Do not ask
    #[arg(short, long, alias = "auto-approve")]
    yes: bool,
    /// Only show the plan, as `egressctl plan` does
    #[arg(short = 'C', long)]
    check: bool,
    /// Show every line of every diff
    #[arg(short = 'D', long)]
    diff: bool,
    /// Write the report to FILE as well: .html, .txt, .xml (JUnit), else JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(super) async fn run(args: ApplyArgs) -> Result<ExitCode, Problem> {
    let fleet = args.fleet.open()?;
    let started = fleet.world.clock.now_ms();
    let (discovered, plan) = look(&fleet).await?;
    let policy = args.rollout.policy();
    let waves = waves(&plan, &discovered.observed.cloud, &policy);
    let shown = plan_text(&plan, detail(args.diff)) + &waves_text(&plan, &waves, &policy);
    if args.check || !args.fleet.show.json {
        fleet.ui.out(&shown);
    }
    if args.check {
        return Ok(ExitCode::SUCCESS);
    }
    if plan.is_empty() {
        let hosts = engine::idle(&plan);
        let report = ending::report(&fleet, None, Verb::Apply, started, hosts);
        return ending::conclude(&fleet, &report, args.fleet.show.json, args.report.as_deref());
    }
    if !args.yes {
        confirm(&fleet, &format!("Change {} as shown?", hosts(plan.count(Verdict::Change))))?;
    }
    let id = begin(&fleet, RunVerb::Apply).await?;
    let hosts = fleet.hosts();
    let terms = args.rollout.terms(&fleet, args.yes);
    let work = engine::rollout(&fleet.world, &id, &hosts, &discovered, &plan, terms);
    let (results, asked) = match ending::heeding(&fleet, work).await {
        Ok(done) => done,
        Err(code) => return Ok(code),
    };
    let report = ending::report(&fleet, Some(id), Verb::Apply, started, results);
    let code = ending::conclude(&fleet, &report, args.fleet.show.json, args.report.as_deref())?;
    Ok(asked.map_or(code, ExitCode::from))
}

/// Opens a run in the journal.
pub(super) async fn begin(fleet: &Fleet, verb: RunVerb) -> Result<RunId, Problem> {
    let now = fleet.world.clock.now_ms();
    let id = new_run_id(now).map_err(Problem::failed)?;
    let meta = RunMeta { id: id.clone(), verb, started_ms: now, inventory: fleet.inventory.clone() };
    fleet.world.journal.begin(&meta).await.map_err(|error| Problem::failed(error.to_string()))?;
    fleet.world.events.emit(Event::RunStarted { run: id.clone() });
    Ok(id)
}

/// Asks. Only a full `yes` on a terminal counts.
pub(super) fn confirm(fleet: &Fleet, question: &str) -> Result<(), Problem> {
    if !std::io::stdin().is_terminal() {
        return Err(Problem::usage(
            "nobody can be asked on this standard input: review the plan, then add --yes",
        ));
    }
    fleet.ui.err(&format!("{question} Type yes: "));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|error| Problem::failed(error.to_string()))?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Problem::failed("not confirmed; nothing was changed")) }
}
