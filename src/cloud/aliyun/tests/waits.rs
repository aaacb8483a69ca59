//! Waiting together, told the truth.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

const LONG: Duration = Duration::from_secs(30);

fn asked(seen: &Seen) -> Vec<String> {
    let list = |text: &str| text.split(',').filter(|t| !t.is_empty()).map(str::to_owned).collect();
    match seen.action() {
        "DescribeNetworkInterfaces" => seen.list("NetworkInterfaceId"),
        "DescribeEipAddresses" => list(seen.param("AllocationId")),
        _ => serde_json::from_str(seen.param("InstanceIds")).unwrap(),
    }
}

#[tokio::test]
async fn many_callers_share_one_call_per_look() {
    let stub = Stub::start(|seen, nth| {
        let status = if nth < 2 { "Attaching" } else { "InUse" };
        enis_json(asked(seen).iter().map(|id| eni_json(id, status, &id.replace("eni", "i"))).collect())
    })
    .await;
    let tuning = Tuning { poll_first: Duration::from_millis(300), ..hurry() };
    let cloud = Arc::new(client_with(&stub, tuning));
    let callers: Vec<_> = (0..100)
        .map(|n| {
            let cloud = Arc::clone(&cloud);
            tokio::spawn(async move {
                let goal = EniGoal::InUse(id(&format!("i-{n}")));
                cloud.await_eni(&id(&format!("eni-{n}")), &goal, LONG).await
            })
        })
        .collect();
    for (n, caller) in callers.into_iter().enumerate() {
        assert_eq!(caller.await.unwrap().unwrap().instance, Some(id(&format!("i-{n}"))));
    }
    assert_eq!(cloud.calls(), BTreeMap::from([("DescribeNetworkInterfaces".to_owned(), 3)]));
    assert!(stub.seen().iter().all(|seen| asked(seen).len() == 100));

    // Nobody waits, nobody looks.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(stub.seen().len(), 3);
}

#[tokio::test]
async fn more_ids_than_fit_are_split() {
    let stub = Stub::start(|seen, _| {
        eips_json(asked(seen).iter().map(|id| eip_json(id, "Available", "", "")).collect())
    })
    .await;
    let tuning = Tuning { poll_first: Duration::from_millis(300), ..hurry() };
    let cloud = Arc::new(client_with(&stub, tuning));
    let callers: Vec<_> = (0..120)
        .map(|n| {
            let cloud = Arc::clone(&cloud);
            tokio::spawn(
                async move { cloud.await_eip(&id(&format!("eip-{n}")), &EipGoal::Available, LONG).await },
            )
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    let mut sizes: Vec<usize> = stub.seen().iter().map(|seen| asked(seen).len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [20, 50, 50]);
}

/// Waits for `eni-1` at `i-1` while the cloud shows these records, the last one for ever.
async fn attach(shown: &'static [(&'static str, &'static str)]) -> Result<Eni, CloudError> {
    attach_believing(shown, hurry().refusal_span).await
}

async fn attach_believing(
    shown: &'static [(&'static str, &'static str)],
    refusal_span: Duration,
) -> Result<Eni, CloudError> {
    let stub = Stub::start(move |_, nth| {
        let (status, at) = shown[nth.min(shown.len() - 1)];
        enis_json(vec![eni_json("eni-1", status, at)])
    })
    .await;
    let cloud = client_with(&stub, Tuning { refusal_span, ..hurry() });
    cloud.await_eni(&id("eni-1"), &EniGoal::InUse(id("i-1")), LONG).await
}

#[tokio::test]
async fn an_interface_that_falls_back_was_refused() {
    let error = attach(&[("Available", ""), ("Attaching", "i-1"), ("Available", "")]).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Refused);
    assert!(error.message.contains("fell back to Available"), "{error}");
    let error = attach(&[("InUse", "i-2")]).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Refused);
    assert!(error.message.contains("attached to i-2"), "{error}");
    assert_eq!(attach(&[("Deleting", "")]).await.unwrap_err().kind, CloudErrorKind::Refused);
}

#[tokio::test]
async fn stale_looks_are_not_a_refusal() {
    const OLD: (&str, &str) = ("Available", "");
    let shown = &[OLD, ("Attaching", "i-1"), OLD, OLD, OLD, ("InUse", "i-1")];
    // However slow this machine is, the old answers come within the span.
    let eni = attach_believing(shown, LONG).await.unwrap();
    assert_eq!(eni.status, crate::core::observed::EniStatus::InUse);
}

#[tokio::test]
async fn an_interface_that_never_begins_to_attach_was_refused() {
    let stub = Stub::start(|_, _| enis_json(vec![eni_json("eni-1", "Available", "")])).await;
    let tuning = Tuning { attach_grace: Duration::from_millis(100), ..hurry() };
    let cloud = client_with(&stub, tuning);
    let error = cloud.await_eni(&id("eni-1"), &EniGoal::InUse(id("i-1")), LONG).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Refused);
}

#[tokio::test]
async fn an_eip_elsewhere_is_a_refusal_that_names_the_holder() {
    let stub = Stub::start(|_, _| eips_json(vec![eip_json("eip-1", "InUse", "EcsInstance", "i-7")])).await;
    let goal = EipGoal::BoundTo(EipHolder::Eni(id("eni-1")));
    let error = client(&stub).await_eip(&id("eip-1"), &goal, LONG).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Refused);
    assert!(error.message.contains("bound to i-7"), "{error}");
}

#[tokio::test]
async fn something_new_may_be_missing_for_a_while_only() {
    let there = Arc::new(AtomicBool::new(false));
    let shown = Arc::clone(&there);
    let stub = Stub::start(move |_, nth| {
        shown.fetch_or(nth == 3, Ordering::SeqCst);
        enis_json(
            shown.load(Ordering::SeqCst).then(|| eni_json("eni-1", "Available", "")).into_iter().collect(),
        )
    })
    .await;
    let tuning = Tuning { absence_grace: Duration::from_secs(20), ..hurry() };
    client_with(&stub, tuning).await_eni(&id("eni-1"), &EniGoal::Available, LONG).await.unwrap();
    assert_eq!(stub.seen().len(), 4);

    for reply in [enis_json(vec![]), fail(404, "InvalidEniId.NotFound")] {
        let stub = Stub::start(move |_, _| reply.clone()).await;
        let error = client(&stub).await_eni(&id("eni-1"), &EniGoal::Available, LONG).await.unwrap_err();
        assert_eq!(error.kind, CloudErrorKind::NotFound);
    }
}

#[tokio::test]
async fn the_deadline_tells_the_last_state() {
    let stub =
        Stub::start(|_, _| eips_json(vec![eip_json("eip-1", "Unassociating", "EcsInstance", "i-1")])).await;
    let within = Duration::from_millis(700);
    let error = client(&stub).await_eip(&id("eip-1"), &EipGoal::Available, within).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Late);
    assert!(error.message.contains("Unassociating"), "{error}");

    // Looking that fails says nothing about what is looked for.
    let stub = Stub::start(|_, _| fail(400, "Forbidden")).await;
    let error = client(&stub).await_eip(&id("eip-1"), &EipGoal::Available, within).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Late);
    assert!(error.message.contains("not visible"), "{error}");

    let stub = Stub::start(|_, _| fail(403, "Forbidden.RAM")).await;
    let error = client(&stub).await_eip(&id("eip-1"), &EipGoal::Available, LONG).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Account);
}

#[tokio::test]
async fn one_bad_record_hurts_its_own_caller_only() {
    let stub = Stub::start(|seen, _| {
        let ids = asked(seen);
        if ids.contains(&"i-3".to_owned()) {
            return fail(403, "InvalidInstanceID.Malformed");
        }
        let n = |id: &String| id.trim_start_matches("i-").parse().unwrap();
        instances_json(
            ids.iter()
                .map(|id| {
                    let mut it = instance_json(n(id), true);
                    if id == "i-5" {
                        it["PublicIpAddress"] = json!({"IpAddress": ["nonsense"]});
                    }
                    it
                })
                .collect(),
        )
    })
    .await;
    let cloud = Arc::new(client(&stub));
    let callers: Vec<_> = (0..8)
        .map(|n| {
            let cloud = Arc::clone(&cloud);
            tokio::spawn(async move {
                let within = if matches!(n, 3 | 5) { Duration::from_millis(1500) } else { LONG };
                cloud.await_instance(&id(&format!("i-{n}")), &InstanceGoal::PublicIpConverted, within).await
            })
        })
        .collect();
    for (n, caller) in callers.into_iter().enumerate() {
        let result = caller.await.unwrap();
        match n {
            3 => assert!(result.unwrap_err().message.contains("InvalidInstanceID.Malformed")),
            5 => assert!(result.unwrap_err().message.contains("PublicIpAddress")),
            _ => assert_eq!(result.unwrap().id, id(&format!("i-{n}"))),
        }
    }
}

#[tokio::test]
async fn a_caller_that_leaves_and_a_client_that_is_dropped_leave_nothing_running() {
    let stub = Stub::start(|_, _| enis_json(vec![eni_json("eni-1", "Attaching", "i-1")])).await;
    let cloud = client(&stub);
    let eni = id("eni-1");
    let goal = EniGoal::InUse(id("i-1"));
    let left = tokio::time::timeout(Duration::from_millis(200), cloud.await_eni(&eni, &goal, LONG)).await;
    assert!(left.is_err());
    assert!(!stub.seen().is_empty());
    tokio::time::timeout(LONG, async {
        while !cloud.enis.is_idle() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the poller ends when nobody waits");
    let seen = stub.seen().len();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(stub.seen().len(), seen);

    // Dropped in the middle of a look.
    let stub = Stub::start(|_, _| silence()).await;
    let cloud = client(&stub);
    let left = tokio::time::timeout(Duration::from_millis(200), cloud.await_eni(&eni, &goal, LONG)).await;
    assert!(left.is_err() && !cloud.enis.is_idle());
    let api = Arc::downgrade(&cloud.api);
    drop(cloud);
    // Sooner than the look itself would give up.
    tokio::time::timeout(Duration::from_secs(5), async {
        while api.strong_count() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the poller ends with the client");
}

#[tokio::test]
async fn a_poller_that_has_ended_is_started_again() {
    let stub = Stub::start(|_, _| enis_json(vec![eni_json("eni-1", "Available", "")])).await;
    let cloud = client(&stub);
    for _ in 0..3 {
        cloud.await_eni(&id("eni-1"), &EniGoal::Available, LONG).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(stub.seen().len(), 6, "what is so at the first look is looked at twice");
}
