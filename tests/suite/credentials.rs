//! The client's credentials against the emulator's STS: what one signs the other verifies, over loopback HTTP.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use egressctl::cloud::aliyun::{Aliyun, AliyunConfig, Env, Tuning, checkup};
use egressctl::core::inventory::{CredentialSource, Network};
use egressctl::core::model::{InstanceId, MacAddr, Secret};
use egressctl::lab::emulator::{self, AccessKey, Emulator};
use egressctl::lab::fabric::{Fabric, Port};
use egressctl::lab::spec::{LabSpec, OPERATOR_ROLE, RAM_ROLE, REGION, Sshd};
use egressctl::ports::{Clock, Cloud, CloudErrorKind, ViewScope};
use tokio::net::TcpListener;

const ACCOUNT: &str = "1234567890123456";
const PROVIDER: &str = "acs:ram::1234567890123456:oidc-provider/lab";
const KEY: (&str, &str) = ("LTAIcredentials", "canary+secret/of=key");
const TOKEN: &str = "canary.oidc.token+/=";

/// Nothing of these tests touches a network.
struct Nowhere;

#[async_trait]
impl Fabric for Nowhere {
    async fn plug(&self, _: &InstanceId, _: &Port) -> Result<(), String> {
        Err("there is no network".to_owned())
    }
    async fn unplug(&self, _: &InstanceId, _: MacAddr) -> Result<(), String> {
        Err("there is no network".to_owned())
    }
    async fn bind(&self, _: Ipv4Addr, _: Ipv4Addr) -> Result<(), String> {
        Err("there is no network".to_owned())
    }
    async fn unbind(&self, _: Ipv4Addr) -> Result<(), String> {
        Err("there is no network".to_owned())
    }
}

/// The wall's clock, and how far ahead of it.
#[derive(Default)]
struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond() + self.0.load(Ordering::SeqCst)
    }
}

/// An emulator, and a home directory for the client.
struct Rig {
    emulator: Arc<Emulator>,
    clock: Arc<Ahead>,
    base: String,
    home: tempfile::TempDir,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Rig {
    async fn new() -> Self {
        let clock = Arc::new(Ahead::default());
        let spec = LabSpec::new(7, Sshd::Builtin, 1, None).unwrap();
        let key = AccessKey { id: KEY.0.to_owned(), secret: Secret::new(KEY.1.to_owned()) };
        let emulator = Emulator::new(&spec, Arc::new(Nowhere), key, emulator::Tuning::default())
            .with_identity(PROVIDER, Secret::new(TOKEN.to_owned()))
            .with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let emulator = Arc::new(emulator);
        let listen = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ecs, vpc) = (listen().await, listen().await);
        let base = format!("http://{}", ecs.local_addr().unwrap());
        let serving = Arc::clone(&emulator);
        let server = tokio::spawn(async move { emulator::serve(ecs, vpc, serving).await.unwrap() });
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("token"), TOKEN).unwrap();
        Self { emulator, clock, base, home, server }
    }

    fn at(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    fn config(&self, source: CredentialSource, profile: Option<&str>) -> AliyunConfig {
        AliyunConfig {
            region: REGION.parse().unwrap(),
            ecs_endpoint: Some(self.base.clone()),
            vpc_endpoint: Some(self.base.clone()),
            sts_endpoint: Some(self.base.clone()),
            network: Network::Public,
            credentials: source,
            profile: profile.map(str::to_owned),
            metadata_base: Some("http://127.0.0.1:1".to_owned()),
            tuning: Tuning::default(),
        }
    }

    fn env(&self, pairs: &[(&str, &str)]) -> Env {
        let home = self.home.path().display().to_string();
        Env::of(&[pairs, &[("HOME", home.as_str())]].concat())
    }

    fn calls(&self, action: &str) -> Vec<Option<String>> {
        let calls = self.emulator.calls();
        calls.into_iter().filter(|call| call.action == action).map(|call| call.code).collect()
    }
}

fn profiles(rig: &Rig) -> String {
    let (id, secret, token) = (KEY.0, KEY.1, rig.at("token"));
    let role = |name: &str| format!("acs:ram::{ACCOUNT}:role/{name}");
    serde_json::json!({"current": "key", "profiles": [
        {"name": "key", "mode": "AK", "access_key_id": id, "access_key_secret": secret},
        {"name": "role", "mode": "RamRoleArn", "access_key_id": id, "access_key_secret": secret,
            "ram_role_arn": role(OPERATOR_ROLE), "ram_session_name": "by-key", "expired_seconds": 900},
        {"name": "chain", "mode": "ChainableRamRoleArn", "source_profile": "role", "ram_role_arn": role(RAM_ROLE),
            "ram_session_name": "by-role"},
        {"name": "token", "mode": "OIDC", "oidc_provider_arn": PROVIDER, "oidc_token_file": token,
            "ram_role_arn": role(OPERATOR_ROLE), "role_session_name": "by-token"},
        {"name": "program", "mode": "External", "process_command": format!(
            "printf '{{\"mode\":\"AK\",\"access_key_id\":\"{id}\",\"access_key_secret\":\"{secret}\"}}'")},
        {"name": "wrong", "mode": "RamRoleArn", "access_key_id": id, "access_key_secret": "canary-wrong-secret",
            "ram_role_arn": role(OPERATOR_ROLE)},
        {"name": "nobody", "mode": "RamRoleArn", "access_key_id": id, "access_key_secret": secret,
            "ram_role_arn": role("nobody")},
    ]})
    .to_string()
}

fn write(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn every_form_of_credentials_is_who_it_should_be() {
    let rig = Rig::new().await;
    write(&rig.home.path().join(".aliyun/config.json"), &profiles(&rig));
    let assumed = |role: &str, session: &str| format!("acs:ram::{ACCOUNT}:assumed-role/{role}/{session}");
    for (profile, arn, lasts) in [
        ("key", format!("acs:ram::{ACCOUNT}:user/lab"), None),
        ("role", assumed(OPERATOR_ROLE, "by-key"), Some(900)),
        ("chain", assumed(RAM_ROLE, "by-role"), Some(3600)),
        ("token", assumed(OPERATOR_ROLE, "by-token"), Some(3600)),
        ("program", format!("acs:ram::{ACCOUNT}:user/lab"), None),
    ] {
        let config = rig.config(CredentialSource::CliProfile, Some(profile));
        let clock = Arc::clone(&rig.clock) as Arc<dyn Clock>;
        let found = checkup(&config, &rig.env(&[]), clock).await;
        assert!(found.is_fine() && found.findings.is_empty(), "{profile}: {found:?}");
        assert_eq!(found.identity.as_ref().unwrap().arn, arn, "{profile}");
        let used = found.credentials.as_ref().unwrap();
        assert!(used.source == "cli-profile" && used.origin.contains(&format!("{profile:?}")), "{used:?}");
        let left = used.expires_ms.map(|end| (end - rig.clock.now_ms()) as f64 / 1000.0);
        let near = |seconds: i32| left.is_some_and(|left| (left - f64::from(seconds)).abs() < 60.0);
        assert!(lasts.map_or(left.is_none(), near), "{profile}: {left:?}");
        assert!(!format!("{found:?}").contains("canary"), "{found:?}");
    }
    for (profile, code) in [("wrong", "SignatureDoesNotMatch"), ("nobody", "EntityNotExist.Role")] {
        let config = rig.config(CredentialSource::CliProfile, Some(profile));
        let found = checkup(&config, &rig.env(&[]), Arc::clone(&rig.clock) as Arc<dyn Clock>).await;
        assert!(!found.is_fine() && found.identity.is_none(), "{found:?}");
        assert!(found.findings[0].what.contains(code), "{found:?}");
        assert!(!format!("{found:?}").contains("canary"), "{found:?}");
    }
}

#[tokio::test]
async fn a_session_is_renewed_before_the_cloud_refuses_it() {
    let rig = Rig::new().await;
    write(&rig.home.path().join(".aliyun/config.json"), &profiles(&rig));
    let config = rig.config(CredentialSource::CliProfile, Some("role"));
    let clock = Arc::clone(&rig.clock) as Arc<dyn Clock>;
    let cloud = Aliyun::new(&config, &rig.env(&[]), clock).unwrap();
    let scope = scope();
    // An hour and more, in steps of three minutes, by sessions of a quarter of an hour.
    for step in 0..24 {
        rig.clock.0.store(step * 180_000, Ordering::SeqCst);
        cloud.view(&scope).await.unwrap_or_else(|error| panic!("step {step}: {error}"));
    }
    let given = rig.calls("AssumeRole");
    assert!(given.iter().all(Option::is_none) && (7..=10).contains(&given.len()), "{given:?}");
    assert!(rig.calls("DescribeInstances").iter().all(Option::is_none), "the cloud saw an ended session");
}

#[tokio::test]
async fn a_session_that_the_cloud_calls_ended_is_renewed_at_once() {
    let rig = Rig::new().await;
    write(&rig.home.path().join(".aliyun/config.json"), &profiles(&rig));
    let config = rig.config(CredentialSource::CliProfile, Some("role"));
    // The clocks differ: for the client the session still has five minutes when it has ended for the cloud.
    let cloud = Aliyun::new(&config, &rig.env(&[]), Arc::new(Ahead::default())).unwrap();
    let scope = scope();
    for (cloud_minutes, sessions) in [(-10, 1), (6, 2)] {
        rig.clock.0.store(cloud_minutes * 60_000, Ordering::SeqCst);
        cloud.view(&scope).await.unwrap();
        assert_eq!(rig.calls("AssumeRole").len(), sessions);
    }
    let refused: Vec<String> = rig.emulator.calls().into_iter().filter_map(|call| call.code).collect();
    assert!(
        !refused.is_empty() && refused.iter().all(|code| code == "InvalidSecurityToken.Expired"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn keys_that_nobody_has_get_nothing() {
    let rig = Rig::new().await;
    for (id, secret, token, code) in [
        (KEY.0, "canary-wrong-secret", None, "SignatureDoesNotMatch"),
        ("nobody", KEY.1, None, "InvalidAccessKeyId.NotFound"),
        (KEY.0, KEY.1, Some("canary-token-of-none"), "InvalidSecurityToken.MismatchWithAccessKey"),
    ] {
        let mut pairs =
            vec![("ALIBABA_CLOUD_ACCESS_KEY_ID", id), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", secret)];
        pairs.extend(token.map(|token| ("ALIBABA_CLOUD_SECURITY_TOKEN", token)));
        let config = rig.config(CredentialSource::Auto, None);
        let cloud = Aliyun::new(&config, &rig.env(&pairs), Arc::new(Ahead::default())).unwrap();
        let error = cloud.view(&scope()).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_deref()), (CloudErrorKind::Account, Some(code)), "{error}");
        assert!(!format!("{error:?} {cloud:?}").contains("canary"), "{error:?}");
    }
}

fn scope() -> ViewScope {
    ViewScope { instances: vec!["i-lab0000070001".parse().unwrap()], ..ViewScope::default() }
}
