//! The guard over the host's part as the engine sees it: why a change was taken back, what another process may confirm, and files
//! that are named by a device which is not there yet when they are planned.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use egressctl::core::event::HostOutcome;
use egressctl::core::inventory::Persist;
use egressctl::core::model::Owner;
use egressctl::core::observed::facts::Link;
use egressctl::core::plan::{Op, Policy, plan};
use egressctl::core::saga::{Effect, Record, Saga};
use egressctl::engine::{self, Stop, World};
use egressctl::ports::{Journal, SshError, SshErrorKind};
use egressctl::ssh::double::said;

use super::rig::{Rig, look};
use super::state::{Lease, State};
use crate::support::facts::printed;

const TAKEN_BACK: &str = "egressctl-apply 1\nguard rolledback\nresult failed rolled-back reverted the host has taken the change back\n";

/// A phase of the apply script, by what it is told.
fn phase(script: &str) -> &str {
    let line = script.lines().find_map(|line| line.strip_prefix("phase=")).unwrap();
    line.trim_matches(['\'', '\\'])
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_taken_back_always_has_its_reason() {
    for lost in [0, 1] {
        let tries = AtomicUsize::new(0);
        let rig = Rig::of(State::untouched(), move |_, script| {
            if !script.contains("egressctl-apply 1") {
                return None;
            }
            Some(match phase(script) {
                "change" => Ok(said("egressctl-apply 1\nguard armed 1 18000\nresult ok\n")),
                "confirm" if tries.fetch_add(1, Ordering::SeqCst) < lost => {
                    Err(SshError { kind: SshErrorKind::Unreachable, message: "no way there".to_owned() })
                }
                _ => Ok(said(TAKEN_BACK)),
            })
        });
        let result = rig.apply().await;
        let HostOutcome::Reverted(reason) = &result.outcome else { panic!("{result:#?}") };
        let (_, why) = reason.split_once("rolled-back: the host has taken the change back; ").expect(reason);
        let expected = if lost == 0 { "too late to confirm" } else { "no way there" };
        assert!(why.contains(expected), "{lost}: {reason}");
    }
}

/// A run that was killed while its change waited on the host, whose guards are these.
async fn killed(guards: &'static str) -> (Rig, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let rig = Rig::of(State::untouched(), move |_, script| {
        if script.contains("egressctl-guards 1") {
            let tx = script_tx(&seen.lock().unwrap());
            return Some(Ok(said(&guards.replace("TX", &tx))));
        }
        if !script.contains("egressctl-apply 1") {
            return None;
        }
        let mut seen = seen.lock().unwrap();
        seen.push(script.to_owned());
        Some(Ok(said(match phase(script) {
            // As it was for the process that died.
            "change" => "egressctl-apply 1\nresult ok\n",
            _ => "egressctl-apply 1\nguard confirmed\nresult ok\n",
        })))
    });
    rig.journal.fail_appends_from(KILLED_AT);
    rig.apply().await;
    rig.journal.fail_append(usize::MAX);
    rig.cloud.change(|state| state.lease = Lease::default());
    let at = open(&rig).await;
    assert!(matches!(at, Some(Op::Configure { .. })), "killed in {at:?}");
    (rig, asked)
}

/// The append that says what came of the host's part: behind the plan, what began, and three steps with intent and outcome.
const KILLED_AT: usize = 10;

fn script_tx(seen: &[String]) -> String {
    let line = seen[0].lines().find_map(|line| line.strip_prefix("guard_tx=")).unwrap();
    line.trim_matches(['\'', '\\']).to_owned()
}

async fn saga(rig: &Rig) -> Saga {
    let records: Vec<Record> =
        rig.journal.records(&rig.run).await.unwrap().into_iter().map(|(_, _, record)| record).collect();
    Saga::replay(&records).unwrap().unwrap()
}

async fn open(rig: &Rig) -> Option<Op> {
    saga(rig).await.open().cloned()
}

async fn confirm(rig: &Rig) -> HostOutcome {
    let world = World { stop: Stop::default(), ..rig.world.clone() };
    let mut results = engine::confirm(&world, &rig.run, &[&rig.host]).await.unwrap();
    results.remove(0).outcome
}

#[tokio::test(start_paused = true)]
async fn another_process_confirms_what_is_whole_and_in_time() {
    let (rig, asked) = killed("egressctl-guards 1\nguard TX armed 1 12000\nwhole\nresult ok\n").await;
    let before = asked.lock().unwrap().len();
    assert_eq!(confirm(&rig).await, HostOutcome::Changed);
    let phases: Vec<String> =
        asked.lock().unwrap()[before..].iter().map(|script| phase(script).to_owned()).collect();
    assert_eq!(phases, ["confirm"], "it must do nothing else");
    assert_eq!(open(&rig).await, None);
    // The rest is left to whoever resumes it.
    assert!(saga(&rig).await.end().is_none());
    let again = confirm(&rig).await;
    assert!(matches!(&again, HostOutcome::Refused(why) if why.contains("egressctl resume")), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_else_is_confirmed_and_nothing_is_written_down() {
    for (guards, expected) in [
        ("egressctl-guards 1\nresult ok\n", "no guard of this run"),
        (
            "egressctl-guards 1\nguard 0123456789abcdef armed 1 900\nwhole\nresult ok\n",
            "no guard of this run",
        ),
        (
            "egressctl-guards 1\nguard TX armed 1 900\nresult ok\n",
            "cut off half-way; the host takes it back by itself in 9 s",
        ),
        ("egressctl-guards 1\nguard TX armed 1 900\nbusy\nresult ok\n", "is at work on the host"),
        (
            "egressctl-guards 1\nguard TX rolledback\nend reverted\nresult ok\n",
            "it was not confirmed in time",
        ),
        ("egressctl-guards 1\nguard TX rolledback\nresult ok\n", "is taking the change back"),
    ] {
        let (rig, asked) = killed(guards).await;
        let before = asked.lock().unwrap().len();
        let outcome = confirm(&rig).await;
        assert!(
            matches!(&outcome, HostOutcome::Refused(why) if why.contains(expected)),
            "{guards}: {outcome:?}"
        );
        assert_eq!(asked.lock().unwrap().len(), before, "{guards}: the host was told something");
        assert!(open(&rig).await.is_some(), "{guards}");
    }
    let (rig, _) =
        killed("egressctl-guards 1\nguard TX rolledback\nend not-reverted /etc/x\nresult ok\n").await;
    assert!(matches!(confirm(&rig).await, HostOutcome::Unknown(why) if why.contains("/etc/x")));
    let (rig, _) = killed("egressctl-guards 1\nguard TX armed 1 12000\nwhole\nresult ok\n").await;
    let other = ("00112233445566ff".to_owned(), "20261122T161500Z-ffff".to_owned());
    rig.cloud.change(|state| state.lease = Lease(Some(other)));
    assert!(matches!(confirm(&rig).await, HostOutcome::Locked(_)));
}

/// A host whose secondary device shows up only at the given look, under that name.
fn late_device(at: usize, name: &'static str) -> (Rig, Arc<Mutex<Vec<String>>>) {
    let (looks, scripts) = (AtomicUsize::new(0), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&scripts);
    let mut rig = Rig::of(State::untouched(), move |cloud, script| {
        if script.contains("egressctl-apply 1") {
            seen.lock().unwrap().push(script.to_owned());
        }
        if !script.contains("egressctl-facts 1") {
            return None;
        }
        let mut facts = look(cloud).observed.facts.into_values().next().unwrap().seen().cloned().unwrap();
        let state = cloud.state();
        let attached = state.ours().iter().any(|eni| eni.instance.is_some());
        if attached && looks.fetch_add(1, Ordering::SeqCst) + 1 >= at {
            let mac = "00:16:3e:aa:bb:02".parse().unwrap();
            facts.links.push(Link { name: name.parse().unwrap(), mac, up: false, mtu: 1500 });
        }
        Some(Ok(said(&printed(&facts))))
    });
    rig.host.route.persist = Persist::By(Owner::Ifcfg);
    rig.plan = plan(&[&rig.host], &rig.discovered.observed, &rig.world.templates, &Policy::default());
    (rig, scripts)
}

#[tokio::test(start_paused = true)]
async fn files_named_by_a_device_are_made_when_its_name_is_known() {
    for (at, name) in [(1, "eth1"), (4, "ens6")] {
        let (rig, scripts) = late_device(at, name);
        let result = rig.apply().await;
        assert_eq!(result.outcome, HostOutcome::Changed, "{result:#?}");
        let scripts = scripts.lock().unwrap().clone();
        let folder = "/etc/sysconfig/network-scripts";
        for file in ["ifcfg", "route", "rule"] {
            assert!(scripts[0].contains(&format!("'{folder}/{file}-{name}'")), "{name}: {file}");
        }
        assert!(!scripts.iter().any(|script| script.contains("known after apply")), "{name}");
        // A rollback takes back what was written, not what was previewed.
        let files = saga(&rig).await.done().iter().find_map(|(_, effect)| match effect {
            Effect::Persisted { files, .. } => Some(files.clone()),
            _ => None,
        });
        let paths: Vec<String> = files.unwrap().into_iter().map(|file| file.path).collect();
        assert!(
            paths.len() == 3 && paths.iter().all(|path| path.ends_with(&format!("-{name}"))),
            "{paths:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_device_no_file_is_made_under_a_made_up_name() {
    let (rig, scripts) = late_device(usize::MAX, "eth1");
    let result = rig.apply().await;
    assert!(
        matches!(&result.outcome, HostOutcome::Reverted(why) if why.contains("did not appear")),
        "{result:#?}"
    );
    assert!(scripts.lock().unwrap().is_empty(), "the host was changed");
}
