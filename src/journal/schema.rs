//! The file's layout and its way from one version to the next. `user_version` is the version, `application_id` says
//! that the file is ours.
//!
//! Must never change a file that is not a journal or that a newer version has written. Released steps are never
//! edited: a change of the layout is a further step.

use rusqlite::{Connection, TransactionBehavior};

/// `egrs`: marks an SQLite file as a journal of egressctl.
const APPLICATION_ID: i64 = 0x6567_7273;

/// Step N leads from version N to version N + 1.
const STEPS: [&str; 2] = [
    "
    CREATE TABLE run (
        seq        INTEGER PRIMARY KEY AUTOINCREMENT,
        id         TEXT NOT NULL UNIQUE,
        verb       TEXT NOT NULL,
        of_run     TEXT,
        started_ms INTEGER NOT NULL,
        inventory  TEXT NOT NULL
    ) STRICT;
    CREATE TABLE record (
        seq    INTEGER PRIMARY KEY AUTOINCREMENT,
        run    TEXT NOT NULL REFERENCES run (id),
        host   TEXT NOT NULL,
        at_ms  INTEGER NOT NULL,
        record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX record_of_run ON record (run, seq);
",
    "
    CREATE TABLE note (
        seq   INTEGER PRIMARY KEY AUTOINCREMENT,
        run   TEXT NOT NULL REFERENCES run (id),
        at_ms INTEGER NOT NULL,
        note  TEXT NOT NULL
    ) STRICT;
    CREATE INDEX note_of_run ON note (run, seq);
",
];

/// The version that the steps lead to.
const NEWEST: i64 = STEPS.len() as i64;

/// Makes the file's layout the newest one.
///
/// # Errors
/// What is wrong and what to do, for people; the file is then as it was.
pub(super) fn migrate(conn: &mut Connection) -> Result<(), String> {
    // The lock first: two programs that open a new file at the same time must not both create the tables.
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|e| e.to_string())?;
    let version = ours(&tx)?;
    let steps = STEPS.get(version..).ok_or_else(|| {
        format!(
            "it was written by a newer egressctl (layout {version}, this one knows {NEWEST}); use that version"
        )
    })?;
    if !steps.is_empty() {
        for step in steps {
            tx.execute_batch(step).map_err(|e| format!("cannot change the layout: {e}"))?;
        }
        tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(|e| e.to_string())?;
        tx.pragma_update(None, "user_version", NEWEST).map_err(|e| e.to_string())?;
    }
    tx.commit().map_err(|e| e.to_string())
}

/// The layout's version, 0 for an empty file.
fn ours(conn: &Connection) -> Result<usize, String> {
    let number = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|e| e.to_string());
    let id = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let empty = (id, version, tables) == (0, 0, 0);
    match usize::try_from(version) {
        Ok(version) if empty || (id == APPLICATION_ID && version > 0) => Ok(version),
        _ => Err("it is an SQLite file of another program; name another file".to_owned()),
    }
}
