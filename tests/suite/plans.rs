//! The planner by folder: `tests/plans/<case>/patch.json` changes `base.json` (RFC 7396), and `expected.txt` is the plan.
//!
//! Adding a case is adding a folder. `EGRESSCTL_BLESS=1` rewrites the expectations; read the diff then.

use std::fs;
use std::path::{Path, PathBuf};

use egressctl::core::inventory::{Context, parse};
use egressctl::core::plan::{Code, Detail, Observed, Policy, plan, plan_json, plan_text};
use egressctl::core::template::Templates;
use serde_json::Value;

use crate::support::merge::merge;

/// 2026-11-22T16:00:00Z
const NOW_MS: i64 = 1_795_363_200_000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans")
}

fn observed(case: &Path) -> Observed {
    let read = |path: PathBuf| -> Value { serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap() };
    let mut value = read(folder().join("base.json"));
    merge(&mut value, read(case.join("patch.json")));
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{}: {error}", case.display()))
}

fn text_of(case: &Path) -> String {
    let own = case.join("inventory.yaml");
    let path = if own.exists() { own } else { folder().join("inventory.yaml") };
    let desired = parse("inventory.yaml", &fs::read_to_string(path).unwrap(), &Context::default()).unwrap();
    let hosts: Vec<_> = desired.hosts.iter().collect();
    let (observed, templates) = (observed(case), Templates::builtin().unwrap());
    let policy = Policy { now_ms: NOW_MS, limits: desired.cloud.limits, ..Policy::default() };
    let made = plan(&hosts, &observed, &templates, &policy);
    let again = plan(&hosts, &observed, &templates, &policy);
    assert_eq!(plan_json(&made), plan_json(&again), "{}: same inputs, same bytes", case.display());
    let uncoded =
        made.hosts.iter().flat_map(|host| &host.findings).find(|finding| finding.code == Code::Other);
    assert!(uncoded.is_none(), "{}: {uncoded:?} has no code", case.display());
    for finding in made.hosts.iter().flat_map(|host| &host.findings) {
        let fine = finding.code.severities().contains(&finding.severity);
        assert!(fine, "{}: {finding:?} is not as weighty as the documents say", case.display());
    }
    plan_text(&made, Detail::Folded)
}

#[test]
fn every_case_gives_its_plan() {
    let mut failed = Vec::new();
    let mut cases: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    assert!(cases.len() >= 30, "cases were lost: {}", cases.len());
    for case in cases {
        let (text, golden) = (text_of(&case), case.join("expected.txt"));
        if std::env::var_os("EGRESSCTL_BLESS").is_some() {
            fs::write(&golden, &text).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if text != expected {
            failed.push(format!("{}:\n{text}\nexpected:\n{expected}", golden.display()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn what_a_host_prints_is_shown_escaped() {
    let text = text_of(&folder().join("hostile_rc_local"));
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
}
