//! Driving one host's saga: asks it what comes next, writes the intent, does it, writes what came of it.
//!
//! Must never have an effect whose intent is not in the journal.

use std::time::Instant;

use super::ops::{Answer, HostTask};
use super::verify::{Probes, probe_until};
use crate::core::event::{Event, HostOutcome};
use crate::core::model::RunId;
use crate::core::observed::EipHolder;
use crate::core::plan::{Op, StepKind};
use crate::core::report::{HostReport, StepTime, outage};
use crate::core::saga::{Effect, End, Next, Record, Saga};
use crate::ports::JournalError;

/// When a step began, by both clocks: one tells when, the other how long.
#[derive(Clone, Copy)]
struct Begun {
    at_ms: i64,
    instant: Instant,
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
        result.outage_ms = outage(&self.steps);
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

    fn started(&self, step: StepKind, undo: bool) -> Begun {
        self.task.world.events.emit(Event::StepStarted { host: self.task.host.name.clone(), step, undo });
        Begun { at_ms: self.task.world.clock.now_ms(), instant: Instant::now() }
    }

    fn finished(&mut self, step: StepKind, undo: bool, begun: Begun, error: Option<String>) {
        let host = self.task.host.name.clone();
        self.task.world.events.emit(Event::StepFinished { host, step, undo, error: error.clone() });
        self.steps.push(StepTime {
            step,
            undo,
            started_ms: Some(begun.at_ms),
            ms: u64::try_from(begun.instant.elapsed().as_millis()).unwrap_or(u64::MAX),
            error,
        });
    }
}
