//! Probing: over the internet to the host's inbound address, and from the host to the echo services. Read-only.

use std::time::Duration;

use tokio::time::Instant;

use super::apply::report_of;
use super::ops::HostTask;
use super::{Discovered, World, apply, fleet, probe, target};
use crate::core::event::{Event, HostOutcome, Stage};
use crate::core::inventory::HostDesired;
use crate::core::model::EniId;
use crate::core::plan::owner::tables_of;
use crate::core::plan::shim::differences;
use crate::core::plan::{HostPlan, Known, Op, Plan, Verdict};
use crate::core::report::{Check, Egress, HostReport};
use crate::core::verify as judge;

/// Pause between two rounds of probes.
const PAUSE: Duration = Duration::from_millis(500);

/// Probes every host that can be looked at, once the plan has told what to expect of it.
pub async fn verify(
    world: &World,
    hosts: &[&HostDesired],
    discovered: &Discovered,
    plan: &Plan,
) -> Vec<HostReport> {
    world.events.emit(Event::StageStarted { stage: Stage::Verify, hosts: hosts.len() });
    let items: Vec<(HostTask, HostPlan)> = hosts
        .iter()
        .zip(&plan.hosts)
        .map(|(host, plan)| (apply::task(world, "verify", host, discovered, plan), plan.clone()))
        .collect();
    let results = fleet::each(world.settings.forks, items, |(task, plan)| async move {
        let result = one_host(&task, &plan).await;
        let (host, outcome) = (result.name.clone(), result.outcome.clone());
        task.world.events.emit(Event::HostDone { stage: Stage::Verify, host, outcome });
        result
    })
    .await;
    let lost = |plan: &HostPlan| {
        let outcome = HostOutcome::Failed("its task failed unexpectedly".to_owned());
        apply::lost(world, Stage::Verify, report_of(plan, outcome))
    };
    let results = results.into_iter().zip(&plan.hosts);
    let results = results.map(|(result, plan)| result.unwrap_or_else(|| lost(plan))).collect();
    world.events.emit(Event::StageFinished { stage: Stage::Verify });
    results
}

async fn one_host(task: &HostTask, plan: &HostPlan) -> HostReport {
    if matches!(plan.verdict, Verdict::Unreachable | Verdict::Refused | Verdict::Stale) {
        return report_of(plan, apply::outcome_of(plan).unwrap_or(HostOutcome::Ok));
    }
    let mut result = report_of(plan, HostOutcome::Ok);
    let mut probes = probe_until(task, &plan.known, Duration::ZERO).await;
    probes.checks.extend(shim(task, plan));
    probes.checks.extend(others(task, plan));
    if let Some(failures) = probes.failures() {
        result.outcome = HostOutcome::Failed(failures);
    }
    result.checks = probes.checks;
    result.egress_after = probes.egress;
    result
}

/// The shim on the host, as it was looked at; a host that needs no change has it as it should be.
fn shim(task: &HostTask, plan: &HostPlan) -> Option<Check> {
    if !task.host.route.shim {
        return None;
    }
    let route = plan.steps.iter().find_map(|step| match &step.op {
        Op::Configure { route, other: None } => Some(route),
        _ => None,
    });
    let address = plan.known.eni.as_ref().and_then(|eni| eni.address);
    let kept = task.facts.as_ref().zip(address).map(|(facts, address)| tables_of(facts, address));
    let wanted = route.map(|route| route.table).or_else(|| kept?.first().copied());
    let differences = route.zip(task.facts.as_ref()).map(|(route, facts)| differences(facts, route));
    Some(judge::shim(wanted.unwrap_or(task.host.route.table), &differences.unwrap_or_default()))
}

/// The routes of further interfaces, as the host was looked at.
fn others(task: &HostTask, plan: &HostPlan) -> impl Iterator<Item = Check> {
    let to_do = |eni: &EniId| {
        plan.steps.iter().find_map(|step| match &step.op {
            Op::Configure { other: Some(other), .. } if other.eni == *eni => Some(step.diff.as_slice()),
            _ => None,
        })
    };
    task.host.route.others.iter().map(move |other| judge::other(&other.eni, to_do(&other.eni)))
}

/// What a round of probes saw.
#[derive(Debug, Default)]
pub(super) struct Probes {
    pub(super) checks: Vec<Check>,
    pub(super) egress: Vec<Egress>,
}

impl Probes {
    /// The failed checks in one line; `None` if all hold.
    pub(super) fn failures(&self) -> Option<String> {
        let failed: Vec<String> = self.checks.iter().filter(|check| !check.ok).map(sentence).collect();
        (!failed.is_empty()).then(|| failed.join("; "))
    }
}

/// Probes until everything holds or the time is over, and gives the last round.
pub(super) async fn probe_until(task: &HostTask, known: &Known, within: Duration) -> Probes {
    let end = Instant::now() + within;
    loop {
        let probes = probe_once(task, known).await;
        if probes.failures().is_none() || Instant::now() + PAUSE >= end {
            return probes;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn probe_once(task: &HostTask, known: &Known) -> Probes {
    let eni = known.eni.as_ref().and_then(|eni| eni.address);
    let mut report = Err("the host has no inbound address".to_owned());
    let mut checks = Vec::new();
    if let Some(address) = known.inbound {
        report = match task.key.clone().map(|key| target::inbound(&task.host, address, key)) {
            Some(Ok(target)) => probe::ask(task, &target, eni).await,
            Some(Err(error)) => Err(error.to_string()),
            None => Err("the host could not be looked at before, so its key is not known".to_owned()),
        };
        let seen = report.as_ref().map(|report| report.instance.clone()).map_err(Clone::clone);
        checks.push(judge::inbound(address, &task.host.instance, &seen));
    }
    // The egress checks must not depend on the inbound way.
    if report.is_err() {
        report = match target::managed(&task.host, task.address) {
            Ok(target) => probe::ask(task, &target, eni).await,
            Err(error) => Err(error.to_string()),
        };
    }
    let egress = report.as_ref().map(probe::answered).unwrap_or_default();
    let silent =
        |reason: String| task.host.verify.echo.iter().map(|url| (url.clone(), Err(reason.clone()))).collect();
    let (default, from_eni) = match report {
        Ok(report) => (report.default, report.from_eni),
        Err(reason) => (silent(reason.clone()), silent(reason)),
    };
    checks.push(judge::egress(&task.egress, known.inbound, &default));
    if let (Some(_), Some(address)) = (eni, known.inbound) {
        checks.push(judge::own_egress(address, &task.egress, &from_eni));
    }
    Probes { checks, egress }
}

/// A failed check in one sentence.
fn sentence(check: &Check) -> String {
    let cause = check.cause.as_ref().map(|cause| format!(" (likely: {cause})")).unwrap_or_default();
    format!("{}: expected {}, saw {}{cause}", check.name, check.expected, check.seen)
}
