//! The durable memory of runs: what is not in it has not been begun.

use async_trait::async_trait;

use crate::core::model::{HostName, RunId};
use crate::core::run::RunNote;
use crate::core::saga::Record;

/// What a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunMeta {
    /// Its id.
    pub id: RunId,
    /// What it does.
    pub verb: RunVerb,
    /// When it began, milliseconds since 1970-01-01T00:00:00Z.
    pub started_ms: i64,
    /// The inventory file as given on the command line.
    pub inventory: String,
}

/// What the journal knows last of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// The host.
    pub host: HostName,
    /// The run that wrote of it last.
    pub run: RunId,
    /// Its part of that run has ended, well or not.
    pub ended: bool,
}

/// What a run does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunVerb {
    /// Brings hosts to the desired state.
    Apply,
    /// Takes the hosts of that run back.
    Rollback(RunId),
}

/// The journal. `append` returns only when the record is on disk; if it fails, the effect it announces must not happen.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Begins a run.
    async fn begin(&self, run: &RunMeta) -> Result<(), JournalError>;
    /// Appends one record of one host.
    async fn append(
        &self,
        run: &RunId,
        host: &HostName,
        at_ms: i64,
        record: &Record,
    ) -> Result<(), JournalError>;
    /// Appends one line about the run as a whole.
    async fn note(&self, run: &RunId, at_ms: i64, note: &RunNote) -> Result<(), JournalError>;
    /// All runs, newest first.
    async fn runs(&self) -> Result<Vec<RunMeta>, JournalError>;
    /// All records of a run in the order they were appended.
    async fn records(&self, run: &RunId) -> Result<Vec<(HostName, i64, Record)>, JournalError>;
    /// The same, with a text in place of a record that is damaged: that is one host's trouble, not the run's.
    async fn lines(&self, run: &RunId) -> Result<Vec<(HostName, Result<Record, String>)>, JournalError> {
        let records = self.records(run).await?;
        Ok(records.into_iter().map(|(host, _, record)| (host, Ok(record))).collect())
    }
    /// For every host the run that wrote of it last.
    async fn latest(&self) -> Result<Vec<Latest>, JournalError>;
    /// All lines about a run as a whole in the order they were appended.
    async fn notes(&self, run: &RunId) -> Result<Vec<(i64, RunNote)>, JournalError>;
}

/// Why the journal could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("journal {path}: {message}")]
pub struct JournalError {
    /// The journal's file.
    pub path: String,
    /// What happened.
    pub message: String,
}
