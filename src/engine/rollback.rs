//! Taking a run back: its sagas are replayed from the journal, turned round, and driven to their end under a new run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::apply::{Driver, report_of};
use super::ops::HostTask;
use super::verify::probe_until;
use super::{Discovered, EngineError, World, fleet};
use crate::core::event::{Event, HostOutcome, Stage};
use crate::core::inventory::HostDesired;
use crate::core::model::{HostName, RunId};
use crate::core::plan::{HostPlan, Known, StepKind, Verdict};
use crate::core::report::HostReport;
use crate::core::saga::{End, Record, Saga};
use crate::ports::RunVerb;

/// A host's part of a run that can be taken back.
#[derive(Debug, Clone)]
pub struct RollbackHost {
    /// The host.
    pub host: HostName,
    /// Its saga as recorded.
    pub saga: Saga,
}

impl RollbackHost {
    /// The steps that will be taken back, in the order of taking back, and whether that is possible.
    #[must_use]
    pub fn steps(&self) -> Vec<(StepKind, bool)> {
        let done = self.saga.done().iter().map(|(op, _)| op.kind());
        let all = done.chain(self.saga.open().map(crate::core::plan::Op::kind));
        let mut steps: Vec<(StepKind, bool)> =
            all.filter(|step| *step != StepKind::Verify).map(|step| (step, !step.irreversible())).collect();
        steps.reverse();
        steps
    }
}

/// The hosts of a run with anything left to take back, in the order in which they began. What an earlier rollback of it has
/// taken back is not left: the host may have been migrated again since.
///
/// # Errors
/// If the run is not in the journal or its records make no sense.
pub async fn rollback_hosts(world: &World, run: &RunId) -> Result<Vec<RollbackHost>, EngineError> {
    let runs = world.journal.runs().await?;
    if !runs.iter().any(|known| known.id == *run) {
        return Err(EngineError::Run(format!("there is no run {run} in the journal")));
    }
    let mut back = BTreeSet::new();
    for earlier in runs.iter().filter(|known| known.verb == RunVerb::Rollback(run.clone())) {
        let ended = sagas(world, &earlier.id).await?.into_iter();
        back.extend(
            ended.filter(|(_, saga)| matches!(saga.end(), Some(End::Unwound(_)))).map(|(host, _)| host),
        );
    }
    let sagas = sagas(world, run).await?.into_iter().filter(|(host, _)| !back.contains(host));
    Ok(sagas
        .map(|(host, saga)| RollbackHost { host, saga })
        .filter(|host| !host.steps().is_empty())
        .collect())
}

/// The sagas of a run in the order in which they began.
async fn sagas(world: &World, run: &RunId) -> Result<Vec<(HostName, Saga)>, EngineError> {
    let mut order: Vec<HostName> = Vec::new();
    let mut records: BTreeMap<HostName, Vec<Record>> = BTreeMap::new();
    for (host, _, record) in world.journal.records(run).await? {
        if !records.contains_key(&host) {
            order.push(host.clone());
        }
        records.entry(host).or_default().push(record);
    }
    let mut sagas = Vec::new();
    for host in order {
        let saga = Saga::replay(records.get(&host).into_iter().flatten())
            .map_err(|error| EngineError::Run(format!("run {run}, host {host}: {error}")))?;
        sagas.extend(saga.map(|saga| (host, saga)));
    }
    Ok(sagas)
}

/// Takes hosts of a run back, under the id of a new run, and proves it: inbound holds, and the host leaves from its own
/// address again.
pub async fn rollback(
    world: &World,
    run: &RunId,
    hosts: &[(&HostDesired, RollbackHost)],
    discovered: &Discovered,
) -> Vec<HostReport> {
    world.events.emit(Event::StageStarted { stage: Stage::Rollback, hosts: hosts.len() });
    let items: Vec<(HostTask, Saga)> = hosts
        .iter()
        .map(|(host, back)| {
            let primary =
                discovered.observed.cloud.instances.get(&host.instance).map(|instance| instance.primary_ip);
            let task = HostTask {
                world: world.clone(),
                host: (*host).clone(),
                run: run.to_string(),
                facts: discovered.observed.facts.get(&host.name).and_then(|facts| facts.seen()).cloned(),
                key: discovered.keys.get(&host.name).cloned(),
                primary_ip: primary.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED),
                address: host.address.or(primary).unwrap_or(std::net::Ipv4Addr::UNSPECIFIED),
                egress: Vec::new(),
            };
            (task, back.saga.clone())
        })
        .collect();
    let run = Arc::new(run.clone());
    let results = fleet::each(world.settings.forks, items, |(task, saga)| {
        let run = Arc::clone(&run);
        async move {
            let result = one_host(&task, &run, saga).await;
            let (host, outcome) = (result.name.clone(), result.outcome.clone());
            task.world.events.emit(Event::HostDone { stage: Stage::Rollback, host, outcome });
            result
        }
    })
    .await;
    world.events.emit(Event::StageFinished { stage: Stage::Rollback });
    let lost = |host: &HostDesired| {
        report_of(&empty_plan(host), HostOutcome::Unknown("its task failed unexpectedly".to_owned()))
    };
    results.into_iter().zip(hosts).map(|(result, (host, _))| result.unwrap_or_else(|| lost(host))).collect()
}

fn empty_plan(host: &HostDesired) -> HostPlan {
    HostPlan {
        host: host.name.clone(),
        instance: host.instance.clone(),
        verdict: Verdict::Change,
        steps: Vec::new(),
        findings: Vec::new(),
        known: Known::default(),
        egress: Vec::new(),
    }
}

async fn one_host(task: &HostTask, run: &RunId, mut saga: Saga) -> HostReport {
    let mut result = report_of(&empty_plan(&task.host), HostOutcome::Ok);
    // The new run's journal begins with what the old one had done, so that it can be replayed by itself.
    let mut inherited = vec![Record::Began(Box::new(saga.began().clone()))];
    for (op, effect) in saga.done() {
        inherited.push(Record::Intent(op.clone()));
        inherited.push(Record::Done(op.kind(), effect.clone()));
    }
    inherited.extend(saga.open().cloned().map(Record::Intent));
    let turned = Record::TurnedBack("rollback asked for".to_owned());
    if let Err(illegal) = saga.record(&turned) {
        result.outcome = HostOutcome::Failed(illegal.to_string());
        return result;
    }
    inherited.push(turned);
    let driver = Driver::new(task, run, saga);
    for record in &inherited {
        if let Err(error) = driver.append(record).await {
            result.outcome = HostOutcome::Failed(format!("{error}; nothing was changed"));
            return result;
        }
    }
    let inbound = driver.saga().known().inbound;
    driver.finish(&mut result).await;
    if !matches!(result.outcome, HostOutcome::Reverted(_)) {
        return result;
    }
    let known = Known { inbound, ..Known::default() };
    let task = HostTask { egress: inbound.into_iter().collect(), ..task.clone() };
    let probes = probe_until(&task, &known, task.world.settings.settle).await;
    result.outcome = match probes.failures() {
        None => HostOutcome::Changed,
        Some(failures) => HostOutcome::Unknown(format!("taken back, but {failures}")),
    };
    result.inbound = inbound;
    result.checks = probes.checks;
    result.egress_after = probes.egress;
    result
}
