//! `egressctl audit`: what differs from the inventory. Changes nothing.

use std::process::ExitCode;

use clap::Args;

use super::fleet::FleetArgs;
use super::plan::look;
use super::problem::Problem;
use crate::core::audit::{audit, audit_json, audit_text};

/// Look for drift from the inventory; changes nothing, exits with 2 if there is any
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(flatten)]
    fleet: FleetArgs,
}

pub(super) async fn run(args: AuditArgs) -> Result<ExitCode, Problem> {
    let fleet = args.fleet.open()?;
    let (discovered, plan) = look(&fleet).await?;
    let found = audit(&fleet.hosts(), &discovered.observed, &plan, &fleet.world.templates);
    fleet.ui.out(&if args.fleet.show.json { audit_json(&found) } else { audit_text(&found) });
    Ok(ExitCode::from(found.exit_code()))
}
