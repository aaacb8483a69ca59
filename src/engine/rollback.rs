//! Taking a run back: its sagas are replayed from the journal, turned round, and driven to their end under a new run.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::apply::{lost, report_of, task};
use super::claim::claim;
use super::drive::Driver;
use super::history::{Story, meta, stories, turned_back};
use super::ops::HostTask;
use super::verify::probe_until;
use super::{Discovered, EngineError, World, fleet};
use crate::core::event::{Event, HostOutcome, Stage};
use crate::core::inventory::HostDesired;
use crate::core::model::{EniId, HostName, RunId};
use crate::core::observed::{CloudView, EipHolder};
use crate::core::plan::{HostPlan, Known, OWNER_TAG, Op, Plan, StepKind, Verdict};
use crate::core::report::HostReport;
use crate::core::rollout::Rollout;
use crate::core::run::{Planned, RunNote};
use crate::core::saga::{End, Record, Saga};
use crate::ports::RunVerb;

/// A host's part of a run that can be taken back.
#[derive(Debug, Clone)]
pub struct RollbackHost {
    /// The host.
    pub host: HostName,
    /// Its saga and the records of it, or why they cannot be read: then nothing is taken back.
    story: Result<(Saga, Vec<Record>), String>,
}

impl RollbackHost {
    /// The steps that will be taken back, in the order of taking back, and whether that is possible.
    #[must_use]
    pub fn steps(&self) -> Vec<(StepKind, bool)> {
        let Ok((mut saga, _)) = self.story.clone() else { return Vec::new() };
        // A record that every saga takes.
        let _ = saga.record(&turned_back());
        let possible = |op: &Op| !op.kind().irreversible() && saga.stays(op).is_none();
        let steps = saga.done().iter().rev().map(|(op, _)| (op.kind(), possible(op)));
        steps.filter(|(step, _)| *step != StepKind::Verify).collect()
    }

    fn saga(&self) -> Option<&Saga> {
        self.story.as_ref().ok().map(|(saga, _)| saga)
    }

    /// Why its records cannot be read, if they cannot.
    #[must_use]
    pub fn damage(&self) -> Option<&str> {
        self.story.as_ref().err().map(String::as_str)
    }
}

/// The hosts of a run with anything left to take back, in the order in which they began. What an earlier rollback of it has
/// taken back is not left: the host may have been migrated again since.
///
/// # Errors
/// If the run is not in the journal or its records make no sense.
pub async fn rollback_hosts(world: &World, run: &RunId) -> Result<Vec<RollbackHost>, EngineError> {
    let meta = meta(world, run).await?;
    let mut back = BTreeSet::new();
    for earlier in world.journal.runs().await? {
        if earlier.verb == RunVerb::Rollback(run.clone()) {
            let unwound = |story: &Story| {
                story.saga.as_ref().is_ok_and(|saga| matches!(saga.end(), Some(End::Unwound(_))))
            };
            let ended = stories(world, &earlier).await?.into_iter().filter(unwound);
            back.extend(ended.map(|story| story.host));
        }
    }
    // A rollback that died while it copied the older run's records has done nothing: what is left is left of that run.
    let began = |story: &Story| story.kept >= story.records.len();
    let hosts = stories(world, &meta).await?.into_iter().filter(began).map(|story| {
        let records = story.records;
        RollbackHost { host: story.host, story: story.saga.map(|saga| (saga, records)) }
    });
    let left = |host: &RollbackHost| host.damage().is_some() || !host.steps().is_empty();
    Ok(hosts.filter(|host| !back.contains(&host.host) && left(host)).collect())
}

/// Takes hosts of a run back, under the id of a new run, and proves it: inbound holds, and the host leaves from its own
/// address again.
pub async fn rollback(
    world: &World,
    run: &RunId,
    hosts: &[(&HostDesired, RollbackHost)],
    discovered: &Discovered,
) -> Vec<HostReport> {
    // Resuming begins the rest of these.
    let chosen = Plan { hosts: hosts.iter().map(|(host, _)| empty_plan(host)).collect() };
    let by = world.claims.operator.to_string();
    let planned = Planned { plan: chosen, saved: None, by, rollout: Rollout::default() };
    let noted = world.journal.note(run, world.clock.now_ms(), &RunNote::Planned(Box::new(planned))).await;
    if let Err(error) = noted {
        world.stop.because(error.to_string());
    }
    take_back(world, run, hosts, discovered).await
}

/// The same for hosts that the run is known to be for.
pub(super) async fn take_back(
    world: &World,
    run: &RunId,
    hosts: &[(&HostDesired, RollbackHost)],
    discovered: &Discovered,
) -> Vec<HostReport> {
    world.events.emit(Event::StageStarted { stage: Stage::Rollback, hosts: hosts.len() });
    let eips = &discovered.observed.cloud.eips;
    let items: Vec<(HostTask, RollbackHost, Option<HostOutcome>, bool)> = hosts
        .iter()
        .map(|(host, back)| {
            let task = task(world, run.as_str(), host, discovered, &empty_plan(host));
            let own =
                back.saga().and_then(|saga| saga.known().eip.as_ref()).and_then(|known| eips.get(&known.id));
            let adrift = own.is_some_and(|eip| eip.holder.is_none());
            let refused = match &back.story {
                Ok((saga, _)) => {
                    changed_since(&task, saga, &discovered.observed.cloud).map(HostOutcome::Refused)
                }
                Err(damage) => Some(HostOutcome::Unknown(format!("{damage}; nothing was taken back"))),
            };
            (task, back.clone(), refused, adrift)
        })
        .collect();
    let run = Arc::new(run.clone());
    let results = fleet::each(world.settings.forks, items, |(task, back, refused, adrift)| {
        let run = Arc::clone(&run);
        async move {
            let stopped = || task.world.stop.not_begun().map(HostOutcome::Skipped);
            let result = match refused.or_else(stopped) {
                Some(outcome) => report_of(&empty_plan(&task.host), outcome),
                None => {
                    let (own, run) = (task.clone(), Arc::clone(&run));
                    let ended = fleet::alone(async move { one_host(&own, &run, back, adrift).await }).await;
                    ended.unwrap_or_else(|| report_of(&empty_plan(&task.host), unexpected()))
                }
            };
            let (host, outcome) = (result.name.clone(), result.outcome.clone());
            let world = &task.world;
            let ended = RunNote::HostEnded { host: host.clone(), outcome: outcome.clone() };
            if let Err(error) = world.journal.note(&run, world.clock.now_ms(), &ended).await {
                world.stop.because(error.to_string());
            }
            world.events.emit(Event::HostDone { stage: Stage::Rollback, host, outcome });
            result
        }
    })
    .await;
    let lost = |host: &HostDesired| lost(world, Stage::Rollback, report_of(&empty_plan(host), unexpected()));
    let results = results.into_iter().zip(hosts);
    let results = results.map(|(result, (host, _))| result.unwrap_or_else(|| lost(host))).collect();
    world.events.emit(Event::StageFinished { stage: Stage::Rollback });
    results
}

/// How a host ended whose task came to no end of its own.
pub(super) fn unexpected() -> HostOutcome {
    HostOutcome::Unknown("its task failed unexpectedly; its journal tells how far it came".to_owned())
}

pub(super) fn empty_plan(host: &HostDesired) -> HostPlan {
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

/// Why taking this run back could hurt the host as it is now; `None` if it cannot.
pub(super) fn changed_since(task: &HostTask, saga: &Saga, view: &CloudView) -> Option<String> {
    let (host, instance) = (&task.host, &saga.began().instance);
    if host.instance != *instance {
        return Some(format!("the run worked on {instance}, the inventory says {}", host.instance));
    }
    if !view.instances.contains_key(instance) {
        return Some(format!("there is no instance {instance} any more"));
    }
    let told = task.facts.as_ref().and_then(|facts| facts.instance.as_ref());
    if let Some(other) = told.filter(|told| *told != instance) {
        return Some(format!("the host says it is {other}, the run worked on {instance}"));
    }
    let known = saga.known();
    let ours = |id: &EniId| {
        let tag = view.enis.get(id).and_then(|eni| eni.tags.get(OWNER_TAG));
        known.eni.as_ref().is_some_and(|eni| eni.id == *id)
            || tag.map(String::as_str) == Some(instance.as_str())
    };
    let moved_it = saga.done().iter().map(|(op, _)| op).chain(saga.open()).chain(saga.stuck());
    let moved_it = moved_it.into_iter().any(|op| op.kind() == StepKind::Associate);
    view.eips.values().find_map(|eip| {
        let address = eip.address;
        let its_own = known.eip.as_ref().is_some_and(|known| known.id == eip.id);
        match &eip.holder {
            Some(EipHolder::Eni(id)) if ours(id) && !moved_it => Some(format!(
                "{address} is bound to {id} now, and not by this run: taking {id} or its route away would cut the host off"
            )),
            Some(EipHolder::Eni(id)) if its_own && known.eni.as_ref().is_none_or(|eni| eni.id != *id) => {
                Some(format!("{address} is bound to {id} now: somebody, or a later run, has moved it"))
            }
            Some(EipHolder::Instance(id)) if its_own && id != instance => {
                Some(format!("{address} is bound to {id} now: somebody has moved it"))
            }
            Some(EipHolder::Other(kind, id)) if its_own => {
                Some(format!("{address} is bound to {kind} {id} now: somebody has moved it"))
            }
            _ => None,
        }
    })
}

pub(super) async fn one_host(task: &HostTask, run: &RunId, back: RollbackHost, adrift: bool) -> HostReport {
    let mut result = report_of(&empty_plan(&task.host), HostOutcome::Ok);
    let claimed = match claim(task, run).await {
        Ok(claimed) => claimed,
        // An EIP that is bound to nothing may be the very reason why the host cannot be reached.
        Err(HostOutcome::Unreachable(reason)) if adrift => {
            let note =
                format!("its EIP is bound to nothing, so it was taken back without a lease ({reason})");
            result.notes.push(note);
            turn(task, run, back, &mut result).await;
            return result;
        }
        Err(outcome) => {
            result.outcome = outcome;
            return result;
        }
    };
    let view = &claimed.observed.cloud;
    match back.saga().and_then(|saga| changed_since(&claimed.task, saga, view)) {
        Some(reason) => result.outcome = HostOutcome::Refused(reason),
        None => turn(&claimed.task, run, back, &mut result).await,
    }
    result.notes.extend(claimed.release().await);
    result
}

async fn turn(task: &HostTask, run: &RunId, back: RollbackHost, result: &mut HostReport) {
    // The new run's journal begins with what the old one's says, so that it can be replayed by itself.
    let Ok((mut saga, mut records)) = back.story else { return };
    let turned = turned_back();
    if let Err(illegal) = saga.record(&turned) {
        result.outcome = HostOutcome::Failed(illegal.to_string());
        return;
    }
    records.push(turned);
    let driver = Driver::new(task, run, saga);
    for record in &records {
        if let Err(error) = driver.append(record).await {
            result.outcome = HostOutcome::Failed(format!("{error}; nothing was changed"));
            return;
        }
    }
    finish(task, driver, result).await;
}

/// Runs a saga that was turned back to its end, and proves that the host is as it was.
pub(super) async fn finish(task: &HostTask, driver: Driver<'_>, result: &mut HostReport) {
    let inbound = driver.saga().known().inbound;
    driver.finish(result).await;
    if !matches!(result.outcome, HostOutcome::Reverted(_)) {
        return;
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
}
