//! Too many failures for good: what is open is finished, what is staged goes back, and nothing new begins.

use std::sync::Arc;
use std::time::Duration;

use egressctl::core::event::{Event, HostOutcome};
use egressctl::core::rollout::BreakerPolicy;
use egressctl::engine::Cutovers;
use egressctl::ports::CloudErrorKind;

use super::rig::Rig;
use super::world::Fault;
use super::{is_back, is_final};

/// One failure is too many.
fn touchy() -> Cutovers {
    Cutovers::guarded(20, BreakerPolicy { window: 100, sample: 1, percent: 5 })
}

fn with(cutovers: &Cutovers) -> Rig {
    let mut rig = Rig::fresh();
    rig.world.cutovers = cutovers.clone();
    rig
}

/// A host whose first call is refused for good.
async fn fails(cutovers: &Cutovers) -> Rig {
    let rig = with(cutovers);
    rig.cloud.fault("convert", 0, Fault::Error(CloudErrorKind::Refused));
    assert!(matches!(rig.apply().await.outcome, HostOutcome::Reverted(_)));
    rig
}

#[tokio::test(start_paused = true)]
async fn it_is_said_and_nothing_new_begins() {
    let cutovers = touchy();
    let rig = fails(&cutovers).await;
    let events = rig.events.0.lock().unwrap().clone();
    let told: Vec<&Event> =
        events.iter().filter(|event| matches!(event, Event::BreakerOpened { .. })).collect();
    let [Event::BreakerOpened { reason }] = told.as_slice() else { panic!("{told:?}") };
    assert!(reason.starts_with("1 of the last 1 changes in the cloud failed for good"), "{reason}");

    // The same run begins no other host.
    let mut next = with(&cutovers);
    next.world.stop = rig.world.stop.clone();
    let HostOutcome::Skipped(why) = next.apply().await.outcome else { panic!("it was begun") };
    assert!(why.contains("failed for good"), "{why}");
    assert!(next.cloud.writes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_open_window_is_closed_whatever_the_breaker_says() {
    for (slow, calls) in [("unassociate", 5), ("associate", 5)] {
        let cutovers = touchy();
        let open = Arc::new(with(&cutovers));
        open.cloud.slow(slow, Duration::from_secs(60));
        let going = Arc::clone(&open);
        let going = tokio::spawn(async move { going.apply().await });
        while !open.cloud.state().route {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
        fails(&cutovers).await;
        assert_eq!(going.await.unwrap().outcome, HostOutcome::Changed, "{slow}");
        assert!(is_final(&open.cloud.state()), "{slow}");
        assert_eq!(open.cloud.writes().len(), calls, "{slow}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_the_window_opens_it_and_the_eip_goes_home() {
    let rig = with(&touchy());
    rig.cloud.fault("associate", 1, Fault::Error(CloudErrorKind::Refused));
    let outcome = rig.apply().await.outcome;
    assert!(matches!(outcome, HostOutcome::Reverted(_)), "{outcome:?}");
    assert!(is_back(&rig.cloud.state()));
    assert_eq!(rig.cloud.wrongs(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_only_staged_is_not_cut_over() {
    let cutovers = touchy();
    let staged = Arc::new(with(&cutovers));
    staged.cloud.slow("attach", Duration::from_secs(60));
    let going = Arc::clone(&staged);
    let going = tokio::spawn(async move { going.apply().await });
    tokio::time::sleep(Duration::from_secs(30)).await;
    fails(&cutovers).await;
    let HostOutcome::Reverted(why) = going.await.unwrap().outcome else { panic!("it went on") };
    assert!(why.contains("failed for good"), "{why}");
    assert!(is_back(&staged.cloud.state()));
    assert!(!staged.cloud.writes().contains(&"unassociate"), "{:?}", staged.cloud.writes());
}

#[tokio::test(start_paused = true)]
async fn a_few_failures_among_few_calls_open_nothing() {
    let cutovers = Cutovers::default();
    for _ in 0..8 {
        fails(&cutovers).await;
    }
    assert_eq!(with(&cutovers).apply().await.outcome, HostOutcome::Changed);
}
