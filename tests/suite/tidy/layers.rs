//! Who may use what: modules of the house, the pure core, and crates with one user.

use super::source::{Source, UsePath};
use super::{Finding, none, sources};

/// Every folder and file directly under `src`, and which others it may use.
const LAYERS: [(&str, &[&str]); 11] = [
    ("core", &[]),
    ("ports", &["core"]),
    ("cloud", &["ports", "core"]),
    ("ssh", &["ports", "core"]),
    ("journal", &["ports", "core"]),
    ("engine", &["ports", "core"]),
    ("lab", &["ports", "core"]),
    ("ui", &["ports", "core"]),
    ("cli", &["core", "ports", "cloud", "ssh", "journal", "engine", "lab", "ui"]),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Paths that do I/O, read a clock, draw random numbers or start something.
const IMPURE: [&str; 20] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::io",
    "std::os",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "ToSocketAddrs",
    "SystemTime",
    "Instant",
    "Zoned::now",
    "Timestamp::now",
    "tokio",
    "getrandom",
    "async_trait",
    "rusqlite",
    "russh",
    "reqwest",
];

/// Crates that one folder may use, and it alone.
const ONLY: [(&str, &str); 4] = [
    ("indicatif", "src/ui/"),
    ("console", "src/ui/"),
    ("handlebars", "src/core/template/"),
    ("rusqlite", "src/journal/"),
];

/// Macros that print.
const PRINTS: [&str; 4] = ["println!", "eprintln!", "print!", "eprint!"];

fn imports(source: &Source) -> Vec<Finding> {
    let layer = source.layer();
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        let fix = format!(
            "`{layer}` is in no layer; add it to LAYERS in tests/suite/tidy/layers.rs with what it may use"
        );
        return vec![Finding::new(&source.path, 1, fix)];
    };
    let paths = source.paths();
    let foreign = paths.iter().filter_map(|path| match path.segments.as_slice() {
        [root, used, ..] if root == "crate" && used != layer && !allowed.contains(&used.as_str()) => {
            LAYERS.iter().any(|(name, _)| name == used).then_some((path.line, used))
        }
        _ => None,
    });
    let findings = foreign.map(|(line, used)| {
        let fix = format!(
            "`{layer}` must not use `{used}`; it may use [{}]: go through a port",
            allowed.join(", ")
        );
        Finding::new(&source.path, line, fix)
    });
    let mut findings: Vec<Finding> = findings.collect();
    findings.dedup();
    findings
}

fn begins_with(path: &UsePath, prefix: &str) -> bool {
    let mut segments = path.segments.iter();
    prefix.split("::").all(|part| segments.next().is_some_and(|segment| segment == part))
}

/// Anywhere in the path, so that `use std::time;` and then `time::Instant` is found as well.
fn contains(path: &UsePath, part: &str) -> bool {
    let part: Vec<&str> = part.split("::").collect();
    path.segments.windows(part.len()).any(|window| window == part)
}

fn purity(source: &Source) -> Vec<Finding> {
    if source.layer() != "core" {
        return Vec::new();
    }
    let mut found: Vec<Finding> = Vec::new();
    for path in source.paths() {
        if let Some(impure) = IMPURE.iter().find(|impure| contains(&path, impure)) {
            let fix =
                format!("core must not use {impure}; take the value as an argument or go through a port");
            found.push(Finding::new(&source.path, path.line, fix));
        }
    }
    for (line, text) in source.lines() {
        for asynchronous in ["async fn", "async move", "async {", "async |", ".await"] {
            if text.contains(asynchronous) {
                let fix =
                    format!("core must not be async ({asynchronous}); what waits belongs to the engine");
                found.push(Finding::new(&source.path, line, fix));
            }
        }
    }
    found
}

fn single_users(source: &Source) -> Vec<Finding> {
    let paths = source.paths();
    let mut found = Vec::new();
    for (name, home) in ONLY.iter().filter(|(_, home)| !source.path.starts_with(home)) {
        for path in paths.iter().filter(|path| begins_with(path, name)) {
            found.push(Finding::new(
                &source.path,
                path.line,
                format!("only {home} may use {name}; ask it instead"),
            ));
        }
    }
    found
}

fn printing(source: &Source) -> Vec<Finding> {
    if source.layer() == "ui" {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (line, text) in source.lines() {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '!'));
        for print in words.filter(|word| PRINTS.contains(word)) {
            found.push(Finding::new(
                &source.path,
                line,
                format!("{print} outside ui; emit an event or use ui::Ui"),
            ));
        }
    }
    found
}

fn check(rule: fn(&Source) -> Vec<Finding>) {
    let findings: Vec<Finding> = sources().iter().filter(|source| !source.is_test).flat_map(rule).collect();
    none(&findings);
}

#[test]
fn imports_go_down_only() {
    check(imports);
}

#[test]
fn core_is_pure() {
    check(purity);
}

#[test]
fn some_crates_have_one_user() {
    check(single_users);
}

#[test]
fn only_ui_prints() {
    check(printing);
}

/// The lines that a rule finds in a snippet.
fn lines(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<String> {
    rule(&Source::new(path, text)).into_iter().map(|found| found.place).collect()
}

#[test]
fn the_rule_on_imports_can_fail() {
    let text = "use crate::core::model::A;\nuse crate::ports::{Cloud, Journal};\nuse super::helper;\n// crate::engine::x\n";
    assert_eq!(lines(imports, "src/cloud/wait.rs", text), [""; 0]);
    assert_eq!(lines(imports, "src/core/saga/mod.rs", text), ["src/core/saga/mod.rs:2"; 1]);
    assert_eq!(lines(imports, "src/ssh/mod.rs", "\nuse crate::{core::model, cloud};"), ["src/ssh/mod.rs:2"]);
    assert_eq!(lines(imports, "src/ssh/a.rs", "use super::super::cloud::x;"), ["src/ssh/a.rs:1"]);
    assert_eq!(
        lines(imports, "src/main.rs", "egressctl::engine::run();\negressctl::cli::run();"),
        ["src/main.rs:1"]
    );
    assert_eq!(lines(imports, "src/helpers/mod.rs", ""), ["src/helpers/mod.rs:1"]);
    assert_eq!(
        lines(imports, "src/engine/x.rs", "#[cfg(test)]\nmod tests { use crate::journal::MemoryJournal; }"),
        [""; 0]
    );
}

#[test]
fn the_rule_on_the_core_can_fail() {
    let path = "src/core/x.rs";
    for bad in [
        "use std::fs;",
        "use std::{fmt, env};",
        "std::fs::read(p)",
        "use std::net::{Ipv4Addr, TcpStream};",
        "use std::time::Instant;",
        "SystemTime::now()",
        "tokio::spawn(x)",
        "getrandom::fill(x)",
        "async fn f() {}",
        "f().await",
        "jiff::Timestamp::now()",
        "std::process::exit(1)",
    ] {
        assert_eq!(lines(purity, path, bad), ["src/core/x.rs:1"], "{bad}");
    }
    for fine in [
        "use std::net::Ipv4Addr;",
        "use std::time::Duration;",
        "InstanceId::new()",
        "// std::fs",
        "let a = \"std::fs::read\";",
        "#[cfg(test)]\nmod tests { use std::fs; }",
        "env!(\"CARGO_PKG_VERSION\")",
        "jiff::Timestamp::from_second(1)",
    ] {
        assert_eq!(lines(purity, path, fine), [""; 0], "{fine}");
    }
    assert_eq!(lines(purity, "src/engine/x.rs", "use std::fs;"), [""; 0]);
}

#[test]
fn the_rule_on_single_users_can_fail() {
    assert_eq!(lines(single_users, "src/cli/x.rs", "use indicatif::ProgressBar;"), ["src/cli/x.rs:1"]);
    assert_eq!(
        lines(single_users, "src/core/plan/x.rs", "\nhandlebars::Handlebars::new()"),
        ["src/core/plan/x.rs:2"]
    );
    assert_eq!(lines(single_users, "src/ui/bars.rs", "use indicatif::ProgressBar;"), [""; 0]);
}

#[test]
fn the_rule_on_printing_can_fail() {
    assert_eq!(lines(printing, "src/engine/x.rs", "\n    println!(\"x\");"), ["src/engine/x.rs:2"]);
    assert_eq!(lines(printing, "src/engine/x.rs", "std::eprint!(\"x\");"), ["src/engine/x.rs:1"]);
    assert_eq!(lines(printing, "src/engine/x.rs", "my_println!(\"println!\"); // eprintln!"), [""; 0]);
    assert_eq!(lines(printing, "src/ui/x.rs", "println!(\"x\");"), [""; 0]);
}
