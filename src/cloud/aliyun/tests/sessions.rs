//! Sessions: how each form asks for one, when it is renewed, and what happens when it cannot be.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use super::sources::{ARN, home, last_key, made, sts, write};
use super::*;

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// The parameters of a form body.
fn form(seen: &Seen) -> BTreeMap<String, String> {
    let pairs = seen.body.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(key, value)| (unpct(key), unpct(value))).collect()
}

fn profiles(current: &str, list: &str) -> String {
    format!(r#"{{"current": "{current}", "profiles": [{list}]}}"#)
}

fn at(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// STS answers with the role's name and the count as the key.
async fn giving() -> Stub {
    Stub::start(|seen, nth| match seen.action() {
        "AssumeRole" => sts(seen, &format!("{}-{nth}", seen.param("RoleArn").rsplit('/').next().unwrap())),
        "" => sts(seen, "by-token"),
        _ => ok(json!({})),
    })
    .await
}

#[tokio::test]
async fn a_role_by_other_keys_is_asked_for_with_everything_the_profile_says() {
    let stub = giving().await;
    let text = profiles(
        "p",
        r#"{"name": "p", "mode": "RamRoleArn", "access_key_id": "base", "access_key_secret": "canary-base",
            "ram_role_arn": "acs:ram::1:role/fleet", "ram_session_name": "night", "expired_seconds": 900,
            "policy": "{\"Version\":\"1\"}", "external_id": "ext/1", "sts_region": "cn-shanghai"}"#,
    );
    let folder = home(&[(".aliyun/config.json", &text)]);
    let cloud = made(&stub.base, &folder, CredentialSource::Auto, &[]).unwrap();
    cloud.delete_eni(&id("eni-1")).await.unwrap();
    assert_eq!(last_key(&stub), ("fleet-0".to_owned(), "canary-token-of-AssumeRole".to_owned()));
    assert_eq!(cloud.calls()["AssumeRole"], 1, "calls of STS are counted with the others");
    let asked = stub.of("AssumeRole").pop().unwrap();
    let wanted = [
        ("DurationSeconds", "900"),
        ("ExternalId", "ext/1"),
        ("Policy", r#"{"Version":"1"}"#),
        ("RoleArn", ARN),
        ("RoleSessionName", "night"),
    ];
    let wanted: BTreeMap<String, String> = wanted.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    assert_eq!(asked.params, wanted);
    assert_eq!(asked.headers["x-acs-version"], "2015-04-01");
    let headers = asked.headers.clone().into_iter().filter(|(name, _)| is_signed(name)).collect();
    let signable =
        Signable { method: "POST", path: "/", params: &asked.params, headers: &headers, body: b"" };
    let signed = signable.authorization("base", &Secret::new("canary-base".to_owned()));
    assert_eq!(asked.headers["authorization"], signed);
    let told = cloud.api.credentials.provenance();
    assert!(told.used.unwrap().1.starts_with("profile \"p\" (RamRoleArn) of /"));
    assert_eq!(told.expires_ms, Some(NOW_MS + 3_600_000));
}

#[tokio::test]
async fn roles_are_taken_one_by_another_and_each_section_has_its_form() {
    let stub = giving().await;
    let chain = profiles(
        "outer",
        r#"{"name": "outer", "mode": "ChainableRamRoleArn", "source_profile": "inner", "ram_role_arn": "acs:ram::1:role/outer"},
           {"name": "inner", "mode": "ChainableRamRoleArn", "source_profile": "key", "ram_role_arn": "acs:ram::1:role/inner"},
           {"name": "key", "mode": "AK", "access_key_id": "base", "access_key_secret": "canary-base"}"#,
    );
    let folder = home(&[(".aliyun/config.json", &chain)]);
    let session = [("ALIBABA_CLOUD_ROLE_SESSION_NAME", "from-env")];
    let cloud = made(&stub.base, &folder, CredentialSource::Auto, &session).unwrap();
    cloud.delete_eni(&id("eni-1")).await.unwrap();
    assert_eq!(last_key(&stub).0, "outer-1");
    let asked = stub.of("AssumeRole");
    assert!(asked[0].headers["authorization"].contains("Credential=base,"));
    assert!(asked[1].headers["authorization"].contains("Credential=inner-0,"));
    assert!(asked.iter().all(|seen| seen.param("RoleSessionName") == "from-env"));
    assert!(asked.iter().all(|seen| seen.param("DurationSeconds") == "3600"));

    let lines = "[default]\ntype = ram_role_arn\naccess_key_id = base\naccess_key_secret = canary-base\n\
                 role_arn = acs:ram::1:role/fleet\nrole_session_name = ini\n";
    let folder = home(&[(".alibabacloud/credentials", lines)]);
    let cloud = made(&stub.base, &folder, CredentialSource::Auto, &[]).unwrap();
    cloud.delete_eni(&id("eni-1")).await.unwrap();
    assert_eq!(last_key(&stub).0, "fleet-2");
    assert_eq!(stub.of("AssumeRole")[2].param("RoleSessionName"), "ini");
}

#[tokio::test]
async fn a_role_by_a_token_is_asked_for_without_a_signature_and_the_token_is_not_in_the_url() {
    let stub = giving().await;
    let folder = home(&[("token", "canary.jwt\n")]);
    let token = folder.path().join("token").display().to_string();
    for (spelling, name) in [("role_session_name", "python"), ("ram_session_name", "the-cli")] {
        let text = profiles(
            "p",
            &format!(
                r#"{{"name": "p", "mode": "OIDC", "ram_role_arn": "{ARN}", "oidc_provider_arn": "acs:ram::1:oidc-provider/p",
                     "oidc_token_file": "{token}", "{spelling}": "{name}"}}"#
            ),
        );
        write(&folder.path().join(".aliyun/config.json"), &text);
        let cloud = made(&stub.base, &folder, CredentialSource::CliProfile, &[]).unwrap();
        cloud.delete_eni(&id("eni-1")).await.unwrap();
        assert_eq!(last_key(&stub).0, "by-token");
        let asked = stub.of("").pop().unwrap();
        let form = form(&asked);
        assert_eq!((form["OIDCToken"].as_str(), form["RoleSessionName"].as_str()), ("canary.jwt", name));
        assert_eq!((form["RoleArn"].as_str(), form["DurationSeconds"].as_str()), (ARN, "3600"));
        assert_eq!(asked.param("Action"), "AssumeRoleWithOIDC");
        assert_eq!(
            (asked.param("Version"), asked.param("Timestamp")),
            ("2015-04-01", "2026-11-22T16:00:00Z")
        );
        assert_eq!(asked.headers["content-type"], "application/x-www-form-urlencoded");
        assert!(!asked.headers.contains_key("authorization") && !asked.params.contains_key("OIDCToken"));
    }
    let lines = format!(
        "[default]\ntype = oidc_role_arn\nrole_arn = {ARN}\noidc_provider_arn = acs:ram::1:oidc-provider/p\n\
         oidc_token_file_path = {token}\n"
    );
    write(&folder.path().join(".alibabacloud/credentials"), &lines);
    let cloud = made(&stub.base, &folder, CredentialSource::IniFile, &[]).unwrap();
    cloud.delete_eni(&id("eni-1")).await.unwrap();
    assert_eq!(form(&stub.of("").pop().unwrap())["RoleSessionName"], "egressctl");
    // The token is read when it is needed.
    for (text, wanted) in [(Some(" \n"), "the token is empty"), (None, "there is no such file")] {
        match text {
            Some(text) => write(&folder.path().join("token"), text),
            None => std::fs::remove_file(folder.path().join("token")).unwrap(),
        }
        let cloud = made(&stub.base, &folder, CredentialSource::IniFile, &[]).unwrap();
        let error = cloud.delete_eni(&id("eni-1")).await.unwrap_err();
        assert!(error.kind == CloudErrorKind::Account && error.message.contains(wanted), "{error}");
    }
}

#[tokio::test]
async fn what_sts_refuses_is_told_without_what_it_quotes() {
    let stub = Stub::start(|seen, _| {
        let code = if seen.action() == "AssumeRole" {
            "EntityNotExist.Role"
        } else {
            "AuthenticationFail.OIDCToken.Invalid"
        };
        let message = "no, not with canary-base or canary.jwt\u{1b}";
        let body = json!({"Code": code, "Message": message, "RequestId": "R-1"});
        Reply { status: 404, ..ok(body) }
    })
    .await;
    let folder = home(&[("token", "canary.jwt")]);
    let token = folder.path().join("token").display().to_string();
    let list = format!(
        r#"{{"name": "key", "mode": "RamRoleArn", "access_key_id": "base", "access_key_secret": "canary-base", "ram_role_arn": "{ARN}"}},
           {{"name": "token", "mode": "OIDC", "ram_role_arn": "{ARN}", "oidc_provider_arn": "p", "oidc_token_file": "{token}"}}"#
    );
    write(&folder.path().join(".aliyun/config.json"), &profiles("key", &list));
    for (profile, code) in [("key", "EntityNotExist.Role"), ("token", "AuthenticationFail.OIDCToken.Invalid")]
    {
        let pairs = [("ALIBABA_CLOUD_PROFILE", profile)];
        let cloud = made(&stub.base, &folder, CredentialSource::Auto, &pairs).unwrap();
        let error = cloud.delete_eni(&id("eni-1")).await.unwrap_err();
        let all = format!("{error:?} {error}");
        assert_eq!((error.kind, error.code.as_deref()), (CloudErrorKind::Account, Some(code)), "{all}");
        assert!(all.contains(ARN) && all.contains("R-1"), "{all}");
        assert!(profile != "key" || !all.contains("canary-base"), "{all}");
        assert!(profile != "token" || !all.contains("canary.jwt"), "{all}");
        assert!(!all.contains('\u{1b}'));
    }
    assert!(stub.of("DeleteNetworkInterface").is_empty());
}

#[tokio::test]
async fn sts_that_is_busy_is_asked_again() {
    let stub = Stub::start(|seen, nth| match (seen.action(), nth) {
        ("AssumeRole", 0) => fail(503, "ServiceUnavailable"),
        ("AssumeRole", 1) => fail(400, "Throttling.User"),
        ("AssumeRole", _) => sts(seen, "third"),
        _ => ok(json!({})),
    })
    .await;
    let text = profiles(
        "p",
        &format!(
            r#"{{"name": "p", "mode": "RamRoleArn", "access_key_id": "b", "access_key_secret": "s", "ram_role_arn": "{ARN}"}}"#
        ),
    );
    let folder = home(&[(".aliyun/config.json", &text)]);
    let cloud = made(&stub.base, &folder, CredentialSource::Auto, &[]).unwrap();
    cloud.delete_eni(&id("eni-1")).await.unwrap();
    assert_eq!(last_key(&stub).0, "third");
    let nonces: std::collections::BTreeSet<String> =
        stub.of("AssumeRole").iter().map(|seen| seen.headers["x-acs-signature-nonce"].clone()).collect();
    assert_eq!(nonces.len(), 3);
}

/// A client whose keys come from a URI: an answer's key is `k` and its count, and it lasts for `seconds`.
async fn by_uri(
    seconds: i64,
    script: impl Fn(usize) -> Option<Reply> + Send + Sync + 'static,
) -> (Stub, Aliyun, Arc<Hands>) {
    let clock = Arc::new(Hands(AtomicI64::new(NOW_MS)));
    let hands = Arc::clone(&clock);
    let stub = Stub::start(move |seen, nth| match seen.action() {
        "" => script(nth).unwrap_or_else(|| {
            ok(json!({"AccessKeyId": format!("k{nth}"), "AccessKeySecret": "canary-s", "SecurityToken": "canary-t",
                "Expiration": at(hands.now_ms() + seconds * 1000)}))
        }),
        _ => ok(json!({})),
    })
    .await;
    let uri = format!("{}/keys?code=canary", stub.base);
    let config = AliyunConfig { credentials: CredentialSource::Uri, ..config(&stub.base, hurry()) };
    let env = Env::of(&[("ALIBABA_CLOUD_CREDENTIALS_URI", uri.as_str())]);
    let cloud = Aliyun::new(&config, &env, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    (stub, cloud, clock)
}

#[tokio::test]
async fn sessions_are_renewed_a_quarter_of_an_hour_before_their_end_or_at_half_time() {
    for (seconds, fresh_until) in [(3600, 2700), (1800, 900), (900, 450), (60, 30)] {
        let (stub, cloud, clock) = by_uri(seconds, |_| None).await;
        for (at, key) in [(0, "k0"), (fresh_until, "k0"), (fresh_until + 1, "k1")] {
            clock.0.store(NOW_MS + at * 1000, Ordering::SeqCst);
            cloud.delete_eni(&id("eni-1")).await.unwrap();
            assert_eq!(last_key(&stub).0, key, "{seconds} s, at {at}");
        }
    }
}

#[tokio::test]
async fn old_keys_that_still_hold_are_used_when_a_renewal_fails_and_not_asked_for_at_every_call() {
    let (stub, cloud, clock) = by_uri(3600, |nth| (1..=6).contains(&nth).then(|| fail(500, "X"))).await;
    let asked = |stub: &Stub| stub.of("").len();
    cloud.delete_eni(&id("eni-1")).await.unwrap();
    // A failed renewal takes three tries, and the next one waits for half a minute.
    for (at, key, total) in
        [(2701, "k0", 4), (2702, "k0", 4), (2730, "k0", 4), (2731, "k0", 7), (2800, "k7", 8)]
    {
        clock.0.store(NOW_MS + at * 1000, Ordering::SeqCst);
        cloud.delete_eni(&id("eni-1")).await.unwrap();
        assert_eq!((last_key(&stub).0.as_str(), asked(&stub)), (key, total), "at {at}");
    }

    let (_stub, cloud, clock) = by_uri(3600, |nth| (nth > 0).then(|| fail(500, "X"))).await;
    cloud.delete_eni(&id("eni-1")).await.unwrap();
    clock.0.store(NOW_MS + 3_600_000, Ordering::SeqCst);
    let error = cloud.delete_eni(&id("eni-1")).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Account);
    assert!(error.message.contains("answers 500") && !format!("{error:?}").contains("canary"), "{error}");
}

#[tokio::test]
async fn callers_share_a_renewal_and_its_failure_and_who_has_keys_does_not_wait() {
    let stall = Duration::from_millis(400);
    let (stub, cloud, clock) = by_uri(3600, move |nth| {
        (nth == 1).then(|| {
            let keys = json!({"AccessKeyId": "late", "AccessKeySecret": "s", "SecurityToken": "t", "Expiration": at(NOW_MS + 9_000_000)});
            Reply { delay: stall, ..ok(keys) }
        })
    })
    .await;
    let cloud = Arc::new(cloud);
    cloud.delete_eni(&id("eni-1")).await.unwrap();
    clock.0.store(NOW_MS + 2_701_000, Ordering::SeqCst);
    let renewing = tokio::spawn({
        let cloud = Arc::clone(&cloud);
        async move { cloud.delete_eni(&id("eni-1")).await }
    });
    while stub.of("").len() < 2 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    cloud.delete_eni(&id("eni-2")).await.unwrap();
    assert!(!renewing.is_finished(), "the second caller had to wait");
    assert_eq!(last_key(&stub).0, "k0");
    renewing.await.unwrap().unwrap();
    assert_eq!(last_key(&stub).0, "late");

    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let (_stub, cloud, _) = by_uri(3600, move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
        Some(Reply { delay: Duration::from_millis(100), ..fail(500, "X") })
    })
    .await;
    let cloud = Arc::new(cloud);
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let cloud = Arc::clone(&cloud);
            tokio::spawn(async move { cloud.delete_eni(&id("eni-1")).await.unwrap_err() })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(count.load(Ordering::SeqCst), 3, "one failed renewal for all of them");
}

#[tokio::test]
async fn keys_that_are_no_keys_are_told() {
    for (body, wanted) in [
        (json!({"Code": "Failed"}), "gives no keys"),
        (json!({"AccessKeyId": "canary"}), "without Expiration"),
        (
            json!({"AccessKeyId": "a", "AccessKeySecret": "canary", "Expiration": at(NOW_MS + 1)}),
            "without SecurityToken",
        ),
        (
            json!({"AccessKeyId": "a", "AccessKeySecret": "s", "SecurityToken": "t", "Expiration": "canary"}),
            "not a time",
        ),
        (
            json!({"AccessKeyId": "a", "AccessKeySecret": "s", "SecurityToken": "t", "Expiration": at(NOW_MS)}),
            "already ended",
        ),
        (
            json!({"AccessKeyId": "a", "AccessKeySecret": "s", "SecurityToken": "canary t", "Expiration": at(NOW_MS + 1000)}),
            "white space",
        ),
    ] {
        let (_stub, cloud, _) = by_uri(0, move |_| Some(ok(body.clone()))).await;
        let error = cloud.delete_eni(&id("eni-1")).await.unwrap_err();
        assert!(error.kind == CloudErrorKind::Account && error.message.contains(wanted), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}
