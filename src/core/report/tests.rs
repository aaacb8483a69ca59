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
        expect(&case, "report.xml", &to_junit(&report));
        let (headers, rows) = before_after_table(&report);
        let lines: Vec<String> = [headers].iter().chain(&rows).map(|row| row.join(" | ")).collect();
        expect(&case, "table.txt", &(lines.join("\n") + "\n"));
    }
}

/// Everything that a page's body may consist of; none of it can load or run anything.
const TAGS: [&str; 20] = [
    "body", "html", "h1", "h2", "p", "pre", "code", "table", "tr", "th", "td", "div", "details", "summary",
    "span", "svg", "text", "rect", "path", "title",
];

/// Attributes, of which none can hold an address or a script.
const ATTRIBUTES: [&str; 11] =
    ["class", "open", "viewBox", "role", "x", "y", "width", "height", "d", "colspan", "title"];

#[test]
fn every_recap_fits_a_screen_and_every_page_stands_alone() {
    for case in cases() {
        let report = read(&case);
        let lines = to_text(&report).lines().count();
        assert!(lines <= 40, "{}: {lines} lines", case.display());
        let page = to_html(&report);
        let body = page.split_once("</head>").unwrap().1;
        for tag in body.split('<').skip(1) {
            let tag = tag.split_once('>').unwrap().0.trim_start_matches('/').trim_end_matches('/');
            // Values are quoted and hold no quote: every second piece is one.
            let outside: String = tag.split('"').step_by(2).collect();
            let mut words = outside.split_ascii_whitespace();
            assert!(TAGS.contains(&words.next().unwrap()), "{}: <{tag}>", case.display());
            for attribute in words.map(|word| word.trim_end_matches('=')) {
                assert!(ATTRIBUTES.contains(&attribute), "{}: <{tag}>", case.display());
            }
        }
        assert!(!page.contains('\u{1b}') && !to_text(&report).contains('\u{1b}'));
    }
}

#[test]
fn a_thousand_hosts_of_every_outcome_fit_a_screen() {
    let report = read(&cases()[0]);
    let outcomes: [fn(String) -> HostOutcome; 10] = [
        |_| HostOutcome::Ok,
        |_| HostOutcome::Changed,
        HostOutcome::Skipped,
        HostOutcome::Locked,
        HostOutcome::Stale,
        HostOutcome::Refused,
        HostOutcome::Reverted,
        HostOutcome::Failed,
        HostOutcome::Unreachable,
        HostOutcome::Unknown,
    ];
    let hosts = (0..1000).map(|n| HostReport {
        name: format!("web-{n}").parse().unwrap(),
        outcome: outcomes[n % 10](format!("web-{n} says {}", "no ".repeat(n % 7))),
        ..report.hosts[0].clone()
    });
    let text = to_text(&Report { hosts: hosts.collect(), ..report.clone() });
    assert!(text.lines().count() <= 40, "{text}");
    assert!(text.contains("egressctl explain web-9 --run"), "{text}");
}

#[test]
fn junit_is_well_formed_and_counts_every_host_once() {
    for case in cases() {
        let report = read(&case);
        let text = to_junit(&report);
        let mut open: Vec<&str> = Vec::new();
        for tag in text.split('<').skip(1).map(|rest| rest.split_once('>').unwrap().0) {
            let name = tag.trim_matches(['/', '?']).split_ascii_whitespace().next().unwrap();
            match (tag.starts_with('/'), tag.ends_with(['/', '?'])) {
                (true, _) => assert_eq!(open.pop(), Some(name), "{}", case.display()),
                (false, true) => {}
                (false, false) => open.push(name),
            }
        }
        assert_eq!(open, Vec::<&str>::new(), "{}", case.display());
        assert_eq!(text.matches("<testcase ").count(), report.hosts.len());
        let well = |host: &&HostReport| host.reason().is_none();
        let told = ["<failure ", "<error ", "<skipped "].map(|tag| text.matches(tag).count());
        assert_eq!(told.iter().sum::<usize>(), report.hosts.len() - report.hosts.iter().filter(well).count());
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
