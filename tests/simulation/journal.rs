//! A journal that keeps what was appended when its controller is killed: records as the text that a file would hold.

use std::collections::BTreeMap;

use async_trait::async_trait;
use egressctl::core::model::{HostName, RunId};
use egressctl::core::run::RunNote;
use egressctl::core::saga::Record;
use egressctl::ports::{Journal, JournalError, Latest, RunMeta};
use tokio::time::Instant;

use super::faults::Faults;
use super::universe::{Event, Universe};

/// What one operator's file holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    pub(crate) runs: Vec<RunMeta>,
    /// As they are read back from their text.
    records: Vec<(RunId, HostName, i64, Record)>,
    notes: Vec<(RunId, i64, RunNote)>,
    last: BTreeMap<HostName, (RunId, Record)>,
}

impl Book {
    /// The newest record of a host.
    pub(crate) fn last(&self, host: &HostName) -> Option<&(RunId, Record)> {
        self.last.get(host)
    }

    /// All records of a run.
    pub(crate) fn records(&self, run: &RunId) -> impl Iterator<Item = (&HostName, i64, &Record)> {
        let of_run = self.records.iter().filter(move |(of, ..)| of == run);
        of_run.map(|(_, host, at, record)| (host, *at, record))
    }
}

/// One controller's way to one book.
pub(crate) struct SimJournal {
    pub(crate) universe: Universe,
    pub(crate) life: u64,
    pub(crate) book: usize,
}

fn error(message: impl Into<String>) -> JournalError {
    JournalError { path: "simulated".to_owned(), message: message.into() }
}

impl SimJournal {
    /// Whether the disk takes it this time.
    fn writable(&self) -> Result<(), JournalError> {
        let mut state = self.universe.state();
        let chance = state.faults.journal;
        if Faults::hits(&mut state.rng, chance) {
            (0..state.hosts.len()).for_each(|host| state.excuse(host));
            return Err(error("the disk is full"));
        }
        Ok(())
    }
}

#[async_trait]
impl Journal for SimJournal {
    async fn begin(&self, run: &RunMeta) -> Result<(), JournalError> {
        self.universe.point(self.life).await;
        let mut state = self.universe.state();
        let runs = &mut state.books[self.book].runs;
        if runs.iter().any(|known| known.id == run.id) {
            return Err(error("there is a run of that name"));
        }
        runs.push(run.clone());
        Ok(())
    }

    async fn append(
        &self,
        run: &RunId,
        host: &HostName,
        at_ms: i64,
        record: &Record,
    ) -> Result<(), JournalError> {
        self.universe.point(self.life).await;
        self.writable()?;
        {
            let mut state = self.universe.state();
            let json = serde_json::to_string(record).map_err(|why| error(why.to_string()))?;
            let index = state.hosts.iter().position(|known| known.name == *host);
            let index = index.ok_or_else(|| error("there is no such host"))?;
            let book = &mut state.books[self.book];
            let kept: Record = serde_json::from_str(&json).map_err(|why| error(why.to_string()))?;
            book.last.insert(host.clone(), (run.clone(), kept.clone()));
            book.records.push((run.clone(), host.clone(), at_ms, kept));
            state.happened(Instant::now(), &Event::Append { host: index, json });
        }
        self.universe.point(self.life).await;
        Ok(())
    }

    async fn note(&self, run: &RunId, at_ms: i64, note: &RunNote) -> Result<(), JournalError> {
        self.universe.point(self.life).await;
        self.writable()?;
        {
            let mut state = self.universe.state();
            let json = serde_json::to_string(note).map_err(|why| error(why.to_string()))?;
            let kept = serde_json::from_str(&json).map_err(|why| error(why.to_string()))?;
            state.books[self.book].notes.push((run.clone(), at_ms, kept));
            state.happened(Instant::now(), &Event::Told { text: json });
        }
        self.universe.point(self.life).await;
        Ok(())
    }

    async fn runs(&self) -> Result<Vec<RunMeta>, JournalError> {
        self.universe.living(self.life).await;
        Ok(self.universe.state().books[self.book].runs.iter().rev().cloned().collect())
    }

    async fn records(&self, run: &RunId) -> Result<Vec<(HostName, i64, Record)>, JournalError> {
        self.universe.living(self.life).await;
        let state = self.universe.state();
        let records = state.books[self.book].records(run);
        Ok(records.map(|(host, at, record)| (host.clone(), at, record.clone())).collect())
    }

    async fn latest(&self) -> Result<Vec<Latest>, JournalError> {
        self.universe.living(self.life).await;
        let state = self.universe.state();
        let last = state.books[self.book].last.iter();
        let latest = |(host, (run, record)): (&HostName, &(RunId, Record))| Latest {
            host: host.clone(),
            run: run.clone(),
            ended: matches!(record, Record::Ended(_)),
        };
        Ok(last.map(latest).collect())
    }

    async fn notes(&self, run: &RunId) -> Result<Vec<(i64, RunNote)>, JournalError> {
        self.universe.living(self.life).await;
        let state = self.universe.state();
        let of_run = state.books[self.book].notes.iter().filter(|(of, ..)| of == run);
        Ok(of_run.map(|(_, at, note)| (*at, note.clone())).collect())
    }
}
