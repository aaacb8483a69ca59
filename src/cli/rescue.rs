//! `egressctl rescue HOST`: what is known of a host that cannot be reached, and how to get it back. Changes nothing.

use std::process::ExitCode;

use clap::Args;

use super::fleet::FleetArgs;
use super::problem::Problem;
use super::resume::recorded_inventory;
use crate::core::model::HostName;
use crate::core::rescue::{rescue_json, rescue_text};
use crate::engine;
use crate::ports::Journal;

/// Exit code where the host could not be reached.
const UNREACHABLE: u8 = 4;

/// Show how to get a host back that cannot be reached: what is known, and the commands for the vendor's console; changes nothing
#[derive(Debug, Args)]
#[command(mut_arg("inventory", |arg| arg.required(false).help("Inventory file [default: that of the host's newest run]")))]
pub(super) struct RescueArgs {
    /// The host
    host: HostName,
    #[command(flatten)]
    fleet: FleetArgs,
}

pub(super) async fn run(mut args: RescueArgs) -> Result<ExitCode, Problem> {
    if args.fleet.inventory.is_none() {
        let latest = args.fleet.state.journal()?.latest().await.map_err(Problem::journal)?;
        let run = latest.into_iter().find(|latest| latest.host == args.host).map(|latest| latest.run);
        if let Some(run) = run {
            args.fleet.inventory = recorded_inventory(&args.fleet, Some(&run)).await?.map(Into::into);
        }
    }
    let (desired, _) = args.fleet.read_inventory()?;
    let fleet = args.fleet.open()?;
    let host = fleet.selected.iter().find(|host| host.name == args.host);
    let missing = || Problem::failed(format!("there is no host {} among the selected ones", args.host));
    let rescue =
        engine::rescue(&fleet.world, host.ok_or_else(missing)?, desired.cloud.region.as_str()).await?;
    fleet.say_warnings();
    fleet.ui.out(&if args.fleet.show.json { rescue_json(&rescue) } else { rescue_text(&rescue) });
    Ok(if rescue.reached.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(UNREACHABLE) })
}
