//! `egressctl lock`: who holds what, and letting go of it.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::change::{held_by, path};
use super::fleet::FleetArgs;
use super::leases;
use super::problem::Problem;
use crate::core::model::HostName;
use crate::journal::RunLock;

/// Show or release what keeps runs from each other
#[derive(Debug, Args)]
pub(super) struct LockArgs {
    #[command(subcommand)]
    verb: LockVerb,
}

#[derive(Debug, Subcommand)]
enum LockVerb {
    /// List who holds the state folder, and with an inventory who holds which of the selected hosts and until when
    List {
        #[command(flatten)]
        fleet: FleetArgs,
    },
    /// Free hosts whose run is dead (one that is alive notices and stops before its cutover); without hosts, the state folder
    Release {
        /// The hosts
        hosts: Vec<HostName>,
        #[command(flatten)]
        fleet: FleetArgs,
        /// Do not ask
        #[arg(short, long, alias = "auto-approve")]
        yes: bool,
    },
}

pub(super) async fn run(args: LockArgs) -> Result<ExitCode, Problem> {
    match args.verb {
        LockVerb::List { fleet } => {
            let held = holder(&fleet)?;
            let (ui, held) = (fleet.show.ui()?, held.as_deref().unwrap_or(NOBODY));
            // The leases are the one document then.
            if fleet.show.json {
                ui.err(&format!("{held}\n"));
            } else {
                ui.out(&format!("{held}\n"));
            }
            if fleet.inventory.is_some() { leases::list(&fleet).await } else { Ok(ExitCode::SUCCESS) }
        }
        LockVerb::Release { hosts, fleet, yes } if !hosts.is_empty() => {
            leases::release(&hosts, &fleet, yes).await
        }
        LockVerb::Release { fleet, .. } => match holder(&fleet)? {
            // The kernel has let go of it when its process ended.
            None => {
                fleet.show.ui()?.out(&format!("{NOBODY}\n"));
                Ok(ExitCode::SUCCESS)
            }
            Some(held) => {
                Err(Problem::locked(format!("{held}; it is alive: interrupt it, or wait for its end")))
            }
        },
    }
}

const NOBODY: &str = "Nobody holds the lock of the state folder.";

/// Who holds the state folder, for people.
fn holder(fleet: &FleetArgs) -> Result<Option<String>, Problem> {
    let held = RunLock::holder(&path(&fleet.state.folder()?));
    let held = held.map_err(|error| Problem::failed(error.to_string()))?;
    Ok(held.map(|owner| held_by(owner.as_ref())))
}
