//! Repeating, giving up, and telling the truth about it.

use super::*;

fn kind_of<T: std::fmt::Debug>(result: Result<T, CloudError>) -> CloudErrorKind {
    result.unwrap_err().kind
}

fn tokens(stub: &Stub, action: &str) -> Vec<String> {
    stub.of(action).iter().map(|seen| seen.param("ClientToken").to_owned()).collect()
}

async fn associate(cloud: &Aliyun) -> Result<(), CloudError> {
    let to = EipHolder::Eni(id("eni-1"));
    cloud.associate_eip(&id("eip-1"), &to, Some("10.0.0.9".parse().unwrap()), "t").await
}

#[tokio::test]
async fn throttling_is_waited_out_with_the_same_token_and_a_new_nonce() {
    let stub = Stub::start(|_, nth| match nth {
        0 => fail(400, "Throttling.User"),
        1 => fail(503, "Throttling"),
        2 => Reply { retry_after_ms: Some(60), ..fail(429, "Rejected.Throttling") },
        _ => ok(json!({"RequestId": "R"})),
    })
    .await;
    let cloud = client(&stub);
    let start = std::time::Instant::now();
    associate(&cloud).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(60), "x-acs-retry-after was ignored");
    assert_eq!(tokens(&stub, "AssociateEipAddress"), ["t", "t", "t", "t"]);
    let nonces: BTreeSet<String> =
        stub.seen().iter().map(|seen| seen.headers["x-acs-signature-nonce"].clone()).collect();
    assert_eq!(nonces.len(), 4);
    assert_eq!(cloud.calls(), BTreeMap::from([("AssociateEipAddress".to_owned(), 4)]));
    stub.check_signatures("ak", SECRET);
}

#[tokio::test]
async fn patience_ends_as_busy() {
    let stub = Stub::start(|_, _| fail(400, "Throttling")).await;
    let tuning = Tuning { retry_budget: Duration::from_secs(1), ..hurry() };
    let error = associate(&client_with(&stub, tuning)).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Busy);
    assert_eq!(error.code.as_deref(), Some("Throttling"));
    assert_eq!(error.request_id.as_deref(), Some("R-1"));
    assert!(stub.seen().len() > 2);
}

#[tokio::test]
async fn a_definite_refusal_for_now_is_tried_again_with_another_token() {
    let stub = Stub::start(|seen, nth| match (seen.action(), nth) {
        ("AssociateEipAddress", 0) => fail(400, "TaskConflict"),
        ("AssociateEipAddress", 1) => fail(400, "IdempotentFailed"),
        ("AssociateEipAddress", _) => ok(json!({})),
        _ => eips_json(vec![eip_json("eip-1", "Available", "", "")]),
    })
    .await;
    associate(&client(&stub)).await.unwrap();
    assert_eq!(tokens(&stub, "AssociateEipAddress"), ["t", "t-1", "t-2"]);
}

#[tokio::test]
async fn while_the_outcome_is_unknown_only_the_same_token_is_sent() {
    let stub = Stub::start(|seen, nth| match (seen.action(), nth) {
        ("AssociateEipAddress", 0) => silence(),
        ("AssociateEipAddress", 1) => fail(500, "InternalError"),
        ("AssociateEipAddress", 2) => Reply { status: 502, body: "<html>".to_owned(), ..ok(json!({})) },
        ("AssociateEipAddress", 3) => fail(400, "TaskConflict"),
        ("AssociateEipAddress", 4) => fail(403, "LastTokenProcessing"),
        ("AssociateEipAddress", _) => ok(json!({})),
        _ => eips_json(vec![eip_json("eip-1", "Available", "", "")]),
    })
    .await;
    associate(&client_with(&stub, impatient())).await.unwrap();
    assert_eq!(tokens(&stub, "AssociateEipAddress"), ["t"; 6]);
}

#[tokio::test]
async fn a_write_that_was_ever_unknown_never_ends_as_refused() {
    let stub = Stub::start(|seen, nth| match (seen.action(), nth) {
        ("CreateNetworkInterface", 0) => silence(),
        _ => fail(403, "InvalidVSwitchId.IpNotEnough"),
    })
    .await;
    let error = client_with(&stub, impatient()).create_eni(&writes::spec(), "t").await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Unknown);
    assert_eq!(error.code.as_deref(), Some("InvalidVSwitchId.IpNotEnough"));
}

#[tokio::test]
async fn a_write_without_a_token_is_sent_once_if_nobody_knows_what_became_of_it() {
    for reply in
        [silence(), Reply { status: 500, body: String::new(), ..ok(json!({})) }, fail(500, "InternalError")]
    {
        let stub = Stub::start(move |seen, _| match seen.action() {
            "ConvertNatPublicIpToEip" => reply.clone(),
            _ => instances_json(vec![instance_json(1, false)]),
        })
        .await;
        let cloud = client_with(&stub, impatient());
        assert_eq!(kind_of(cloud.convert_public_ip(&id("i-1")).await), CloudErrorKind::Unknown);
        assert_eq!(stub.of("ConvertNatPublicIpToEip").len(), 1);
        assert_eq!(stub.of("DescribeInstances").len(), 1, "one look may settle it");
    }
}

#[tokio::test]
async fn one_look_settles_a_lost_answer() {
    let stub = Stub::start(|seen, _| match seen.action() {
        "ConvertNatPublicIpToEip" => silence(),
        _ => instances_json(vec![instance_json(1, true)]),
    })
    .await;
    client_with(&stub, impatient()).convert_public_ip(&id("i-1")).await.unwrap();
}

#[tokio::test]
async fn reads_are_repeated_until_they_are_answered() {
    let stub = Stub::start(|_, nth| match nth {
        0 => silence(),
        1 => fail(503, "ServiceUnavailable"),
        2 => Reply { status: 504, body: String::new(), ..ok(json!({})) },
        _ => instances_json(vec![instance_json(1, true)]),
    })
    .await;
    let cloud = client_with(&stub, impatient());
    let done =
        cloud.await_instance(&id("i-1"), &InstanceGoal::PublicIpConverted, Duration::from_secs(20)).await;
    assert_eq!(done.unwrap().eip.unwrap().id, id("eip-1"));
    assert_eq!(cloud.calls()["DescribeInstances"], 4);
}

#[tokio::test]
async fn no_connection_means_no_effect() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let tuning = Tuning { retry_budget: Duration::from_secs(1), ..hurry() };
    let config = config(&format!("http://{closed}"), tuning);
    let cloud = Aliyun::new(&config, &keys(), Arc::new(Stopped)).unwrap();
    assert_eq!(kind_of(cloud.attach_eni(&id("eni-1"), &id("i-1")).await), CloudErrorKind::Busy);
    assert!(cloud.calls()["AttachNetworkInterface"] > 1);
}

#[tokio::test]
async fn terminal_codes_stop_at_once_whatever_the_status() {
    for (status, code, kind) in [
        (403, "Forbidden.RAM", CloudErrorKind::Account),
        (500, "SignatureDoesNotMatch", CloudErrorKind::Account),
        (400, "Eni.Attached", CloudErrorKind::Refused),
        (503, "InvalidAllocationId.NotFound", CloudErrorKind::NotFound),
    ] {
        let stub = Stub::start(move |_, _| fail(status, code)).await;
        assert_eq!(kind_of(associate(&client(&stub)).await), kind, "{code}");
        assert_eq!(stub.seen().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_the_apis_is_a_broken_protocol_for_reads_only() {
    let scope = ViewScope { instances: vec![id("i-1")], ..ViewScope::default() };
    for reply in [
        Reply { body: "[]".to_owned(), ..ok(json!({})) },
        Reply { status: 302, body: String::new(), ..ok(json!({})) },
        Reply { status: 407, body: "proxy".to_owned(), ..ok(json!({})) },
    ] {
        let stub = Stub::start(move |_, _| reply.clone()).await;
        let cloud = client(&stub);
        assert_eq!(kind_of(cloud.view(&scope).await), CloudErrorKind::Protocol);
        assert_eq!(kind_of(cloud.delete_eni(&id("eni-1")).await), CloudErrorKind::Unknown);
        assert_eq!(stub.of("DeleteNetworkInterface").len(), 1);
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let stub = Stub::start(|_, _| Reply { body: "x".repeat(17 * 1024 * 1024), ..ok(json!({})) }).await;
    let tuning = Tuning { retry_budget: Duration::ZERO, ..hurry() };
    let error = associate(&client_with(&stub, tuning)).await.unwrap_err();
    assert!(error.message.contains("larger than"), "{error}");
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let stub = Stub::start(|seen, _| {
        let quoted = format!("server string to sign {SECRET} and {}\n\u{1b}[31m", "canary-token");
        let body = json!({"Code": "SignatureDoesNotMatch", "Message": quoted});
        assert_eq!(seen.headers["x-acs-security-token"], "canary-token");
        assert_eq!(seen.headers["x-acs-accesskey-id"], "ak");
        Reply { status: 400, ..ok(body) }
    })
    .await;
    let env = Env::of(&[
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ak"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", SECRET),
        ("ALIBABA_CLOUD_SECURITY_TOKEN", "canary-token"),
    ]);
    let config = config(&stub.base, hurry());
    let cloud = Aliyun::new(&config, &env, Arc::new(Stopped)).unwrap();
    let error = associate(&cloud).await.unwrap_err();
    assert_eq!(error.message, "server string to sign *** and ***  [31m");
    let shown = format!("{cloud:?} {config:?} {env:?} {error} {error:?} {:?}", cloud.calls());
    assert!(!shown.contains("canary"), "{shown}");
    stub.check_signatures("ak", SECRET);
}

#[tokio::test]
async fn a_tls_endpoint_that_does_not_speak_tls_gets_nothing() {
    let stub = Stub::start(|_, _| ok(json!({}))).await;
    let tuning = Tuning { retry_budget: Duration::ZERO, ..hurry() };
    let config = config(&stub.base.replace("http:", "https:"), tuning);
    let cloud = Aliyun::new(&config, &keys(), Arc::new(Stopped)).unwrap();
    assert_eq!(kind_of(cloud.attach_eni(&id("eni-1"), &id("i-1")).await), CloudErrorKind::Busy);
    assert!(stub.seen().is_empty());
}
