//! What `doctor` is told of the account's side.

use super::sources::home;
use super::*;
use crate::core::checkup::{Checkup, Severity};

struct Off(i64);

impl Clock for Off {
    fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond() + self.0
    }
}

fn identity(kind: &str) -> Reply {
    ok(json!({"AccountId": "12", "Arn": "acs:ram::12:user/ann", "IdentityType": kind}))
}

async fn look(stub: &Stub, env: &Env, off_ms: i64) -> Checkup {
    checkup(&config(&stub.base, hurry()), env, Arc::new(Off(off_ms))).await
}

#[tokio::test]
async fn a_healthy_account_has_no_findings() {
    let stub = Stub::start(|seen, _| match seen.action() {
        "GetCallerIdentity" => identity("RAMUser"),
        _ => fail(400, "MissingParameter"),
    })
    .await;
    let found = look(&stub, &keys(), 0).await;
    assert_eq!(found.findings, [], "{found:?}");
    let who = found.identity.as_ref().unwrap();
    assert_eq!(
        (who.account.as_str(), who.arn.as_str(), who.kind.as_str()),
        ("12", "acs:ram::12:user/ann", "RAMUser")
    );
    let used = found.credentials.as_ref().unwrap();
    assert_eq!((used.source.as_str(), used.origin.as_str()), ("environment", "environment variables"));
    let products: Vec<&str> = found.endpoints.iter().map(|reached| reached.product.as_str()).collect();
    assert_eq!(products, ["ecs", "vpc", "sts"]);
    assert!(found.endpoints.iter().all(|reached| reached.took_ms.is_some() && reached.url == stub.base));
    assert!(found.clock_ahead_ms.unwrap().abs() < 3000, "{found:?}");
    let asked = stub.of("GetCallerIdentity");
    assert_eq!((asked.len(), asked[0].headers["x-acs-version"].as_str()), (1, "2015-04-01"));
}

#[tokio::test]
async fn clocks_keys_and_proxies_in_trouble_are_found() {
    let stub = Stub::start(|seen, nth| match (seen.action(), seen.headers.get("x-acs-accesskey-id")) {
        ("GetCallerIdentity", _) => identity("Account"),
        _ if nth == 0 => fail(503, "ServiceUnavailable"),
        _ => fail(400, "MissingParameter"),
    })
    .await;
    // Half a minute more, since a slow answer makes the difference smaller.
    let found = look(&stub, &keys(), 16 * 60_000 + 30_000).await;
    let all: Vec<(Severity, &str)> = found.findings.iter().map(|f| (f.severity, f.what.as_str())).collect();
    assert!(
        all[0].0 == Severity::Problem && all[0].1.contains("16 min") && all[0].1.contains("ahead of"),
        "{all:?}"
    );
    assert!(
        all.iter().any(|(severity, what)| *severity == Severity::Warning && what.contains("answers 503"))
    );
    assert!(
        all.iter()
            .any(|(severity, what)| *severity == Severity::Warning && what.contains("the account's own"))
    );
    assert_eq!(found.exit_code(), 1);
}

#[tokio::test]
async fn nothing_that_answers_and_no_keys_are_problems_each() {
    let stub = Stub::start(|_, _| ok(json!({}))).await;
    let mut config = config(&stub.base, hurry());
    config.vpc_endpoint = Some("http://127.0.0.1:1".to_owned());
    config.credentials = CredentialSource::CliProfile;
    let folder = home(&[(".aliyun/config.json", "{\"canary\"")]);
    let path = folder.path().display().to_string();
    let found = checkup(&config, &Env::of(&[("HOME", &path)]), Arc::new(Off(0))).await;
    assert_eq!((found.identity.as_ref(), found.credentials.as_ref()), (None, None));
    assert_eq!(
        found.endpoints.iter().map(|it| it.took_ms.is_some()).collect::<Vec<_>>(),
        [true, false, true]
    );
    let whats: Vec<&str> = found.findings.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(whats.len(), 2, "{whats:?}");
    assert!(
        whats[0].contains("http://127.0.0.1:1 does not answer") && whats[0].contains("cloud.endpoints.vpc")
    );
    assert!(whats[1].contains("config.json:1:") && !whats[1].contains("canary"), "{whats:?}");
}

/// Broken as it is read, and broken as it is asked: what was passed over on the way there is told in both cases.
#[tokio::test]
async fn what_was_passed_over_is_told_where_a_source_is_broken() {
    let stub = Stub::start(|seen, _| match seen.action() {
        "AssumeRole" => fail(403, "NoPermission"),
        _ => ok(json!({})),
    })
    .await;
    let role = r#"{"current": "p", "profiles": [{"name": "p", "mode": "RamRoleArn", "access_key_id": "base",
        "access_key_secret": "canary", "ram_role_arn": "acs:ram::1:role/fleet", "ram_session_name": "night"}]}"#;
    for text in ["{\"canary\"", role] {
        let folder = home(&[(".aliyun/config.json", text)]);
        let path = folder.path().display().to_string();
        let found =
            checkup(&config(&stub.base, hurry()), &Env::of(&[("HOME", &path)]), Arc::new(Off(0))).await;
        assert_eq!(found.identity, None);
        let passed: Vec<&str> = found.passed.iter().map(|passed| passed.source.as_str()).collect();
        assert_eq!(passed, ["environment", "oidc"], "{found:?}");
        assert!(!format!("{found:?}").contains("canary"));
    }
}

#[tokio::test]
async fn who_is_refused_is_told_why() {
    let stub = Stub::start(|_, _| fail(404, "InvalidAccessKeyId.NotFound")).await;
    let found = look(&stub, &keys(), 0).await;
    assert_eq!(found.identity, None);
    assert_eq!(found.credentials.as_ref().unwrap().source, "environment");
    assert!(found.findings[0].what.contains("InvalidAccessKeyId.NotFound"), "{found:?}");
    assert!(!format!("{found:?}").contains(SECRET));
}

#[test]
fn a_public_host_is_told_where_one_inside_vpcs_is_meant() {
    // Only named here, never asked: hosts of the vendor are no business of a test.
    let hosts = |region: &str, network, given: Option<&str>| {
        let mut config = config("http://127.0.0.1:1", hurry());
        (config.region, config.network) = (region.parse().unwrap(), network);
        config.vpc_endpoint = given.map(str::to_owned);
        let env = Env::of(&[]);
        let setup = config.setup(&env);
        let places = config.places(&setup).unwrap();
        super::super::checkup::outside(&config, setup.side, &places)
    };
    let told = hosts("cn-north-2-gov-1", Network::Vpc, None);
    assert_eq!((told.len(), told[0].severity), (1, Severity::Warning));
    assert!(told[0].what.contains("for vpc in cn-north-2-gov-1, so vpc.aliyuncs.com"), "{told:?}");
    assert_eq!(hosts("cn-hangzhou", Network::Vpc, None), []);
    assert_eq!(hosts("cn-north-2-gov-1", Network::Public, None), []);
    assert_eq!(hosts("cn-north-2-gov-1", Network::Vpc, Some("http://127.0.0.1:1")), []);
}
