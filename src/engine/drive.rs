//! Driving one host's saga: asks it what comes next, writes the intent, does it, writes what came of it.
//!
//! Must never have an effect whose intent is not in the journal.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;

use super::ops::{Answer, HostTask};
use super::verify::{Probes, probe_until};
use crate::core::event::{Event, HostOutcome};
use crate::core::model::RunId;
use crate::core::observed::EipHolder;
use crate::core::plan::route::after;
use crate::core::plan::{Op, Other, RouteTarget, StepKind};
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
    /// Held while the EIP may be bound to nothing.
    permit: Option<OwnedSemaphorePermit>,
}

fn moves_the_eip(next: &Next) -> bool {
    match next {
        Next::Do(op) | Next::Settle(op) | Next::Undo(op, _) => {
            matches!(op.kind(), StepKind::Unassociate | StepKind::Associate)
        }
        Next::End(_) | Next::Nothing => false,
    }
}

impl<'a> Driver<'a> {
    pub(super) fn new(task: &'a HostTask, run: &'a RunId, saga: Saga) -> Self {
        Self { task, run, saga, steps: Vec::new(), probes: Probes::default(), permit: None }
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
        result.steps.append(&mut self.steps);
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

    /// Runs only until the EIP is bound again; what remains is for whoever resumes the run.
    ///
    /// # Errors
    /// If the journal cannot be written; nothing is done then that is not in it.
    pub(super) async fn close_window(mut self) -> (Saga, Vec<StepTime>, Result<(), JournalError>) {
        let mut closed = Ok(());
        while self.saga.window() && closed.is_ok() {
            let next = self.saga.next();
            if !moves_the_eip(&next) {
                break;
            }
            closed = self.step(next).await;
        }
        (self.saga, self.steps, closed)
    }

    /// Only has the host confirm the step that waits there, and writes that down; what remains is for whoever resumes the run.
    /// Where it is not confirmed nothing is written: resuming looks at the host again.
    pub(super) async fn confirm(
        mut self,
        route: &RouteTarget,
        other: Option<&Other>,
        result: &mut HostReport,
    ) {
        let begun = self.started(StepKind::Configure, false);
        let answer = self.task(true).confirm(route, other).await;
        let error = match &answer {
            Answer::Done(_) => None,
            Answer::Refused(reason) | Answer::Unknown(reason) => Some(reason.clone()),
        };
        self.finished(StepKind::Configure, false, begun, error);
        result.outcome = match answer {
            Answer::Done(effect) => match self.write(Record::Done(StepKind::Configure, effect)).await {
                Ok(()) => HostOutcome::Changed,
                Err(error) => HostOutcome::Unknown(format!("the host has confirmed, but {error}")),
            },
            Answer::Refused(reason) => HostOutcome::Refused(reason),
            Answer::Unknown(reason) => HostOutcome::Unknown(reason),
        };
        result.steps.append(&mut self.steps);
    }

    async fn drive(&mut self) -> Result<End, JournalError> {
        loop {
            match self.saga.next() {
                Next::Nothing => return Ok(self.saga.end().cloned().unwrap_or(End::Committed)),
                next => self.step(next).await?,
            }
        }
    }

    async fn step(&mut self, next: Next) -> Result<(), JournalError> {
        if self.permit.is_none() && (self.saga.window() || moves_the_eip(&next)) {
            self.permit = self.task.world.cutovers.permit().await;
        }
        match next {
            Next::Do(op) => {
                let op = op.complete(self.saga.known());
                self.write(Record::Intent(op.clone())).await?;
                self.forward(&op).await?;
            }
            Next::Settle(op) => self.settle(&op).await?,
            Next::Undo(op, effect) => self.backward(&op, &effect).await?,
            Next::End(end) => self.write(Record::Ended(end)).await?,
            Next::Nothing => {}
        }
        if !self.saga.window() {
            self.permit = None;
        }
        Ok(())
    }

    async fn backward(&mut self, op: &Op, effect: &Effect) -> Result<(), JournalError> {
        let step = op.kind();
        let again = self.saga.undo_is_open();
        self.write(Record::UndoIntent(step)).await?;
        let undone = if step == StepKind::Verify {
            Ok(None)
        } else {
            let begun = self.started(step, true);
            let task = self.task(again);
            let undone = self.undo(&task, op, effect).await;
            self.finished(step, true, begun, undone.as_ref().err().cloned());
            undone
        };
        self.write(match undone {
            Ok(note) => Record::Undone(step, note),
            Err(problem) => Record::UndoFailed(step, problem),
        })
        .await
    }

    /// Takes a step back, but never to a state in which nobody reaches the host.
    async fn undo(&self, task: &HostTask, op: &Op, effect: &Effect) -> Result<Option<String>, String> {
        let known = self.saga.known();
        if let Some(why) = self.saga.stays(op) {
            return Ok(Some(why));
        }
        match op {
            Op::AssociateEip if !self.saga.plans(StepKind::Unassociate) => {
                task.undo(op, effect, known).await?;
                let home = EipHolder::Instance(self.saga.began().instance.clone());
                task.give_back(known, &home, None).await?;
                Ok(Some("the EIP was bound to nothing before; it is on the instance now".to_owned()))
            }
            _ => task.undo(op, effect, known).await,
        }
    }

    /// The host's task as it is now: what the steps before have made of the host is what it was looked at for.
    fn task(&self, again: bool) -> HostTask {
        let task = HostTask { again, retries: self.saga.retries(), ..self.task.clone() };
        let facts = task.facts.map(|facts| {
            self.saga.done().iter().fold(facts, |facts, (op, effect)| match (op, effect.files()) {
                (Op::Configure { route, .. }, Some((files, _))) => Arc::new(after(&facts, route, &files)),
                _ => facts,
            })
        });
        HostTask { facts, ..task }
    }

    async fn forward(&mut self, op: &Op) -> Result<(), JournalError> {
        let step = op.kind();
        let answer = self.answer(op, false).await;
        self.write(match answer {
            Answer::Refused(reason) if !self.found_unbound(step) => {
                Record::Refused(step, format!("{}: {reason}", step.label()))
            }
            answer => self.outcome(step, answer),
        })
        .await
    }

    /// Finds out what came of a step whose outcome nobody wrote down: every step looks before it repeats anything.
    async fn settle(&mut self, op: &Op) -> Result<(), JournalError> {
        let step = op.kind();
        let answer = self.answer(op, true).await;
        self.write(match answer {
            // That it is refused now does not tell what became of it before: taking it back looks at that, too.
            Answer::Refused(reason) if !step.irreversible() && !self.found_unbound(step) => {
                Record::TurnedBack(format!("{}: {reason}", step.label()))
            }
            answer => self.outcome(step, answer),
        })
        .await
    }

    async fn answer(&mut self, op: &Op, again: bool) -> Answer {
        let step = op.kind();
        let begun = self.started(step, false);
        let answer = if step == StepKind::Verify {
            self.verify().await
        } else {
            self.task(again).perform(op, self.saga.known()).await
        };
        let error = match &answer {
            Answer::Done(_) => None,
            Answer::Refused(reason) | Answer::Unknown(reason) => Some(reason.clone()),
        };
        self.finished(step, false, begun, error);
        answer
    }

    /// The EIP was bound to nothing before the run: going back would lead to a host without an inbound address.
    fn found_unbound(&self, step: StepKind) -> bool {
        step == StepKind::Associate && !self.saga.plans(StepKind::Unassociate)
    }

    /// The record of an answer that does not turn the host back.
    fn outcome(&self, step: StepKind, answer: Answer) -> Record {
        let label = step.label();
        match answer {
            Answer::Done(effect) => Record::Done(step, effect),
            Answer::Refused(reason) if self.found_unbound(step) => Record::Unknown(
                step,
                format!("{label}: {reason}; the EIP is bound to nothing, as it was before"),
            ),
            Answer::Refused(reason) | Answer::Unknown(reason) => {
                Record::Unknown(step, format!("{label}: {reason}"))
            }
        }
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
        let kept = world.journal.append(self.run, &self.task.host.name, world.clock.now_ms(), record).await;
        // What one host's record has no room for, another's will not find either: no other one begins.
        kept.inspect_err(|error| world.stop.because(error.to_string()))
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
