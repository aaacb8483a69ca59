//! Saved plans: what is written is read again, nothing else is, and what has changed is told.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Fingerprint, SavedError, SavedHost, SavedPlan};
use crate::core::inventory::{Context, HostDesired, parse};
use crate::core::observed::Observation;
use crate::core::plan::{Observed, Plan, Policy, Verdict, plan};
use crate::core::template::Templates;

fn world() -> (HostDesired, Observed) {
    let text = include_str!("../../../tests/plans/inventory.yaml");
    let host = parse("inventory.yaml", text, &Context::default()).unwrap().hosts.remove(0);
    (host, serde_json::from_str(include_str!("../../../tests/plans/base.json")).unwrap())
}

fn planned(host: &HostDesired, observed: &Observed) -> Plan {
    plan(&[host], observed, &Templates::builtin().unwrap(), &Policy::default())
}

/// Made once: rendering takes its time.
static SAVED: LazyLock<SavedPlan> = LazyLock::new(|| {
    let (host, observed) = world();
    let plan = planned(&host, &observed).hosts.remove(0);
    SavedPlan {
        tool: "0.1.0".to_owned(),
        made_ms: 1_795_363_200_000,
        by: "ann@bastion-1".parse().unwrap(),
        inventory: "/srv/inventory.yaml".to_owned(),
        templates: Templates::builtin().unwrap().digest().to_owned(),
        hosts: vec![SavedHost { plan, fingerprint: Fingerprint::of(&host, &observed) }],
    }
});

fn saved() -> SavedPlan {
    SAVED.clone()
}

#[test]
fn what_is_written_is_read_again_and_always_the_same() {
    let (text, hash) = saved().encode().unwrap();
    assert_eq!(SavedPlan::decode(text.as_bytes()), Ok((saved(), hash.clone())));
    assert_eq!(saved().encode().unwrap(), (text.clone(), hash.clone()));
    let compact: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(SavedPlan::decode(compact.to_string().as_bytes()).unwrap().1, hash);
    assert!(text.contains("known after apply"), "{text}");
}

#[test]
fn files_that_were_changed_or_are_too_new_or_something_else_are_told_apart() {
    let (text, _) = saved().encode().unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    type Change = fn(&mut Value);
    let edits: [Change; 5] = [
        |file| file["plan"]["hosts"][0]["plan"]["egress"] = json!([]),
        |file| file["plan"]["by"] = json!("eve@bastion"),
        |file| file["plan"]["extra"] = json!(1),
        |file| file["hash"] = json!("0"),
        |file| file["plan"] = Value::Null,
    ];
    for edit in edits {
        let mut edited = file.clone();
        edit(&mut edited);
        assert_eq!(SavedPlan::decode(edited.to_string().as_bytes()), Err(SavedError::Edited));
    }
    let mut newer = file.clone();
    newer["version"] = json!(2);
    assert_eq!(SavedPlan::decode(newer.to_string().as_bytes()), Err(SavedError::TooNew(2)));
    for (key, value) in [("version", json!("1")), ("version", json!(0)), ("format", json!("tfplan"))] {
        let mut foreign = file.clone();
        foreign[key] = value;
        let read = SavedPlan::decode(foreign.to_string().as_bytes());
        assert!(matches!(read, Err(SavedError::Foreign(_))), "{read:?}");
    }
}

#[test]
fn only_what_is_as_it_was_is_still_good() {
    type Change = fn(&mut HostDesired, &mut Observed);
    let cases: [(&str, Change); 9] = [
        ("its inventory entry", |host, _| host.route.table = 102),
        ("its inventory entry", |host, _| host.verify.echo.truncate(1)),
        ("its instance's record", |_, seen| {
            seen.cloud.instances.values_mut().next().unwrap().instance_type = "ecs.g9".to_owned();
        }),
        ("its network interfaces", |_, seen| {
            seen.cloud.enis.values_mut().next().unwrap().security_groups.clear();
        }),
        ("its system", |_, seen| change(seen, |facts| facts.kernel.push('x'))),
        ("its routes, rules or addresses", |_, seen| change(seen, |facts| facts.links[0].mtu = 1400)),
        ("its rc.local", |_, seen| change(seen, |facts| facts.rc_local.mode = 0o700)),
        ("it would be refused now", |_, seen| seen.cloud.instances.clear()),
        ("should leave from", |_, seen| {
            for entry in &mut seen.cloud.snat {
                entry.addresses = vec![[203, 0, 113, 99].into()];
            }
        }),
    ];
    for (words, change) in cases {
        let (mut host, mut observed) = world();
        change(&mut host, &mut observed);
        let good = saved().still_good(&[&host], &observed, &planned(&host, &observed));
        assert_eq!(good.hosts[0].verdict, Verdict::Stale, "{words}");
        assert!(good.hosts[0].reason().contains(words), "{words}: {}", good.hosts[0].reason());
        assert!(good.is_empty());
    }
    let (mut host, observed) = world();
    host.ssh.user = "ops".to_owned();
    let now = planned(&host, &observed);
    assert_eq!(saved().still_good(&[&host], &observed, &now), saved().plan(), "who logs in does not matter");
}

fn change(seen: &mut Observed, act: impl Fn(&mut crate::core::observed::Facts)) {
    for facts in seen.facts.values_mut() {
        if let Observation::Seen(facts) = facts {
            act(facts);
        }
    }
}

#[test]
fn hosts_that_cannot_be_reached_or_are_gone_are_told_and_what_was_refused_stays_so() {
    let (host, mut observed) = world();
    observed.facts.insert(host.name.clone(), Observation::Unseen("no answer".to_owned()));
    let now = planned(&host, &observed);
    assert_eq!(saved().still_good(&[&host], &observed, &now).hosts[0].verdict, Verdict::Unreachable);
    assert_eq!(saved().gone(&[&host]).hosts, []);
    let gone = saved().gone(&[]);
    assert!(gone.hosts[0].verdict == Verdict::Stale && gone.hosts[0].reason().contains("inventory"));
    let mut refused = saved();
    refused.hosts[0].plan.verdict = Verdict::Refused;
    let (host, observed) = world();
    let now = planned(&host, &observed);
    assert_eq!(refused.still_good(&[&host], &observed, &now), refused.plan());
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(SavedPlan::decode(&bytes).is_err());
    }

    #[test]
    fn no_changed_byte_goes_unnoticed(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (text, hash) = saved().encode().unwrap();
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        // White space for white space changes nothing; whatever is still read is what was written.
        if let Ok((plan, read)) = SavedPlan::decode(&bytes) {
            prop_assert_eq!((plan, read), (saved(), hash));
        }
    }

    #[test]
    fn a_file_that_is_cut_off_is_refused(at in any::<prop::sample::Index>()) {
        let (text, _) = saved().encode().unwrap();
        let bytes = text.trim_end().as_bytes();
        prop_assert!(SavedPlan::decode(&bytes[..at.index(bytes.len())]).is_err());
    }
}
