//! Hosts by folder: `tests/owners/<case>/host.txt` is what the facts script prints there, section by section, and
//! `expected.txt` is who keeps the route, by which files, and what a person should know; `documented.txt` is the same for
//! the documented form.
//!
//! A case with `shim.txt` instead is the host of the case that its first line names, with the sections that follow, and an
//! inventory that wants the shim. Adding a case is adding a folder. `EGRESSCTL_BLESS=1` rewrites the expectations; read the diff then. The outputs are
//! written by hand after the real ones.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use egressctl::core::inventory::Persist;
use egressctl::core::model::MacAddr;
use egressctl::core::observed::Facts;
use egressctl::core::observed::facts::parse_facts;
use egressctl::core::plan::compat::findings;
use egressctl::core::plan::owner::choose;
use egressctl::core::plan::route::{Documented, RoutePart, host_changes};
use egressctl::core::plan::{RouteForm, RouteTarget};
use egressctl::core::template::Templates;

use crate::support::facts::frame;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/owners");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn sections(text: &str) -> Vec<(&str, &str)> {
    let sections = text.strip_prefix("@@ ").unwrap().strip_suffix('\n').unwrap().split("\n@@ ");
    sections.filter_map(|section| section.split_once('\n')).collect()
}

/// The sections as the frames that they stand for. A case that wants the shim is like another one, but for its own sections.
fn facts(case: &Path) -> Facts {
    let own = fs::read_to_string(case.join("shim.txt")).unwrap_or_default();
    let (like, own) = own.split_once('\n').unwrap_or_default();
    let base = if like.is_empty() { case.to_path_buf() } else { case.with_file_name(like) };
    let text = fs::read_to_string(base.join("host.txt")).unwrap();
    let own = if own.is_empty() { Vec::new() } else { sections(own) };
    let mut all = sections(&text);
    all.retain(|(name, _)| own.iter().all(|(other, _)| other != name));
    let frames: String = all.iter().chain(&own).map(|(name, body)| frame(name, 0, body)).collect();
    let printed = [frame("begin", 0, "egressctl-facts 1\n"), frames, frame("end", 0, "")].concat();
    parse_facts(printed.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", case.display()))
}

fn told(case: &Path, form: RouteForm) -> String {
    let facts = facts(case);
    let target = RouteTarget {
        mac: Some(MacAddr([0x00, 0x16, 0x3e, 0xaa, 0xbb, 0x02])),
        address: Some([172, 16, 0, 20].into()),
        gateway: [172, 16, 0, 253].into(),
        primary_ip: [172, 16, 0, 10].into(),
        table: 101,
        priority: 4101,
        owner: None,
        shim: case.join("shim.txt").exists(),
        form,
    };
    let choice = choose(&facts, &target, Persist::Auto);
    let target = target.kept_by(choice.owner);
    let mut out = format!("owner: {}\n", choice.owner.map_or("none", |owner| owner.word()));
    let all = choice.findings.into_iter().chain(findings(&facts, &target, target.mac.as_slice()));
    for found in all {
        writeln!(out, "{:?}: {}; {}; {}", found.severity, found.what, found.why, found.fix).unwrap();
    }
    match host_changes(&facts, &target, &Templates::builtin().unwrap()) {
        Err(obstacles) => obstacles.iter().for_each(|wrong| writeln!(out, "Obstacle: {wrong}").unwrap()),
        Ok(changes) => {
            for found in &changes.warnings {
                writeln!(out, "{:?}: {}; {}; {}", found.severity, found.what, found.why, found.fix).unwrap();
            }
            let shim = changes.routes.iter().filter(|change| change.part == RoutePart::Shim);
            shim.for_each(|change| writeln!(out, "{}", change.line).unwrap());
            let owners: Vec<&str> = changes.reload.iter().map(|owner| owner.word()).collect();
            writeln!(out, "reload: {}", owners.join(" ")).unwrap();
            for file in changes.files {
                let after = file.after.unwrap_or_default();
                writeln!(out, "\n--- {} {:o} -> {:o}\n{after}", file.path, file.mode_before, file.mode_after)
                    .unwrap();
            }
        }
    }
    out
}

#[test]
fn every_host_gets_the_files_its_owner_understands() {
    let cases = cases();
    assert!(cases.len() >= 25, "cases were lost: {}", cases.len());
    let mut failed = Vec::new();
    for case in cases {
        let documented = Documented { prefix: 24, metric: 30_000, connected: 0 };
        let forms =
            [("expected.txt", RouteForm::Slash32), ("documented.txt", RouteForm::Documented(documented))];
        for (name, form) in forms {
            let (text, golden) = (told(&case, form), case.join(name));
            if std::env::var_os("EGRESSCTL_BLESS").is_some() {
                fs::write(&golden, &text).unwrap();
            }
            let expected = fs::read_to_string(&golden).unwrap_or_default();
            if text != expected {
                failed.push(format!("{}:\n{text}\nexpected:\n{expected}", golden.display()));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
