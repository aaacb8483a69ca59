//! `egressctl validate`: check an inventory and the templates without talking to anybody.

use std::process::ExitCode;

use clap::Args;

use super::fleet::FleetArgs;
use super::problem::Problem;

/// Check the inventory and the templates; talks to nobody
#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    #[command(flatten)]
    fleet: FleetArgs,
}

pub(super) fn run(args: &ValidateArgs) -> Result<ExitCode, Problem> {
    let (desired, selected) = args.fleet.read_inventory()?;
    args.fleet.load_templates()?;
    crate::ui::say(&format!("{} hosts, {} selected: fine\n", desired.hosts.len(), selected.len()));
    Ok(ExitCode::SUCCESS)
}
