//! `egressctl apply`: plan, show, ask, do, prove.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::calls::CallsArgs;
use super::change::ChangeArgs;
use super::clock::new_run_id;
use super::ending::{self, Running};
use super::fleet::{Fleet, FleetArgs};
use super::plan::{detail, look, refuse_unfinished};
use super::problem::Problem;
use super::rollout::RolloutArgs;
use super::saved;
use crate::core::event::Event;
use crate::core::model::RunId;
use crate::core::plan::{Verdict, hosts, plan_text};
use crate::core::report::Verb;
use crate::core::rollout::{waves, waves_text};
use crate::engine;
use crate::ports::{RunMeta, RunVerb};
use crate::ui::Ui;

/// Bring the hosts to the desired state: plan, show, ask, do, prove
#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// A plan that `egressctl plan --out FILE` saved: it is applied without a question, where everything is as it was
    saved: Option<PathBuf>,
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    calls: CallsArgs,
    #[command(flatten)]
    rollout: RolloutArgs,
    #[command(flatten)]
    change: ChangeArgs,
    /// Do not ask
    #[arg(short, long, alias = "auto-approve")]
    yes: bool,
    /// Only show the plan, as `egressctl plan` does
    #[arg(short = 'C', long)]
    check: bool,
    /// Show every line of every diff
    #[arg(short = 'D', long, env = "EGRESSCTL_DIFF", value_parser = BoolishValueParser::new())]
    diff: bool,
    /// Write the report to FILE as well: .html, .txt, .xml (JUnit), else JSON
    #[arg(long, value_name = "FILE", env = "EGRESSCTL_REPORT")]
    report: Option<PathBuf>,
}

pub(super) async fn run(mut args: ApplyArgs) -> Result<ExitCode, Problem> {
    let saved = args.saved.as_deref().map(saved::read).transpose()?;
    if let Some(saved) = &saved {
        args.fleet.inventory.get_or_insert_with(|| PathBuf::from(&saved.plan.inventory));
    }
    let mut fleet = args.fleet.open()?;
    let change = if args.check { None } else { Some(args.change.begin(&mut fleet, "apply")?) };
    let mut gone = Vec::new();
    if let Some(saved) = &saved {
        gone = saved.gone(&args.fleet.read_inventory()?.0.hosts);
        saved.bind(&mut fleet).await?;
    }
    let started = fleet.world.clock.now_ms();
    let (discovered, mut plan) = look(&fleet).await?;
    if let Some(saved) = &saved {
        plan = saved.still_good(&fleet, &discovered, &plan);
    }
    refuse_unfinished(&fleet, &mut plan).await?;
    let policy = args.rollout.policy();
    let waves = waves(&plan, &discovered.observed.cloud, &policy);
    let cost = CallsArgs::cost(&fleet, &plan).text();
    let shown = plan_text(&plan, detail(args.diff)) + &cost + &waves_text(&plan, &waves, &policy);
    if args.check || !args.fleet.show.json {
        fleet.ui.out(&shown);
    }
    args.calls.heed(&fleet, &plan).await?;
    let Some(mut change) = change else { return Ok(ExitCode::SUCCESS) };
    if plan.is_empty() {
        let hosts = [engine::idle(&plan), gone].concat();
        let report = ending::report(&fleet, None, Verb::Apply, started, hosts);
        return ending::conclude(&fleet, &report, args.fleet.show.json, args.report.as_deref());
    }
    if !args.yes && saved.is_none() {
        let question = format!("Change {} as shown?", hosts(plan.count(Verdict::Change)));
        confirm(&fleet.ui, &question, REVIEW)?;
    }
    let id = begin(&fleet, RunVerb::Apply).await?;
    args.change.watch(&mut change, &fleet, &id)?;
    let hosts = fleet.hosts();
    let mut terms = args.rollout.terms(&fleet, args.yes);
    terms.saved = saved.map(|saved| saved.hash);
    let work = engine::rollout(&fleet.world, &id, &hosts, &discovered, &plan, terms);
    let running = Running { run: &id, watched: change.is_watched() };
    let (mut results, asked) = match ending::heeding(&fleet, running, work).await {
        Ok(done) => done,
        Err(code) => return Ok(code),
    };
    results.extend(gone);
    change.done();
    let report = ending::report(&fleet, Some(id), Verb::Apply, started, results);
    let code = ending::conclude(&fleet, &report, args.fleet.show.json, args.report.as_deref())?;
    Ok(asked.map_or(code, ExitCode::from))
}

/// What to do where nobody can be asked about a plan.
pub(super) const REVIEW: &str = "review the plan, then add --yes";

/// Opens a run in the journal.
pub(super) async fn begin(fleet: &Fleet, verb: RunVerb) -> Result<RunId, Problem> {
    let now = fleet.world.clock.now_ms();
    let id = new_run_id(now).map_err(Problem::failed)?;
    let meta = RunMeta { id: id.clone(), verb, started_ms: now, inventory: fleet.inventory.clone() };
    fleet.world.journal.begin(&meta).await.map_err(|error| Problem::failed(error.to_string()))?;
    fleet.world.events.emit(Event::RunStarted { run: id.clone() });
    Ok(id)
}

/// Asks. Only a full `yes` on a terminal counts; `instead` is what to do where there is none.
pub(super) fn confirm(ui: &Ui, question: &str, instead: &str) -> Result<(), Problem> {
    if !std::io::stdin().is_terminal() {
        return Err(Problem::usage(format!("nobody can be asked on this standard input: {instead}")));
    }
    ui.err(&format!("{question} Type yes: "));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|error| Problem::failed(error.to_string()))?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Problem::failed("not confirmed; nothing was changed")) }
}
