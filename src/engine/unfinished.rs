//! What a run has left to do, as its journal tells: hosts in the middle, hosts that a human is needed for, hosts that were
//! approved and never begun. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Story, meta, stories};
use super::{EngineError, World};
use crate::core::event::HostOutcome;
use crate::core::model::{HostName, RunId};
use crate::core::plan::{HostPlan, Verdict};
use crate::core::rollout::Rollout;
use crate::core::run::RunNote;
use crate::core::saga::End;
use crate::ports::{JournalError, RunMeta};

/// A run with something left to do, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The run.
    pub run: RunMeta,
    /// Hosts that were begun and did not end.
    pub begun: Vec<HostName>,
    /// Those of them that may have no inbound address now.
    pub cut: Vec<HostName>,
    /// Hosts that a human is needed for.
    pub stuck: Vec<HostName>,
    /// Hosts that were planned and approved, and not begun.
    pub waiting: Vec<HostName>,
}

/// The same with all that going on needs.
pub(super) struct Left {
    pub(super) meta: RunMeta,
    pub(super) begun: Vec<Story>,
    /// With the reason.
    pub(super) stuck: Vec<(Story, String)>,
    pub(super) waiting: Vec<HostPlan>,
    /// The approved plan of every host.
    pub(super) plans: BTreeMap<HostName, HostPlan>,
    /// How it goes over its hosts.
    pub(super) rollout: Rollout,
}

/// The runs that left a host in the middle, newest first, and the newest run if it left any host unbegun.
///
/// # Errors
/// If the journal cannot be read.
pub async fn unfinished_runs(world: &World) -> Result<Vec<Unfinished>, EngineError> {
    let open: BTreeSet<RunId> = unfinished_hosts(world).await?.into_values().collect();
    let mut found = Vec::new();
    for (age, run) in world.journal.runs().await?.into_iter().enumerate() {
        if age > 0 && !open.contains(&run.id) {
            continue;
        }
        let run = unfinished(world, &run.id).await?;
        if !run.begun.is_empty() || !run.waiting.is_empty() {
            found.push(run);
        }
    }
    Ok(found)
}

/// The hosts in the middle of a run, and which run that is.
///
/// # Errors
/// If the journal cannot be read.
pub async fn unfinished_hosts(world: &World) -> Result<BTreeMap<HostName, RunId>, JournalError> {
    let latest = world.journal.latest().await?.into_iter();
    Ok(latest.filter(|latest| !latest.ended).map(|latest| (latest.host, latest.run)).collect())
}

/// What a run has left to do.
///
/// # Errors
/// If the run is not in the journal, or the journal cannot be read.
pub async fn unfinished(world: &World, run: &RunId) -> Result<Unfinished, EngineError> {
    let left = left(world, run).await?;
    let cut = |story: &&Story| story.saga.as_ref().is_ok_and(crate::core::saga::Saga::window);
    Ok(Unfinished {
        cut: left.begun.iter().filter(cut).map(|story| story.host.clone()).collect(),
        begun: left.begun.into_iter().map(|story| story.host).collect(),
        stuck: left.stuck.into_iter().map(|(story, _)| story.host).collect(),
        waiting: left.waiting.into_iter().map(|plan| plan.host).collect(),
        run: left.meta,
    })
}

/// What a run has left to do. A host that a later run has touched is that run's.
pub(super) async fn left(world: &World, run: &RunId) -> Result<Left, EngineError> {
    let meta = meta(world, run).await?;
    let latest: BTreeMap<HostName, RunId> =
        world.journal.latest().await?.into_iter().map(|latest| (latest.host, latest.run)).collect();
    let runs = world.journal.runs().await?;
    let later: BTreeSet<RunId> =
        runs.into_iter().map(|known| known.id).take_while(|known| known != run).collect();
    let (mut plans, mut over, mut rollout) = (BTreeMap::new(), BTreeSet::new(), Rollout::default());
    for (_, note) in world.journal.notes(run).await? {
        match note {
            RunNote::Planned(planned) => {
                rollout = planned.rollout;
                plans = planned.plan.hosts.into_iter().map(|plan| (plan.host.clone(), plan)).collect();
            }
            RunNote::HostEnded {
                outcome: HostOutcome::Skipped(_) | HostOutcome::Locked(_) | HostOutcome::Unreachable(_),
                ..
            } => {}
            RunNote::HostEnded { host, .. } => drop(over.insert(host)),
            _ => {}
        }
    }
    let stories = stories(world, &meta).await?;
    over.extend(stories.iter().map(|story| story.host.clone()));
    let untouched = |host: &HostName| latest.get(host).is_none_or(|run| !later.contains(run));
    let waiting = plans.values().filter(|plan| {
        plan.verdict == Verdict::Change && !over.contains(&plan.host) && untouched(&plan.host)
    });
    let waiting = waiting.cloned().collect();
    let (mut begun, mut stuck) = (Vec::new(), Vec::new());
    for story in stories.into_iter().filter(|story| untouched(&story.host)) {
        match story.saga.as_ref().map(|saga| saga.end().cloned()) {
            Err(_) | Ok(None) => begun.push(story),
            Ok(Some(End::Stuck(reason))) => stuck.push((story, reason)),
            Ok(Some(End::Committed | End::Unwound(_))) => {}
        }
    }
    Ok(Left { meta, begun, stuck, waiting, plans, rollout })
}
