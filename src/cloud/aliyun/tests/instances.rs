//! Keys of instances, old and new, and of none.

use super::sources::{home, last_key, made};
use super::*;

/// The metadata service of old and new instances: whether there are tokens, and whether they are needed.
async fn instance(tokens: u16, needed: bool) -> Stub {
    Stub::start(move |seen, _| {
        let text = |text: &str| Reply { body: text.to_owned(), ..ok(json!({})) };
        let has = seen.headers.contains_key("x-aliyun-ecs-metadata-token");
        match (seen.method.as_str(), seen.path.as_str()) {
            ("PUT", _) => Reply { status: tokens, ..text("t") },
            ("GET", _) if needed && !has => Reply { status: 403, ..text("") },
            ("GET", "/latest/meta-data/ram/security-credentials/") => text("role"),
            ("GET", path) if path.ends_with("/role") => {
                ok(json!({"Code": "Success", "AccessKeyId": "role-key",
                "AccessKeySecret": "s", "SecurityToken": "t", "Expiration": "2026-11-22T17:00:00Z"}))
            }
            _ if seen.action().is_empty() => Reply { status: 404, ..text("") },
            _ => ok(json!({})),
        }
    })
    .await
}

#[tokio::test]
async fn instances_without_tokens_are_asked_without_unless_that_is_forbidden() {
    let folder = home(&[]);
    let strict = [("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")];
    for (tokens, needed, pairs, fine) in [
        (200, true, &strict[..], true),
        (200, true, &[], true),
        (404, false, &[], true),
        (404, false, &strict, false),
        (403, true, &[], false),
    ] {
        let stub = instance(tokens, needed).await;
        let cloud = made(&stub.base, &folder, CredentialSource::EcsRamRole, pairs).unwrap();
        let ended = cloud.delete_eni(&id("eni-1")).await;
        assert_eq!(ended.is_ok(), fine, "{tokens} {needed}: {ended:?}");
        let without =
            |seen: &Seen| seen.method == "GET" && !seen.headers.contains_key("x-aliyun-ecs-metadata-token");
        assert!(pairs.is_empty() || !stub.seen().iter().any(without), "asked without a token");
    }
}

#[tokio::test]
async fn without_an_instance_or_a_role_the_uri_is_asked() {
    let keys = json!({"AccessKeyId": "uri-key", "AccessKeySecret": "s", "SecurityToken": "t", "Expiration": "2026-11-22T17:00:00Z"});
    let stub = Stub::start(move |seen, _| match seen.path.as_str() {
        "/keys" => ok(keys.clone()),
        "/latest/api/token" => Reply { body: "t".to_owned(), ..ok(json!({})) },
        path if path.starts_with("/latest") => Reply { status: 404, ..ok(json!({})) },
        _ => ok(json!({})),
    })
    .await;
    let uri = format!("{}/keys", stub.base);
    let env = Env::of(&[("ALIBABA_CLOUD_CREDENTIALS_URI", &uri)]);
    for (base, why) in
        [(stub.base.as_str(), "knows no RAM role"), ("http://127.0.0.1:1", "no answer from the metadata")]
    {
        let config = AliyunConfig { metadata_base: Some(base.to_owned()), ..config(&stub.base, hurry()) };
        let cloud = Aliyun::new(&config, &env, Arc::new(Stopped)).unwrap();
        cloud.delete_eni(&id("eni-1")).await.unwrap();
        cloud.delete_eni(&id("eni-1")).await.unwrap();
        assert_eq!(last_key(&stub).0, "uri-key");
        let told = cloud.api.credentials.provenance();
        assert_eq!(told.used.unwrap().0, CredentialSource::Uri);
        let passed = told.passed.iter().find(|passed| passed.source == CredentialSource::EcsRamRole).unwrap();
        assert!(passed.why.contains(why), "{}", passed.why);
    }
    let config =
        AliyunConfig { metadata_base: Some("http://127.0.0.1:1".to_owned()), ..config(&stub.base, hurry()) };
    let cloud = Aliyun::new(&config, &Env::of(&[]), Arc::new(Stopped)).unwrap();
    let error = cloud.delete_eni(&id("eni-1")).await.unwrap_err();
    assert!(error.message.starts_with("no source has credentials (environment: "), "{error}");
    assert!(error.message.contains("ecs-ram-role: no answer"), "{error}");
}
