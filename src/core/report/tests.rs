//! Tests by folder: `tests/reports/<case>/report.json` and what it becomes as text, table and page.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::core::event::HostOutcome;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 4, "{cases:?}");
    cases
}

fn read(case: &Path) -> Report {
    from_json(&fs::read_to_string(case.join("report.json")).unwrap()).unwrap()
}

/// Compares with the expected file. To accept a change, run the test with `EGRESSCTL_ACCEPT=1` and read the diff.
fn expect(case: &Path, name: &str, text: &str) {
    let path = case.join(name);
    if std::env::var_os("EGRESSCTL_ACCEPT").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{}", path.display());
}

#[test]
fn every_case_reads_as_expected() {
    for case in cases() {
        let report = read(&case);
        expect(&case, "report.json", &to_json(&report));
        expect(&case, "report.txt", &to_text(&report));
        expect(&case, "report.html", &to_html(&report));
        let (headers, rows) = before_after_table(&report);
        let lines: Vec<String> = [headers].iter().chain(&rows).map(|row| row.join(" | ")).collect();
        expect(&case, "table.txt", &(lines.join("\n") + "\n"));
    }
}

/// Everything that a page's body may consist of; none of it can load or run anything.
const TAGS: [&str; 20] = [
    "body",
    "html",
    "h1",
    "h2",
    "p",
    "pre",
    "code",
    "table",
    "tr",
    "th",
    "td",
    "td class=\"good\"",
    "td class=\"edit\"",
    "td class=\"bad\"",
    "div",
    "div class=\"wide\"",
    "details",
    "details open",
    "summary",
    "span",
];

#[test]
fn every_recap_fits_a_screen_and_every_page_stands_alone() {
    for case in cases() {
        let report = read(&case);
        let lines = to_text(&report).lines().count();
        assert!(lines <= 50, "{}: {lines} lines", case.display());
        let page = to_html(&report);
        let body = page.split_once("</head>").unwrap().1;
        for tag in body.split('<').skip(1) {
            let tag = tag.split_once('>').unwrap().0;
            let tag = tag.trim_start_matches('/').replace("span class=\"good\"", "span");
            let tag = tag.replace("span class=\"edit\"", "span").replace("span class=\"bad\"", "span");
            assert!(TAGS.contains(&tag.as_str()), "{}: <{tag}>", case.display());
        }
        assert!(!page.contains('\u{1b}') && !to_text(&report).contains('\u{1b}'));
    }
}

#[test]
fn the_worst_host_decides_the_exit_code() {
    let report = read(&cases()[0]);
    let with = |outcomes: &[HostOutcome]| {
        let host = &report.hosts[0];
        let hosts = outcomes.iter().map(|outcome| HostReport { outcome: outcome.clone(), ..host.clone() });
        exit_code(&Report { hosts: hosts.collect(), ..report.clone() })
    };
    let why = || "why".to_owned();
    let (ok, changed) = (HostOutcome::Ok, HostOutcome::Changed);
    let (failed, unreachable) = (HostOutcome::Failed(why()), HostOutcome::Unreachable(why()));
    assert_eq!(with(&[]), 0);
    assert_eq!(with(&[ok.clone(), changed.clone()]), 0);
    assert_eq!(with(&[ok.clone(), unreachable.clone()]), 4);
    assert_eq!(with(&[unreachable.clone(), failed.clone(), ok]), 2);
    assert_eq!(with(&[HostOutcome::Refused(why())]), 2);
    assert_eq!(with(&[HostOutcome::Reverted(why()), unreachable.clone()]), 2);
    assert_eq!(with(&[failed, HostOutcome::Unknown(why()), unreachable, changed]), 10);
}

#[test]
fn a_newer_or_broken_document_is_refused() {
    assert_eq!(from_json(r#"{"schema_version": 2, "other": 1}"#), Err(ReportError::Newer(2)));
    assert!(from_json(r#"{"schema_version": 1}"#).unwrap_err().to_string().starts_with("not a report: "));
    assert!(from_json("{").is_err());
}

#[test]
fn durations_are_for_people() {
    let texts: Vec<String> = [0, 999, 1_000, 59_999, 60_000, 185_000, 7_620_000].map(duration).to_vec();
    assert_eq!(texts, ["0 ms", "999 ms", "1.0 s", "59.9 s", "1 min 00 s", "3 min 05 s", "2 h 07 min"]);
}
