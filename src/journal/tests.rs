//! Tests of both journals through the port, and of the file through what can happen to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::{MemoryJournal, SqliteJournal};
use crate::core::model::{HostName, RunId};
use crate::core::plan::StepKind;
use crate::core::saga::{Effect, Record};
use crate::ports::{Journal, JournalError, RunMeta, RunVerb};

const RUN: &str = "20261122T161500Z-3f9a";

fn id(text: &str) -> RunId {
    text.parse().unwrap()
}

fn host(text: &str) -> HostName {
    text.parse().unwrap()
}

fn run(text: &str, started_ms: i64, verb: RunVerb) -> RunMeta {
    RunMeta { id: id(text), verb, started_ms, inventory: "fleet.yaml".to_owned() }
}

fn note(text: &str) -> Record {
    Record::Undone(StepKind::Convert, Some(text.to_owned()))
}

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/egressctl/journal.sqlite");
    (dir, path)
}

/// Changes the file behind the journal's back.
fn meddle(path: &Path, sql: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

async fn fill(journal: &dyn Journal) {
    journal.begin(&run(RUN, 5, RunVerb::Apply)).await.unwrap();
    // A clock that was set back does not change which run is the newest.
    journal.begin(&run("20261122T161400Z-0001", 4, RunVerb::Rollback(id(RUN)))).await.unwrap();
    journal.append(&id(RUN), &host("web-1"), 10, &note("one")).await.unwrap();
    journal
        .append(&id(RUN), &host("web-2"), 11, &Record::Done(StepKind::Verify, Effect::Nothing))
        .await
        .unwrap();
    journal.append(&id("20261122T161400Z-0001"), &host("web-1"), 12, &note("other run")).await.unwrap();
    journal.append(&id(RUN), &host("web-1"), 9, &note("two")).await.unwrap();
}

async fn check(journal: &dyn Journal) {
    let runs = journal.runs().await.unwrap();
    assert_eq!(
        runs,
        [run("20261122T161400Z-0001", 4, RunVerb::Rollback(id(RUN))), run(RUN, 5, RunVerb::Apply)]
    );
    assert_eq!(
        journal.records(&id(RUN)).await.unwrap(),
        [
            (host("web-1"), 10, note("one")),
            (host("web-2"), 11, Record::Done(StepKind::Verify, Effect::Nothing)),
            (host("web-1"), 9, note("two")),
        ]
    );
    let again = journal.begin(&run(RUN, 7, RunVerb::Apply)).await.unwrap_err();
    assert!(again.message.contains("there is one of that name"), "{again}");
    let nowhere = journal.append(&id("r-404"), &host("web-1"), 1, &note("x")).await.unwrap_err();
    assert!(nowhere.message.contains("run r-404 was not begun"), "{nowhere}");
    let unknown = journal.records(&id("r-404")).await.unwrap_err();
    assert!(unknown.message.contains("there is no run r-404"), "{unknown}");
}

#[tokio::test]
async fn both_journals_keep_runs_and_records_alike() {
    let (_dir, path) = place();
    let file = SqliteJournal::open(&path).unwrap();
    let memory = MemoryJournal::new();
    for journal in [&file as &dyn Journal, &memory] {
        fill(journal).await;
        check(journal).await;
    }
}

#[tokio::test]
async fn what_was_kept_is_there_after_reopening() {
    let (_dir, path) = place();
    fill(&SqliteJournal::open(&path).unwrap()).await;
    check(&SqliteJournal::open(&path).unwrap()).await;
}

#[tokio::test]
async fn two_open_journals_share_one_file() {
    let (_dir, path) = place();
    let (one, two) = (SqliteJournal::open(&path).unwrap(), SqliteJournal::open(&path).unwrap());
    fill(&one).await;
    check(&two).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_appends_are_all_kept_in_order_per_host() {
    let (_dir, path) = place();
    let journal = Arc::new(SqliteJournal::open(&path).unwrap());
    journal.begin(&run(RUN, 1, RunVerb::Apply)).await.unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|task| {
            let journal = Arc::clone(&journal);
            tokio::spawn(async move {
                for n in 0..10 {
                    let name = host(&format!("h{task}"));
                    journal.append(&id(RUN), &name, n, &note(&n.to_string())).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    drop(journal);
    let records = SqliteJournal::open(&path).unwrap().records(&id(RUN)).await.unwrap();
    assert_eq!(records.len(), 500);
    for task in 0..50 {
        let name = host(&format!("h{task}"));
        let times: Vec<i64> = records.iter().filter(|(of, ..)| *of == name).map(|(_, at, _)| *at).collect();
        assert_eq!(times, (0..10).collect::<Vec<_>>(), "{name}");
    }
}

#[tokio::test]
async fn a_commit_that_fails_fails_everybody_in_it() {
    let (_dir, path) = place();
    let journal = SqliteJournal::open(&path).unwrap();
    journal.begin(&run(RUN, 1, RunVerb::Apply)).await.unwrap();
    journal.append(&id(RUN), &host("web-1"), 1, &note("kept")).await.unwrap();
    meddle(&path, "ALTER TABLE record RENAME COLUMN at_ms TO gone");
    let (web_1, web_2) = (host("web-1"), host("web-2"));
    let (run_id, record) = (id(RUN), note("lost"));
    let (one, two) = tokio::join!(
        journal.append(&run_id, &web_1, 2, &record),
        journal.append(&run_id, &web_2, 2, &record)
    );
    for error in [one.unwrap_err(), two.unwrap_err()] {
        assert!(error.message.starts_with("cannot write:"), "{error}");
        assert!(error.path.ends_with("journal.sqlite"));
    }
    meddle(&path, "ALTER TABLE record RENAME COLUMN gone TO at_ms");
    assert_eq!(journal.records(&id(RUN)).await.unwrap(), [(host("web-1"), 1, note("kept"))]);
    journal.append(&id(RUN), &host("web-1"), 3, &note("later")).await.unwrap();
}

#[tokio::test]
async fn only_the_owner_can_read_it() {
    let (_dir, path) = place();
    let journal = SqliteJournal::open(&path).unwrap();
    fill(&journal).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for file in fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    drop(journal);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(SqliteJournal::open(&path).unwrap());
    assert_eq!(mode(&path), 0o600, "a file that others could read is closed to them");
}

fn refused(path: &Path) -> JournalError {
    let error = SqliteJournal::open(path).unwrap_err();
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    error
}

#[test]
fn a_place_that_will_not_do_is_refused_with_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(refused(&file.join("journal.sqlite")).message.contains("create it or name another file"));
    fs::create_dir(dir.path().join("folder")).unwrap();
    assert!(refused(&dir.path().join("folder")).message.contains("must be a file"));
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(refused(&dir.path().join("journal.sqlite")).message.contains("run `chmod go-w"));
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text");
    fs::write(
        &text,
        "this is not SQLite, and it is longer than one header of a hundred bytes is. ".repeat(20),
    )
    .unwrap();
    let before = fs::read(&text).unwrap();
    assert!(refused(&text).message.contains("not a journal"), "{}", refused(&text));
    assert_eq!(fs::read(&text).unwrap(), before);
    let foreign = dir.path().join("foreign");
    meddle(&foreign, "CREATE TABLE t (x)");
    assert!(refused(&foreign).message.contains("another program"), "{}", refused(&foreign));
}

#[tokio::test]
async fn a_newer_layout_is_refused_and_left_alone() {
    let (_dir, path) = place();
    fill(&SqliteJournal::open(&path).unwrap()).await;
    meddle(&path, "PRAGMA user_version = 7");
    let error = refused(&path);
    assert!(error.message.contains("a newer egressctl (layout 7, this one knows 2)"), "{error}");
    meddle(&path, "PRAGMA user_version = 2");
    check(&SqliteJournal::open(&path).unwrap()).await;
}

#[tokio::test]
async fn a_damaged_row_is_an_error_that_names_it() {
    for (sql, expected) in [
        (
            "UPDATE record SET record = '{\"done\":[\"ver' WHERE seq = 2",
            "row 2 is damaged: record of host web-2",
        ),
        (
            "UPDATE record SET record = '{\"danced\":1}' WHERE seq = 4",
            "row 4 is damaged: record of host web-1",
        ),
        ("UPDATE record SET host = '-oProxyCommand=x' WHERE seq = 1", "row 1 is damaged: host:"),
        ("UPDATE record SET record = CAST(x'ff' AS TEXT) WHERE seq = 1", "row 1 is damaged: record:"),
    ] {
        let (_dir, path) = place();
        let journal = SqliteJournal::open(&path).unwrap();
        fill(&journal).await;
        meddle(&path, sql);
        let error = journal.records(&id(RUN)).await.unwrap_err();
        assert!(error.message.starts_with(&format!("run {RUN}, {expected}")), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_run_is_an_error_that_names_it() {
    let (_dir, path) = place();
    let journal = SqliteJournal::open(&path).unwrap();
    fill(&journal).await;
    meddle(&path, &format!("UPDATE run SET verb = 'rollback' WHERE id = '{RUN}'"));
    let error = journal.runs().await.unwrap_err();
    assert!(error.message.contains(&format!("run \"{RUN}\" is damaged")), "{error}");
}

#[tokio::test]
async fn memory_fails_when_told_to() {
    let journal = MemoryJournal::new();
    fill(&journal).await;
    let before = journal.records(&id(RUN)).await.unwrap().len();
    let append = async || journal.append(&id(RUN), &host("web-1"), 1, &note("x")).await.is_ok();
    journal.fail_append(2);
    assert_eq!([append().await, append().await, append().await], [true, false, true]);
    journal.fail_appends_from(2);
    assert_eq!([append().await, append().await, append().await], [true, false, false]);
    assert_eq!(journal.records(&id(RUN)).await.unwrap().len(), before + 3);
}
