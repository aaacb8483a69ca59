//! Going on with a run whose process is gone: hosts without an inbound address first, then whatever was begun, then what was
//! approved and not begun. The records go on where they stopped, in the same run and with the same tokens.

use std::sync::Arc;

use super::apply::{self, lost, outcome_of, report_of};
use super::claim::{Claimed, claim};
use super::drive::Driver;
use super::history::Story;
use super::ops::HostTask;
use super::rollback::{
    RollbackHost, changed_since, empty_plan, finish, rollback_hosts, take_back, unexpected,
};
use super::rollout::{Terms, roll};
use super::unfinished::{Left, left};
use super::{Discovered, EngineError, World, discover, fleet};
use crate::core::event::{Event, HostOutcome, Stage};
use crate::core::inventory::HostDesired;
use crate::core::model::{HostName, RunId};
use crate::core::plan::{Code, Finding, HostPlan, Plan, Verdict, differences, plan};
use crate::core::report::{HostReport, StepTime};
use crate::core::run::RunNote;
use crate::core::saga::{End, Next, Record, Saga};
use crate::ports::RunVerb;

/// How far to go on.
#[derive(Clone, Default)]
pub struct Resume {
    /// Begin the hosts that were approved and not begun, too, on these terms; where they say nothing, on the run's own. A
    /// rollback has no terms. What failed before does not count against the budget: somebody has seen it and goes on.
    pub begin: Option<Terms>,
    /// Try again where a human was needed.
    pub retry_stuck: bool,
}

/// A host whose EIP was, or may have been, bound to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The host.
    pub host: HostName,
    /// What went wrong; the EIP is bound if nothing did.
    pub problem: Option<String>,
}

/// What one host needs.
enum Work {
    Nothing(HostOutcome),
    GoOn(Box<Story>, Vec<StepTime>),
}

/// Goes on with a run for those of its hosts that are among `hosts`. Open outage windows are closed before anything else is
/// looked at; then `discovered` is used, or the hosts are looked at now. A host that cannot be looked at is left as it is, and
/// so is one whose records are damaged.
///
/// # Errors
/// If the run is not in the journal, or the journal or the cloud cannot be read. The windows were closed by then if the
/// journal could be read.
pub async fn resume(
    world: &World,
    run: &RunId,
    hosts: &[&HostDesired],
    discovered: Option<&Discovered>,
    how: Resume,
) -> Result<Vec<HostReport>, EngineError> {
    let left = left(world, run).await?;
    let (verb, plans) = (left.meta.verb.clone(), left.plans.clone());
    let terms = how.begin.clone().map(|terms| {
        let rollout = terms.rollout.over(&left.rollout);
        Terms { rollout, ..terms }
    });
    let waiting = if how.begin.is_some() { left.waiting.clone() } else { Vec::new() };
    let work = sort(left, how.retry_stuck);
    let known = |name: &HostName| hosts.iter().find(|host| host.name == *name).copied();
    let work = work.into_iter().filter_map(|(name, work)| Some((known(&name)?.clone(), work)));
    let mut work: Vec<(HostDesired, Work)> = work.collect();
    let waiting = waiting.into_iter().filter_map(|plan| Some((known(&plan.host)?, plan)));
    let waiting: Vec<(&HostDesired, HostPlan)> = waiting.collect();
    if work.is_empty() && waiting.is_empty() {
        return Ok(Vec::new());
    }
    note(world, run, RunNote::Resumed { by: world.claims.operator.to_string() }).await?;
    close(world, run, &mut work).await;

    let begun: Vec<HostDesired> = work.iter().map(|(host, _)| host.clone()).collect();
    let concerned: Vec<&HostDesired> = begun.iter().chain(waiting.iter().map(|(host, _)| *host)).collect();
    let looked;
    let discovered = match discovered {
        Some(discovered) => discovered,
        None => {
            looked = discover(world, &concerned).await?;
            &looked
        }
    };
    let policy = world.policy();
    let mut fresh = plan(&concerned, &discovered.observed, &world.templates, &policy).hosts;
    let waiting_now = fresh.split_off(begun.len());
    let stage = if verb == RunVerb::Apply { Stage::Apply } else { Stage::Rollback };
    let back = verb != RunVerb::Apply;
    let items: Vec<(HostTask, HostPlan, Work)> = work
        .into_iter()
        .zip(fresh)
        .map(|((host, work), fresh)| {
            let approved = plans.get(&host.name).filter(|_| !back).cloned().unwrap_or(fresh);
            (apply::task(world, run.as_str(), &host, discovered, &approved), approved, work)
        })
        .collect();
    world.events.emit(Event::StageStarted { stage, hosts: items.len() });
    let id = Arc::new(run.clone());
    let results = fleet::each(world.settings.forks, items, |(task, approved, work)| {
        let run = Arc::clone(&id);
        async move {
            let result = match work {
                Work::Nothing(outcome) => report_of(&approved, outcome),
                Work::GoOn(story, steps) => {
                    let (own, run) = (task.clone(), Arc::clone(&run));
                    let ended =
                        fleet::alone(async move { go_on(&own, &run, *story, steps, back).await }).await;
                    ended.unwrap_or_else(|| report_of(&approved, unexpected()))
                }
            };
            let (host, outcome) = (result.name.clone(), result.outcome.clone());
            let ended = RunNote::HostEnded { host: host.clone(), outcome: outcome.clone() };
            if let Err(error) = note(&task.world, &run, ended).await {
                task.world.stop.because(error.to_string());
            }
            task.world.events.emit(Event::HostDone { stage, host, outcome });
            result
        }
    })
    .await;
    let gone = |host: &HostDesired| lost(world, stage, report_of(&empty_plan(host), unexpected()));
    let results = results.into_iter().zip(&begun);
    let mut results: Vec<HostReport> =
        results.map(|(result, host)| result.unwrap_or_else(|| gone(host))).collect();
    world.events.emit(Event::StageFinished { stage });
    results.extend(match (terms, verb) {
        (None, _) => Vec::new(),
        (Some(terms), RunVerb::Apply) => begin(world, run, waiting, waiting_now, discovered, terms).await,
        (Some(_), RunVerb::Rollback(of)) => {
            let left = rollback_hosts(world, &of).await?.into_iter();
            let one = |back: RollbackHost| {
                waiting.iter().find(|(host, _)| host.name == back.host).map(|(host, _)| (*host, back))
            };
            take_back(world, run, &left.filter_map(one).collect::<Vec<_>>(), discovered).await
        }
    });
    Ok(results)
}

/// Binds the EIP of every host of the run whose EIP may be bound to nothing, and does nothing else: to the interface as the
/// run meant to, or else to where it was. Asks the cloud only, never a host.
///
/// # Errors
/// If the run is not in the journal, or the journal cannot be read.
pub async fn close_windows(
    world: &World,
    run: &RunId,
    hosts: &[&HostDesired],
) -> Result<Vec<Closed>, EngineError> {
    let left = left(world, run).await?;
    let work = sort(left, false).into_iter().filter_map(|(name, work)| {
        hosts.iter().find(|host| host.name == name).map(|host| ((*host).clone(), work))
    });
    Ok(close(world, run, &mut work.collect::<Vec<_>>()).await)
}

/// What to do for each host, those without an inbound address first.
fn sort(left: Left, retry_stuck: bool) -> Vec<(HostName, Work)> {
    let run = &left.meta.id;
    let mut work = Vec::new();
    for story in left.begun {
        work.push((
            story.host.clone(),
            match &story.saga {
                Ok(_) => Work::GoOn(Box::new(story), Vec::new()),
                Err(damage) => Work::Nothing(HostOutcome::Unknown(format!("{damage}; nothing was done"))),
            },
        ));
    }
    for (mut story, reason) in left.stuck {
        let retried =
            retry_stuck && story.saga.as_mut().is_ok_and(|saga| saga.record(&Record::Retried).is_ok());
        let host = story.host.clone();
        work.push((host, if retried {
            story.records.push(Record::Retried);
            Work::GoOn(Box::new(story), Vec::new())
        } else {
            Work::Nothing(HostOutcome::Unknown(format!(
                "{reason}; once that is mended: egressctl resume {run} --retry-stuck, or egressctl rollback {run}"
            )))
        }));
    }
    work
}

/// Closes the windows among this work, all of them at once as far as the cap on cutovers allows.
async fn close(world: &World, run: &RunId, work: &mut Vec<(HostDesired, Work)>) -> Vec<Closed> {
    let (mut open, rest) = (Vec::new(), std::mem::take(work));
    for (host, part) in rest {
        match part {
            Work::GoOn(story, _)
                if story
                    .saga
                    .as_ref()
                    .is_ok_and(|saga| saga.window() && saga.began().instance == host.instance) =>
            {
                open.push((host, *story));
            }
            part => work.push((host, part)),
        }
    }
    let names: Vec<HostDesired> = open.iter().map(|(host, _)| host.clone()).collect();
    let nothing_seen = Discovered::default();
    let items = open.into_iter().map(|(host, story)| {
        (apply::task(world, run.as_str(), &host, &nothing_seen, &empty_plan(&host)), story)
    });
    let id = Arc::new(run.clone());
    let results = fleet::each(names.len(), items.collect(), |(task, story)| {
        let run = Arc::clone(&id);
        async move { close_one(&task, &run, story).await }
    })
    .await;
    let mut closed = Vec::new();
    for (result, host) in results.into_iter().zip(names) {
        let failed = "closing its window failed unexpectedly; its journal tells how far it came".to_owned();
        let (part, problem) = match result.unwrap_or(Err(failed)) {
            Ok((story, steps)) => {
                let end = story.saga.as_ref().ok().map(Saga::next);
                let problem = match end {
                    Some(Next::End(End::Stuck(reason))) => Some(reason),
                    _ => None,
                };
                (Work::GoOn(Box::new(story), steps), problem)
            }
            Err(problem) => (Work::Nothing(HostOutcome::Unknown(problem.clone())), Some(problem)),
        };
        closed.push(Closed { host: host.name.clone(), problem });
        work.insert(closed.len() - 1, (host, part));
    }
    closed
}

async fn close_one(task: &HostTask, run: &RunId, story: Story) -> Result<(Story, Vec<StepTime>), String> {
    let Story { host, saga, records, kept } = story;
    let driver = Driver::new(task, run, saga?);
    for record in records.get(kept..).unwrap_or_default() {
        driver.append(record).await.map_err(|error| error.to_string())?;
    }
    let kept = records.len();
    let (saga, steps, closed) = driver.close_window().await;
    closed.map_err(|error| error.to_string())?;
    Ok((Story { host, saga: Ok(saga), records, kept }, steps))
}

/// The host that a run was begun on, claimed for the run once more.
pub(super) async fn reclaim(task: &HostTask, run: &RunId, saga: &Saga) -> Result<Claimed, HostOutcome> {
    let (instance, other) = (&saga.began().instance, &task.host.instance);
    if instance != other {
        let what = format!("the run worked on {instance}, the inventory says {other}");
        return Err(HostOutcome::Refused(format!("{what}; nothing was changed")));
    }
    claim(task, run).await
}

/// A host that was begun, to its end.
pub(super) async fn go_on(
    task: &HostTask,
    run: &RunId,
    story: Story,
    steps: Vec<StepTime>,
    back: bool,
) -> HostReport {
    let mut result = report_of(&empty_plan(&task.host), HostOutcome::Ok);
    result.snat_expected.clone_from(&task.egress);
    result.steps = steps;
    let saga = match story.saga {
        Ok(saga) => saga,
        Err(damage) => {
            result.outcome = HostOutcome::Unknown(damage);
            return result;
        }
    };
    result.inbound = saga.known().inbound;
    let left = |obstacle: &str| {
        let at = if saga.window() { "its EIP may be bound to nothing" } else { "its address holds" };
        HostOutcome::Unknown(format!(
            "{obstacle}; it was left in the middle ({at}); once that is mended: egressctl resume {run}"
        ))
    };
    let claimed = match reclaim(task, run, &saga).await {
        Ok(claimed) => claimed,
        Err(outcome) => {
            let why = outcome.reason().unwrap_or("it could not be claimed");
            result.outcome = left(why.trim_end_matches("; nothing was changed"));
            return result;
        }
    };
    let view = &claimed.observed.cloud;
    let refused = if back { changed_since(&claimed.task, &saga, view) } else { None };
    match refused {
        Some(reason) => result.outcome = left(&reason),
        None => drive(&claimed.task, run, (saga, story.records, story.kept), back, &mut result).await,
    }
    result.notes.extend(claimed.release().await);
    result
}

async fn drive(
    task: &HostTask,
    run: &RunId,
    (saga, records, kept): (Saga, Vec<Record>, usize),
    back: bool,
    result: &mut HostReport,
) {
    let driver = Driver::new(task, run, saga);
    for record in records.get(kept..).unwrap_or_default() {
        if let Err(error) = driver.append(record).await {
            result.outcome = HostOutcome::Unknown(error.to_string());
            return;
        }
    }
    if back {
        finish(task, driver, result).await;
    } else {
        driver.finish(result).await;
    }
}

/// The hosts that were approved and not begun, wave by wave, if their plans are still the ones that were approved.
async fn begin(
    world: &World,
    run: &RunId,
    waiting: Vec<(&HostDesired, HostPlan)>,
    fresh: Vec<HostPlan>,
    discovered: &Discovered,
    terms: Terms,
) -> Vec<HostReport> {
    let hosts: Vec<&HostDesired> = waiting.iter().map(|(host, _)| *host).collect();
    let stale = |approved: &HostPlan, mut fresh: HostPlan| {
        if outcome_of(&fresh).is_none()
            && let Some(what) = differences(approved, &fresh)
        {
            fresh.verdict = Verdict::Stale;
            fresh.steps.clear();
            let why = "the run would not do what was approved";
            fresh.findings =
                vec![Finding::refusal(what, why, "nothing was changed: plan again").coded(Code::PlanStale)];
        }
        fresh
    };
    let plans = waiting.iter().zip(fresh).map(|((_, approved), fresh)| stale(approved, fresh));
    let plan = Plan { hosts: plans.collect() };
    if plan.hosts.is_empty() {
        Vec::new()
    } else {
        roll(world, run, (&hosts, discovered, &plan), terms, Ok(())).await
    }
}

async fn note(world: &World, run: &RunId, note: RunNote) -> Result<(), EngineError> {
    Ok(world.journal.note(run, world.clock.now_ms(), &note).await?)
}
