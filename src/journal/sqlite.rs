//! The journal as an SQLite file: write-ahead log, full sync, readable by its owner only.
//!
//! Must never loosen permissions, and never open a file in a folder that others can write to.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::oneshot;

use super::schema;
use super::writer::{self, Reply, Request, Write};
use crate::core::model::{HostName, RunId};
use crate::core::run::RunNote;
use crate::core::saga::Record;
use crate::ports::{Journal, JournalError, Latest, RunMeta};

/// How long another process may hold the file's lock; a commit takes milliseconds.
const LOCK_WAIT: Duration = Duration::from_secs(20);

/// The journal in a file. Cheap to share by reference; the last one out waits until the thread has closed the file.
#[derive(Debug)]
pub struct SqliteJournal {
    path: String,
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl SqliteJournal {
    /// Opens or creates the journal. A missing folder is created for its owner only; the file always is.
    ///
    /// # Errors
    /// The path, what is wrong with it, and what to do.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let shown = path.display().to_string();
        let error = |message: String| JournalError { path: shown.clone(), message };
        prepare_folder(path).map_err(error)?;
        prepare_file(path).map_err(error)?;
        let conn = connect(path).map_err(error)?;
        let (requests, receiver) = channel();
        let thread = Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer::serve(conn, &receiver))
            .map_err(|e| error(format!("cannot start its thread: {e}")))?;
        Ok(Self { path: shown, requests: Some(requests), thread: Some(thread) })
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, JournalError> {
        let (reply, answer) = oneshot::channel();
        // A request that cannot be sent drops its reply, which the answer then tells.
        let _ = self.requests.as_ref().map(|requests| requests.send(request(reply)));
        let answer = answer.await.unwrap_or_else(|_| Err("its thread has ended".to_owned()));
        answer.map_err(|message| self.error(message))
    }

    fn error(&self, message: String) -> JournalError {
        JournalError { path: self.path.clone(), message }
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told its askers so already.
            let _ = thread.join();
        }
    }
}

/// An `append` that is dropped before it answers may still be kept: the record only announces, so that is harmless.
#[async_trait]
impl Journal for SqliteJournal {
    async fn begin(&self, run: &RunMeta) -> Result<(), JournalError> {
        self.ask(|reply| Request::Write(Write::Run(run.clone()), reply)).await
    }

    async fn append(
        &self,
        run: &RunId,
        host: &HostName,
        at_ms: i64,
        record: &Record,
    ) -> Result<(), JournalError> {
        let json = serde_json::to_string(record)
            .map_err(|e| self.error(format!("a record of {host} cannot be written down: {e}")))?;
        let write = Write::Record { run: run.clone(), host: host.clone(), at_ms, json };
        self.ask(|reply| Request::Write(write, reply)).await
    }

    async fn note(&self, run: &RunId, at_ms: i64, note: &RunNote) -> Result<(), JournalError> {
        let json = serde_json::to_string(note)
            .map_err(|e| self.error(format!("a line about {run} cannot be written down: {e}")))?;
        self.ask(|reply| Request::Write(Write::Note { run: run.clone(), at_ms, json }, reply)).await
    }

    async fn notes(&self, run: &RunId) -> Result<Vec<(i64, RunNote)>, JournalError> {
        self.ask(|reply| Request::Notes(run.clone(), reply)).await
    }

    async fn runs(&self) -> Result<Vec<RunMeta>, JournalError> {
        self.ask(Request::Runs).await
    }

    async fn records(&self, run: &RunId) -> Result<Vec<(HostName, i64, Record)>, JournalError> {
        let lines = self.ask(|reply| Request::Lines(run.clone(), reply)).await?;
        let whole = lines.into_iter().map(|line| Ok((line.host, line.at_ms, line.record?)));
        whole.collect::<Result<_, String>>().map_err(|message| self.error(message))
    }

    async fn lines(&self, run: &RunId) -> Result<Vec<(HostName, Result<Record, String>)>, JournalError> {
        let lines = self.ask(|reply| Request::Lines(run.clone(), reply)).await?;
        Ok(lines.into_iter().map(|line| (line.host, line.record)).collect())
    }

    async fn latest(&self) -> Result<Vec<Latest>, JournalError> {
        self.ask(Request::Latest).await
    }
}

fn prepare_folder(path: &Path) -> Result<(), String> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| {
        format!("cannot create the folder {} ({e}); create it or name another file", folder.display())
    })?;
    let mode = fs::metadata(folder)
        .map_err(|e| format!("cannot look at the folder {} ({e})", folder.display()))?
        .permissions()
        .mode();
    if mode & 0o022 == 0 {
        Ok(())
    } else {
        let folder = folder.display();
        Err(format!(
            "others can write to the folder {folder}; run `chmod go-w {folder}` or name another file"
        ))
    }
}

/// SQLite gives the log and the index beside the file the permissions of the file, so it must exist with the right ones
/// before SQLite sees it.
fn prepare_file(path: &Path) -> Result<(), String> {
    let file =
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(|e| {
            format!("cannot open it ({e}); it must be a file that you can read and write, in such a folder")
        })?;
    let mode = file.metadata().map_err(|e| e.to_string())?.permissions().mode();
    if mode & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))
            .map_err(|e| format!("others can read it ({e}); run `chmod 600 {}`", path.display()))?;
    }
    Ok(())
}

fn connect(path: &Path) -> Result<Connection, String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(|e| explain(&e))?;
    conn.busy_timeout(LOCK_WAIT).map_err(|e| explain(&e))?;
    conn.pragma_update(None, "foreign_keys", true).map_err(|e| explain(&e))?;
    conn.pragma_update(None, "synchronous", "FULL").map_err(|e| explain(&e))?;
    schema::migrate(&mut conn)?;
    let mode: String = conn
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|e| explain(&e))?;
    if mode.eq_ignore_ascii_case("wal") {
        Ok(conn)
    } else {
        Err("this file system cannot hold a write-ahead log; name a file on a local disk".to_owned())
    }
}

fn explain(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => format!(
            "it is damaged or not a journal ({error}); restore it, or move it away to begin a new one, \
             and then its runs can neither be resumed nor taken back"
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("another process has held it for {} s ({error})", LOCK_WAIT.as_secs())
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_synced_to_a_write_ahead_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.sqlite");
        prepare_file(&path).unwrap();
        let conn = connect(&path).unwrap();
        let pragma = |name| {
            conn.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap()
        };
        assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
        assert_eq!(pragma("synchronous"), 2.into(), "FULL");
        assert_eq!(pragma("foreign_keys"), 1.into());
    }
}
