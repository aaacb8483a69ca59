//! `egressctl demo`: the main job from beginning to end in a lab, every claim checked.
//!
//! The outer half brings the lab up and runs the inner half in its bastion; the inner half is an ordinary user of the
//! engine and sees nothing but what a real bastion would.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use clap::{Args, Parser};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::apply::begin;
use super::fleet::{Fleet, FleetArgs};
use super::plan::look;
use super::problem::Problem;
use super::{ending, rollback};
use crate::core::event::HostOutcome;
use crate::core::model::HostName;
use crate::core::plan::{Detail, Plan, Verdict, plan_text};
use crate::core::report::{HostReport, Report, Verb, before_after_table, duration, to_text};
use crate::engine;
use crate::lab::parent;
use crate::lab::services::outage::OutageReport;
use crate::lab::spec::{LabSpec, Sshd};
use crate::ports::RunVerb;
use crate::ui::table;

/// Time between two connections of the outage meter, milliseconds.
const INTERVAL_MS: &str = "25";

/// Do the main job in a lab on this machine: plan, apply, verify, plan again, roll back
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Number of hosts; the first six are one of each case
    #[arg(long, default_value_t = 6, value_name = "N")]
    hosts: usize,
    /// SSH server of the hosts; openssh needs root
    #[arg(long, value_enum, default_value_t = Sshd::Builtin)]
    sshd: Sshd,
    /// Seed of ids and delays
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// Where the report is written: .html, .txt, else JSON
    #[arg(long, default_value = "demo-report.html", value_name = "FILE")]
    report: PathBuf,
    /// The half that runs inside the lab
    #[arg(long, hide = true)]
    inside: bool,
}

/// The options of a fleet at their defaults; the inventory comes from the environment.
#[derive(Debug, Parser)]
struct Defaults {
    #[command(flatten)]
    fleet: FleetArgs,
}

/// The outer half.
pub(super) fn run(args: &DemoArgs) -> Result<ExitCode, Problem> {
    if args.inside {
        return super::blocking(inside(args));
    }
    let spec = LabSpec::new(args.seed, args.sshd, args.hosts, None).map_err(Problem::usage)?;
    let itself =
        std::env::current_exe().map_err(|error| Problem::failed(format!("this program's path: {error}")))?;
    let report = std::path::absolute(&args.report)
        .map_err(|error| Problem::failed(format!("report {}: {error}", args.report.display())))?;
    crate::ui::say(&format!("Bringing up a lab with {} hosts: its own network, no uplink.\n\n", args.hosts));
    let command = [itself.into(), "demo".into(), "--inside".into(), "--report".into(), report.into()];
    parent::run(&spec, &command).map_err(|error| Problem::failed(error.to_string()))
}

/// The inner half.
async fn inside(args: &DemoArgs) -> Result<ExitCode, Problem> {
    let defaults = Defaults::try_parse_from(["demo"]).map_err(|error| Problem::usage(error.to_string()))?;
    let fleet = defaults.fleet.open()?;
    let mut claims = Claims::default();
    let started = fleet.world.clock.now_ms();

    fleet.ui.out("== Plan\n");
    let (discovered, plan) = look(&fleet).await?;
    fleet.ui.out(&plan_text(&plan, Detail::Folded));
    claims.plan(&plan);

    fleet.ui.out("\n== Apply\n");
    let id = begin(&fleet, RunVerb::Apply).await?;
    let meter = Meter::start(&plan)?;
    let hosts = engine::apply(&fleet.world, &id, &fleet.hosts(), &discovered, &plan).await;
    let outages = meter.stop().await?;
    let mut report = ending::report(&fleet, Some(id.clone()), Verb::Apply, started, hosts);

    fleet.ui.out("\n== Verify: before and after, seen from the internet\n");
    let (discovered, again) = look(&fleet).await?;
    let verified = engine::verify(&fleet.world, &fleet.hosts(), &discovered, &again).await;
    for (host, seen) in report.hosts.iter_mut().zip(&verified) {
        host.outage_ms = outages.get(&host.name).copied();
        // A host that needed nothing was not probed before; what is seen of it now is all there is.
        if host.egress_after.is_empty() {
            host.egress_after.clone_from(&seen.egress_after);
        }
    }
    claims.applied(&report);
    let done = verified.iter().filter(|host| !matches!(host.outcome, HostOutcome::Refused(_)));
    claims.add(
        "inbound and egress of every host hold",
        done.clone().all(|host| host.outcome == HostOutcome::Ok),
    );
    show(&fleet, &report);
    ending::write_report(&args.report, &report)?;
    fleet.ui.out(&format!("\nReport: {}\n", args.report.display()));

    fleet.ui.out("\n== Plan again\n");
    fleet.ui.out(&plan_text(&again, Detail::Folded));
    claims.add("a second plan is empty", again.is_empty());

    fleet.ui.out("\n== Roll one host back\n");
    let mut candidates = rollback::candidates(&fleet, &id).await?;
    candidates.truncate(1);
    fleet.ui.out(&rollback::rollback_text(&id, &candidates));
    let back = begin(&fleet, RunVerb::Rollback(id)).await?;
    let started = fleet.world.clock.now_ms();
    let hosts = engine::rollback(&fleet.world, &back, &candidates, &discovered).await;
    let rolled_back = ending::report(&fleet, Some(back), Verb::Rollback, started, hosts);
    show(&fleet, &rolled_back);
    claims.rolled_back(&rolled_back);

    fleet.ui.out("\n== What was claimed, and whether it held\n");
    fleet.ui.out(&claims.text());
    Ok(if claims.hold() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(fleet: &Fleet, report: &Report) {
    let (mut headers, mut rows) = before_after_table(report);
    if report.hosts.iter().any(|host| host.outage_ms.is_some()) {
        headers.push("inbound outage".to_owned());
        for (row, host) in rows.iter_mut().zip(&report.hosts) {
            row.push(host.outage_ms.map_or_else(|| "-".to_owned(), duration));
        }
    }
    fleet.ui.out(&table::render(&headers, &rows));
    fleet.ui.out(&format!("\n{}", to_text(report)));
}

/// The outage meter, a process on the lab's internet.
struct Meter {
    child: Child,
    targets: Vec<(HostName, SocketAddr)>,
}

impl Meter {
    fn start(plan: &Plan) -> Result<Self, Problem> {
        let changing = plan.hosts.iter().filter(|host| host.verdict == Verdict::Change);
        let targets: Vec<(HostName, SocketAddr)> =
            changing.filter_map(|host| Some((host.host.clone(), (host.known.inbound?, 22).into()))).collect();
        let itself = std::env::current_exe().map_err(|error| Problem::failed(error.to_string()))?;
        let child = Command::new(&itself)
            .args(["lab", "internet", "--"])
            .arg(&itself)
            .args(["lab", "outage", "--interval-ms", INTERVAL_MS])
            .args(targets.iter().map(|(_, target)| target.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Problem::failed(format!("outage meter: {error}")))?;
        Ok(Self { child, targets })
    }

    /// The longest outage of each host, milliseconds.
    async fn stop(mut self) -> Result<BTreeMap<HostName, u64>, Problem> {
        if let Some(mut stdin) = self.child.stdin.take() {
            // Closing it is the signal; the meter may have gone already, which its exit code tells.
            let _ = stdin.shutdown().await;
        }
        let output =
            self.child.wait_with_output().await.map_err(|error| Problem::failed(error.to_string()))?;
        let measured: OutageReport = serde_json::from_slice(&output.stdout)
            .map_err(|error| Problem::failed(format!("outage meter ({}): {error}", output.status)))?;
        let longest = measured
            .targets
            .iter()
            .map(|target| u64::try_from(target.longest_gap.as_millis()).unwrap_or(u64::MAX));
        Ok(self.targets.into_iter().map(|(host, _)| host).zip(longest).collect())
    }
}

/// What the demo claims.
#[derive(Debug, Default)]
struct Claims(Vec<(String, bool)>);

impl Claims {
    fn add(&mut self, claim: impl Into<String>, holds: bool) {
        self.0.push((claim.into(), holds));
    }

    fn plan(&mut self, plan: &Plan) {
        let verdict =
            |name: &str| plan.hosts.iter().find(|host| host.host.as_str() == name).map(|host| host.verdict);
        self.add(
            "the host that is done already needs nothing",
            verdict("done-1") == Some(Verdict::Unchanged),
        );
        if let Some(dark) = verdict("dark-1") {
            self.add("the host without SNAT coverage is refused", dark == Verdict::Refused);
        }
        let others = plan.hosts.iter().filter(|host| !["done-1", "dark-1"].contains(&host.host.as_str()));
        self.add("all others are to be changed", others.clone().all(|host| host.verdict == Verdict::Change));
    }

    fn applied(&mut self, report: &Report) {
        let changed: Vec<&HostReport> =
            report.hosts.iter().filter(|host| host.outcome == HostOutcome::Changed).collect();
        let failed = report.hosts.iter().filter(|host| {
            !matches!(host.outcome, HostOutcome::Changed | HostOutcome::Ok | HostOutcome::Refused(_))
        });
        self.add(
            format!("{} hosts are changed and verified, none failed", changed.len()),
            !changed.is_empty() && failed.count() == 0,
        );
        let egress = |host: &&HostReport| {
            !host.egress_after.is_empty()
                && host.egress_after.iter().all(|seen| host.snat_expected.contains(&seen.address))
        };
        self.add("each of them leaves from the shared SNAT address", changed.iter().all(egress));
        let own = |host: &&HostReport| {
            !host.egress_before.is_empty()
                && host.egress_before.iter().all(|seen| Some(seen.address) == host.inbound)
        };
        self.add("each of them left from its own address before", changed.iter().all(own));
        self.add(
            "the inbound outage of each was measured",
            changed.iter().all(|host| host.outage_ms.is_some()),
        );
    }

    fn rolled_back(&mut self, report: &Report) {
        let one = report.hosts.len() == 1;
        let back = report.hosts.iter().all(|host| host.outcome == HostOutcome::Changed);
        self.add("one host was rolled back and leaves from its own address again", one && back);
    }

    fn hold(&self) -> bool {
        self.0.iter().all(|(_, holds)| *holds)
    }

    fn text(&self) -> String {
        self.0
            .iter()
            .map(|(claim, holds)| format!("{} {claim}\n", if *holds { "yes" } else { "NO " }))
            .collect()
    }
}
