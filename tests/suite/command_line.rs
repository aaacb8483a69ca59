//! What the program answers to mistakes on its command line: one clear message, the right exit code, nothing done.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use egressctl::journal::{LockOwner, RunLock};

struct Answer {
    code: i32,
    out: String,
    err: String,
}

/// Runs the program in an empty environment of its own.
fn egressctl(args: &[&str]) -> Answer {
    egressctl_with(args, &[])
}

fn egressctl_with(args: &[&str], secrets: &[(&str, &str)]) -> Answer {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_egressctl"))
        .args(args)
        .env_clear()
        .env("HOME", home.path())
        // Nothing outside of this machine may be asked for keys.
        .env("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
        .envs(secrets.iter().copied())
        .output()
        .unwrap();
    Answer {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn example() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("inventories/example/inventory.yaml").display().to_string()
}

#[test]
fn mistakes_of_usage_do_not_read_as_changes_present() {
    for args in [&["plan"][..], &["nonsense"], &["plan", "--nonsense"], &["rollback", "a b", "-i", "x"]] {
        let answer = egressctl(args);
        assert_eq!(answer.code, 64, "{args:?}: {}", answer.err);
        assert!(answer.out.is_empty());
    }
    assert_eq!(egressctl(&["--help"]).code, 0);
    assert_eq!(egressctl(&["--version"]).code, 0);
}

#[test]
fn an_inventory_is_checked_without_talking_to_anybody() {
    let answer = egressctl(&["validate", "-i", &example()]);
    assert_eq!((answer.code, answer.out.as_str()), (0, "3 hosts, 3 selected: fine\n"), "{}", answer.err);
    let answer = egressctl(&["validate", "-i", "/nonexistent/inventory.yaml"]);
    assert_eq!(answer.code, 1);
    assert!(answer.err.starts_with("inventory /nonexistent/inventory.yaml: "), "{}", answer.err);
    let answer = egressctl(&["validate", "-i", &example(), "-l", "nobody"]);
    assert_eq!(answer.code, 1, "no host is an error");
    assert!(answer.err.contains("nobody"), "{}", answer.err);
}

#[test]
fn templates_of_the_user_are_checked_before_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let cases = [
        ("apply.sh.hbs", "mac={{{mac}}}\n", "apply.sh.hbs:1: {{{x}}} and {{&x}} are not quoted"),
        ("apply.sh.hbs", "mac=\"{{mac}}\"\n", "stands inside quotes"),
        ("revert.sh.hbs", "\nx={{no_such_value}}\n", "revert.sh.hbs:2"),
        ("mine.hbs", "true\n", "there is no template \"mine\""),
    ];
    for (name, text, expected) in cases {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        let answer = egressctl(&["validate", "-i", &example(), "--templates", &path]);
        assert_eq!(answer.code, 1, "{name}: {text}");
        assert!(answer.err.contains(expected), "{expected}\n{}", answer.err);
        fs::remove_file(file).unwrap();
    }
    assert_eq!(egressctl(&["validate", "-i", &example(), "--templates", "/nonexistent"]).code, 1);
}

#[test]
fn an_empty_journal_is_an_empty_list() {
    let state = tempfile::tempdir().unwrap();
    let answer = egressctl(&["runs", "--state-dir", &state.path().display().to_string()]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert_eq!(answer.out.lines().count(), 1, "the heading: {}", answer.out);
}

#[test]
fn credentials_that_are_missing_are_named() {
    let answer = egressctl(&["plan", "-i", &example()]);
    assert_eq!(answer.code, 1);
    assert!(
        answer.err.starts_with("credentials: no source has credentials (environment: ")
            && answer.err.lines().count() == 1,
        "{}",
        answer.err
    );
}

#[test]
fn waves_that_make_no_sense_are_mistakes_of_usage() {
    for (args, expected) in [
        (&["--waves", "5,canary"][..], "sizes of waves"),
        (&["--waves", "0"], "sizes of waves"),
        (&["--max-fail", "0%"], "a number of hosts from 1"),
        (&["--soak", "10m"], "--waves"),
        (&["--waves", "1", "--soak", "10"], "a time with its unit"),
        (&["--approve", "each"], "--waves"),
        (&["--waves", "1", "--approve-within", "1h"], "--approve"),
        (&["--waves", "1", "--approve", "sometimes"], "after-canary"),
    ] {
        let answer = egressctl(&[&["apply", "-i", &example()], args].concat());
        assert_eq!(answer.code, 64, "{args:?}: {}", answer.err);
        assert!(answer.err.contains(expected) && answer.out.is_empty(), "{args:?}: {}", answer.err);
    }
}

#[test]
fn what_the_journal_does_not_know_is_said() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().display().to_string();
    let run = "20261122T161500Z-0000";
    for args in [&["approve", run][..], &["runs", "show", run], &["explain", "web-1", "--run", run]] {
        let answer = egressctl(&[args, &["--state-dir", &folder]].concat());
        assert_eq!(answer.code, 1, "{args:?}: {}", answer.err);
        assert!(
            answer.err.starts_with("there is no run 20261122T161500Z-0000 in the journal; "),
            "{}",
            answer.err
        );
    }
    let answer = egressctl(&["explain", "web-1", "--state-dir", &folder]);
    assert_eq!((answer.code, answer.err.as_str()), (1, "host web-1 is in no run of the journal\n"));
    for args in [&["runs", "--json"][..], &["runs", "list", "--json"]] {
        let answer = egressctl(&[args, &["--state-dir", &folder]].concat());
        let document: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
        assert_eq!(document["runs"], serde_json::json!([]), "{args:?}");
    }
    let answer = egressctl(&["validate", "-i", &example(), "-l", "@failed", "--state-dir", &folder]);
    assert_eq!(answer.code, 1);
    assert!(answer.err.contains("there is no run on inventory"), "{}", answer.err);
}

#[test]
fn a_file_of_names_is_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("hosts.txt");
    let limit = format!("@{}", list.display());
    for (text, code, expected) in [
        ("# the first\n\n  web-1 \nlong-gone\n", 0, "3 hosts, 1 selected: fine"),
        ("long-gone\n", 1, "holds no host of this inventory"),
        ("web-1\nno such name\n", 1, "hosts.txt:2: "),
    ] {
        fs::write(&list, text).unwrap();
        let answer = egressctl(&["validate", "-i", &example(), "-l", &limit]);
        assert_eq!(answer.code, code, "{text}: {}", answer.err);
        assert!((answer.out + &answer.err).contains(expected), "{text}: {}", answer.err);
    }
    let answer = egressctl(&["validate", "-i", &example(), "-l", "@/nonexistent/hosts"]);
    assert_eq!(answer.code, 1);
    assert!(answer.err.starts_with("--limit @/nonexistent/hosts: "), "{}", answer.err);
}

#[test]
fn a_state_folder_is_one_runs_at_a_time() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().display().to_string();
    let owner = LockOwner { who: "ann@bastion".to_owned(), pid: 4711, verb: "apply".to_owned(), since_ms: 0 };
    let held = RunLock::take(&state.path().join("lock"), &owner, Duration::ZERO).unwrap();
    let keys = ["ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"].map(|name| (name, "k"));
    for verb in [&["apply", "--yes"][..], &["lock", "release"]] {
        let inventory = example();
        let words = [verb, &["-i", &inventory, "--state-dir", &folder]].concat();
        let answer = egressctl_with(&words, &keys);
        assert_eq!(answer.code, 5, "{verb:?}: {}{}", answer.out, answer.err);
        assert!(answer.err.contains("ann@bastion") && answer.err.contains("4711"), "{}", answer.err);
    }
    drop(held);
    let answer = egressctl(&["lock", "release", "--state-dir", &folder]);
    assert_eq!((answer.code, answer.out.contains("Nobody")), (0, true), "{}{}", answer.out, answer.err);
}

#[test]
fn error_codes_of_the_cloud_are_explained() {
    let answer = egressctl(&["explain", "TaskConflict"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    for words in
        ["TaskConflict: wait for a state", "another task on this EIP", "another token", "you:       nothing"]
    {
        assert!(answer.out.contains(words), "{}", answer.out);
    }
    let answer = egressctl(&["explain", "Nobody.Knows"]);
    assert_eq!(answer.code, 1);
    assert!(answer.err.contains("host Nobody.Knows is in no run"), "{}", answer.err);
}
