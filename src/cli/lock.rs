//! `egressctl lock`: who holds what, and letting go of it.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::fleet::FleetArgs;
use super::leases;
use super::problem::Problem;
use crate::core::model::HostName;

/// Show or release what keeps runs from each other
#[derive(Debug, Args)]
pub(super) struct LockArgs {
    #[command(subcommand)]
    verb: LockVerb,
}

#[derive(Debug, Subcommand)]
enum LockVerb {
    /// List who holds which of the selected hosts, and until when
    List {
        #[command(flatten)]
        fleet: FleetArgs,
    },
    /// Free hosts whose run is dead; a run that is alive notices and stops before its cutover
    Release {
        /// The hosts
        #[arg(required = true)]
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
        LockVerb::List { fleet } => leases::list(&fleet).await,
        LockVerb::Release { hosts, fleet, yes } => leases::release(&hosts, &fleet, yes).await,
    }
}
