//! What the program answers to mistakes on its command line: one clear message, the right exit code, nothing done.

use std::fs;
use std::path::Path;
use std::process::Command;

struct Answer {
    code: i32,
    out: String,
    err: String,
}

/// Runs the program in an empty environment of its own.
fn egressctl(args: &[&str]) -> Answer {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_egressctl"))
        .args(args)
        .env_clear()
        .env("HOME", home.path())
        // Nothing outside of this machine may be asked for keys.
        .env("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
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
        answer.err.starts_with("credentials: no access key in the environment")
            && answer.err.lines().count() == 1,
        "{}",
        answer.err
    );
}
