//! Applying a plan: one saga per host, many hosts at once, every intent in the journal before its effect.

use std::sync::Arc;
use std::time::Instant;

use super::ops::{Answer, HostTask};
use super::verify::{Probes, probe_until};
use super::{Discovered, World, fleet, probe};
use crate::core::event::{Event, HostOutcome, Stage};
use crate::core::inventory::HostDesired;
use crate::core::model::RunId;
use crate::core::observed::EipHolder;
use crate::core::plan::{HostPlan, Op, Plan, StepKind, Verdict};
use crate::core::report::{HostReport, StepTime};
use crate::core::saga::{Began, Effect, End, Next, Record, Saga};
use crate::ports::JournalError;

/// Applies the plan. Hosts without steps are reported as what they are and not touched; what goes wrong on one host is in
/// its report and stays there.
pub async fn apply(
    world: &World,
    run: &RunId,
    hosts: &[&HostDesired],
    discovered: &Discovered,
    plan: &Plan,
) -> Vec<HostReport> {
    let items: Vec<(HostTask, HostPlan)> = hosts
        .iter()
        .zip(&plan.hosts)
        .map(|(host, plan)| (task(world, run.as_str(), host, discovered, plan), plan.clone()))
        .collect();
    world.events.emit(Event::StageStarted { stage: Stage::Apply, hosts: items.len() });
    let run = Arc::new(run.clone());
    let results = fleet::each(world.settings.forks, items, |(task, plan)| {
        let run = Arc::clone(&run);
        async move {
            let stopped = || task.world.stop.not_begun().map(HostOutcome::Failed);
            let result = match outcome_of(&plan).or_else(stopped) {
                Some(outcome) => report_of(&plan, outcome),
                None => one_host(&task, &run, &plan).await,
            };
            let (host, outcome) = (result.name.clone(), result.outcome.clone());
            task.world.events.emit(Event::HostDone { stage: Stage::Apply, host, outcome });
            result
        }
    })
    .await;
    let lost = |plan: &HostPlan| {
        let reason = "its task failed unexpectedly; its journal tells how far it came".to_owned();
        lost(world, Stage::Apply, report_of(plan, HostOutcome::Unknown(reason)))
    };
    let results = results.into_iter().zip(&plan.hosts);
    let results = results.map(|(result, plan)| result.unwrap_or_else(|| lost(plan))).collect();
    world.events.emit(Event::StageFinished { stage: Stage::Apply });
    results
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
        host: host.clone(),
        run: run.to_owned(),
        facts: facts.cloned(),
        key: discovered.keys.get(&host.name).cloned(),
        primary_ip: primary.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED),
        address: host.address.or(primary).unwrap_or(std::net::Ipv4Addr::UNSPECIFIED),
        egress: plan.egress.clone(),
    }
}

/// The outcome of a host that is not touched; `None` if it is to be changed.
pub(super) fn outcome_of(plan: &HostPlan) -> Option<HostOutcome> {
    match plan.verdict {
        Verdict::Change => None,
        Verdict::Unchanged => Some(HostOutcome::Ok),
        Verdict::Refused => Some(HostOutcome::Refused(plan.reason())),
        Verdict::Unreachable => Some(HostOutcome::Unreachable(plan.reason())),
    }
}

async fn one_host(task: &HostTask, run: &RunId, plan: &HostPlan) -> HostReport {
    let began = Began {
        instance: plan.instance.clone(),
        known: plan.known.clone(),
        ops: plan.steps.iter().map(|step| step.op.clone()).collect(),
    };
    let driver = Driver::new(task, run, Saga::new(began.clone()));
    let mut result = report_of(plan, HostOutcome::Ok);
    if let Err(error) = driver.append(&Record::Began(Box::new(began))).await {
        result.outcome = HostOutcome::Failed(format!("{error}; nothing was changed"));
        return result;
    }
    result.egress_before = probe::egress(task).await;
    driver.finish(&mut result).await;
    result
}

/// Drives one saga to its end.
pub(super) struct Driver<'a> {
    task: &'a HostTask,
    run: &'a RunId,
    saga: Saga,
    steps: Vec<StepTime>,
    probes: Probes,
}

impl<'a> Driver<'a> {
    pub(super) fn new(task: &'a HostTask, run: &'a RunId, saga: Saga) -> Self {
        Self { task, run, saga, steps: Vec::new(), probes: Probes::default() }
    }

    /// The saga as it stands.
    pub(super) const fn saga(&self) -> &Saga {
        &self.saga
    }

    /// Runs to the end and fills in the result. A journal that cannot be written stops the host before the next effect.
    pub(super) async fn finish(mut self, result: &mut HostReport) {
        let end = self.drive().await;
        result.notes.extend(self.saga.notes().iter().cloned());
        result.steps = self.steps;
        result.checks = self.probes.checks;
        result.egress_after = self.probes.egress;
        result.outcome = match end {
            Ok(End::Committed) => HostOutcome::Changed,
            Ok(End::Unwound(reason)) => HostOutcome::Reverted(reason),
            Ok(End::Stuck(reason)) => HostOutcome::Unknown(reason),
            Err(error) => {
                let last = self.saga.open().or_else(|| self.saga.done().last().map(|(op, _)| op));
                let at = last.map_or("the beginning", |op| op.kind().label());
                HostOutcome::Unknown(format!("{error}; the host was left as it was then, at: {at}"))
            }
        };
    }

    async fn drive(&mut self) -> Result<End, JournalError> {
        loop {
            match self.saga.next() {
                Next::Do(op) => {
                    let op = self.task.complete(&op, self.saga.known());
                    self.write(Record::Intent(op.clone())).await?;
                    self.forward(&op).await?;
                }
                // Doing a step again settles it: every step looks before it repeats anything.
                Next::Settle(op) => self.forward(&op).await?,
                Next::Undo(op, effect) => {
                    let step = op.kind();
                    self.write(Record::UndoIntent(step)).await?;
                    let undone = if step == StepKind::Verify {
                        Ok(None)
                    } else {
                        let begun = self.started(step, true);
                        let undone = self.undo(&op, &effect).await;
                        self.finished(step, true, begun, undone.as_ref().err().cloned());
                        undone
                    };
                    self.write(match undone {
                        Ok(note) => Record::Undone(step, note),
                        Err(problem) => Record::UndoFailed(step, problem),
                    })
                    .await?;
                }
                Next::End(end) => {
                    self.write(Record::Ended(end.clone())).await?;
                    return Ok(end);
                }
                Next::Nothing => return Ok(self.saga.end().cloned().unwrap_or(End::Committed)),
            }
        }
    }

    /// Takes a step back, but never to a state in which nobody reaches the host.
    async fn undo(&self, op: &Op, effect: &Effect) -> Result<Option<String>, String> {
        let known = self.saga.known();
        match op {
            Op::Configure { .. } if !self.saga.plans(StepKind::Associate) => Ok(Some(
                "the policy route stays: the EIP was on the interface before, and needs it".to_owned(),
            )),
            Op::AssociateEip if !self.saga.plans(StepKind::Unassociate) => {
                self.task.undo(op, effect, known).await?;
                let home = EipHolder::Instance(self.saga.began().instance.clone());
                self.task.give_back(known, &home, None).await?;
                Ok(Some("the EIP was bound to nothing before; it is on the instance now".to_owned()))
            }
            _ => self.task.undo(op, effect, known).await,
        }
    }

    async fn forward(&mut self, op: &Op) -> Result<(), JournalError> {
        let step = op.kind();
        let begun = self.started(step, false);
        let answer = if step == StepKind::Verify {
            self.verify().await
        } else {
            self.task.perform(op, self.saga.known()).await
        };
        let error = match &answer {
            Answer::Done(_) => None,
            Answer::Refused(reason) | Answer::Unknown(reason) => Some(reason.clone()),
        };
        self.finished(step, false, begun, error);
        let found_unbound = step == StepKind::Associate && !self.saga.plans(StepKind::Unassociate);
        self.write(match answer {
            Answer::Done(effect) => Record::Done(step, effect),
            // Going back would lead to where it began: a host without an inbound address.
            Answer::Refused(reason) if found_unbound => {
                let label = step.label();
                Record::Unknown(
                    step,
                    format!("{label}: {reason}; the EIP is bound to nothing, as it was before"),
                )
            }
            Answer::Refused(reason) => Record::Refused(step, format!("{}: {reason}", step.label())),
            Answer::Unknown(reason) => Record::Unknown(step, format!("{}: {reason}", step.label())),
        })
        .await
    }

    async fn verify(&mut self) -> Answer {
        self.probes = probe_until(self.task, self.saga.known(), self.task.world.settings.settle).await;
        match self.probes.failures() {
            None => Answer::Done(Effect::Nothing),
            Some(failures) => Answer::Refused(failures),
        }
    }

    async fn write(&mut self, record: Record) -> Result<(), JournalError> {
        self.append(&record).await?;
        self.saga.record(&record).map_err(|illegal| JournalError {
            path: format!("run {}, host {}", self.run, self.task.host.name),
            message: illegal.to_string(),
        })
    }

    pub(super) async fn append(&self, record: &Record) -> Result<(), JournalError> {
        let world = &self.task.world;
        world.journal.append(self.run, &self.task.host.name, world.clock.now_ms(), record).await
    }

    fn started(&self, step: StepKind, undo: bool) -> Instant {
        self.task.world.events.emit(Event::StepStarted { host: self.task.host.name.clone(), step, undo });
        Instant::now()
    }

    fn finished(&mut self, step: StepKind, undo: bool, begun: Instant, error: Option<String>) {
        let host = self.task.host.name.clone();
        self.task.world.events.emit(Event::StepFinished { host, step, undo, error: error.clone() });
        self.steps.push(StepTime {
            step,
            undo,
            ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            error,
        });
    }
}
