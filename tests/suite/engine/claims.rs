//! Claiming a host: its lease, a second look, and what happens when either says no.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use egressctl::core::event::HostOutcome;
use egressctl::core::observed::{EipHolder, InstanceStatus};
use egressctl::core::saga::Record;
use egressctl::engine::Terms;
use egressctl::ports::{Journal, SshError, SshErrorKind};
use egressctl::ssh::double::said;

use super::is_final;
use super::many::{Goes, Many};
use super::rig::{Rig, look};
use super::state::{Lease, State};

fn holder(run: &str) -> Lease {
    Lease(Some(("00000000000000ff".to_owned(), run.to_owned())))
}

#[tokio::test(start_paused = true)]
async fn a_host_that_somebody_holds_is_left_alone() {
    let rig = Rig::fresh();
    rig.cloud.change(|state| state.lease = holder("run-of-bob"));
    let result = rig.apply().await;
    let HostOutcome::Locked(why) = &result.outcome else { panic!("{result:#?}") };
    for words in
        ["run run-of-bob of bob@elsewhere", "until 16:05:00 UTC", "nothing was changed", "lock release"]
    {
        assert!(why.contains(words), "{words}: {why}");
    }
    assert!(rig.cloud.writes().is_empty());
    assert_eq!(rig.cloud.state().lease, holder("run-of-bob"));
    assert!(rig.journal.records(&rig.run).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_same_run_takes_its_own_lease_again_and_gives_it_back() {
    let rig = Rig::fresh();
    rig.cloud.change(|state| state.lease = holder(rig.run.as_str()));
    let result = rig.apply().await;
    assert_eq!((result.outcome, result.notes), (HostOutcome::Changed, vec![]));
    assert_eq!(rig.cloud.state().lease, Lease::default());
}

#[tokio::test(start_paused = true)]
async fn the_lease_is_given_back_however_it_ends() {
    for echo in [true, false] {
        let rig = Rig::fresh();
        rig.cloud.change(|state| state.echo = echo);
        rig.apply().await;
        assert_eq!(rig.cloud.state().lease, Lease::default());
        rig.cloud.change(|state| state.echo = true);
        rig.rollback().await;
        assert_eq!(rig.cloud.state().lease, Lease::default());
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_has_changed_since_the_plan_is_not_begun() {
    type Change = fn(&mut State);
    let cases: [(&str, Change); 4] = [
        ("configure host", |state| state.route = true),
        ("it would be refused now: the instance is Stopped", |state| {
            state.view.instances.values_mut().next().unwrap().status = InstanceStatus::Stopped;
        }),
        ("should leave from", |state| {
            for entry in &mut state.view.snat {
                entry.addresses = vec![[203, 0, 113, 99].into()];
            }
        }),
        ("the step \"convert\" would have other values", |state| {
            let instance = state.view.instances.values_mut().next().unwrap();
            instance.public_ip = Some([203, 0, 113, 77].into());
        }),
    ];
    for (words, change) in cases {
        let rig = Rig::fresh();
        rig.cloud.change(change);
        let before = rig.cloud.state();
        let result = rig.apply().await;
        let HostOutcome::Stale(why) = &result.outcome else { panic!("{words}: {result:#?}") };
        assert!(why.contains(words) && why.contains("nothing was changed"), "{words}: {why}");
        assert_eq!(rig.cloud.state(), before);
        assert!(rig.cloud.writes().is_empty() && rig.journal.records(&rig.run).await.unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_operators_plan_is_stale_once_the_first_is_done() {
    let rig = Rig::fresh();
    let second = rig.again().await;
    assert_eq!(rig.apply().await.outcome, HostOutcome::Changed);
    let result = second.apply().await;
    assert!(
        matches!(&result.outcome, HostOutcome::Stale(why) if why.contains("and were convert")),
        "{result:#?}"
    );
    assert_eq!(rig.cloud.writes().len(), 5);
    assert!(is_final(&rig.cloud.state()));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_cannot_keep_a_lease_or_cannot_be_looked_at_is_not_begun() {
    let lost = || SshError { kind: SshErrorKind::Lost, message: "it broke".to_owned() };
    for (script, answer, reached) in [
        ("egressctl-lease 1", Ok(said("egressctl-lease 1\nresult refused /run is read-only\n")), true),
        ("egressctl-lease 1", Ok(said("egressctl-lease 1\nresult free\n")), true),
        ("egressctl-lease 1", Ok(said("egressctl-lease 1\n")), false),
        ("egressctl-lease 1", Err(lost()), false),
        ("egressctl-facts 1", Ok(said("")), false),
        ("egressctl-facts 1", Err(lost()), false),
    ] {
        let told = answer.clone();
        let rig = Rig::of(State::untouched(), move |_, text| text.contains(script).then(|| told.clone()));
        let result = rig.apply().await;
        let case = format!("{answer:?}: {result:#?}");
        match &result.outcome {
            HostOutcome::Refused(why) | HostOutcome::Failed(why) => {
                assert!(reached && why.contains("nothing was changed"), "{case}");
            }
            HostOutcome::Unreachable(why) => {
                assert!(!reached && why.contains("nothing was changed"), "{case}");
            }
            _ => panic!("{case}"),
        }
        assert!(rig.cloud.writes().is_empty(), "{case}");
        if script == "egressctl-facts 1" {
            assert_eq!(rig.cloud.state().lease, Lease::default(), "{case}");
        }
    }
}

/// A host whose part takes so long that its lease must be renewed twice before the EIP moves.
fn slow(renewal: impl Fn(&super::world::FakeCloud, usize) -> Option<String> + Send + Sync + 'static) -> Rig {
    let count = AtomicUsize::new(0);
    let rig = Rig::of(State::untouched(), move |cloud, script| {
        if !script.contains("verb='renew'") {
            return None;
        }
        let nth = count.fetch_add(1, Ordering::SeqCst) + 1;
        renewal(cloud, nth).map(|message| Err(SshError { kind: SshErrorKind::Unreachable, message }))
    });
    rig.cloud.slow("attach", Duration::from_secs(650));
    rig
}

#[tokio::test(start_paused = true)]
async fn a_renewed_lease_outlives_its_time_and_a_failed_renewal_is_told() {
    let rig = slow(|_, nth| (nth == 1).then(|| "no answer".to_owned()));
    let result = rig.apply().await;
    assert_eq!(result.outcome, HostOutcome::Changed, "{result:#?}");
    assert_eq!(result.notes, ["the lease could not be renewed: no answer"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_stops_the_host_before_its_cutover() {
    let never = slow(|_, _| Some("no answer".to_owned()));
    let taken = slow(|cloud, _| {
        cloud.change(|state| state.lease = holder("run-of-bob"));
        None
    });
    let gone = slow(|cloud, _| {
        cloud.change(|state| state.lease = Lease::default());
        None
    });
    for (rig, words) in [
        (never, "could not be renewed in time"),
        (taken, "run run-of-bob of bob@elsewhere has taken it"),
        (gone, "not on the host any more"),
    ] {
        let result = rig.apply().await;
        let HostOutcome::Unknown(why) = &result.outcome else { panic!("{words}: {result:#?}") };
        assert!(why.contains("unassociate EIP") && why.contains(words), "{words}: {why}");
        assert_eq!(rig.cloud.writes(), ["convert", "create", "attach"], "{words}");
        assert!(rig.cloud.state().reached(), "{words}");
        let records = rig.journal.records(&rig.run).await.unwrap();
        assert!(matches!(records.last(), Some((_, _, Record::Ended(_)))), "{words}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_claims_too_and_looks_again() {
    let rig = Rig::fresh();
    rig.apply().await;
    rig.cloud.change(|state| state.lease = holder("run-of-bob"));
    let results = rig.rollback().await;
    assert!(matches!(&results[0].outcome, HostOutcome::Locked(_)), "{results:#?}");
    rig.cloud.change(|state| state.lease = Lease::default());
    // What was seen before the lease was taken does not count.
    let seen = look(&rig.cloud);
    rig.cloud.change(|state| {
        let eip = state.view.eips.values_mut().next().unwrap();
        eip.holder = Some(EipHolder::Instance("i-other".parse().unwrap()));
    });
    let (_, results) = rig.rollback_as(&rig.host, &seen).await;
    let moved = |why: &String| why.contains("bound to i-other now: somebody has moved it");
    assert!(matches!(&results[0].outcome, HostOutcome::Refused(why) if moved(why)), "{results:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_eip_that_is_bound_to_nothing_is_brought_home_even_without_a_lease() {
    let rig = Rig::of(State::untouched(), |cloud, script| {
        let away = cloud.state().eip().is_some_and(|eip| eip.holder.is_none());
        let broken = SshError { kind: SshErrorKind::Unreachable, message: "no answer".to_owned() };
        (script.contains("egressctl-lease 1") && away).then_some(Err(broken))
    });
    rig.journal.fail_appends_from(12);
    let result = rig.apply().await;
    assert!(rig.cloud.state().eip().unwrap().holder.is_none(), "{result:#?}");
    rig.journal.fail_append(usize::MAX);
    let results = rig.rollback().await;
    assert_eq!(results[0].outcome, HostOutcome::Changed, "{results:#?}");
    assert!(results[0].notes.iter().any(|note| note.contains("without a lease")), "{results:#?}");
    assert!(rig.cloud.state().reached());
}

#[tokio::test(start_paused = true)]
async fn hosts_that_come_together_share_one_look_at_the_cloud() {
    let all = Many::new(&[Goes::Fine; 12]);
    let results = all.roll(Terms::default()).await;
    assert!(results.iter().all(|result| result.outcome == HostOutcome::Changed), "{results:#?}");
    assert_eq!(all.rig.cloud.views(), 1);
    let alone = Many::new(&[Goes::Fine; 3]).forks(1);
    alone.roll(Terms::default()).await;
    assert_eq!(alone.rig.cloud.views(), 3);
}
