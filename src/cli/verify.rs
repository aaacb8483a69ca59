//! `egressctl verify`: the probes alone. Changes nothing.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::ending;
use super::fleet::FleetArgs;
use super::plan::look;
use super::problem::Problem;
use crate::core::report::Verb;
use crate::engine;

/// Probe inbound and egress of the hosts; changes nothing
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    fleet: FleetArgs,
    /// Write the report to FILE as well: .html, .txt, .xml (JUnit), else JSON
    #[arg(long, value_name = "FILE", env = "EGRESSCTL_REPORT")]
    report: Option<PathBuf>,
}

pub(super) async fn run(args: VerifyArgs) -> Result<ExitCode, Problem> {
    let fleet = args.fleet.open()?;
    let started = fleet.world.clock.now_ms();
    let (discovered, plan) = look(&fleet).await?;
    let hosts = engine::verify(&fleet.world, &fleet.hosts(), &discovered, &plan).await;
    let report = ending::report(&fleet, None, Verb::Verify, started, hosts);
    ending::conclude(&fleet, &report, args.fleet.show.json, args.report.as_deref())
}
