//! `egressctl preflight`: everything that stands in the way, before anything is changed. Changes nothing.

use std::process::ExitCode;

use clap::Args;

use super::fleet::{Fleet, FleetArgs};
use super::plan::refuse_unfinished;
use super::problem::Problem;
use crate::core::permissions::{is_denial, policy_json};
use crate::core::plan::{Policy, Reach, plan};
use crate::core::preflight::{
    Denied, Looked, denied_json, denied_text, exit_code, preflight_json, preflight_text,
};
use crate::engine::{self, EngineError};
use crate::ports::CloudSearch;

/// Look for everything that stands in the way; changes nothing, exits with 2 if any host is refused
#[derive(Debug, Args)]
pub(super) struct PreflightArgs {
    #[command(flatten)]
    fleet: FleetArgs,
    /// Look at the hosts as well, by SSH
    #[arg(long)]
    hosts: bool,
    /// Print a policy (RAM) that permits everything that is called, and do nothing else
    #[arg(long)]
    policy: bool,
}

pub(super) async fn run(args: PreflightArgs) -> Result<ExitCode, Problem> {
    if args.policy {
        crate::ui::say(&policy_json(true));
        return Ok(ExitCode::SUCCESS);
    }
    let fleet = args.fleet.open()?;
    let json = args.fleet.show.json;
    let hosts = fleet.hosts();
    let (observed, reach) = if args.hosts {
        (engine::discover(&fleet.world, &hosts).await.map(|seen| seen.observed), Reach::Everything)
    } else {
        (engine::discover_cloud(&fleet.world, &hosts).await, Reach::Cloud)
    };
    fleet.say_warnings();
    let observed = match observed {
        Ok(observed) => observed,
        Err(EngineError::Cloud(error)) if error.code.as_deref().is_some_and(is_denial) => {
            return not_permitted(&fleet, json, &error.to_string()).await;
        }
        Err(error) => return Err(error.into()),
    };
    let policy = Policy { reach, ..fleet.world.policy() };
    let mut plan = plan(&hosts, &observed, &fleet.world.templates, &policy);
    refuse_unfinished(&fleet, &mut plan).await?;
    let looked = Looked { reach, calls: fleet.world.cloud.calls().values().sum() };
    fleet.ui.out(&if json { preflight_json(&plan, looked) } else { preflight_text(&plan, looked) });
    Ok(ExitCode::from(exit_code(&plan)))
}

/// Nothing can be planned: then at least everything that is missing is named at once.
async fn not_permitted(fleet: &Fleet, json: bool, first: &str) -> Result<ExitCode, Problem> {
    let denied = fleet.search.denied_reads().await;
    if denied.is_empty() {
        return Err(Problem::failed(format!("cloud: {first}")));
    }
    let denied: Vec<Denied> = denied.into_iter().map(|(action, reason)| Denied { action, reason }).collect();
    fleet.ui.out(&if json { denied_json(&denied) } else { denied_text(&denied) });
    Ok(ExitCode::from(2))
}
