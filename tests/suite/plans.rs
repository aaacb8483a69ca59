//! The planner by folder: `tests/plans/<case>/patch.json` changes `base.json` (RFC 7396), and `expected.txt` is the plan.
//!
//! Adding a case is adding a folder. `EGRESSCTL_BLESS=1` rewrites the expectations; read the diff then.

use std::fs;
use std::path::{Path, PathBuf};

use egressctl::core::inventory::{Context, parse};
use egressctl::core::plan::{Code, Detail, Observed, Policy, Reach, plan, plan_json, plan_text};
use egressctl::core::preflight::{Looked, preflight_text};
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
    assert!(cases.len() >= 60, "cases were lost: {}", cases.len());
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

/// As many copies of the base's host, each with an instance, an interface and an address of its own.
fn fleet(count: u8) -> (String, Observed) {
    let read = |name: &str| fs::read_to_string(folder().join(name)).unwrap();
    let base: Value = serde_json::from_str(&read("base.json")).unwrap();
    let mut all = base.clone();
    let mut inventory = read("inventory.yaml");
    for n in 2..=count {
        let own = |value: &Value| -> Value {
            let text = value.to_string();
            let text = text
                .replace("i-web1", &format!("i-web{n}"))
                .replace("203.0.113.11", &format!("203.0.112.{n}"));
            let text = text.replace("172.16.0.10", &format!("172.16.0.{}", u16::from(n) + 10));
            serde_json::from_str(&text.replace("eni-prim", &format!("eni-prim{n}"))).unwrap()
        };
        all["cloud"]["instances"][format!("i-web{n}")] = own(&base["cloud"]["instances"]["i-web1"]);
        all["cloud"]["enis"][format!("eni-prim{n}")] = own(&base["cloud"]["enis"]["eni-prim"]);
        all["facts"][format!("web-{n}")] = own(&base["facts"]["web-1"]);
        inventory += &format!("  - name: web-{n}\n    instance: i-web{n}\n");
    }
    (inventory, serde_json::from_value(all).unwrap())
}

#[test]
fn what_many_hosts_share_is_told_once() {
    let (inventory, observed) = fleet(60);
    let desired = parse("inventory.yaml", &inventory, &Context::default()).unwrap();
    let hosts: Vec<_> = desired.hosts.iter().collect();
    let policy = Policy { now_ms: NOW_MS, ..Policy::default() };
    let made = plan(&hosts, &observed, &Templates::builtin().unwrap(), &policy);
    let text = plan_text(&made, Detail::Folded);
    for once in [
        "\nwarning [snat-headroom] 60 hosts\n    web-[1-60]: 60 hosts of this inventory will share 1 address of SNAT \
         entry snat-1: about 916 connections to one destination for each\n",
        "\nnote [egress-changes] 60 hosts\n    web-1: outbound connections: 203.0.113.11 -> 203.0.113.250\n",
        "\nnote [eip-billed] 60 hosts\n    web-[1-60]: ",
        "Plan: 60 hosts: 60 to change.\n",
    ] {
        assert_eq!(text.matches(once).count(), 1, "{once}\n{text}");
    }
    // The documented quota is a third of that: then nobody is begun.
    let mut full = observed;
    full.cloud.account.eips = Some(1);
    let made = plan(&hosts, &full, &Templates::builtin().unwrap(), &policy);
    let codes = made.hosts.iter().map(|host| host.findings[0].code);
    assert!(codes.clone().all(|code| code == Code::EipQuota), "{:?}", codes.collect::<Vec<_>>());
    let text = preflight_text(&made, Looked { reach: Reach::Everything, calls: 7 });
    assert!(
        text.starts_with(
            "refused [eip-quota] 60 hosts\n    web-[1-60]: this plan needs 60 more EIPs: 1 are there, "
        ),
        "{text}"
    );
    assert!(text.lines().count() < 10, "{text}");
}

#[test]
fn what_a_host_prints_is_shown_escaped() {
    let text = text_of(&folder().join("hostile_rc_local"));
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
}
