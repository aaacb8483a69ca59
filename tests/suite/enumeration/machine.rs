//! The machine under test: the real saga, or the real saga made wrong in one way.

use egressctl::core::plan::{Known, Op, StepKind};
use egressctl::core::saga::{Effect, End, Next, Record, Saga};

/// One way to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    /// Intents are not written.
    SkipsTheIntent,
    /// The interface is not taken off again.
    ForgetsAnUndo,
    /// An unknown outcome counts as none.
    TakesUnknownForRefused,
    /// Steps are taken back in the order in which they were done.
    UndoesInTheWrongOrder,
    /// A step without an outcome counts as done after a crash.
    CommitsWithAnOpenStep,
    /// The newest record is not read after a crash.
    ReplaysWithoutTheLastRecord,
    /// What steps brought is not remembered after a crash.
    ForgetsWhatWasLearnt,
    /// The end is written before everything is taken back.
    EndsBeforeTheLastUndo,
    /// Of two routes the first one is meant, whichever is taken back.
    MixesUpTheRoutes,
}

impl Mutant {
    pub(super) const ALL: [Self; 9] = [
        Self::SkipsTheIntent,
        Self::ForgetsAnUndo,
        Self::TakesUnknownForRefused,
        Self::UndoesInTheWrongOrder,
        Self::CommitsWithAnOpenStep,
        Self::ReplaysWithoutTheLastRecord,
        Self::ForgetsWhatWasLearnt,
        Self::EndsBeforeTheLastUndo,
        Self::MixesUpTheRoutes,
    ];
}

/// A saga, wrong or not.
pub(super) struct Machine {
    saga: Saga,
    mutant: Option<Mutant>,
    known: Known,
}

impl Machine {
    pub(super) fn replay(mutant: Option<Mutant>, records: &[Record]) -> Result<Self, String> {
        let mut records = records;
        if mutant == Some(Mutant::ReplaysWithoutTheLastRecord) && records.len() > 1 {
            records = &records[..records.len() - 1];
        }
        let saga =
            Saga::replay(records).map_err(|error| format!("the journal cannot be replayed: {error}"))?;
        let mut saga = saga.ok_or("the journal is empty")?;
        if let (Some(Mutant::CommitsWithAnOpenStep), Next::Settle(op)) = (mutant, saga.next()) {
            let done = Record::Done(op.kind(), super::world::effect(op.kind()));
            saga.record(&done).map_err(|error| error.to_string())?;
        }
        let known = match mutant {
            Some(Mutant::ForgetsWhatWasLearnt) => saga.began().known.clone(),
            _ => saga.known().clone(),
        };
        Ok(Self { saga, mutant, known })
    }

    pub(super) fn next(&self) -> Next {
        let next = self.saga.next();
        match (self.mutant, &next) {
            (Some(Mutant::EndsBeforeTheLastUndo), Next::Undo(op, _)) if op.kind() == StepKind::CreateEni => {
                Next::End(End::Unwound("early".to_owned()))
            }
            _ => next,
        }
    }

    /// What is written of a record; `None` is nothing.
    pub(super) fn writes(&self, record: Record) -> Option<Record> {
        match (self.mutant, record) {
            (Some(Mutant::SkipsTheIntent), Record::Intent(_)) => None,
            (Some(Mutant::TakesUnknownForRefused), Record::Unknown(step, why)) => {
                Some(Record::Refused(step, why))
            }
            (_, record) => Some(record),
        }
    }

    pub(super) fn record(&mut self, record: &Record) -> Result<(), String> {
        let record = match (self.mutant, record) {
            (Some(Mutant::TakesUnknownForRefused), Record::Unknown(step, why)) => {
                Record::Refused(*step, why.clone())
            }
            // It has said so already.
            (Some(Mutant::EndsBeforeTheLastUndo), Record::Ended(End::Unwound(why))) if why == "early" => {
                return Ok(());
            }
            _ => record.clone(),
        };
        self.saga.record(&record).map_err(|error| error.to_string())?;
        if let (Record::Done(..), true) = (&record, self.mutant != Some(Mutant::ForgetsWhatWasLearnt)) {
            self.known = self.saga.known().clone();
        }
        Ok(())
    }

    /// The step that is taken back when this one should be.
    pub(super) fn undoes(&self, op: &Op) -> Op {
        let done: Vec<&(Op, Effect)> = self.saga.done().iter().collect();
        match self.mutant {
            Some(Mutant::ForgetsAnUndo) if op.kind() == StepKind::AttachEni => {
                // One that changes nothing stands in for it.
                done.first().map_or_else(|| op.clone(), |(first, _)| first.clone())
            }
            Some(Mutant::UndoesInTheWrongOrder) => {
                let all = &self.saga.began().ops;
                let from_the_end = all.iter().rev().position(|other| other.kind() == op.kind());
                from_the_end.and_then(|at| all.get(at)).cloned().unwrap_or_else(|| op.clone())
            }
            Some(Mutant::MixesUpTheRoutes) => {
                let mut all = self.saga.began().ops.iter();
                all.find(|first| first.kind() == op.kind()).cloned().unwrap_or_else(|| op.clone())
            }
            _ => op.clone(),
        }
    }

    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    pub(super) fn end(&self) -> Option<End> {
        self.saga.end().cloned()
    }
}
