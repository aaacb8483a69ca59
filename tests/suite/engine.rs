//! The engine against a world in memory, by enumeration: every call, every way its answer can be wrong, every point at which
//! the journal can fail; and the report must not say more than is true.

mod breaker;
mod claims;
mod fault;
mod guarded;
mod host;
mod many;
mod resumed;
mod rig;
mod rollout;
mod state;
mod world;

use std::time::Duration;

use egressctl::core::event::HostOutcome;
use egressctl::core::observed::EipHolder;
use egressctl::ports::CloudErrorKind;

use self::rig::{Rig, look};
use self::state::State;
use self::world::Fault;

const ACTIONS: [&str; 5] = ["convert", "create", "attach", "unassociate", "associate"];

const FAULTS: [Fault; 9] = [
    Fault::Error(CloudErrorKind::Refused),
    Fault::Error(CloudErrorKind::Busy),
    Fault::Error(CloudErrorKind::NotFound),
    Fault::Error(CloudErrorKind::Account),
    Fault::LostAfter,
    Fault::LostBefore,
    Fault::LostAndSlow(24),
    Fault::Late,
    Fault::BlindAfter,
];

fn is_final(state: &State) -> bool {
    let ours = state.ours();
    let on_it = |holder: &EipHolder| matches!(holder, EipHolder::Eni(id) if ours.iter().any(|e| e.id == *id));
    state.route
        && state.reached()
        && ours.len() == 1
        && state.eip().and_then(|eip| eip.holder.as_ref()).is_some_and(on_it)
}

/// As it was, except that a converted address stays an EIP.
fn is_back(state: &State) -> bool {
    let instance = state.view.instances.values().next().unwrap();
    let home = EipHolder::Instance(instance.id.clone());
    let address = instance.public_ip.is_some() || state.eip().is_some_and(|eip| eip.holder == Some(home));
    address && !state.route && state.ours().is_empty()
}

/// What must hold after whatever has happened.
fn judge(case: &str, rig: &Rig, outcome: &HostOutcome, back: impl Fn(&State) -> bool) {
    let state = rig.cloud.state();
    let told = format!("{case}: {outcome:?}");
    assert_eq!(rig.cloud.wrongs(), Vec::<String>::new(), "{told}");
    assert!(state.ours().len() <= 1, "{told}: two interfaces");
    match outcome {
        HostOutcome::Changed => assert!(is_final(&state), "{told}: {state:#?}"),
        HostOutcome::Reverted(reason) => {
            assert!(!reason.is_empty() && back(&state), "{told}: {state:#?}");
            assert!(state.reached(), "{told}: taken back, and nobody reaches it");
        }
        HostOutcome::Failed(reason) => {
            assert!(reason.contains("nothing was changed") && back(&state), "{told}: {state:#?}");
        }
        HostOutcome::Unknown(reason) => assert!(!reason.is_empty(), "{told}"),
        other => panic!("{case}: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_host_takes_five_writes() {
    let rig = Rig::fresh();
    let result = rig.apply().await;
    assert_eq!(result.outcome, HostOutcome::Changed, "{result:#?}");
    judge("fine", &rig, &result.outcome, is_back);
    assert_eq!(rig.cloud.writes(), ACTIONS);
}

#[tokio::test(start_paused = true)]
async fn every_write_may_go_wrong_in_every_way_once_or_always() {
    for action in ACTIONS {
        for fault in FAULTS {
            for nth in [1, 0] {
                let rig = Rig::fresh();
                rig.cloud.fault(action, nth, fault);
                let result = rig.apply().await;
                judge(&format!("{action} {nth} {fault:?}"), &rig, &result.outcome, is_back);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_undo_may_go_wrong_in_every_way_once_or_always() {
    // The probes fail, so everything is taken back.
    for (action, nth) in
        [("unassociate", 2), ("associate", 2), ("detach", 1), ("detach", 0), ("delete", 1), ("delete", 0)]
    {
        for fault in FAULTS {
            let rig = Rig::fresh();
            rig.cloud.change(|state| state.echo = false);
            rig.cloud.fault(action, nth, fault);
            let result = rig.apply().await;
            let case = format!("undo by {action} {nth} {fault:?}");
            judge(&case, &rig, &result.outcome, is_back);
            assert_ne!(result.outcome, HostOutcome::Changed, "{case}");
            let state = rig.cloud.state();
            let unbound = state.eip().is_some_and(|eip| eip.holder.is_none());
            assert!(
                state.reached() || unbound,
                "{case}: the EIP is bound, and nobody reaches the host: {state:#?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_things_may_go_wrong_at_once() {
    let calls = [
        ("convert", 1),
        ("create", 1),
        ("attach", 1),
        ("unassociate", 1),
        ("unassociate", 2),
        ("associate", 1),
        ("associate", 2),
        ("detach", 1),
        ("delete", 1),
    ];
    // The kinds of refusal differ in words only.
    let faults = || FAULTS.into_iter().filter(|fault| !matches!(fault, Fault::Error(_) | Fault::Late));
    let faults = || faults().chain([FAULTS[0]]);
    for (n, (first, a)) in calls.into_iter().enumerate() {
        for (second, b) in calls.into_iter().skip(n + 1) {
            for one in faults() {
                for other in faults() {
                    let rig = Rig::fresh();
                    rig.cloud.change(|state| state.echo = (a, b) == (1, 1));
                    rig.cloud.fault(first, a, one);
                    rig.cloud.fault(second, b, other);
                    let case = format!("{first} {a} {one:?}, {second} {b} {other:?}");
                    judge(&case, &rig, &rig.apply().await.outcome, is_back);
                    rig.cloud.heal();
                    rig.cloud.change(|state| state.echo = true);
                    tokio::time::sleep(Duration::from_secs(30)).await;
                    for result in rig.rollback().await {
                        assert_eq!(
                            result.outcome,
                            HostOutcome::Changed,
                            "rollback after {case}: {result:#?}"
                        );
                        assert!(is_back(&rig.cloud.state()), "rollback after {case}");
                    }
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_journal_may_fail_at_every_append() {
    for from in [false, true] {
        for nth in 1..40 {
            for echo in [true, false] {
                let rig = Rig::fresh();
                rig.cloud.change(|state| state.echo = echo);
                if from {
                    rig.journal.fail_appends_from(nth);
                } else {
                    rig.journal.fail_append(nth);
                }
                let result = rig.apply().await;
                judge(&format!("append {nth}, from {from}, echo {echo}"), &rig, &result.outcome, is_back);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_run_did_can_be_taken_back_wherever_it_stopped() {
    for action in ACTIONS {
        for fault in FAULTS {
            let rig = Rig::fresh();
            rig.cloud.fault(action, 0, fault);
            rig.apply().await;
            rig.cloud.heal();
            for result in rig.rollback().await {
                let case = format!("rollback after {action} {fault:?}");
                assert_eq!(result.outcome, HostOutcome::Changed, "{case}: {result:#?}");
                assert!(is_back(&rig.cloud.state()), "{case}: {:#?}", rig.cloud.state());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_apply_finishes_what_a_dead_journal_has_stopped() {
    for nth in 1..20 {
        let rig = Rig::fresh();
        rig.journal.fail_appends_from(nth);
        rig.apply().await;
        rig.journal.fail_append(usize::MAX);
        let rig = rig.again().await;
        let result = rig.apply().await;
        if result.outcome != HostOutcome::Ok {
            judge(&format!("after append {nth}"), &rig, &result.outcome, is_final);
            assert_eq!(result.outcome, HostOutcome::Changed, "{nth}");
        }
        assert!(is_final(&rig.cloud.state()), "{nth}: {result:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rolling_back_twice_does_no_harm() {
    let rig = Rig::fresh();
    rig.apply().await;
    let first = rig.rollback().await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].outcome, HostOutcome::Changed, "{first:#?}");
    assert!(is_back(&rig.cloud.state()));
    assert!(rig.rollback().await.is_empty(), "what was taken back is not left");
    assert!(is_back(&rig.cloud.state()));
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_died_while_it_copied_is_not_taken_for_one_that_turned_round() {
    for nth in 1..30 {
        let mut rig = Rig::fresh();
        assert_eq!(rig.apply().await.outcome, HostOutcome::Changed);
        rig.journal.fail_appends_from(nth);
        let (died, _) = rig.rollback_as(&rig.host, &look(&rig.cloud)).await;
        rig.journal.fail_append(usize::MAX);
        rig.run = died;
        for result in rig.rollback().await {
            let state = rig.cloud.state();
            let back = is_back(&state) && state.reached();
            assert!(result.outcome != HostOutcome::Changed || back, "append {nth}: {result:#?}, {state:#?}");
        }
    }
}
