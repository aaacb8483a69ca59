//! Which faults hit which calls, and what a fault file may say.

use std::path::Path;

use super::*;

fn faults(text: &str) -> Faults {
    Faults::new(FaultFile::parse("faults.yaml", text).unwrap(), 7)
}

fn fate(faults: &Faults, action: &str) -> Fate {
    let subjects = Subjects {
        named: vec!["i-1".to_owned()],
        ids: vec!["eni-1".to_owned(), "i-1".to_owned()],
        hosts: vec!["web-1".to_owned()],
    };
    let write = !action.starts_with("Describe");
    faults.fate(&Call { action, write, subjects: &subjects })
}

/// Whether each of so many calls of the action is hit.
fn hits(text: &str, action: &str, calls: usize) -> Vec<usize> {
    let faults = faults(text);
    (1..=calls).filter(|_| fate(&faults, action) != Fate::default()).collect()
}

fn mistake(text: &str) -> String {
    FaultFile::parse("faults.yaml", text).unwrap_err()
}

#[test]
fn every_example_is_a_fault_file_and_every_effect_has_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lab-faults");
    let manual = std::fs::read_to_string(folder.with_extension("md")).unwrap();
    let (mut effects, mut files) = (std::collections::BTreeSet::new(), 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let (name, text) =
            (path.file_name().unwrap().to_str().unwrap(), std::fs::read_to_string(&path).unwrap());
        let file = FaultFile::parse(name, &text).unwrap_or_else(|why| panic!("{why}"));
        assert_ne!(file, FaultFile::default(), "{name} says nothing");
        assert!(manual.contains(&format!("(lab-faults/{name})")), "{name} is not in docs/lab-faults.md");
        let stem = path.file_stem().unwrap().to_str().unwrap();
        effects.extend(file.rules.iter().map(|rule| rule.effect.word()).filter(|word| *word == stem));
        files += 1;
    }
    let all = [
        "error",
        "quota",
        "lost_request",
        "lost_answer",
        "reset",
        "garbage",
        "slow",
        "stale",
        "takes",
        "stuck",
        "falls_back",
        "hidden",
        "twice",
        "shuffled",
    ];
    assert_eq!(effects, all.into_iter().collect());
    assert_eq!(files, all.len() + 3);
}

#[test]
fn mistakes_name_their_place_and_the_cure() {
    for (text, place, cure) in [
        ("rules:\n  - action: Attach\n    do: reset\n", "faults.yaml:2:13:", "no action is called"),
        (
            "rules:\n  - action: AttachNetworkInterfac\n    do: reset\n",
            "faults.yaml:2:13:",
            "AttachNetworkInterface",
        ),
        ("rules:\n  - actoin: X\n    do: reset\n", "faults.yaml:2:5:", "action"),
        ("rules:\n  - do: {error: {code: TaskConflikt}}\n", "faults.yaml:2:", "TaskConflict"),
        ("rules:\n  - do: {error: {code: Huh}}\n", "faults.yaml:2:", "give it a status"),
        ("rules:\n  - do: {error: {code: Huh, status: 200}}\n", "faults.yaml:2:", "300 to 599"),
        ("rules:\n  - do: explode\n", "faults.yaml:2:", "lost_answer"),
        ("rules:\n  - do: {stale: {by: 2}}\n", "faults.yaml:2:", "800ms, 2s or 5m"),
        ("rules:\n  - nth: 0\n    do: reset\n", "faults.yaml:2:", "counted from 1"),
        ("rules:\n  - chance: 2\n    do: reset\n", "faults.yaml:2:", "from 0 to 1"),
        ("rules:\n  - action: Attach*\n", "faults.yaml:2:", "do"),
        ("quotas: {eips: 1}\n", "faults.yaml:1:", "eip"),
        ("failed_tokens: kept\n", "faults.yaml:1:", "replayed"),
        ("rules: [\n", "faults.yaml:", ""),
    ] {
        let told = mistake(text);
        assert!(told.starts_with(place) && told.contains(cure) && !told.contains('\n'), "{text} {told}");
    }
}

#[test]
fn an_empty_file_is_no_fault() {
    assert_eq!(FaultFile::parse("f", " \n"), Ok(FaultFile::default()));
    assert_eq!(fate(&faults(""), "AttachNetworkInterface"), Fate::default());
}

#[test]
fn all_that_a_rule_says_must_hold() {
    let all = "AttachNetworkInterface";
    assert_eq!(hits("rules: [{do: reset, nth: 2-3}]", all, 5), [2, 3]);
    assert_eq!(hits("rules: [{do: reset, times: 2}]", all, 5), [1, 2]);
    assert_eq!(hits("rules: [{do: reset, action: 'Att*', host: 'web-*', resource: eni-1}]", all, 1), [1]);
    assert!(hits("rules: [{do: reset, action: 'Det*'}]", all, 5).is_empty());
    assert!(hits("rules: [{do: reset, host: 'db-*'}]", all, 5).is_empty());
    assert!(hits("rules: [{do: reset, resource: eni-2}]", all, 5).is_empty());
    assert!(hits("rules: [{do: reset, kind: reads}]", all, 5).is_empty());
    let some = hits("rules: [{do: reset, chance: 0.5}]", all, 100);
    assert!((30..70).contains(&some.len()));
    assert_eq!(some, hits("rules: [{do: reset, chance: 0.5}]", all, 100), "the same seed, the same dice");
    assert_ne!(some, hits("{seed: 8, rules: [{do: reset, chance: 0.5}]}", all, 100));
}

#[tokio::test(start_paused = true)]
async fn windows_and_quotas_are_of_time() {
    let faults = faults(
        "rules:\n  - {from: 2s, until: 4s, do: {error: {code: Throttling.User, retry_after: 700ms}}}\n  \
         - {action: Attach*, do: {quota: {calls: 1, per: 10s}}}\n",
    );
    let mut seen = String::new();
    for _ in 0..12 {
        let fate = fate(&faults, "AttachNetworkInterface");
        seen.push(match &fate.ending {
            Ending::Honest => '.',
            Ending::Refused(error) if error.retry_after == Some(Duration::from_millis(700)) => 'w',
            Ending::Refused(error) if error.code == "Throttling.User" => 'q',
            other => panic!("{other:?}"),
        });
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(seen, ".qwwwqqqqq.q");
}

#[test]
fn the_first_ending_counts_and_what_goes_together_adds_up() {
    let both =
        faults("rules: [{do: lost_answer}, {do: reset}, {do: {slow: {answer: 2s}}}, {do: falls_back}]");
    let fate = fate(&both, "AttachNetworkInterface");
    assert_eq!((fate.ending, fate.after), (Ending::LostAnswer, Duration::from_secs(2)));
    assert!(fate.course.fails);
    assert_eq!(fate.names, ["rule 1 (lost_answer)", "rule 3 (slow)", "rule 4 (falls_back)"]);
}

#[test]
fn looks_lag_and_writes_do_not() {
    let faults = faults("rules: [{do: {stale: {by: 1s}}}, {do: shuffled}, {do: {twice: {after: 1s}}}]");
    let (look, write) = (fate(&faults, "DescribeInstances"), fate(&faults, "AttachNetworkInterface"));
    assert!(look.stale.is_some() && look.shuffle.is_some() && look.again.is_none());
    assert!(write.stale.is_none() && write.shuffle.is_none() && write.again.is_some());
    assert_eq!(faults.memory(), Some(Duration::from_secs(1)));
}
