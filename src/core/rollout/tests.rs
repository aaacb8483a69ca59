//! Waves by table and by property, the budget's arithmetic, and a run's notes folded.

use proptest::prelude::*;

use super::budget::amount;
use super::*;
use crate::core::event::HostOutcome;
use crate::core::plan::Plan;
use crate::core::run::RunNote;

/// The waves of hosts whose kinds are letters, as positions.
fn split(sizes: &str, kinds: &str) -> String {
    let kinds: Vec<char> = kinds.chars().collect();
    let waves = sizes.parse::<Waves>().unwrap().split(&kinds);
    let names = |wave: &Vec<usize>| wave.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    waves.iter().map(names).collect::<Vec<_>>().join(" | ")
}

#[test]
fn waves_by_table() {
    for (sizes, kinds, expected) in [
        ("1,100%", "aaaa", "0 | 1 2 3"),
        ("1", "aaaa", "0 | 1 2 3"),
        ("100%", "aaaa", "0 1 2 3"),
        ("1,5,10%,100%", "a", "0"),
        ("1,5,10%,100%", "", ""),
        // One of every kind goes first, even if that is more than asked for, and then up to the size.
        ("1,2,100%", "aabac", "0 2 4 | 1 3"),
        ("4,100%", "aabac", "0 1 2 4 | 3"),
        ("canary,1,100%", "aabac", "0 2 4 | 1 | 3"),
        ("canary", "aaaa", "0 | 1 2 3"),
        ("canary", "abc", "0 1 2"),
        // A share is one of all hosts, rounded up; what is left in the end is one wave.
        ("10%,25%", "aaaaaaaaaaa", "0 1 | 2 3 4 | 5 6 7 8 9 10"),
        ("50%,50%", "aaa", "0 1 | 2"),
        ("1%,1%,1%", "aaaaa", "0 | 1 | 2 | 3 4"),
        ("7,9", "aaa", "0 1 2"),
    ] {
        assert_eq!(split(sizes, kinds), expected, "{sizes} of {kinds}");
    }
}

#[test]
fn sizes_are_read_strictly_and_shown_as_they_count() {
    for (text, shown) in [
        ("1,5,10%,100%", "1,5,10%,100%"),
        ("1, 5", "1,5,100%"),
        ("canary,10%", "canary,10%,100%"),
        ("canary", "canary,100%"),
        ("100%", "100%"),
    ] {
        assert_eq!(text.parse::<Waves>().unwrap().to_string(), shown, "{text}");
    }
    for bad in [
        "",
        ",",
        "0",
        "0%",
        "101%",
        "1,,5",
        "100%,1",
        "1,100%,100%",
        "5,canary",
        "-1",
        "+1",
        "1.5",
        "10 %",
        "all",
        "99999999999999999999",
    ] {
        let error = bad.parse::<Waves>().unwrap_err().to_string();
        assert!(error.contains("sizes of waves"), "{bad}: {error}");
    }
}

#[test]
fn budgets_round_up_and_are_never_nothing() {
    for (text, total, limit) in [
        ("3", 100, 3),
        ("3", 1, 3),
        ("10%", 100, 10),
        ("10%", 101, 11),
        ("1%", 3, 1),
        ("1%", 0, 1),
        ("100%", 7, 7),
    ] {
        assert_eq!(text.parse::<Budget>().unwrap().limit(total), limit, "{text} of {total}");
    }
    for bad in ["", "0", "0%", "101%", "x", "-1", "1 ", "%"] {
        assert!(bad.parse::<Budget>().is_err(), "{bad}");
    }
}

fn plan_of(verdicts: &[&str]) -> Plan {
    let host = |(at, verdict): (usize, &&str)| {
        serde_json::json!({
            "host": format!("h{at}"), "instance": format!("i-{at}"), "verdict": verdict, "steps": [],
            "findings": [], "known": {"eip": null, "eni": null, "inbound": null}, "egress": [],
        })
    };
    let hosts: Vec<_> = verdicts.iter().enumerate().map(host).collect();
    serde_json::from_value(serde_json::json!({ "hosts": hosts })).unwrap()
}

#[test]
fn a_budget_is_spent_by_the_last_failure_it_names_and_by_nothing_else() {
    let why = || "why".to_owned();
    let counts = [
        HostOutcome::Failed(why()),
        HostOutcome::Unreachable(why()),
        HostOutcome::Reverted(why()),
        HostOutcome::Unknown(why()),
    ];
    let others = [
        HostOutcome::Ok,
        HostOutcome::Changed,
        HostOutcome::Skipped(why()),
        HostOutcome::Stale(why()),
        HostOutcome::Locked(why()),
        HostOutcome::Refused(why()),
    ];
    let rollout = Rollout { budget: Some(Budget::Count(2)), ..Rollout::default() };
    for outcome in &counts {
        let mut ledger = Ledger::new(&plan_of(&["change", "change", "refused"]), &rollout);
        for other in &others {
            ledger.ended(other);
        }
        ledger.ended(outcome);
        assert_eq!(ledger.spent(), None, "{outcome:?}");
        assert!(ledger.bears(0) && !ledger.bears(1), "{outcome:?}");
        ledger.ended(outcome);
        assert!(ledger.spent().is_some_and(|why| why.starts_with("2 hosts")), "{outcome:?}");
    }
    // Who could not be reached for planning has failed before anything begins.
    let ledger = Ledger::new(&plan_of(&["unreachable", "change", "unreachable"]), &rollout);
    assert!(ledger.spent().is_some());
    let without = Ledger::new(&plan_of(&["unreachable"]), &Rollout::default());
    assert!(without.spent().is_none() && without.bears(1000));
}

#[test]
fn waves_bring_a_budget_of_one_host() {
    let waves = Some("1".parse().unwrap());
    assert_eq!(Rollout::default().limit(9), None);
    assert_eq!(Rollout { waves: waves.clone(), ..Rollout::default() }.limit(9), Some(1));
    let budget = "50%".parse().ok();
    assert_eq!(Rollout { waves, budget, ..Rollout::default() }.limit(9), Some(5));
}

#[test]
fn approvals_are_asked_for_where_they_were_agreed_on() {
    for (approve, expected) in [
        (Approve::Never, [false, false, false]),
        (Approve::AfterCanary, [false, true, false]),
        (Approve::Each, [false, true, true]),
    ] {
        let rollout = Rollout { approve, ..Rollout::default() };
        assert_eq!([1, 2, 3].map(|wave| rollout.asks(wave)), expected, "{approve:?}");
    }
}

#[test]
fn a_policy_survives_the_journal_and_an_older_one_has_none() {
    let rollout = Rollout {
        waves: Some("canary,10%".parse().unwrap()),
        budget: Some(Budget::Percent(5)),
        soak_ms: 1500,
        approve: Approve::AfterCanary,
        approve_within_ms: Some(60_000),
    };
    let json = serde_json::to_string(&rollout).unwrap();
    assert!(json.contains(r#""waves":"canary,10%,100%""#) && json.contains("after-canary"), "{json}");
    assert_eq!(serde_json::from_str::<Rollout>(&json).unwrap(), rollout);
    assert_eq!(serde_json::from_str::<Rollout>("{}").unwrap(), Rollout::default());
}

#[test]
fn notes_tell_where_a_run_is() {
    let planned = crate::core::run::Planned {
        plan: plan_of(&["change", "change", "unchanged", "change"]),
        saved: None,
        by: "ada@bastion".to_owned(),
        rollout: Rollout::default(),
    };
    let host = |text: &str| text.parse::<crate::core::model::HostName>().unwrap();
    let ended = |name, outcome| RunNote::HostEnded { host: host(name), outcome };
    let mut notes = vec![
        RunNote::Planned(Box::new(planned)),
        ended("h2", HostOutcome::Ok),
        RunNote::Wave { number: 1, of: 2, hosts: vec![host("h0")] },
        ended("h0", HostOutcome::Changed),
        RunNote::Waiting { wave: 2 },
    ];
    assert_eq!(Progress::of(&notes).waiting, Some(2));
    assert_eq!(Progress::of(&notes).open(), [&host("h1"), &host("h3")]);
    notes.push(RunNote::Approved { wave: 2, by: "ada@bastion".to_owned() });
    assert_eq!(Progress::of(&notes).waiting, None);
    notes.push(RunNote::Wave { number: 2, of: 2, hosts: vec![host("h1"), host("h3")] });
    notes.push(RunNote::Stopped("the run was interrupted".to_owned()));
    notes.push(ended("h1", HostOutcome::Skipped("not begun".to_owned())));
    let progress = Progress::of(&notes);
    assert_eq!(progress.open(), [&host("h3")]);
    assert_eq!(progress.left(), [&host("h1"), &host("h3")]);
    assert_eq!(progress.wave_of(&host("h3")), Some((2, 2)));
    assert_eq!(progress.wave_of(&host("h2")), None);
    assert_eq!(progress.stopped.as_deref(), Some("the run was interrupted"));
    assert_eq!(Progress::of(&[]), Progress::default());
}

fn sizes() -> impl Strategy<Value = String> {
    let size =
        prop_oneof![(1_usize..40).prop_map(|n| n.to_string()), (1_u8..100).prop_map(|n| format!("{n}%"))];
    (any::<bool>(), prop::collection::vec(size, 1..6)).prop_map(|(canary, sizes)| {
        let canary = if canary { "canary," } else { "" };
        format!("{canary}{}", sizes.join(","))
    })
}

proptest! {
    #[test]
    fn every_host_is_in_exactly_one_wave(text in sizes(), kinds in prop::collection::vec(0_u8..4, 0..120)) {
        let waves = text.parse::<Waves>().unwrap().split(&kinds);
        let mut all: Vec<usize> = waves.iter().flatten().copied().collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..kinds.len()).collect::<Vec<_>>());
        for (at, wave) in waves.iter().enumerate() {
            prop_assert!(!wave.is_empty() && wave.is_sorted());
            if at == 0 {
                for kind in &kinds {
                    prop_assert!(wave.iter().any(|host| kinds[*host] == *kind), "no canary of {}", kind);
                }
            } else if at > 1 {
                // After the canaries everybody goes in the inventory's order.
                prop_assert!(waves[at - 1].last() < wave.first());
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused_and_read_alike_again(text in "[0-9a-z%, +-]{0,12}|\\PC{0,12}") {
        if let Ok(waves) = text.parse::<Waves>() {
            prop_assert_eq!(waves.to_string().parse::<Waves>().unwrap(), waves);
        }
        if let Some(budget) = amount(&text) {
            prop_assert_eq!(amount(&budget.to_string()), Some(budget));
        }
    }

    #[test]
    fn what_the_budget_bears_never_spends_it(limit in 1_usize..50, failed in 0_usize..50, at_work in 0_usize..50) {
        let rollout = Rollout { budget: Some(Budget::Count(limit)), ..Rollout::default() };
        let mut ledger = Ledger::new(&plan_of(&[]), &rollout);
        for _ in 0..failed {
            ledger.ended(&HostOutcome::Unknown(String::new()));
        }
        if at_work > 0 && ledger.bears(at_work) {
            for _ in 0..at_work {
                ledger.ended(&HostOutcome::Unknown(String::new()));
            }
            prop_assert_eq!(ledger.spent(), None);
        }
    }
}
