//! The house rules, enforced by reading the sources. Every rule has a test of itself on a snippet that breaks it.

mod layers;
mod source;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use source::Source;

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// `src/x.rs:12`
    place: String,
    /// What is wrong and what to do.
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { place: format!("{path}:{line}"), message: message.into() }
    }
}

/// Fails with all findings at once.
fn none(findings: &[Finding]) {
    let lines: Vec<String> =
        findings.iter().map(|found| format!("{}: {}", found.place, found.message)).collect();
    assert!(findings.is_empty(), "\n{}\n", lines.join("\n"));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files under a folder, sorted, as paths relative to the root. A folder that does not exist has none.
fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join(folder)];
    while let Some(folder) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { found.push(relative(&path)) }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The Rust files of `src`, those that are tests marked as such.
fn sources() -> Vec<Source> {
    let paths = files("src").into_iter().filter(|path| path.ends_with(".rs"));
    let sources = source::read_all(paths.map(|path| (path.clone(), read(&path))));
    assert!(sources.len() > 20, "only {} files found", sources.len());
    sources
}
