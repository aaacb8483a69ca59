//! Drives a machine in the engine's order, and dies at a given moment: before or after any append, before or after any effect.

use egressctl::core::plan::StepKind;
use egressctl::core::saga::{End, Next, Record};

use super::machine::Machine;
use super::world::{Answer, Step, World};

/// Why a driver stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    Died,
    Ended(End),
    /// The machine has done what it must not.
    Wrong(String),
}

/// One controller.
pub(super) struct Driver<'a> {
    pub(super) machine: Machine,
    pub(super) journal: &'a mut Vec<Record>,
    pub(super) world: &'a mut World,
    /// Moments that have passed, over all controllers.
    pub(super) moments: usize,
    pub(super) death: usize,
}

impl Driver<'_> {
    pub(super) fn run(&mut self) -> Stop {
        for _ in 0..200 {
            match self.step() {
                Ok(None) => {}
                Ok(Some(end)) => return Stop::Ended(end),
                Err(stop) => return stop,
            }
        }
        Stop::Wrong("it goes on for ever".to_owned())
    }

    fn moment(&mut self) -> Result<(), Stop> {
        self.moments += 1;
        if self.moments > self.death { Err(Stop::Died) } else { Ok(()) }
    }

    /// The journal first, then the machine.
    fn write(&mut self, record: &Record) -> Result<(), Stop> {
        self.moment()?;
        if let Some(record) = self.machine.writes(record.clone()) {
            self.journal.push(record);
        }
        self.moment()?;
        self.machine.record(record).map_err(Stop::Wrong)
    }

    /// The step that the newest record of the journal announces.
    fn announced(&self) -> Option<StepKind> {
        match self.journal.last() {
            Some(Record::Intent(op)) => Some(op.kind()),
            Some(Record::UndoIntent(step)) => Some(*step),
            _ => None,
        }
    }

    fn step(&mut self) -> Result<Option<End>, Stop> {
        match self.machine.next() {
            Next::Do(op) => {
                self.write(&Record::Intent(op.clone()))?;
                self.forward(&op)?;
            }
            Next::Settle(op) => self.forward(&op)?,
            Next::Undo(op, _) => {
                let step = op.kind();
                self.write(&Record::UndoIntent(step))?;
                self.moment()?;
                let announced = self.announced();
                let undone = if step == StepKind::Verify {
                    Ok(None)
                } else {
                    let op = self.machine.undoes(&op);
                    let announced = if op.kind() == step { announced } else { Some(op.kind()) };
                    self.world.undo(&op, announced)
                };
                self.moment()?;
                self.write(&match undone {
                    Ok(note) => Record::Undone(step, note),
                    Err(problem) => Record::UndoFailed(step, problem),
                })?;
            }
            Next::End(end) => {
                self.write(&Record::Ended(end.clone()))?;
                return Ok(Some(end));
            }
            Next::Nothing => {
                return self.machine.end().map(Some).ok_or_else(|| Stop::Wrong("no end".to_owned()));
            }
        }
        Ok(None)
    }

    fn forward(&mut self, op: &egressctl::core::plan::Op) -> Result<(), Stop> {
        self.moment()?;
        let announced = self.announced();
        let this = Step::of(op);
        if this.kind == StepKind::Configure && !self.world.refuses(this) {
            self.world.arm(this);
            self.moment()?;
        }
        let answer = self.world.perform(op, self.machine.known(), announced);
        self.moment()?;
        let step = op.kind();
        self.write(&match answer {
            Answer::Done(effect) => Record::Done(step, effect),
            Answer::Refused => Record::Refused(step, "no".to_owned()),
            Answer::Unknown => Record::Unknown(step, "no answer".to_owned()),
        })
    }
}
