//! A run whose process is gone, at every record and after every fault, and then gone on with.

use std::sync::Arc;
use std::time::Duration;

use egressctl::core::event::{Event, HostOutcome};
use egressctl::core::model::EniId;
use egressctl::core::observed::{EipHolder, Eni, EniStatus};
use egressctl::core::run::RunNote;
use egressctl::core::saga::{End, Record, Saga};
use egressctl::engine::{self, Cutovers, Resume, Settings, Stop, Terms, World};
use egressctl::ports::{CloudErrorKind, Journal};

use super::rig::{Rig, look};
use super::state::{Lease, State};
use super::world::Fault;
use super::{ACTIONS, FAULTS, is_back, is_final, judge};

fn all() -> Resume {
    Resume { begin: Some(Terms::default()), retry_stuck: false }
}
/// More appends than any run of one host makes.
const APPENDS: usize = 31;

/// What the journal of a run says, and that it replays.
async fn saga(rig: &Rig) -> Option<Saga> {
    let records = rig.journal.records(&rig.run).await.unwrap();
    let records: Vec<Record> = records.into_iter().map(|(_, _, record)| record).collect();
    Saga::replay(&records).unwrap()
}

/// Kills the run at an append, goes on with it, and judges the end.
async fn killed(rig: &Rig, case: &str, nth: usize) -> Option<HostOutcome> {
    rig.journal.fail_appends_from(nth);
    rig.apply().await;
    rig.journal.fail_append(usize::MAX);
    let mut reports = rig.resume(all()).await;
    assert!(reports.len() <= 1, "{case}");
    let ended = |saga: Option<Saga>| saga.is_none_or(|saga| saga.end().is_some());
    if !ended(saga(rig).await) {
        // What cannot be looked at is left as it is, and told.
        let HostOutcome::Unknown(why) = &reports[0].outcome else { panic!("{case}: {reports:#?}") };
        assert!(why.contains("once that is mended: egressctl resume"), "{case}: {why}");
        rig.cloud.heal();
        tokio::time::sleep(Duration::from_secs(30)).await;
        reports = rig.resume(all()).await;
        assert!(ended(saga(rig).await), "{case}: it did not end: {reports:#?}");
    }
    let outcome = reports.into_iter().next()?.outcome;
    judge(case, rig, &outcome, is_back);
    Some(outcome)
}

#[tokio::test(start_paused = true)]
async fn a_run_killed_at_any_record_ends_well_if_nothing_else_goes_wrong() {
    let mut went_on = 0;
    for echo in [true, false] {
        for nth in 2..APPENDS {
            let rig = Rig::fresh();
            rig.cloud.change(|state| state.echo = echo);
            let Some(outcome) = killed(&rig, &format!("append {nth}, echo {echo}"), nth).await else {
                continue;
            };
            went_on += 1;
            match outcome {
                HostOutcome::Changed => assert!(echo, "{nth}"),
                HostOutcome::Reverted(_) => assert!(!echo, "{nth}"),
                other => panic!("append {nth}, echo {echo}: {other:?}"),
            }
            assert!(rig.resume(all()).await.is_empty(), "{nth}: nothing is left");
            let created = rig.cloud.writes().iter().filter(|action| **action == "create").count();
            assert!(created <= 1, "{nth}: {:?}", rig.cloud.writes());
        }
    }
    assert!(went_on > 30, "only {went_on} runs had anything left to do");
}

/// Somebody has given another interface the same tag, by a copy of it, say.
#[tokio::test(start_paused = true)]
async fn what_is_taken_back_is_our_interface_also_where_another_one_has_its_tag() {
    let mut reverted = 0;
    for nth in 2..APPENDS {
        let rig = Rig::fresh();
        rig.cloud.change(|state| state.echo = false);
        rig.journal.fail_appends_from(nth);
        rig.apply().await;
        rig.journal.fail_append(usize::MAX);
        let other: EniId = "eni-0".parse().unwrap();
        let ours = rig.cloud.state().view.enis.values().find(|eni| !eni.tags.is_empty()).cloned();
        let Some(ours) = ours else { continue };
        assert!(other < ours.id);
        rig.cloud.change(|state| {
            let copy =
                Eni { id: other.clone(), instance: None, status: EniStatus::Available, ..ours.clone() };
            state.view.enis.insert(other.clone(), copy);
        });
        let reports = rig.resume(all()).await;
        let there = rig.cloud.state().view.enis.contains_key(&ours.id);
        for report in &reports {
            match &report.outcome {
                HostOutcome::Reverted(_) => {
                    assert!(!there, "append {nth}");
                    reverted += 1;
                }
                HostOutcome::Unknown(_) => {}
                other => panic!("append {nth}: {other:?}"),
            }
        }
        assert!(rig.cloud.state().view.enis.contains_key(&other), "append {nth}: it is not ours");
    }
    assert!(reverted > 10, "only {reverted}");
}

#[tokio::test(start_paused = true)]
async fn a_run_killed_at_any_record_after_any_fault_ends_with_a_reason() {
    for action in ACTIONS {
        for fault in FAULTS {
            for nth in 2..APPENDS {
                let rig = Rig::fresh();
                rig.cloud.fault(action, 1, fault);
                killed(&rig, &format!("{action} {fault:?}, append {nth}"), nth).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_killed_while_it_is_taken_back_after_any_fault_ends_with_a_reason() {
    for (action, call) in [("unassociate", 2), ("associate", 2), ("detach", 1), ("delete", 1)] {
        for fault in FAULTS {
            for nth in 14..APPENDS {
                let rig = Rig::fresh();
                rig.cloud.change(|state| state.echo = false);
                rig.cloud.fault(action, call, fault);
                killed(&rig, &format!("undo by {action} {fault:?}, append {nth}"), nth).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_may_be_killed_twice() {
    for first in 2..20 {
        for second in 1..20 {
            for echo in [true, false] {
                let rig = Rig::fresh();
                rig.cloud.change(|state| state.echo = echo);
                rig.journal.fail_appends_from(first);
                rig.apply().await;
                rig.journal.fail_appends_from(second);
                let seen = look(&rig.cloud);
                // The first note of the second process may be what it dies of.
                let _ = engine::resume(&rig.world, &rig.run, &[&rig.host], Some(&seen), all()).await;
                rig.journal.fail_append(usize::MAX);
                let reports = rig.resume(all()).await;
                for report in &reports {
                    judge(&format!("{first}, {second}, {echo}"), &rig, &report.outcome, is_back);
                }
                let state = rig.cloud.state();
                assert!(is_final(&state) == echo && is_back(&state) != echo, "{first} {second} {echo}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn windows_are_closed_without_asking_a_host() {
    let mut cut = 0;
    for nth in 2..APPENDS {
        let rig = Rig::fresh();
        rig.journal.fail_appends_from(nth);
        rig.apply().await;
        rig.journal.fail_append(usize::MAX);
        let open = engine::unfinished(&rig.world, &rig.run).await.unwrap().cut;
        let closed = engine::close_windows(&rig.world, &rig.run, &[&rig.host]).await.unwrap();
        assert_eq!(closed.len(), open.len());
        assert!(closed.iter().all(|closed| closed.problem.is_none()), "{closed:?}");
        cut += closed.len();
        if !closed.is_empty() {
            assert!(rig.cloud.state().reached(), "append {nth}");
            assert!(engine::unfinished(&rig.world, &rig.run).await.unwrap().cut.is_empty());
        }
        let _ = rig.resume(all()).await;
        assert!(is_final(&rig.cloud.state()), "append {nth}");
    }
    assert_eq!(cut, 3, "after both intents, and between them");
}

#[tokio::test(start_paused = true)]
async fn an_eip_that_somebody_else_has_moved_meanwhile_is_left_alone() {
    for nth in [13, 14, 15, 16] {
        let rig = Rig::fresh();
        rig.journal.fail_appends_from(nth);
        rig.apply().await;
        rig.journal.fail_append(usize::MAX);
        let Some(saga) = saga(&rig).await.filter(Saga::window) else { continue };
        let theirs = EipHolder::Instance("i-other".parse().unwrap());
        rig.cloud.change(|state| state.view.eips.values_mut().next().unwrap().holder = Some(theirs.clone()));
        let writes = rig.cloud.writes().len();
        let reports = rig.resume(all()).await;
        let HostOutcome::Unknown(why) = &reports[0].outcome else { panic!("{reports:#?}") };
        assert!(saga.open().is_none() || why.contains("somebody else"), "{nth}: {why}");
        assert_eq!(rig.cloud.state().eip().unwrap().holder, Some(theirs), "{nth}");
        let later = rig.cloud.writes().split_off(writes);
        assert!(!later.contains(&"unassociate"), "{nth}: {later:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_human_was_needed_for_is_tried_again_only_if_asked() {
    for action in ACTIONS {
        let rig = Rig::fresh();
        rig.cloud.fault(action, 0, Fault::LostBefore);
        let first = rig.apply().await;
        assert!(matches!(first.outcome, HostOutcome::Unknown(_)), "{action}: {first:#?}");
        rig.cloud.heal();
        tokio::time::sleep(Duration::from_secs(30)).await;
        let told = rig.resume(all()).await;
        assert!(
            matches!(&told[0].outcome, HostOutcome::Unknown(why) if why.contains("--retry-stuck")),
            "{action}: {told:#?}"
        );
        let again = rig.resume(Resume { retry_stuck: true, ..all() }).await;
        assert_eq!(again[0].outcome, HostOutcome::Changed, "{action}: {again:#?}");
        assert!(is_final(&rig.cloud.state()), "{action}");
        assert_eq!(saga(&rig).await.unwrap().end(), Some(&End::Committed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_was_not_begun_is_begun_only_as_it_was_approved() {
    for changed in [false, true] {
        let rig = Rig::fresh();
        rig.journal.fail_appends_from(2);
        rig.apply().await;
        rig.journal.fail_append(usize::MAX);
        if changed {
            rig.cloud.change(|state| {
                let entry = state.view.snat.first_mut().unwrap();
                entry.addresses = vec!["203.0.113.251".parse().unwrap()];
            });
        }
        assert!(rig.resume(Resume::default()).await.is_empty(), "only what was begun");
        let reports = rig.resume(all()).await;
        match &reports[0].outcome {
            HostOutcome::Changed => assert!(!changed && is_final(&rig.cloud.state())),
            HostOutcome::Stale(_) => assert!(changed && rig.cloud.writes().is_empty()),
            other => panic!("{other:?}"),
        }
        assert!(rig.resume(all()).await.is_empty(), "told once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_rollback_is_gone_on_with_and_never_forward() {
    let mut cases = 0;
    for nth in 1..APPENDS {
        let rig = Rig::fresh();
        assert_eq!(rig.apply().await.outcome, HostOutcome::Changed);
        rig.journal.fail_appends_from(nth);
        let (id, _) = rig.rollback_as(&rig.host, &look(&rig.cloud)).await;
        rig.journal.fail_append(usize::MAX);
        let rig = Rig { cloud: rig.cloud.of_run(id.clone()), run: id.clone(), ..rig };
        let world = engine::World { cloud: std::sync::Arc::new(rig.cloud.clone()), ..rig.world.clone() };
        let rig = Rig { world, ..rig };
        for report in rig.resume(all()).await {
            cases += 1;
            assert_eq!(report.outcome, HostOutcome::Changed, "append {nth}: {report:#?}");
            assert!(is_back(&rig.cloud.state()), "append {nth}");
            assert!(matches!(saga(&rig).await.unwrap().end(), Some(End::Unwound(_))));
        }
        assert_eq!(rig.cloud.wrongs(), Vec::<String>::new(), "append {nth}");
    }
    assert!(cases > 20, "{cases}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_account_while_resuming_does_not_undo_what_is_done() {
    let rig = Rig::fresh();
    rig.journal.fail_appends_from(14);
    rig.apply().await;
    rig.journal.fail_append(usize::MAX);
    rig.cloud.fault("associate", 0, Fault::Error(CloudErrorKind::Account));
    for report in rig.resume(all()).await {
        judge("account", &rig, &report.outcome, is_back);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cap_on_cutovers_of_zero_is_one_and_stops_nobody() {
    let mut rig = Rig::fresh();
    rig.world.cutovers = Cutovers::new(0);
    rig.world.settings = Settings { forks: 5, ..Settings::default() };
    assert_eq!(rig.apply().await.outcome, HostOutcome::Changed);
    assert_eq!(rig.rollback().await[0].outcome, HostOutcome::Changed);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_begins_its_unbegun_hosts_when_it_is_resumed() {
    let rig = Rig::fresh();
    assert_eq!(rig.apply().await.outcome, HostOutcome::Changed);
    let stop = Stop::default();
    stop.ask();
    let (run, reports) = rig.rollback_until(stop, &rig.host, &look(&rig.cloud)).await;
    assert!(matches!(reports[0].outcome, HostOutcome::Skipped(_)), "{reports:#?}");
    let unfinished = engine::unfinished_runs(&rig.world).await.unwrap();
    assert_eq!((&unfinished[0].run.id, &unfinished[0].waiting), (&run, &vec![rig.host.name.clone()]));
    let cloud = Arc::new(rig.cloud.of_run(run.clone()));
    let world = World { cloud, stop: Stop::default(), ..rig.world.clone() };
    let resume = async |how: Resume| {
        engine::resume(&world, &run, &[&rig.host], Some(&look(&rig.cloud)), how).await.unwrap()
    };
    assert!(resume(Resume::default()).await.is_empty(), "only what was begun");
    assert!(!is_back(&rig.cloud.state()));
    let reports = resume(all()).await;
    assert_eq!(reports[0].outcome, HostOutcome::Changed, "{reports:#?}");
    assert!(is_back(&rig.cloud.state()));
    assert!(resume(all()).await.is_empty());
    assert!(engine::unfinished_runs(&rig.world).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_host_is_taken_back_or_gone_on_with_is_told_and_written_down() {
    let rig = Rig::of(State::untouched(), |_, script| {
        assert!(!script.contains("egressctl-revert 1"), "on purpose");
        None
    });
    assert_eq!(rig.apply().await.outcome, HostOutcome::Changed);
    rig.events.0.lock().unwrap().clear();
    let (run, reports) = rig.rollback_as(&rig.host, &look(&rig.cloud)).await;
    rig.cloud.change(|state| state.lease = Lease::default());
    let cloud = Arc::new(rig.cloud.of_run(run.clone()));
    let world = World { cloud, stop: Stop::default(), ..rig.world.clone() };
    let again = engine::resume(&world, &run, &[&rig.host], Some(&look(&rig.cloud)), all()).await.unwrap();
    for report in [&reports[0], &again[0]] {
        assert!(
            matches!(&report.outcome, HostOutcome::Unknown(why) if why.contains("unexpectedly")),
            "{report:#?}"
        );
    }
    let events = std::mem::take(&mut *rig.events.0.lock().unwrap());
    let done = events.iter().filter(|event| {
        matches!(event, Event::HostDone { outcome: HostOutcome::Unknown(why), .. } if why.contains("unexpectedly"))
    });
    assert_eq!(done.count(), 2, "{events:#?}");
    let notes = rig.journal.notes(&run).await.unwrap();
    let ended = notes.iter().filter(|(_, note)| {
        matches!(note, RunNote::HostEnded { outcome: HostOutcome::Unknown(why), .. } if why.contains("unexpectedly"))
    });
    assert_eq!(ended.count(), 2, "{notes:#?}");
}
