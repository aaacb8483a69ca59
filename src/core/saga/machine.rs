//! The machine of legal transitions.

use super::{Began, Effect, End, Record};
use crate::core::plan::{Known, KnownEip, KnownEni, Op, StepKind};

/// One host's run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saga {
    began: Began,
    known: Known,
    done: Vec<(Op, Effect)>,
    /// Steps whose undo failed, in the order of undoing.
    stuck: Vec<(Op, Effect)>,
    open: Option<Op>,
    mode: Mode,
    notes: Vec<String>,
    problems: Vec<String>,
    retries: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Mode {
    Forward,
    /// Taking back, for this reason; the step whose undo is under way.
    Backward {
        reason: String,
        open: Option<StepKind>,
    },
    /// It is known how it ends, and that is not written yet.
    Ending(End),
    Ended(End),
}

/// What has to happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Write the intent, then do this.
    Do(Op),
    /// An intent without an outcome was found: look at the world, then record what is true.
    Settle(Op),
    /// Write the undo intent, then take this step back.
    Undo(Op, Effect),
    /// Write the end.
    End(End),
    /// The end is written.
    Nothing,
}

/// A record that cannot follow what is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a record of {what} cannot follow here")]
pub struct Illegal {
    what: String,
}

impl Saga {
    /// The saga of a host whose run has just begun.
    #[must_use]
    pub fn new(began: Began) -> Self {
        let known = began.known.clone();
        Self {
            began,
            known,
            done: Vec::new(),
            stuck: Vec::new(),
            open: None,
            mode: Mode::Forward,
            notes: Vec::new(),
            problems: Vec::new(),
            retries: 0,
        }
    }

    /// How often somebody asked to try again what a human was needed for.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// The saga that these records describe; `None` if there are none.
    ///
    /// # Errors
    /// If the records are not what a saga writes.
    pub fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Option<Self>, Illegal> {
        let mut records = records.into_iter();
        let Some(first) = records.next() else { return Ok(None) };
        let Record::Began(began) = first else { return Err(Illegal { what: format!("{first:?}") }) };
        let mut saga = Self::new((**began).clone());
        for record in records {
            saga.record(record)?;
        }
        Ok(Some(saga))
    }

    /// What has to happen next.
    #[must_use]
    pub fn next(&self) -> Next {
        match &self.mode {
            Mode::Ended(_) => Next::Nothing,
            Mode::Ending(end) => Next::End(end.clone()),
            Mode::Forward => match &self.open {
                Some(op) => Next::Settle(op.clone()),
                None => match self.began.ops.get(self.done.len()) {
                    Some(op) => Next::Do(op.clone()),
                    None => Next::End(End::Committed),
                },
            },
            Mode::Backward { reason, .. } => match self.done.last() {
                Some((op, effect)) if !self.address_is_away(op.kind()) => {
                    Next::Undo(op.clone(), effect.clone())
                }
                _ if self.problems.is_empty() => Next::End(End::Unwound(reason.clone())),
                _ => Next::End(End::Stuck(format!("{reason}; then: {}", self.problems.join("; ")))),
            },
        }
    }

    /// The EIP could not be brought home, so this step must not be taken back: the EIP may still be on the interface, and
    /// then it needs the interface and the host's route.
    fn address_is_away(&self, step: StepKind) -> bool {
        let failed = self.stuck.last().map(|(op, _)| op.kind());
        matches!(failed, Some(StepKind::Associate | StepKind::Unassociate)) && step != StepKind::Unassociate
    }

    /// Takes note of what happened.
    ///
    /// # Errors
    /// If it cannot have happened after what is known; the saga is unchanged then.
    pub fn record(&mut self, record: &Record) -> Result<(), Illegal> {
        let illegal = || Illegal { what: format!("{record:?}") };
        match (&mut self.mode, record) {
            (Mode::Forward, Record::Intent(op)) if self.open.is_none() => {
                let planned = self.began.ops.get(self.done.len()).ok_or_else(illegal)?;
                if planned.kind() != op.kind() {
                    return Err(illegal());
                }
                self.open = Some(op.clone());
            }
            (Mode::Forward, Record::Done(step, effect)) => {
                let op = self.open.take_if(|op| op.kind() == *step).ok_or_else(illegal)?;
                learn(&mut self.known, effect);
                self.done.push((op, effect.clone()));
            }
            (Mode::Forward, Record::Refused(step, reason)) => {
                self.open.take_if(|op| op.kind() == *step).ok_or_else(illegal)?;
                self.mode = Mode::Backward { reason: reason.clone(), open: None };
            }
            (Mode::Forward, Record::Unknown(step, reason)) => {
                self.open.as_ref().filter(|op| op.kind() == *step).ok_or_else(illegal)?;
                self.mode = Mode::Ending(End::Stuck(reason.clone()));
            }
            (Mode::Backward { open: open @ None, .. }, Record::UndoIntent(step)) => {
                self.done.last().filter(|(op, _)| op.kind() == *step).ok_or_else(illegal)?;
                *open = Some(*step);
            }
            (Mode::Backward { open, .. }, Record::Undone(step, note)) if *open == Some(*step) => {
                *open = None;
                self.done.pop();
                self.notes.extend(note.clone());
                // An EIP that is home has left the interface, whatever was thought of that before.
                if *step == StepKind::Unassociate
                    && self.stuck.pop_if(|(op, _)| op.kind() == StepKind::Associate).is_some()
                {
                    self.problems.pop();
                }
            }
            (Mode::Backward { open, .. }, Record::UndoFailed(step, problem)) if *open == Some(*step) => {
                *open = None;
                self.stuck.extend(self.done.pop());
                self.problems.push(format!("{} was not taken back: {problem}", step.label()));
            }
            // A crash between the undo's intent and its outcome: undoing is idempotent and simply begins again.
            (Mode::Backward { open: Some(open), .. }, Record::UndoIntent(step)) if open == step => {}
            // From here on everything that was done is taken back, and so is a step whose outcome is not known, because
            // undoing looks at the world first.
            (_, Record::TurnedBack(reason)) => {
                self.done.extend(self.stuck.drain(..).rev());
                self.done.extend(self.open.take().map(|op| (op, Effect::Nothing)));
                self.mode = Mode::Backward { reason: reason.clone(), open: None };
                self.problems.clear();
                self.notes.clear();
            }
            // The step is settled by looking once more; where taking back was what failed, that is tried again.
            (Mode::Ended(End::Stuck(_)), Record::Retried) => {
                self.mode = if self.open.is_some() {
                    Mode::Forward
                } else {
                    self.done.extend(self.stuck.drain(..).rev());
                    Mode::Backward { reason: "taken back at the second try".to_owned(), open: None }
                };
                self.problems.clear();
                self.retries += 1;
            }
            (_, Record::Ended(end)) => {
                if self.next() != Next::End(end.clone()) {
                    return Err(illegal());
                }
                self.mode = Mode::Ended(end.clone());
            }
            _ => return Err(illegal()),
        }
        Ok(())
    }

    /// Identifiers and addresses as known by now.
    #[must_use]
    pub const fn known(&self) -> &Known {
        &self.known
    }

    /// The plan it follows.
    #[must_use]
    pub const fn began(&self) -> &Began {
        &self.began
    }

    /// Whether the plan has this step.
    #[must_use]
    pub fn plans(&self, step: StepKind) -> bool {
        self.began.ops.iter().any(|op| op.kind() == step)
    }

    /// Why a step is not taken back: the route was there before the run, and taking it away would not make it what it was.
    #[must_use]
    pub fn stays(&self, op: &Op) -> Option<String> {
        match op {
            Op::Configure { other: None, .. } if !self.plans(StepKind::Associate) => {
                Some("the policy route stays: the EIP was on the interface before, and needs it".to_owned())
            }
            Op::Configure { other: Some(other), .. } if other.was_there => {
                Some(format!("the policy route of {} stays: it was there before", other.eni))
            }
            _ => None,
        }
    }

    /// The steps that are done and not taken back, oldest first.
    #[must_use]
    pub fn done(&self) -> &[(Op, Effect)] {
        &self.done
    }

    /// The steps whose undo failed.
    pub fn stuck(&self) -> impl Iterator<Item = &Op> {
        self.stuck.iter().map(|(op, _)| op)
    }

    /// The step that was begun and has no outcome.
    #[must_use]
    pub const fn open(&self) -> Option<&Op> {
        self.open.as_ref()
    }

    /// Whether the EIP may be bound to nothing now because of this saga: it was, or may have been, unbound, and was not bound
    /// again. Such a host goes before everything else.
    #[must_use]
    pub fn window(&self) -> bool {
        let moves = |step: StepKind| matches!(step, StepKind::Unassociate | StepKind::Associate);
        let done = |step: StepKind| self.done.iter().any(|(op, _)| op.kind() == step);
        let unbound = done(StepKind::Unassociate) && !done(StepKind::Associate);
        match &self.mode {
            Mode::Forward => unbound || self.open.as_ref().is_some_and(|op| moves(op.kind())),
            Mode::Backward { open, .. } => unbound || open.is_some_and(moves),
            Mode::Ending(_) | Mode::Ended(_) => false,
        }
    }

    /// Whether the undo of a step was begun and its outcome is not written.
    #[must_use]
    pub const fn undo_is_open(&self) -> bool {
        matches!(self.mode, Mode::Backward { open: Some(_), .. })
    }

    /// How it ended, if it has.
    #[must_use]
    pub const fn end(&self) -> Option<&End> {
        match &self.mode {
            Mode::Ended(end) => Some(end),
            Mode::Forward | Mode::Backward { .. } | Mode::Ending(_) => None,
        }
    }

    /// What could not be taken back, for people.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

fn learn(known: &mut Known, effect: &Effect) {
    match effect {
        Effect::Nothing | Effect::Configured { .. } | Effect::Persisted { .. } => {}
        Effect::Converted { allocation, address } => {
            known.eip = Some(KnownEip { id: allocation.clone(), address: *address });
        }
        Effect::EniCreated { eni, mac, address } => {
            known.eni = Some(KnownEni { id: eni.clone(), mac: *mac, address: *address });
        }
        Effect::EniAttached { eni, mac, address } => {
            known.eni = Some(KnownEni { id: eni.clone(), mac: Some(*mac), address: Some(*address) });
        }
    }
}
