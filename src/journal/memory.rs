//! A journal that forgets everything with the process, for tests of what rests on a journal.
//!
//! Must never be used by a command: a run that it holds cannot be resumed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::core::model::{HostName, RunId};
use crate::core::run::RunNote;
use crate::core::saga::Record;
use crate::ports::{Journal, JournalError, Latest, RunMeta};

/// The journal in memory. It can be told to fail, which is how a full disk or a crash looks to the engine.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    runs: Vec<RunMeta>,
    records: Vec<(RunId, HostName, i64, Record)>,
    notes: Vec<(RunId, i64, RunNote)>,
    appends: usize,
    failing: Option<Failing>,
}

impl State {
    /// Counts one more append, which may have been told to fail.
    fn append(&mut self) -> Result<(), JournalError> {
        self.appends += 1;
        let fails = match self.failing {
            None => false,
            Some(Failing::Nth(nth)) => self.appends == nth,
            Some(Failing::From(nth)) => self.appends >= nth,
        };
        if fails {
            return Err(error(format!("cannot write: append {} was told to fail", self.appends)));
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Failing {
    Nth(usize),
    From(usize),
}

impl MemoryJournal {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The `nth` append from now on, counted from 1, fails and keeps nothing; the others go on as before.
    pub fn fail_append(&self, nth: usize) {
        self.set(Failing::Nth(nth));
    }

    /// The `nth` append from now on, counted from 1, and all after it fail and keep nothing.
    pub fn fail_appends_from(&self, nth: usize) {
        self.set(Failing::From(nth));
    }

    fn set(&self, failing: Failing) {
        self.with(|state| {
            state.appends = 0;
            state.failing = Some(failing);
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn error(message: String) -> JournalError {
    JournalError { path: "in memory".to_owned(), message }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn begin(&self, run: &RunMeta) -> Result<(), JournalError> {
        self.with(|state| {
            if state.runs.iter().any(|known| known.id == run.id) {
                return Err(error(format!("run {} cannot begin, there is one of that name", run.id)));
            }
            state.runs.push(run.clone());
            Ok(())
        })
    }

    async fn append(
        &self,
        run: &RunId,
        host: &HostName,
        at_ms: i64,
        record: &Record,
    ) -> Result<(), JournalError> {
        self.with(|state| {
            state.append()?;
            if !state.runs.iter().any(|known| &known.id == run) {
                return Err(error(format!("run {run} was not begun, so nothing can be kept of {host}")));
            }
            state.records.push((run.clone(), host.clone(), at_ms, record.clone()));
            Ok(())
        })
    }

    async fn note(&self, run: &RunId, at_ms: i64, note: &RunNote) -> Result<(), JournalError> {
        self.with(|state| {
            state.append()?;
            if !state.runs.iter().any(|known| &known.id == run) {
                return Err(error(format!("run {run} was not begun, so nothing can be kept of it")));
            }
            state.notes.push((run.clone(), at_ms, note.clone()));
            Ok(())
        })
    }

    async fn notes(&self, run: &RunId) -> Result<Vec<(i64, RunNote)>, JournalError> {
        self.with(|state| {
            if !state.runs.iter().any(|known| &known.id == run) {
                return Err(error(format!("there is no run {run}")));
            }
            let of_run = state.notes.iter().filter(|(of, ..)| of == run);
            Ok(of_run.map(|(_, at_ms, note)| (*at_ms, note.clone())).collect())
        })
    }

    async fn runs(&self) -> Result<Vec<RunMeta>, JournalError> {
        Ok(self.with(|state| state.runs.iter().rev().cloned().collect()))
    }

    async fn records(&self, run: &RunId) -> Result<Vec<(HostName, i64, Record)>, JournalError> {
        self.with(|state| {
            if !state.runs.iter().any(|known| &known.id == run) {
                return Err(error(format!("there is no run {run}")));
            }
            let of_run = state.records.iter().filter(|(of, ..)| of == run);
            Ok(of_run.map(|(_, host, at_ms, record)| (host.clone(), *at_ms, record.clone())).collect())
        })
    }

    async fn latest(&self) -> Result<Vec<Latest>, JournalError> {
        Ok(self.with(|state| {
            let records = state.records.iter().map(|(run, host, _, record)| {
                let ended = matches!(record, Record::Ended(_));
                (host.clone(), Latest { host: host.clone(), run: run.clone(), ended })
            });
            records.collect::<BTreeMap<_, _>>().into_values().collect()
        }))
    }
}
