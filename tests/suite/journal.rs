//! The journal across processes and versions: what a killed process leaves, and what an older version has left.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use egressctl::core::model::{HostName, RunId};
use egressctl::core::plan::StepKind;
use egressctl::core::saga::Record;
use egressctl::journal::SqliteJournal;
use egressctl::ports::{Journal, RunMeta, RunVerb};
use rusqlite::Connection;
use serde_json::{Value, json};

const CHILD: &str = "EGRESSCTL_TEST_JOURNAL_CHILD";
const RUN: &str = "20261122T161500Z-3f9a";

fn id(text: &str) -> RunId {
    text.parse().unwrap()
}

/// Writes for ever; says `host number` on stdout after each record that the journal says is kept.
async fn write_until_killed(path: &Path) {
    let journal = std::sync::Arc::new(SqliteJournal::open(path).unwrap());
    let meta =
        RunMeta { id: id(RUN), verb: RunVerb::Apply, started_ms: 1, inventory: "fleet.yaml".to_owned() };
    journal.begin(&meta).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for host in 0..8 {
        let journal = std::sync::Arc::clone(&journal);
        writers.spawn(async move {
            let name: HostName = format!("host-{host}").parse().unwrap();
            for n in 0_i64.. {
                let record = Record::Undone(StepKind::Convert, Some(n.to_string()));
                journal.append(&id(RUN), &name, n, &record).await.unwrap();
                writeln!(std::io::stdout().lock(), "kept {name} {n}").unwrap();
            }
        });
    }
    writers.join_next().await.unwrap().unwrap();
}

#[test]
fn a_killed_process_leaves_everything_it_was_told_is_kept() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    if let Some(path) = std::env::var_os(CHILD) {
        // We are the process to be killed.
        return runtime.block_on(write_until_killed(Path::new(&path)));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.sqlite");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["journal::a_killed_process_leaves_everything_it_was_told_is_kept", "--exact", "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut kept: BTreeMap<String, i64> = BTreeMap::new();
    let mut count = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let mut words = line.split(' ');
        if words.next() != Some("kept") {
            continue;
        }
        let (host, n) = (words.next(), words.next().and_then(|n| n.parse().ok()));
        // The last line may have been cut off by the kill; then it says nothing.
        if let (Some(host), Some(n)) = (host, n) {
            kept.insert(host.to_owned(), n);
            count += 1;
            if count == 300 {
                child.kill().unwrap();
            }
        }
    }
    assert!(!child.wait().unwrap().success());
    assert!(count >= 300, "the child ended by itself after {count} records");

    let journal = SqliteJournal::open(&path).unwrap();
    let records = runtime.block_on(journal.records(&id(RUN))).unwrap();
    let mut found: BTreeMap<String, i64> = BTreeMap::new();
    for (host, at_ms, record) in records {
        let next = found.entry(host.to_string()).or_insert(0);
        assert_eq!(at_ms, *next, "{host}: a prefix without gaps");
        assert_eq!(record, Record::Undone(StepKind::Convert, Some(at_ms.to_string())));
        *next += 1;
    }
    for (host, last) in kept {
        assert!(found[&host] > last, "{host}: record {last} was said to be kept, {} are there", found[&host]);
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals/v1").join(name)
}

fn expected() -> Value {
    serde_json::from_str(&std::fs::read_to_string(golden("expected.json")).unwrap()).unwrap()
}

fn run_json(run: &RunMeta) -> Value {
    let (verb, of_run) = match &run.verb {
        RunVerb::Apply => ("apply", None),
        RunVerb::Rollback(of) => ("rollback", Some(of.to_string())),
    };
    json!({ "id": run.id, "verb": verb, "of_run": of_run, "started_ms": run.started_ms, "inventory": run.inventory })
}

#[tokio::test]
async fn a_journal_of_layout_1_still_replays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.sqlite");
    let dump = std::fs::read_to_string(golden("journal.sql")).unwrap();
    Connection::open(&path).unwrap().execute_batch(&dump).unwrap();

    let journal = SqliteJournal::open(&path).unwrap();
    let expected = expected();
    let mut runs: Vec<Value> = journal.runs().await.unwrap().iter().map(run_json).collect();
    runs.reverse();
    assert_eq!(Value::from(runs), expected["runs"]);
    for (run, records) in expected["records"].as_object().unwrap() {
        let found = journal.records(&id(run)).await.unwrap();
        let found: Vec<Value> = found
            .iter()
            .map(|(host, at_ms, record)| json!({ "host": host, "at_ms": at_ms, "record": record }))
            .collect();
        assert_eq!(Value::from(found), *records, "{run}");
    }
}

/// Every row of a journal as text, its layout included.
fn dump(path: &Path) -> Vec<String> {
    let conn = Connection::open(path).unwrap();
    let mut lines = Vec::new();
    for sql in [
        "SELECT application_id || ' ' || user_version FROM pragma_application_id, pragma_user_version",
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'",
        "SELECT json_array(seq, id, verb, of_run, started_ms, inventory) FROM run",
        "SELECT seq || ' ' || run || ' ' || host || ' ' || at_ms || ' ' || record FROM record",
    ] {
        let mut statement = conn.prepare(sql).unwrap();
        lines.extend(statement.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
    }
    lines
}

#[tokio::test]
async fn what_is_written_today_is_what_an_old_journal_becomes_to_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old.sqlite"), dir.path().join("new.sqlite"));
    let sql = std::fs::read_to_string(golden("journal.sql")).unwrap();
    Connection::open(&old).unwrap().execute_batch(&sql).unwrap();

    let source = SqliteJournal::open(&old).unwrap();
    let target = SqliteJournal::open(&new).unwrap();
    for run in source.runs().await.unwrap().iter().rev() {
        target.begin(run).await.unwrap();
        for (host, at_ms, record) in source.records(&run.id).await.unwrap() {
            target.append(&run.id, &host, at_ms, &record).await.unwrap();
        }
    }
    drop((source, target));
    let (old, new) = (dump(&old), dump(&new));
    assert_eq!(old.len(), 6 + 2 + 31);
    assert_eq!(old, new);
}

#[test]
fn the_old_journal_has_every_kind_of_record() {
    let text = serde_json::to_string(&expected()).unwrap();
    let kinds = [
        "intent",
        "done",
        "refused",
        "unknown",
        "undo_intent",
        "undone",
        "undo_failed",
        "ended",
        "nothing",
        "converted",
        "eni_created",
        "eni_attached",
        "configured",
        "committed",
        "unwound",
        "stuck",
        "make_post_paid",
        "convert_public_ip",
        "create_eni",
        "attach_eni",
        "configure",
        "unassociate_eip",
        "associate_eip",
        "verify",
    ];
    for kind in kinds {
        assert!(text.contains(&format!("\"{kind}\"")), "{kind} is missing");
    }
}
