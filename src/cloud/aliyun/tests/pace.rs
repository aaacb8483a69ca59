//! Throttling, answers that are older than what they are about, and things too young to be known everywhere.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::*;

async fn bind(cloud: &Aliyun) -> Result<(), CloudError> {
    cloud.associate_eip(&id("eip-1"), &EipHolder::Eni(id("eni-1")), None, "t").await
}

#[tokio::test]
async fn what_the_server_asks_for_holds_for_everybody() {
    let stub = Stub::start(|seen, nth| match (seen.action(), nth) {
        ("CreateNetworkInterface", 0) => Reply { retry_after_ms: Some(400), ..fail(400, "Throttling.Api") },
        _ => ok(json!({"NetworkInterfaceId": "eni-9"})),
    })
    .await;
    let cloud = Arc::new(client(&stub));
    let first = {
        let cloud = Arc::clone(&cloud);
        tokio::spawn(async move { cloud.create_eni(&writes::spec(), "t1").await })
    };
    while stub.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let start = Instant::now();
    cloud.create_eni(&writes::spec(), "t2").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    let start = Instant::now();
    cloud.attach_eni(&id("eni-1"), &id("i-1")).await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(200), "another action is not concerned");
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn orders_are_throttled_by_minutes_and_waited_out() {
    let stub = Stub::start(|seen, nth| match (seen.action(), nth) {
        ("ModifyInstanceChargeType", 0) => fail(400, "Throttling"),
        _ => ok(json!({})),
    })
    .await;
    let tuning =
        Tuning { slow_pause: Duration::from_millis(300), retry_budget: Duration::from_millis(50), ..hurry() };
    let start = Instant::now();
    client_with(&stub, tuning).make_post_paid(&id("i-1"), "t").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!(stub.seen().len(), 2, "it is not asked meanwhile");
}

#[tokio::test]
async fn a_look_older_than_the_unbinding_does_not_refuse_the_binding() {
    let stub = Stub::start(|seen, nth| match (seen.action(), nth) {
        ("AssociateEipAddress", 0) => fail(400, "TaskConflict"),
        ("AssociateEipAddress", _) => ok(json!({})),
        // As it was before it was unbound.
        _ => eips_json(vec![eip_json("eip-1", "InUse", "EcsInstance", "i-1")]),
    })
    .await;
    bind(&client(&stub)).await.unwrap();
    assert_eq!(stub.of("AssociateEipAddress").len(), 2);
}

#[tokio::test]
async fn one_odd_look_does_not_make_a_wish_fulfilled() {
    let stub = Stub::start(|seen, nth| match (seen.action(), nth) {
        ("AssociateEipAddress", 0) => fail(400, "TaskConflict"),
        ("AssociateEipAddress", _) => ok(json!({})),
        (_, 0) => eips_json(vec![eip_json("eip-1", "InUse", "NetworkInterface", "eni-1")]),
        _ => eips_json(vec![eip_json("eip-1", "Available", "", "")]),
    })
    .await;
    bind(&client(&stub)).await.unwrap();
    assert_eq!(stub.of("AssociateEipAddress").len(), 2);
}

#[tokio::test]
async fn what_was_made_just_now_may_be_unknown_to_a_server_for_a_while() {
    let missing = Arc::new(AtomicUsize::new(3));
    let left = Arc::clone(&missing);
    let stub = Stub::start(move |seen, _| match seen.action() {
        "CreateNetworkInterface" => ok(json!({"NetworkInterfaceId": "eni-9"})),
        "AttachNetworkInterface"
            if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() =>
        {
            fail(404, "InvalidEniId.NotFound")
        }
        "AttachNetworkInterface" => ok(json!({})),
        _ => enis_json(vec![]),
    })
    .await;
    let tuning = Tuning { absence_grace: Duration::from_secs(20), ..hurry() };
    let cloud = client_with(&stub, tuning);
    let eni = cloud.create_eni(&writes::spec(), "t").await.unwrap();
    cloud.attach_eni(&eni, &id("i-1")).await.unwrap();
    assert_eq!(stub.of("AttachNetworkInterface").len(), 4);
    // Of anything else it is true at once.
    missing.store(1, Ordering::SeqCst);
    let error = cloud.attach_eni(&id("eni-1"), &id("i-1")).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::NotFound);
}
