//! Between the port's types and columns of text: a run's verb, its id, a host's name, a record.
//!
//! Must never panic on what a file holds: every value is checked, and an error names the run and the row.

use rusqlite::{Connection, Row, params};

use crate::core::model::{HostName, RunId};
use crate::core::run::RunNote;
use crate::core::saga::Record;
use crate::ports::{Latest, RunMeta, RunVerb};

/// Writes the row of a run.
pub(super) fn insert_run(conn: &Connection, run: &RunMeta) -> rusqlite::Result<()> {
    let (verb, of_run) = match &run.verb {
        RunVerb::Apply => ("apply", None),
        RunVerb::Rollback(of) => ("rollback", Some(of.as_str())),
    };
    conn.prepare("INSERT INTO run (id, verb, of_run, started_ms, inventory) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![run.id.as_str(), verb, of_run, run.started_ms, run.inventory])?;
    Ok(())
}

/// Writes the row of a record, already serialised.
pub(super) fn insert_record(
    conn: &Connection,
    run: &RunId,
    host: &HostName,
    at_ms: i64,
    json: &str,
) -> rusqlite::Result<()> {
    conn.prepare("INSERT INTO record (run, host, at_ms, record) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![run.as_str(), host.as_str(), at_ms, json])?;
    Ok(())
}

/// Writes the row of a line about a run, already serialised.
pub(super) fn insert_note(conn: &Connection, run: &RunId, at_ms: i64, json: &str) -> rusqlite::Result<()> {
    conn.prepare("INSERT INTO note (run, at_ms, note) VALUES (?1, ?2, ?3)")?.execute(params![
        run.as_str(),
        at_ms,
        json
    ])?;
    Ok(())
}

/// Reads all runs, newest first: in the order in which they were begun, because a clock may have been set back.
pub(super) fn select_runs(conn: &Connection) -> Result<Vec<RunMeta>, String> {
    let mut statement = conn
        .prepare("SELECT id, verb, of_run, started_ms, inventory FROM run ORDER BY seq DESC")
        .map_err(|e| e.to_string())?;
    let mut rows = statement.query([]).map_err(|e| e.to_string())?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next().map_err(|e| e.to_string())? {
        runs.push(read_run(row)?);
    }
    Ok(runs)
}

fn read_run(row: &Row<'_>) -> Result<RunMeta, String> {
    let id: String = column(row, 0, "id").map_err(|e| format!("table run: {e}"))?;
    let damaged = |what: String| format!("run {id:?} is damaged: {what}");
    let verb: String = column(row, 1, "verb").map_err(damaged)?;
    let of_run: Option<String> = column(row, 2, "of_run").map_err(damaged)?;
    let verb = match (verb.as_str(), of_run) {
        ("apply", None) => RunVerb::Apply,
        ("rollback", Some(of)) => RunVerb::Rollback(of.parse().map_err(|e| damaged(format!("of_run: {e}")))?),
        (other, _) => return Err(damaged(format!("verb {other:?} is not known, or does not fit of_run"))),
    };
    Ok(RunMeta {
        id: id.parse().map_err(|e| damaged(format!("id: {e}")))?,
        verb,
        started_ms: column(row, 3, "started_ms").map_err(damaged)?,
        inventory: column(row, 4, "inventory").map_err(damaged)?,
    })
}

/// A row of a record: its place, and the record or why it cannot be read.
pub(super) struct Line {
    pub(super) host: HostName,
    pub(super) at_ms: i64,
    pub(super) record: Result<Record, String>,
}

/// Reads the records of a run in the order in which they were committed.
pub(super) fn select_lines(conn: &Connection, run: &RunId) -> Result<Vec<Line>, String> {
    must_exist(conn, run)?;
    let mut statement = conn
        .prepare("SELECT seq, host, at_ms, record FROM record WHERE run = ?1 ORDER BY seq")
        .map_err(|e| e.to_string())?;
    let mut rows = statement.query([run.as_str()]).map_err(|e| e.to_string())?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next().map_err(|e| format!("run {run}: {e}"))? {
        lines.push(read_line(row, run)?);
    }
    Ok(lines)
}

fn read_line(row: &Row<'_>, run: &RunId) -> Result<Line, String> {
    let seq: i64 = column(row, 0, "seq").map_err(|e| format!("run {run}: {e}"))?;
    let damaged = |what: String| format!("run {run}, row {seq} is damaged: {what}");
    let host: String = column(row, 1, "host").map_err(damaged)?;
    let host: HostName = host.parse().map_err(|e| damaged(format!("host: {e}")))?;
    let at_ms = column(row, 2, "at_ms").map_err(damaged)?;
    let json: Result<String, String> = column(row, 3, "record");
    let of_host = |e: serde_json::Error| format!("record of host {host}: {e}");
    let record = json.and_then(|json| serde_json::from_str(&json).map_err(of_host)).map_err(damaged);
    Ok(Line { host, at_ms, record })
}

/// Reads what the last record of every host says.
pub(super) fn select_latest(conn: &Connection) -> Result<Vec<Latest>, String> {
    let mut statement = conn
        .prepare(
            "SELECT host, run, record LIKE '{\"ended\":%' FROM record
             WHERE seq IN (SELECT max(seq) FROM record GROUP BY host) ORDER BY host",
        )
        .map_err(|e| e.to_string())?;
    let mut rows = statement.query([]).map_err(|e| e.to_string())?;
    let mut latest = Vec::new();
    while let Some(row) = rows.next().map_err(|e| e.to_string())? {
        let damaged = |what: String| format!("table record is damaged: {what}");
        let (host, run): (String, String) =
            (column(row, 0, "host").map_err(damaged)?, column(row, 1, "run").map_err(damaged)?);
        latest.push(Latest {
            host: host.parse().map_err(|e| damaged(format!("host: {e}")))?,
            run: run.parse().map_err(|e| damaged(format!("run: {e}")))?,
            ended: column(row, 2, "record").map_err(damaged)?,
        });
    }
    Ok(latest)
}

/// Reads the lines about a run in the order in which they were committed.
pub(super) fn select_notes(conn: &Connection, run: &RunId) -> Result<Vec<(i64, RunNote)>, String> {
    must_exist(conn, run)?;
    let mut statement = conn
        .prepare("SELECT seq, at_ms, note FROM note WHERE run = ?1 ORDER BY seq")
        .map_err(|e| e.to_string())?;
    let mut rows = statement.query([run.as_str()]).map_err(|e| e.to_string())?;
    let mut notes = Vec::new();
    while let Some(row) = rows.next().map_err(|e| format!("run {run}: {e}"))? {
        let seq: i64 = column(row, 0, "seq").map_err(|e| format!("run {run}: {e}"))?;
        let damaged = |what: String| format!("run {run}, note {seq} is damaged: {what}");
        let at_ms = column(row, 1, "at_ms").map_err(damaged)?;
        let json: String = column(row, 2, "note").map_err(damaged)?;
        notes.push((at_ms, serde_json::from_str(&json).map_err(|e| damaged(e.to_string()))?));
    }
    Ok(notes)
}

fn must_exist(conn: &Connection, run: &RunId) -> Result<(), String> {
    let known: bool = conn
        .query_row("SELECT EXISTS (SELECT 1 FROM run WHERE id = ?1)", [run.as_str()], |row| row.get(0))
        .map_err(|e| e.to_string())?;
    if !known {
        return Err(format!("there is no run {run}"));
    }
    Ok(())
}

fn column<T: rusqlite::types::FromSql>(row: &Row<'_>, index: usize, name: &str) -> Result<T, String> {
    row.get(index).map_err(|e| format!("{name}: {e}"))
}
