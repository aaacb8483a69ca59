//! Applying a plan to a host: one saga, every intent in the journal before its effect.

use std::sync::Arc;

use super::claim::{Claimed, claim};
use super::drive::Driver;
use super::ops::HostTask;
use super::rollout::{Terms, rollout};
use super::{Discovered, World};
use crate::core::event::{Event, HostOutcome, Stage};
use crate::core::inventory::HostDesired;
use crate::core::model::RunId;
use crate::core::plan::{HostPlan, Plan, Verdict};
use crate::core::report::HostReport;
use crate::core::saga::{Began, Record, Saga};

/// Applies the plan to all hosts at once, bounded by the settings. Hosts without steps are reported as what they are and not
/// touched; what goes wrong on one host is in its report and stays there.
pub async fn apply(
    world: &World,
    run: &RunId,
    hosts: &[&HostDesired],
    discovered: &Discovered,
    plan: &Plan,
) -> Vec<HostReport> {
    rollout(world, run, hosts, discovered, plan, Terms::default()).await
}

/// The report of a host whose task came to no end of its own: nobody else says that it is done.
pub(super) fn lost(world: &World, stage: Stage, report: HostReport) -> HostReport {
    let (host, outcome) = (report.name.clone(), report.outcome.clone());
    world.events.emit(Event::HostDone { stage, host, outcome });
    report
}

/// The reports of a plan that has nothing to do.
#[must_use]
pub fn idle(plan: &Plan) -> Vec<HostReport> {
    plan.hosts.iter().map(|host| report_of(host, outcome_of(host).unwrap_or(HostOutcome::Ok))).collect()
}

/// A report of a host of which nothing but its plan is known.
pub(super) fn report_of(plan: &HostPlan, outcome: HostOutcome) -> HostReport {
    HostReport {
        name: plan.host.clone(),
        instance: plan.instance.clone(),
        outcome,
        inbound: plan.known.inbound,
        egress_before: Vec::new(),
        egress_after: Vec::new(),
        snat_expected: plan.egress.clone(),
        verdict: String::new(),
        checks: Vec::new(),
        steps: Vec::new(),
        outage_ms: None,
        notes: Vec::new(),
    }
}

pub(super) fn task(
    world: &World,
    run: &str,
    host: &HostDesired,
    discovered: &Discovered,
    plan: &HostPlan,
) -> HostTask {
    let observed = &discovered.observed;
    let facts = observed.facts.get(&host.name).and_then(|facts| facts.seen());
    let primary = observed.cloud.instances.get(&host.instance).map(|instance| instance.primary_ip);
    HostTask {
        world: world.clone(),
        host: Arc::new(host.clone()),
        run: run.to_owned(),
        facts: facts.cloned().map(Arc::new),
        key: discovered.keys.get(&host.name).cloned(),
        primary_ip: primary.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED),
        address: host.address.or(primary).unwrap_or(std::net::Ipv4Addr::UNSPECIFIED),
        again: false,
        retries: 0,
        egress: plan.egress.clone(),
        lease: None,
    }
}

/// The outcome of a host that is not touched; `None` if it is to be changed.
pub(super) fn outcome_of(plan: &HostPlan) -> Option<HostOutcome> {
    match plan.verdict {
        Verdict::Change => None,
        Verdict::Unchanged => Some(HostOutcome::Ok),
        Verdict::Refused => Some(HostOutcome::Refused(plan.reason())),
        Verdict::Unreachable => Some(HostOutcome::Unreachable(plan.reason())),
        Verdict::Stale => Some(HostOutcome::Stale(plan.reason())),
    }
}

/// One host's part of a run, from its claim to its release.
pub(super) async fn one_host(task: &HostTask, run: &RunId, plan: &HostPlan) -> HostReport {
    let mut result = report_of(plan, HostOutcome::Ok);
    let claimed = match claim(task, run).await {
        Ok(claimed) => claimed,
        Err(outcome) => {
            result.outcome = outcome;
            return result;
        }
    };
    match claimed.stale(plan) {
        Some(outcome) => result.outcome = outcome,
        None => begin(&claimed, run, plan, &mut result).await,
    }
    result.notes.extend(claimed.release().await);
    result
}

async fn begin(claimed: &Claimed, run: &RunId, plan: &HostPlan, result: &mut HostReport) {
    let began = Began {
        instance: plan.instance.clone(),
        known: plan.known.clone(),
        ops: plan.steps.iter().map(|step| step.op.clone()).collect(),
    };
    let driver = Driver::new(&claimed.task, run, Saga::new(began.clone()));
    if let Err(error) = driver.append(&Record::Began(Box::new(began))).await {
        result.outcome = HostOutcome::Failed(format!("{error}; nothing was changed"));
        return;
    }
    result.egress_before.clone_from(&claimed.egress);
    driver.finish(result).await;
}
