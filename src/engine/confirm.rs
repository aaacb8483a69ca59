//! Confirming what a process that is gone has left armed on hosts, and nothing more: resuming a run up to the hosts' own part.
//!
//! Must never begin anything, nor touch the cloud: what is confirmed is what the run has approved and the host has already.

use std::sync::Arc;

use super::apply::{self, lost, report_of};
use super::drive::Driver;
use super::history::Story;
use super::ops::HostTask;
use super::resume::reclaim;
use super::rollback::{empty_plan, unexpected};
use super::unfinished::left;
use super::{EngineError, World, discover, fleet};
use crate::core::event::{Event, HostOutcome, Stage};
use crate::core::inventory::HostDesired;
use crate::core::model::RunId;
use crate::core::plan::Op;
use crate::core::report::HostReport;
use crate::ports::RunVerb;

/// Confirms, over new connections, what waits on those of `hosts` that the run has left in the middle. The host must be the one
/// of the journal, its lease free or the run's own, its guard the run's and whole, and its probes must hold.
///
/// # Errors
/// If the run is not in the journal, or the journal or the cloud cannot be read.
pub async fn confirm(
    world: &World,
    run: &RunId,
    hosts: &[&HostDesired],
) -> Result<Vec<HostReport>, EngineError> {
    let left = left(world, run).await?;
    if left.meta.verb != RunVerb::Apply {
        return Err(EngineError::Run(format!(
            "run {run} is a rollback: no change of it waits to be confirmed"
        )));
    }
    let known = |story: &Story| hosts.iter().find(|host| host.name == story.host).copied();
    let stories = left.begun.into_iter().chain(left.stuck.into_iter().map(|(story, _)| story));
    let begun: Vec<(&HostDesired, Story)> =
        stories.filter_map(|story| Some((known(&story)?, story))).collect();
    // The addresses by which they are managed.
    let concerned: Vec<&HostDesired> = begun.iter().map(|(host, _)| *host).collect();
    let (cloud, _) = discover::view(world, &concerned, None).await?;
    let mut seen = super::Discovered::default();
    seen.observed.cloud = cloud;
    world.events.emit(Event::StageStarted { stage: Stage::Confirm, hosts: begun.len() });
    let items = begun
        .into_iter()
        .map(|(host, story)| (apply::task(world, run.as_str(), host, &seen, &empty_plan(host)), story));
    let id = Arc::new(run.clone());
    let results = fleet::each(world.settings.forks, items.collect(), |(task, story)| {
        let run = Arc::clone(&id);
        async move {
            let result = one(&task, &run, story).await;
            let (host, outcome) = (result.name.clone(), result.outcome.clone());
            task.world.events.emit(Event::HostDone { stage: Stage::Confirm, host, outcome });
            result
        }
    })
    .await;
    let gone = |host: &HostDesired| lost(world, Stage::Confirm, report_of(&empty_plan(host), unexpected()));
    let results = results.into_iter().zip(concerned);
    let results = results.map(|(result, host)| result.unwrap_or_else(|| gone(host))).collect();
    world.events.emit(Event::StageFinished { stage: Stage::Confirm });
    Ok(results)
}

async fn one(task: &HostTask, run: &RunId, story: Story) -> HostReport {
    let mut result = report_of(&empty_plan(&task.host), HostOutcome::Ok);
    let saga = match story.saga {
        Ok(saga) => saga,
        Err(damage) => {
            result.outcome = HostOutcome::Unknown(format!("{damage}; nothing was done"));
            return result;
        }
    };
    result.inbound = saga.known().inbound;
    let Some(Op::Configure { route, other }) = saga.open().filter(|_| saga.end().is_none()).cloned() else {
        let why = "the run has not left its part on the host open, so nothing waits to be confirmed";
        result.outcome = HostOutcome::Refused(format!("{why}; to go on: egressctl resume {run}"));
        return result;
    };
    match reclaim(task, run, &saga).await {
        Ok(claimed) => {
            Driver::new(&claimed.task, run, saga).confirm(&route, other.as_ref(), &mut result).await;
            if result.outcome == HostOutcome::Changed {
                result.notes.push(format!("its part is confirmed; the rest of it: egressctl resume {run}"));
            }
            result.notes.extend(claimed.release().await);
        }
        Err(outcome) => result.outcome = outcome,
    }
    result
}
