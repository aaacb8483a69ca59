//! Keys from the environment and from the metadata service.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use super::*;

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn role_env() -> Env {
    Env::of(&[("ALIBABA_CLOUD_ACCESS_KEY_ID", "")])
}

/// The metadata service and the cloud in one; `n` counts the sessions handed out, each an hour long.
fn metadata(seen: &Seen, n: usize) -> Reply {
    let text = |text: &str| Reply { body: text.to_owned(), ..ok(json!({})) };
    match (seen.method.as_str(), seen.path.as_str()) {
        ("PUT", "/latest/api/token") => {
            assert_eq!(seen.headers["x-aliyun-ecs-metadata-token-ttl-seconds"], "21600");
            text("md-token\n")
        }
        ("GET", path) if seen.headers["x-aliyun-ecs-metadata-token"] == "md-token" => match path {
            "/latest/meta-data/ram/security-credentials/" => text("fleet-role"),
            "/latest/meta-data/ram/security-credentials/fleet-role"
            | "/latest/meta-data/ram/security-credentials/other-role" => {
                let expires = jiff::Timestamp::from_millisecond(NOW_MS).unwrap()
                    + Duration::from_secs(3600 * (n as u64 + 1));
                ok(json!({"Code": "Success", "AccessKeyId": format!("sts-{n}"),
                    "AccessKeySecret": format!("canary-{n}"), "SecurityToken": format!("canary-token-{n}"),
                    "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()}))
            }
            _ => Reply { status: 404, ..text("") },
        },
        _ => Reply { status: 403, ..text("") },
    }
}

fn role_client(stub: &Stub, env: &Env, clock: Arc<dyn Clock>) -> Aliyun {
    Aliyun::new(&config(&stub.base, hurry()), env, clock).unwrap()
}

fn used(stub: &Stub) -> Vec<String> {
    stub.of("DeleteNetworkInterface").iter().map(|seen| seen.headers["x-acs-accesskey-id"].clone()).collect()
}

#[tokio::test]
async fn role_keys_are_fetched_once_and_renewed_a_quarter_of_an_hour_before_their_end() {
    let stub = Stub::start(|seen, nth| match seen.action() {
        "" => metadata(seen, nth),
        _ => ok(json!({})),
    })
    .await;
    let clock = Arc::new(Hands(AtomicI64::new(NOW_MS)));
    let cloud = role_client(&stub, &role_env(), Arc::clone(&clock) as Arc<dyn Clock>);
    let eni: EniId = id("eni-1");
    cloud.delete_eni(&eni).await.unwrap();
    clock.0.fetch_add(45 * 60_000, Ordering::SeqCst);
    cloud.delete_eni(&eni).await.unwrap();
    clock.0.fetch_add(1, Ordering::SeqCst);
    cloud.delete_eni(&eni).await.unwrap();
    assert_eq!(used(&stub), ["sts-0", "sts-0", "sts-1"]);
    assert!(!format!("{cloud:?}").contains("canary"));
}

#[tokio::test]
async fn callers_share_one_fetch() {
    let stub = Stub::start(|seen, nth| match seen.action() {
        "" => metadata(seen, nth),
        _ => ok(json!({})),
    })
    .await;
    let cloud = Arc::new(role_client(&stub, &role_env(), Arc::new(Stopped)));
    let callers: Vec<_> = (0..20)
        .map(|n| {
            let cloud = Arc::clone(&cloud);
            tokio::spawn(async move { cloud.delete_eni(&id(&format!("eni-{n}"))).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(stub.seen().iter().filter(|seen| seen.action().is_empty()).count(), 3);
}

#[tokio::test]
async fn expired_session_keys_are_renewed_once() {
    let stub = Stub::start(|seen, nth| match (seen.action(), seen.headers.get("x-acs-accesskey-id")) {
        ("", _) => metadata(seen, nth),
        (_, Some(id)) if id == "sts-0" => fail(403, "InvalidSecurityToken.Expired"),
        _ if seen.param("NetworkInterfaceId") == "eni-bad" => fail(403, "InvalidSecurityToken.Expired"),
        _ => ok(json!({})),
    })
    .await;
    let cloud = role_client(&stub, &role_env(), Arc::new(Stopped));
    cloud.delete_eni(&id("eni-1")).await.unwrap();
    assert_eq!(used(&stub), ["sts-0", "sts-1"]);
    let error = cloud.delete_eni(&id("eni-bad")).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Account);
    assert_eq!(used(&stub), ["sts-0", "sts-1", "sts-1", "sts-2"]);
}

#[tokio::test]
async fn the_environment_may_name_the_role() {
    let stub = Stub::start(|seen, nth| match seen.action() {
        "" => metadata(seen, nth),
        _ => ok(json!({})),
    })
    .await;
    let env = Env::of(&[("ALIBABA_CLOUD_ECS_METADATA", "other-role")]);
    role_client(&stub, &env, Arc::new(Stopped)).delete_eni(&id("eni-1")).await.unwrap();
    let paths: Vec<String> = stub.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/latest/api/token", "/latest/meta-data/ram/security-credentials/other-role", "/"]);
}

#[tokio::test]
async fn a_metadata_service_that_hiccups_is_asked_again_and_a_hostile_one_is_refused() {
    let hiccups = AtomicUsize::new(0);
    let stub = Stub::start(move |seen, nth| match seen.action() {
        "" if hiccups.fetch_add(1, Ordering::SeqCst) == 0 => silence(),
        "" => metadata(seen, nth),
        _ => ok(json!({})),
    })
    .await;
    let config = config(&stub.base, impatient());
    let cloud = Aliyun::new(&config, &role_env(), Arc::new(Stopped)).unwrap();
    cloud.delete_eni(&id("eni-1")).await.unwrap();

    let stub = Stub::start(|seen, nth| match seen.path.as_str() {
        "/latest/meta-data/ram/security-credentials/" => Reply { body: "../a?b".to_owned(), ..ok(json!({})) },
        _ => metadata(seen, nth),
    })
    .await;
    let error =
        role_client(&stub, &role_env(), Arc::new(Stopped)).delete_eni(&id("eni-1")).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Account);
    assert!(error.message.contains("not the name of a RAM role"), "{error}");
}

#[test]
fn the_source_decides_where_keys_may_come_from() {
    let make = |source, pairs: &[(&str, &str)]| {
        let config = AliyunConfig { credentials: source, ..config("http://127.0.0.1:1", hurry()) };
        Aliyun::new(&config, &Env::of(pairs), Arc::new(Stopped)).map(drop)
    };
    let (auto, environment, role) =
        (CredentialSource::Auto, CredentialSource::Environment, CredentialSource::EcsRamRole);
    let id = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ak");
    let secret = ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "canary");
    let disabled = ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
    assert!(make(auto, &[id, secret, disabled]).is_ok());
    assert!(make(environment, &[id, secret]).is_ok());
    assert!(make(auto, &[]).is_ok());
    assert!(make(role, &[id]).is_ok(), "half a key is of no concern to the role");
    for (source, pairs) in [
        (environment, &[][..]),
        (environment, &[id, ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "")][..]),
        (auto, &[secret][..]),
        (auto, &[disabled][..]),
        (role, &[id, secret, disabled][..]),
    ] {
        let error = make(source, pairs).unwrap_err();
        assert_eq!(error.kind, CloudErrorKind::Account);
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
}
