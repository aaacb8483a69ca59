//! The audit by folder: `tests/audit/<case>/patch.json` changes a finished host by hand, and `expected.txt` is what is found.
//!
//! Adding a case is adding a folder. `EGRESSCTL_BLESS=1` rewrites the expectations; read the diff then.

use std::fs;
use std::path::{Path, PathBuf};

use egressctl::core::audit::{Audit, audit, audit_text};
use egressctl::core::inventory::{Context, Desired, parse};
use egressctl::core::plan::route::host_changes;
use egressctl::core::plan::{Observed, Op, Policy, plan};
use egressctl::core::template::Templates;
use serde_json::{Value, json};

use crate::support::merge::merge;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)).unwrap()
}

fn value(path: &str) -> Value {
    serde_json::from_str(&file(path)).unwrap()
}

fn desired() -> Desired {
    parse("inventory.yaml", &file("plans/inventory.yaml"), &Context::default()).unwrap()
}

/// A host as an apply leaves it: its `rc.local` is what the plan says that it becomes.
fn finished(templates: &Templates) -> Value {
    let mut seen = value("plans/base.json");
    merge(&mut seen, value("audit/finished.json"));
    let observed: Observed = serde_json::from_value(seen.clone()).unwrap();
    let desired = desired();
    let plan = plan(&[&desired.hosts[0]], &observed, templates, &Policy::default());
    let target = plan.hosts[0].steps.iter().find_map(|step| match &step.op {
        Op::Configure { route, .. } => Some(route),
        _ => None,
    });
    let facts = observed.facts[&desired.hosts[0].name].seen().unwrap();
    let file = host_changes(facts, target.unwrap(), templates).unwrap().files.remove(0);
    let rc_local = json!({ "content": file.after, "mode": file.mode_after });
    merge(&mut seen, json!({ "facts": { "web-1": { "seen": { "rc_local": rc_local } } } }));
    seen
}

fn audit_of(mut seen: Value, patch: Value, templates: &Templates) -> Audit {
    merge(&mut seen, patch);
    let observed: Observed = serde_json::from_value(seen).unwrap();
    let desired = desired();
    let hosts: Vec<_> = desired.hosts.iter().collect();
    let plan = plan(&hosts, &observed, templates, &Policy::default());
    audit(&hosts, &observed, &plan, templates)
}

#[test]
fn one_change_by_hand_is_one_finding() {
    let templates = Templates::builtin().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit");
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    assert!(cases.len() >= 20, "cases were lost: {}", cases.len());
    let mut failed = Vec::new();
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap().to_owned();
        let found = audit_of(finished(&templates), value(&format!("audit/{name}/patch.json")), &templates);
        let wanted = match name.as_str() {
            "as_desired" | "unreachable" => 0,
            "two_changes_are_two_findings" => 2,
            _ => 1,
        };
        let (text, golden) = (audit_text(&found), case.join("expected.txt"));
        assert_eq!(found.hosts[0].drift.len(), wanted, "{name}: {text}");
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
fn a_host_that_was_never_moved_is_one_finding() {
    let templates = Templates::builtin().unwrap();
    let found = audit_of(value("plans/base.json"), json!({}), &templates);
    assert_eq!(found.exit_code(), 2);
    let text = audit_text(&found);
    assert!(text.starts_with("~ not migrated yet (1): web-1\n"), "{text}");
}
