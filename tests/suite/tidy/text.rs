//! What every file must look like: its opening, its length, and what must not be in it.

use std::collections::BTreeSet;
use std::path::Path;

use super::source::{Source, is_word};
use super::{Finding, files, none, read, root, sources};

/// Longest file, lines.
const LONGEST: usize = 400;
/// Longest median of all files, lines.
const MEDIAN: usize = 150;

/// Marks of unfinished work, put together here so that this file does not hold them.
const MARKS: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("db", "g!"),
    concat!("unimpl", "emented!"),
    concat!("to", "do!"),
];

/// Folders whose texts people write, with the endings that count there; the rest of `tests` is data.
const PROSE: [(&str, &[&str]); 4] = [
    ("src", &["rs", "sh", "sql", "html", "css"]),
    ("tests", &["rs", "sh", "md"]),
    ("templates", &["hbs", "md"]),
    ("docs", &["md"]),
];

fn prose() -> Vec<String> {
    let folders = PROSE.iter().flat_map(|(folder, endings)| {
        files(folder)
            .into_iter()
            .filter(|path| Path::new(path).extension().is_some_and(|end| endings.iter().any(|e| end == *e)))
    });
    let top =
        std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    folders.chain(top.filter(|name| name.ends_with(".md"))).collect()
}

fn opening(source: &Source) -> Vec<Finding> {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    let fix = "begin with `//!` and say what the module is for and what it must never do";
    vec![Finding::new(&source.path, 1, fix)]
}

fn length(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().count();
    if lines <= LONGEST {
        return Vec::new();
    }
    vec![Finding::new(path, lines, format!("{lines} lines, at most {LONGEST}; split it by what it is about"))]
}

fn median(mut lengths: Vec<usize>) -> usize {
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied().unwrap_or(0)
}

fn unfinished(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for mark in MARKS {
            let alone = |at: usize| {
                let before = line[..at].bytes().next_back().is_none_or(|byte| !is_word(byte));
                before
                    && line[at + mark.len()..]
                        .bytes()
                        .next()
                        .is_none_or(|byte| mark.ends_with('!') || !is_word(byte))
            };
            if line.match_indices(mark).any(|(at, _)| alone(at)) {
                found.push(Finding::new(
                    path,
                    index + 1,
                    format!("{mark}: finish it, or write down the limit in docs"),
                ));
            }
        }
    }
    found
}

/// Control characters, and characters that reorder or hide text: a reviewer would not see them.
fn hidden(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        let bad = |c: &char| {
            (c.is_control() && *c != '\t')
                || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        };
        if let Some(c) = line.chars().find(bad) {
            let fix = format!("character {} cannot be seen; write it as an escape", c.escape_unicode());
            found.push(Finding::new(path, index + 1, fix));
        }
    }
    found
}

/// Every folder of `src`, relative to it, and whether it holds a Rust file itself.
fn folders() -> BTreeSet<(String, bool)> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![root().join("src")];
    while let Some(folder) = waiting.pop() {
        let entries: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        waiting.extend(entries.iter().filter(|path| path.is_dir()).cloned());
        let name = super::relative(&folder);
        if let Some(name) = name.strip_prefix("src/") {
            found.insert((
                name.to_owned(),
                entries.iter().any(|path| path.extension().is_some_and(|e| e == "rs")),
            ));
        }
    }
    found
}

fn map(architecture: Option<&str>, folders: &BTreeSet<(String, bool)>) -> Vec<Finding> {
    let Some(text) = architecture else {
        return vec![Finding::new(
            "ARCHITECTURE.md",
            1,
            "is missing; write it: a line for each folder of src",
        )];
    };
    let mut found = Vec::new();
    for (folder, holds_code) in folders {
        let name = format!("{folder}/");
        let named = text.match_indices(&name).any(|(at, _)| {
            let before = text[..at].strip_suffix("src/").unwrap_or(&text[..at]).bytes().next_back();
            let after = text[at + name.len()..].bytes().next();
            before.is_none_or(|byte| !is_word(byte) && byte != b'/')
                && after.is_none_or(|byte| !is_word(byte))
        });
        if !named {
            let fix = format!("does not name the folder `{name}`; say in a line what it is for");
            found.push(Finding::new("ARCHITECTURE.md", 1, fix));
        }
        if !holds_code {
            found.push(Finding::new(&format!("src/{folder}"), 1, "holds no Rust file; remove it"));
        }
    }
    found
}

#[test]
fn every_module_says_what_it_is_for() {
    none(&sources().iter().flat_map(opening).collect::<Vec<_>>());
    for path in files("tests").iter().filter(|path| path.ends_with(".rs")) {
        none(&opening(&Source::new(path, &read(path))));
    }
}

#[test]
fn files_are_short() {
    let rust = || files("src").into_iter().chain(files("tests")).filter(|path| path.ends_with(".rs"));
    none(&rust().flat_map(|path| length(&path, &read(&path))).collect::<Vec<_>>());
    let middle = median(sources().iter().map(|source| source.text.lines().count()).collect());
    assert!(
        middle <= MEDIAN,
        "the median file of src has {middle} lines, at most {MEDIAN}; split the long ones"
    );
}

#[test]
fn nothing_is_left_unfinished() {
    none(&prose().iter().flat_map(|path| unfinished(path, &read(path))).collect::<Vec<_>>());
}

/// Tests that do not run by themselves, and nobody adds one in passing: path of the file.
const IGNORED: [&str; 1] = ["tests/suite/sdk_interop.rs"];

#[test]
fn only_the_known_tests_are_left_out() {
    let mark = concat!("#[ign", "ore");
    let all = prose().into_iter().filter(|path| path.ends_with(".rs"));
    let found: Vec<String> =
        all.flat_map(|path| vec![path.clone(); read(&path).matches(mark).count()]).collect();
    assert_eq!(
        found, IGNORED,
        "a test that is left out is named in IGNORED, with its reason in the attribute"
    );
}

#[test]
fn nothing_is_hidden_in_a_text() {
    none(&prose().iter().flat_map(|path| hidden(path, &read(path))).collect::<Vec<_>>());
}

#[test]
fn every_folder_is_on_the_map() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).ok();
    none(&map(text.as_deref(), &folders()));
}

#[test]
fn the_rule_on_openings_can_fail() {
    assert_eq!(opening(&Source::new("src/x.rs", "use std::fmt;\n"))[0].place, "src/x.rs:1");
    assert_eq!(opening(&Source::new("src/x.rs", "//! What for.\n")), []);
}

#[test]
fn the_rule_on_length_can_fail() {
    assert_eq!(length("src/x.rs", &"x\n".repeat(LONGEST)), []);
    assert_eq!(length("src/x.rs", &"x\n".repeat(LONGEST + 1))[0].place, "src/x.rs:401");
    assert_eq!((median(vec![300, 10, 20]), median(vec![])), (20, 0));
}

#[test]
fn the_rule_on_unfinished_work_can_fail() {
    for mark in MARKS {
        assert_eq!(unfinished("a.md", &format!("x\n// {mark} later"))[0].place, "a.md:2", "{mark}");
    }
    let fine = format!("mktemp /tmp/{0}{0}; {1}S are fine; my_{2}(x)", MARKS[2], MARKS[0], MARKS[5]);
    assert_eq!(unfinished("a.md", &fine), []);
}

#[test]
fn the_rule_on_hidden_characters_can_fail() {
    for bad in ["a\u{1b}[2J", "a\r\n", "a\u{202e}b", "a\u{200b}b", "a\u{7f}"] {
        assert_eq!(hidden("a.md", bad)[0].place, "a.md:1", "{bad:?}");
    }
    assert_eq!(hidden("a.md", "tab\t, é, → and 東京\n"), []);
}

#[test]
fn the_rule_on_the_map_can_fail() {
    let folders = BTreeSet::from([("core".to_owned(), true), ("core/plan".to_owned(), false)]);
    assert_eq!(map(None, &folders)[0].place, "ARCHITECTURE.md:1");
    let places = |text| map(Some(text), &folders).into_iter().map(|found| found.place).collect::<Vec<_>>();
    assert_eq!(places("`src/core/plan/` and core/"), ["src/core/plan:1"]);
    assert_eq!(places("`hardcore/`, `core/plan/`"), ["ARCHITECTURE.md:1", "src/core/plan:1"]);
    assert_eq!(
        places("`hardcore/`, `core/planning/`"),
        ["ARCHITECTURE.md:1", "ARCHITECTURE.md:1", "src/core/plan:1"]
    );
}
