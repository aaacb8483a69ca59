//! The one thread that holds the connection. Appends that wait while a commit is under way share the next one: one
//! sync of the disk, however many hosts wait for it.
//!
//! Must never answer an append before its commit, nor let the failure of a commit pass for anybody in it.

use std::sync::mpsc::{Receiver, TryRecvError};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::oneshot;

use super::row::{self, Line};
use crate::core::model::{HostName, RunId};
use crate::core::run::RunNote;
use crate::ports::{Latest, RunMeta};

/// An answer to one request; the error is a text for people.
pub(super) type Reply<T> = oneshot::Sender<Result<T, String>>;

/// What can be asked of the thread.
pub(super) enum Request {
    /// Writes something.
    Write(Write, Reply<()>),
    /// Reads all runs.
    Runs(Reply<Vec<RunMeta>>),
    /// Reads the records of a run.
    Lines(RunId, Reply<Vec<Line>>),
    /// Reads what is known last of every host.
    Latest(Reply<Vec<Latest>>),
    /// Reads the lines about a run as a whole.
    Notes(RunId, Reply<Vec<(i64, RunNote)>>),
}

/// What can be written.
pub(super) enum Write {
    /// A run begins.
    Run(RunMeta),
    /// A record, serialised by the one who asks, so that this thread does nothing but write.
    Record {
        /// Of which run.
        run: RunId,
        /// Of which host.
        host: HostName,
        /// Milliseconds since 1970-01-01T00:00:00Z.
        at_ms: i64,
        /// The record as JSON.
        json: String,
    },
    /// A line about a run as a whole, serialised likewise.
    Note {
        /// Of which run.
        run: RunId,
        /// Milliseconds since 1970-01-01T00:00:00Z.
        at_ms: i64,
        /// The line as JSON.
        json: String,
    },
}

/// Serves requests in the order in which they came until nobody can send any more.
pub(super) fn serve(mut conn: Connection, requests: &Receiver<Request>) {
    let mut carried = None;
    while let Some(request) = carried.take().or_else(|| requests.recv().ok()) {
        // An asker that has gone away needs no answer; what it wrote stays written.
        match request {
            Request::Runs(reply) => drop(reply.send(row::select_runs(&conn))),
            Request::Lines(run, reply) => drop(reply.send(row::select_lines(&conn, &run))),
            Request::Latest(reply) => drop(reply.send(row::select_latest(&conn))),
            Request::Notes(run, reply) => drop(reply.send(row::select_notes(&conn, &run))),
            Request::Write(write, reply) => {
                let mut batch = vec![(write, reply)];
                carried = loop {
                    match requests.try_recv() {
                        Ok(Request::Write(write, reply)) => batch.push((write, reply)),
                        Ok(read) => break Some(read),
                        Err(TryRecvError::Empty | TryRecvError::Disconnected) => break None,
                    }
                };
                commit(&mut conn, batch);
            }
        }
    }
}

/// Commits a batch and only then answers. What the layout forbids (a record of a run that was not begun) fails alone;
/// anything else fails the whole batch.
fn commit(conn: &mut Connection, batch: Vec<(Write, Reply<()>)>) {
    match try_commit(conn, &batch) {
        Ok(results) => {
            for ((_, reply), result) in batch.into_iter().zip(results) {
                drop(reply.send(result));
            }
        }
        Err(error) => {
            for (_, reply) in batch {
                drop(reply.send(Err(format!("cannot write: {error}"))));
            }
        }
    }
}

fn try_commit(
    conn: &mut Connection,
    batch: &[(Write, Reply<()>)],
) -> rusqlite::Result<Vec<Result<(), String>>> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut results = Vec::with_capacity(batch.len());
    for (write, _) in batch {
        results.push(match put(&tx, write) {
            Ok(()) => Ok(()),
            // Unless SQLite has given up the transaction, and with it what the others have written.
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
                    && !tx.is_autocommit() =>
            {
                Err(refusal(write, &error))
            }
            Err(error) => return Err(error),
        });
    }
    tx.commit()?;
    Ok(results)
}

fn put(conn: &Connection, write: &Write) -> rusqlite::Result<()> {
    match write {
        Write::Run(run) => row::insert_run(conn, run),
        Write::Record { run, host, at_ms, json } => row::insert_record(conn, run, host, *at_ms, json),
        Write::Note { run, at_ms, json } => row::insert_note(conn, run, *at_ms, json),
    }
}

fn refusal(write: &Write, error: &rusqlite::Error) -> String {
    match write {
        Write::Run(run) => format!("run {} cannot begin, there is one of that name ({error})", run.id),
        Write::Record { run, host, .. } => {
            format!("run {run} was not begun, so nothing can be kept of {host} ({error})")
        }
        Write::Note { run, .. } => {
            format!("run {run} was not begun, so nothing can be kept of it ({error})")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::journal::schema;
    use crate::ports::RunVerb;

    /// Serves these hosts' appends, all waiting before the first is looked at; returns the answers and what is kept.
    fn serve_at_once(hosts: &[&str], sql: &str) -> (Vec<Result<(), String>>, usize) {
        let mut conn = Connection::open_in_memory().unwrap();
        schema::migrate(&mut conn).unwrap();
        conn.execute_batch(sql).unwrap();
        let id: RunId = "r-1".parse().unwrap();
        let run = RunMeta { id: id.clone(), verb: RunVerb::Apply, started_ms: 0, inventory: String::new() };
        row::insert_run(&conn, &run).unwrap();
        let (requests, receiver) = channel();
        let mut answers = Vec::new();
        for host in hosts {
            let (reply, answer) = oneshot::channel();
            let json = r#"{"ended":"committed"}"#.to_owned();
            let run = if *host == "nowhere" { "r-404".parse().unwrap() } else { id.clone() };
            let write = Write::Record { run, host: host.parse().unwrap(), at_ms: 0, json };
            requests.send(Request::Write(write, reply)).unwrap();
            answers.push(answer);
        }
        let (reply, mut kept) = oneshot::channel();
        requests.send(Request::Lines(id, reply)).unwrap();
        drop(requests);
        serve(conn, &receiver);
        let answers = answers.iter_mut().map(|answer| answer.try_recv().unwrap()).collect();
        (answers, kept.try_recv().unwrap().unwrap().len())
    }

    #[test]
    fn a_commit_that_fails_fails_every_waiter() {
        let giving_up = "CREATE TRIGGER full BEFORE INSERT ON record WHEN NEW.host = 'last'
            BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END";
        let (answers, kept) = serve_at_once(&["first", "last", "after"], giving_up);
        for answer in answers {
            assert_eq!(answer, Err("cannot write: the disk is full".to_owned()));
        }
        assert_eq!(kept, 0, "all that waited were in one transaction");
    }

    #[test]
    fn what_the_layout_forbids_fails_alone() {
        let (answers, kept) = serve_at_once(&["first", "nowhere", "after"], "PRAGMA foreign_keys = ON");
        assert!(answers[0].is_ok() && answers[2].is_ok());
        assert!(answers[1].as_ref().unwrap_err().contains("run r-404 was not begun"), "{answers:?}");
        assert_eq!(kept, 2);
    }
}
