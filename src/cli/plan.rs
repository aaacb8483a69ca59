//! `egressctl plan`: show what apply would do. Changes nothing.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::calls::CallsArgs;
use super::fleet::{Fleet, FleetArgs};
use super::problem::Problem;
use super::saved;
use crate::core::plan::{Code, Detail, Finding, Plan, Verdict, plan, plan_json, plan_text};
use crate::engine::{self, Discovered, discover};

/// Show what apply would do, and why; changes nothing
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    calls: CallsArgs,
    /// Exit with 2 if there is anything to do
    #[arg(long, env = "EGRESSCTL_DETAILED_EXITCODE", value_parser = BoolishValueParser::new())]
    detailed_exitcode: bool,
    /// Show every line of every diff
    #[arg(short = 'D', long, env = "EGRESSCTL_DIFF", value_parser = BoolishValueParser::new())]
    diff: bool,
    /// Save the plan to FILE as well, for `egressctl apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn run(args: PlanArgs) -> Result<ExitCode, Problem> {
    let fleet = args.fleet.open()?;
    let (discovered, mut plan) = look(&fleet).await?;
    refuse_unfinished(&fleet, &mut plan).await?;
    let text = || plan_text(&plan, detail(args.diff)) + &CallsArgs::cost(&fleet, &plan).text();
    fleet.ui.out(&if args.fleet.show.json { plan_json(&plan) } else { text() });
    args.calls.heed(&fleet, &plan).await?;
    if let Some(path) = &args.out {
        saved::write(path, args.fleet.inventory()?, &fleet, &discovered, &plan)?;
        let path = path.display();
        fleet
            .ui
            .err(&format!("saved: `egressctl show {path}` shows it, `egressctl apply {path}` applies it\n"));
    }
    Ok(if args.detailed_exitcode && !plan.is_empty() { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

pub(super) const fn detail(diff: bool) -> Detail {
    if diff { Detail::Full } else { Detail::Folded }
}

/// Discovers and plans.
pub(super) async fn look(fleet: &Fleet) -> Result<(Discovered, Plan), Problem> {
    let hosts = fleet.hosts();
    let discovered = discover(&fleet.world, &hosts).await;
    fleet.say_warnings();
    let discovered = discovered?;
    let policy = fleet.world.policy();
    let plan = plan(&hosts, &discovered.observed, &fleet.world.templates, &policy);
    Ok((discovered, plan))
}

/// Refuses hosts that are in the middle of a run: that run goes on with them, and no other.
pub(super) async fn refuse_unfinished(fleet: &Fleet, plan: &mut Plan) -> Result<(), Problem> {
    let unfinished = engine::unfinished_hosts(&fleet.world).await;
    let unfinished = unfinished.map_err(|error| Problem::failed(error.to_string()))?;
    for host in &mut plan.hosts {
        if let Some(run) = unfinished.get(&host.host) {
            host.verdict = Verdict::Refused;
            host.steps.clear();
            host.findings.insert(
                0,
                Finding::refusal(
                    format!("run {run} began it and did not end"),
                    "what that run knows of it is needed to end well",
                    format!("egressctl resume {run}"),
                )
                .coded(Code::RunUnfinished),
            );
        }
    }
    Ok(())
}
