//! The host's part, hosts that were migrated before, and runs that are taken back after the world went on.

use std::sync::atomic::{AtomicUsize, Ordering};

use egressctl::core::event::{Event, HostOutcome};
use egressctl::core::observed::EipHolder;
use egressctl::core::plan::{Plan, StepKind};
use egressctl::engine::{self, Settings};
use egressctl::ports::{CloudErrorKind, Journal, RunMeta, RunVerb, SshError, SshErrorKind};
use egressctl::ssh::double::said;

use super::rig::{Rig, look};
use super::state::{Lease, State};
use super::world::Fault;
use super::{is_back, is_final, judge};

fn broken(kind: SshErrorKind) -> SshError {
    SshError { kind, message: "told to fail".to_owned() }
}

/// A migrated host as a finished run leaves it.
async fn migrated() -> State {
    let rig = Rig::fresh();
    assert_eq!(rig.apply().await.outcome, HostOutcome::Changed);
    rig.cloud.state()
}

/// How the apply script goes on one execution: whether it has its effect, and what is heard of it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ran {
    Fine,
    Reverted,
    NotReverted,
    Garbage { done: bool },
    Lost { done: bool },
    NotRun,
}

#[tokio::test(start_paused = true)]
async fn the_hosts_part_may_go_wrong_in_every_way_twice() {
    let ways = [
        Ran::Fine,
        Ran::Reverted,
        Ran::NotReverted,
        Ran::Garbage { done: true },
        Ran::Garbage { done: false },
        Ran::Lost { done: true },
        Ran::Lost { done: false },
        Ran::NotRun,
    ];
    for first in ways {
        for second in ways {
            let count = AtomicUsize::new(0);
            let state = State::untouched();
            let rig = Rig::of(state, move |cloud, script| {
                if !script.contains("egressctl-apply 1") {
                    return None;
                }
                let way = if count.fetch_add(1, Ordering::SeqCst) == 0 { first } else { second };
                let effect = matches!(
                    way,
                    Ran::Fine | Ran::NotReverted | Ran::Garbage { done: true } | Ran::Lost { done: true }
                );
                cloud.change(|state| state.route |= effect);
                Some(match way {
                    Ran::Fine => Ok(said("egressctl-apply 1\nresult ok\n")),
                    Ran::Reverted => Ok(said("egressctl-apply 1\nresult failed route reverted no\n")),
                    Ran::NotReverted => Ok(said("egressctl-apply 1\nresult failed route not-reverted no\n")),
                    Ran::Garbage { .. } => Ok(said("egressctl-apply 1\n")),
                    Ran::Lost { .. } => Err(broken(SshErrorKind::Lost)),
                    Ran::NotRun => Err(broken(SshErrorKind::Auth)),
                })
            });
            let result = rig.apply().await;
            judge(&format!("{first:?}, then {second:?}"), &rig, &result.outcome, is_back);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_cannot_be_proven_leaves_the_route_where_it_is() {
    let mut state = migrated().await;
    (state.route, state.echo) = (false, false);
    let rig = Rig::of(state, |_, _| None);
    assert_eq!(rig.plan.hosts[0].steps.len(), 2, "{:?}", rig.plan);
    let result = rig.apply().await;
    assert!(matches!(result.outcome, HostOutcome::Reverted(_)), "{result:#?}");
    assert!(result.notes.iter().any(|note| note.contains("policy route stays")), "{:?}", result.notes);
    assert!(rig.cloud.state().reached(), "the EIP is on the interface, and its route is gone");
}

#[tokio::test(start_paused = true)]
async fn a_repair_is_not_rolled_back() {
    let mut state = migrated().await;
    state.route = false;
    let rig = Rig::of(state, |_, _| None);
    assert_eq!(rig.apply().await.outcome, HostOutcome::Changed);
    let results = rig.rollback().await;
    assert!(
        matches!(&results[0].outcome, HostOutcome::Refused(why) if why.contains("cut the host off")),
        "{results:#?}"
    );
    assert!(is_final(&rig.cloud.state()));
}

fn lost_address(mut state: State, echo: bool) -> State {
    state.echo = echo;
    let eip = state.view.eips.values_mut().next().unwrap();
    eip.holder = None;
    eip.status = egressctl::core::observed::EipStatus::Available;
    state
}

#[tokio::test(start_paused = true)]
async fn an_eip_that_was_found_bound_to_nothing_is_not_left_so_quietly() {
    let rig = Rig::of(lost_address(migrated().await, false), |_, _| None).remember().await;
    let result = rig.apply().await;
    assert!(matches!(result.outcome, HostOutcome::Reverted(_)), "{result:#?}");
    let state = rig.cloud.state();
    assert!(matches!(state.eip().unwrap().holder, Some(EipHolder::Instance(_))), "{state:#?}");
    assert!(state.reached());

    let rig = Rig::of(lost_address(migrated().await, true), |_, _| None).remember().await;
    rig.cloud.fault("associate", 0, Fault::Error(CloudErrorKind::Refused));
    let result = rig.apply().await;
    assert!(
        matches!(&result.outcome, HostOutcome::Unknown(why) if why.contains("bound to nothing")),
        "{result:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_old_run_is_not_taken_back_from_under_a_newer_one() {
    for action in ["create", "attach"] {
        let rig = Rig::fresh();
        rig.cloud.fault(action, 0, Fault::LostAfter);
        rig.journal.fail_appends_from(if action == "create" { 8 } else { 10 });
        rig.apply().await;
        rig.journal.fail_append(usize::MAX);
        rig.cloud.heal();
        let newer = rig.again().await;
        assert_eq!(newer.apply().await.outcome, HostOutcome::Changed);
        let results = rig.rollback().await;
        assert!(matches!(&results[0].outcome, HostOutcome::Refused(_)), "{action}: {results:#?}");
        assert!(is_final(&rig.cloud.state()), "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_not_taken_back_on_another_host() {
    let rig = Rig::fresh();
    rig.apply().await;
    let mut other = rig.host.clone();
    other.instance = "i-other".parse().unwrap();
    let (_, results) = rig.rollback_as(&other, &look(&rig.cloud)).await;
    assert!(matches!(results[0].outcome, HostOutcome::Refused(_)), "{results:#?}");

    let mut gone = look(&rig.cloud);
    gone.observed.cloud.instances.clear();
    let (_, results) = rig.rollback_as(&rig.host, &gone).await;
    assert!(matches!(results[0].outcome, HostOutcome::Refused(_)), "{results:#?}");

    let mut moved = look(&rig.cloud);
    for eip in moved.observed.cloud.eips.values_mut() {
        eip.holder = Some(EipHolder::Instance("i-other".parse().unwrap()));
    }
    let (_, results) = rig.rollback_as(&rig.host, &moved).await;
    assert!(matches!(results[0].outcome, HostOutcome::Refused(_)), "{results:#?}");
    assert!(is_final(&rig.cloud.state()));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_taken_back_can_be_tried_again_and_its_journal_replays() {
    let rig = Rig::fresh();
    rig.cloud.change(|state| state.echo = false);
    rig.cloud.fault("delete", 0, Fault::Error(CloudErrorKind::Refused));
    let result = rig.apply().await;
    assert!(matches!(result.outcome, HostOutcome::Unknown(_)), "{result:#?}");
    rig.cloud.heal();
    rig.cloud.change(|state| state.echo = true);
    let (id, results) = rig.rollback_as(&rig.host, &look(&rig.cloud)).await;
    assert_eq!(results[0].outcome, HostOutcome::Changed, "{results:#?}");
    assert!(is_back(&rig.cloud.state()));
    let left = engine::rollback_hosts(&rig.world, &id).await.unwrap();
    assert_eq!(left.len(), 0, "{left:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_account_keeps_the_other_hosts_from_beginning() {
    let mut rig = Rig::fresh();
    rig.world.settings = Settings { forks: 1, ..Settings::default() };
    rig.cloud.fault("convert", 0, Fault::Error(CloudErrorKind::Account));
    let meta = RunMeta { id: rig.run.clone(), verb: RunVerb::Apply, started_ms: 0, inventory: String::new() };
    rig.journal.begin(&meta).await.unwrap();
    let mut other = rig.host.clone();
    other.name = "web-2".parse().unwrap();
    let mut plans = vec![rig.plan.hosts[0].clone(); 2];
    plans[1].host = other.name.clone();
    let hosts = [&rig.host, &other];
    let plan = Plan { hosts: plans };
    let results = engine::apply(&rig.world, &rig.run, &hosts, &rig.discovered, &plan).await;
    assert!(matches!(&results[0].outcome, HostOutcome::Reverted(_)), "{results:#?}");
    assert!(
        matches!(&results[1].outcome, HostOutcome::Skipped(why) if why.contains("account")),
        "{results:#?}"
    );
    assert_eq!(rig.cloud.writes(), ["convert"]);
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_written_keeps_the_other_hosts_from_beginning() {
    let mut rig = Rig::fresh();
    rig.world.settings = Settings { forks: 1, ..Settings::default() };
    let meta = RunMeta { id: rig.run.clone(), verb: RunVerb::Apply, started_ms: 0, inventory: String::new() };
    rig.journal.begin(&meta).await.unwrap();
    let mut other = rig.host.clone();
    other.name = "web-2".parse().unwrap();
    let mut plans = vec![rig.plan.hosts[0].clone(); 2];
    plans[1].host = other.name.clone();
    // After the plan, the host's beginning and one intent.
    rig.journal.fail_append(4);
    let hosts = [&rig.host, &other];
    let plan = Plan { hosts: plans };
    let results = engine::apply(&rig.world, &rig.run, &hosts, &rig.discovered, &plan).await;
    assert!(matches!(&results[0].outcome, HostOutcome::Unknown(_)), "{results:#?}");
    assert!(
        matches!(&results[1].outcome, HostOutcome::Skipped(why) if why.contains("journal")),
        "{results:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_probes_are_not_undone_in_public() {
    let rig = Rig::fresh();
    rig.cloud.change(|state| state.echo = false);
    let result = rig.apply().await;
    assert!(result.steps.iter().all(|step| !(step.undo && step.step == StepKind::Verify)));
    let events = rig.events.0.lock().unwrap();
    let noise = |event: &Event| {
        matches!(
            event,
            Event::StepStarted { step: StepKind::Verify, undo: true, .. }
                | Event::StepFinished { step: StepKind::Verify, undo: true, .. }
        )
    };
    assert!(!events.iter().any(noise));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_reported_and_the_stage_ends_after_it() {
    let state = State::untouched();
    let rig = Rig::of(state, |_, script| {
        assert!(!script.contains("egressctl-apply 1"), "on purpose");
        None
    });
    let result = rig.apply().await;
    assert!(matches!(&result.outcome, HostOutcome::Unknown(why) if why.contains("journal")), "{result:#?}");
    let events = std::mem::take(&mut *rig.events.0.lock().unwrap());
    assert!(
        matches!(events.as_slice(), [.., Event::HostDone { .. }, Event::StageFinished { .. }]),
        "{events:#?}"
    );
    // Nobody was left to give the lease back.
    let results = rig.rollback().await;
    assert!(matches!(results[0].outcome, HostOutcome::Locked(_)), "{results:#?}");
    rig.cloud.change(|state| state.lease = Lease::default());
    let results = rig.rollback().await;
    assert_eq!(results[0].outcome, HostOutcome::Changed, "{results:#?}");
    assert!(is_back(&rig.cloud.state()));
}
