//! A run's journal, told: hosts that did well, badly, not at all, and one that was under way when everything ended.

use super::*;
use crate::core::model::{HostName, RunId};
use crate::core::run::RunNote;
use crate::core::saga::Record;

const START: i64 = 1_795_363_200_000;

fn name(text: &str) -> HostName {
    text.parse().unwrap()
}

fn run() -> RunId {
    "20261122T160000Z-00ab".parse().unwrap()
}

/// Notes as the journal has them, milliseconds after the beginning.
fn notes() -> Vec<(i64, RunNote)> {
    let host = |name: &str, verdict: &str, steps: &str, findings: &str| {
        format!(
            r#"{{"host":"{name}","instance":"i-{name}","verdict":"{verdict}","steps":[{steps}],
                "findings":[{findings}],"known":{{"eip":null,"eni":null,"inbound":null}},"egress":[]}}"#
        )
    };
    let step = r#"{"op":"verify","why":"the outcome is what the probes see","diff":[]}"#;
    let finding = r#"{"severity":"refusal","what":"it is \u001b[31mStopped","why":"it cannot be probed","fix":"start it"}"#;
    let hosts = [
        host("web-1", "change", step, ""),
        host("web-2", "change", step, ""),
        host("web-3", "change", step, ""),
        host("db-1", "refused", "", finding),
    ];
    let lines = [
        format!(
            r#"[0,{{"planned":{{"plan":{{"hosts":[{}]}},"by":"ada@bastion","rollout":{{"waves":"1,100%"}}}}}}]"#,
            hosts.join(",")
        ),
        r#"[5,{"host_ended":{"host":"db-1","outcome":{"outcome":"refused","reason":"it is stopped"}}}]"#
            .to_owned(),
        r#"[10,{"wave":{"number":1,"of":2,"hosts":["web-1"]}}]"#.to_owned(),
        r#"[4000,{"host_ended":{"host":"web-1","outcome":{"outcome":"changed"}}}]"#.to_owned(),
        r#"[4001,{"waiting":{"wave":2}}]"#.to_owned(),
        r#"[9000,{"approved":{"wave":2,"by":"bob@elsewhere"}}]"#.to_owned(),
        r#"[9001,{"wave":{"number":2,"of":2,"hosts":["web-2","web-3"]}}]"#.to_owned(),
        r#"[9900,{"stopped":"the run was interrupted"}]"#.to_owned(),
        r#"[9901,{"host_ended":{"host":"web-3","outcome":{"outcome":"skipped","reason":"not begun"}}}]"#
            .to_owned(),
    ];
    let read = |line: &String| {
        let (after, note): (i64, RunNote) = serde_json::from_str(line).unwrap();
        (START + after, note)
    };
    lines.iter().map(read).collect()
}

fn records() -> Vec<(HostName, i64, Record)> {
    let began = |host: &str| {
        format!(
            r#"{{"began":{{"instance":"i-{host}","known":{{"eip":null,"eni":null,"inbound":null}},"ops":["verify"]}}}}"#
        )
    };
    let lines = [
        ("web-1", 20, began("web-1")),
        ("web-1", 30, r#"{"intent":"verify"}"#.to_owned()),
        ("web-1", 3930, r#"{"done":["verify","nothing"]}"#.to_owned()),
        ("web-1", 3940, r#"{"ended":"committed"}"#.to_owned()),
        ("web-2", 9100, began("web-2")),
        ("web-2", 9101, r#"{"intent":"verify"}"#.to_owned()),
    ];
    let read = |(host, after, json): (&str, i64, String)| {
        (
            name(host),
            START + after,
            serde_json::from_str(&json).unwrap_or_else(|error| panic!("{json}: {error}")),
        )
    };
    lines.into_iter().map(read).collect()
}

fn told(host: &str) -> Option<Explanation> {
    let own = records().into_iter().filter(|(of, ..)| of.as_str() == host);
    let own: Vec<_> = own.map(|(_, at, record)| (at, record)).collect();
    explain(&name(host), &run(), &notes(), &own)
}

#[test]
fn a_host_that_did_well_is_told_from_its_plan_to_its_end() {
    let text = explain_text(&told("web-1").unwrap());
    let expected = "\
web-1 in run 20261122T160000Z-00ab

Planned, and approved by ada@bastion:

~ web-1 (i-web-1): change
    1. verify: the outcome is what the probes see

Wave 1 of 2.

16:00:00.000  planned and approved by ada@bastion
16:00:00.010  wave 1 of 2 begins: 1 host
16:00:00.020  begins on i-web-1: verify
16:00:00.030  verify: about to
16:00:03.930  verify: done (3.9 s)
16:00:03.940  committed: everything is done and verified
16:00:04.000  the host's part is over: changed

End: changed
";
    assert_eq!(text, expected);
}

#[test]
fn hosts_that_were_refused_skipped_or_killed_are_told_as_well() {
    for (host, parts) in [
        ("db-1", &["refused: it is \\u{1b}[31mStopped", "fix: start it", "End: refused: it is stopped"][..]),
        (
            "web-3",
            &["Wave 2 of 2.", "wave 2 is approved by bob@elsewhere", "nothing new begins", "End: skipped"],
        ),
        (
            "web-2",
            &["16:00:09.101  verify: about to", "no end is written down", "egressctl resume 20261122T"],
        ),
    ] {
        let text = explain_text(&told(host).unwrap());
        for part in parts {
            assert!(text.contains(part), "{host}: {part}\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
    assert_eq!(told("web-9"), None);
}

#[test]
fn machines_are_told_the_same() {
    let json: serde_json::Value = serde_json::from_str(&explain_json(&told("web-1").unwrap())).unwrap();
    assert_eq!(json["schema_version"], 1);
    let explanation = &json["explanation"];
    assert_eq!(explanation["outcome"]["outcome"], "changed");
    assert_eq!(explanation["wave"], serde_json::json!([1, 2]));
    assert_eq!(explanation["plan"]["steps"][0]["op"], "verify");
    let took: Vec<_> =
        explanation["moments"].as_array().unwrap().iter().map(|m| m["took_ms"].as_u64()).collect();
    assert_eq!(took.iter().flatten().collect::<Vec<_>>(), [&3900]);
}

#[test]
fn a_run_is_told_with_every_host_and_how_to_go_on() {
    let head = |id: RunId| (id, "apply".to_owned(), "inventory.yaml".to_owned(), START);
    let run_story = story(head(run()), &notes(), &records());
    assert_eq!(
        story_text(&run_story),
        "\
run 20261122T160000Z-00ab: apply of inventory.yaml
plan: 1 refused, 3 to change, approved by ada@bastion
waves: 1,100%

~ web-1  wave 1  changed
? web-2  wave 2  begun, no end is written down
. web-3  wave 2  skipped: not begun
- db-1  refused: it is stopped

nothing new began: the run was interrupted

2 hosts left, if it is not under way: egressctl resume 20261122T160000Z-00ab
"
    );
    let json: serde_json::Value = serde_json::from_str(&story_json(&run_story)).unwrap();
    assert_eq!(json["run"]["hosts"][1]["begun"], true);
    // A run from before there were notes is told from its hosts' records.
    let old = story(head(run()), &[], &records());
    let text = story_text(&old);
    assert!(text.contains("~ web-1  changed\n? web-2  begun, no end is written down\n"), "{text}");
    // One that waits says how to let it go on.
    let waiting = story(head(run()), &notes()[..5], &records());
    assert!(
        story_text(&waiting)
            .ends_with("wave 2 waits for an approval: egressctl approve 20261122T160000Z-00ab\n")
    );
}
