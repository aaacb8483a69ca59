//! Which source wins, what each of its forms means, and what is wrong with broken ones.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::*;

pub(super) const ID: (&str, &str) = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "env-key");
pub(super) const PASSWORD: (&str, &str) = ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "canary-env");
/// The role that the stub gives sessions of.
pub(super) const ARN: &str = "acs:ram::1:role/fleet";

/// A home directory with these files, for their owner alone.
pub(super) fn home(files: &[(&str, &str)]) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(&home.path().join(name), text);
    }
    home
}

pub(super) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A client by these variables, whose home this is.
pub(super) fn made(
    base: &str,
    home: &TempDir,
    source: CredentialSource,
    pairs: &[(&str, &str)],
) -> Result<Aliyun, CloudError> {
    let home = home.path().display().to_string();
    let pairs: Vec<(&str, &str)> = pairs.iter().copied().chain([("HOME", home.as_str())]).collect();
    let config = AliyunConfig { credentials: source, ..config(base, hurry()) };
    Aliyun::new(&config, &Env::of(&pairs), Arc::new(Stopped))
}

/// The key that the last call of an API was signed with, and the token that went with it.
pub(super) fn last_key(stub: &Stub) -> (String, String) {
    let seen = stub.of("DeleteNetworkInterface").pop().unwrap();
    let id = seen.headers["authorization"].split_once("Credential=").unwrap().1;
    let token = seen.headers.get("x-acs-security-token").cloned().unwrap_or_default();
    (id.split(',').next().unwrap().to_owned(), token)
}

/// Sessions for everybody: each has a key that says how it was asked for.
pub(super) fn sts(seen: &Seen, name: &str) -> Reply {
    ok(json!({"Credentials": {"AccessKeyId": name, "AccessKeySecret": "canary-given",
        "SecurityToken": format!("canary-token-of-{}", seen.action()), "Expiration": "2026-11-22T17:00:00Z"}}))
}

pub(super) const CLI: &str = r#"{"current": "plain", "meta_path": "", "profiles": [
    {"name": "plain", "mode": "AK", "access_key_id": "cli-key", "access_key_secret": "canary-cli",
     "sts_token": "", "region_id": "cn-beijing", "expired_seconds": 0, "retry_timeout": 10},
    {"name": "session", "mode": "StsToken", "access_key_id": "cli-session", "access_key_secret": "canary-cli",
     "sts_token": "canary-cli-token"}]}"#;
pub(super) const INI: &str = "[default]\ntype = access_key # mine\naccess_key_id = ini-key\naccess_key_secret = canary-ini\n\
                   [session]\ntype = access_key\naccess_key_id = ini-session\naccess_key_secret = canary-ini\n";

#[tokio::test]
async fn the_first_source_in_the_vendors_order_wins() {
    let stub = Stub::start(|seen, _| match (seen.action(), seen.path.as_str()) {
        ("", "/latest/api/token") => Reply { body: "t".to_owned(), ..ok(json!({})) },
        ("", "/latest/meta-data/ram/security-credentials/") => {
            Reply { body: "role".to_owned(), ..ok(json!({})) }
        }
        ("", path) if path.starts_with("/latest/") || path == "/keys" => {
            let name = if path == "/keys" { "uri-key" } else { "role-key" };
            ok(json!({"Code": "Success", "AccessKeyId": name, "AccessKeySecret": "canary-given",
                "SecurityToken": "canary-token", "Expiration": "2026-11-22T17:00:00Z"}))
        }
        ("", _) => sts(seen, "oidc-key"),
        _ => ok(json!({})),
    })
    .await;
    let folder =
        home(&[(".aliyun/config.json", CLI), (".alibabacloud/credentials.ini", INI), ("token", "jwt\n")]);
    let token = folder.path().join("token").display().to_string();
    let uri = format!("{}/keys", stub.base);
    let mut pairs = vec![
        ID,
        PASSWORD,
        ("ALIBABA_CLOUD_ROLE_ARN", ARN),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/p"),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", token.as_str()),
        ("ALIBABA_CLOUD_CREDENTIALS_URI", uri.as_str()),
    ];
    // What is taken away after each look, and the key that is used before.
    let order: [(&str, &[&str]); 6] = [
        ("env-key", &[ID.0, PASSWORD.0]),
        ("oidc-key", &["ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE"]),
        ("cli-key", &[]),
        ("ini-key", &[]),
        ("role-key", &[]),
        ("uri-key", &["ALIBABA_CLOUD_CREDENTIALS_URI"]),
    ];
    for (index, (key, away)) in order.iter().enumerate() {
        let cloud = made(&stub.base, &folder, CredentialSource::Auto, &pairs).unwrap();
        cloud.delete_eni(&id("eni-1")).await.unwrap();
        assert_eq!(last_key(&stub).0, *key);
        let told = cloud.api.credentials.provenance();
        assert_eq!(told.used.unwrap().0, CredentialSource::ALL[index + 1].1);
        let passed: Vec<CredentialSource> = told.passed.iter().map(|passed| passed.source).collect();
        let before: Vec<CredentialSource> =
            CredentialSource::ALL[1..=index].iter().map(|(_, s)| *s).collect();
        assert_eq!(passed, before, "{key}");
        pairs.retain(|(name, _)| !away.contains(name));
        match *key {
            "cli-key" => pairs.push(("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "True")),
            "ini-key" => fs::remove_file(folder.path().join(".alibabacloud/credentials.ini")).unwrap(),
            "role-key" => pairs.push(("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")),
            _ => {}
        }
    }
    let error = made(&stub.base, &folder, CredentialSource::Auto, &pairs).map(drop).unwrap_err();
    for (word, _) in &CredentialSource::ALL[1..] {
        assert!(error.message.contains(&format!("{word}: ")), "{error}");
    }
}

#[tokio::test]
async fn a_source_that_is_named_is_the_only_one_looked_at() {
    let stub = Stub::start(|_, _| ok(json!({}))).await;
    let both = home(&[(".aliyun/config.json", CLI), (".alibabacloud/credentials", INI)]);
    let broken = home(&[(".aliyun/config.json", "{"), (".alibabacloud/credentials", "?")]);
    let profile = ("ALIBABA_CLOUD_PROFILE", "session");
    for (home, source, pairs, key) in [
        (&both, CredentialSource::CliProfile, &[ID][..], ("cli-key", "")),
        (&both, CredentialSource::CliProfile, &[ID, PASSWORD, profile], ("cli-session", "canary-cli-token")),
        (&both, CredentialSource::IniFile, &[ID], ("ini-key", "")),
        (&both, CredentialSource::IniFile, &[ID, PASSWORD, profile], ("ini-session", "")),
        (&broken, CredentialSource::Environment, &[ID, PASSWORD], ("env-key", "")),
        (&broken, CredentialSource::Auto, &[ID, PASSWORD], ("env-key", "")),
        (
            &broken,
            CredentialSource::Environment,
            &[ID, PASSWORD, ("ALIBABA_CLOUD_SECURITY_TOKEN", "t")],
            ("env-key", "t"),
        ),
    ] {
        let cloud = made(&stub.base, home, source, pairs).unwrap();
        cloud.delete_eni(&id("eni-1")).await.unwrap();
        assert_eq!(last_key(&stub), (key.0.to_owned(), key.1.to_owned()), "{source:?}");
    }
    for (source, wanted) in [
        (CredentialSource::CliProfile, "there is no /"),
        (CredentialSource::IniFile, "there is neither /"),
        (CredentialSource::Oidc, "are not set"),
        (CredentialSource::Uri, "ALIBABA_CLOUD_CREDENTIALS_URI is not set"),
    ] {
        let error = made(&stub.base, &home(&[]), source, &[ID, PASSWORD]).map(drop).unwrap_err();
        assert!(error.kind == CloudErrorKind::Account && error.message.contains(wanted), "{error}");
    }
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let folder = home(&[(".aliyun/config.json", "\u{feff}{}")]);
    let make = |folder: &TempDir| {
        made("http://127.0.0.1:1", folder, CredentialSource::Auto, &[]).map(drop).unwrap_err()
    };
    assert!(make(&folder).message.contains("no list of profiles"), "a byte order mark is no mistake");
    let path = folder.path().join(".aliyun/config.json");
    fs::write(&path, [0xff, 0xfe, b'{']).unwrap();
    assert!(make(&folder).message.contains("not UTF-8"));
    fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
    assert!(make(&folder).message.contains("larger than"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(make(&folder).message.contains("it is not a file"));
}

#[test]
fn what_is_unsafe_is_warned_of() {
    let warnings = |folder: &TempDir| {
        let cloud = made("http://127.0.0.1:1", folder, CredentialSource::Auto, &[]).unwrap();
        cloud.api.credentials.provenance().warnings
    };
    for file in [".aliyun/config.json", ".alibabacloud/credentials"] {
        let folder = home(&[(file, if file.ends_with("json") { CLI } else { INI })]);
        assert_eq!(warnings(&folder), Vec::<String>::new());
        for mode in [0o640, 0o604] {
            fs::set_permissions(folder.path().join(file), fs::Permissions::from_mode(mode)).unwrap();
            let told = warnings(&folder);
            assert!(
                told[0].contains(&format!("has mode {mode:04o}")) && told[0].contains("chmod 600"),
                "{told:?}"
            );
        }
    }
    let both = home(&[(".alibabacloud/credentials.ini", INI), (".alibabacloud/credentials", INI)]);
    assert!(warnings(&both)[0].contains("[default] is in"), "{:?}", warnings(&both));
    let apart =
        home(&[(".alibabacloud/credentials.ini", "[x]\ntype = y\n"), (".alibabacloud/credentials", INI)]);
    assert_eq!(warnings(&apart), Vec::<String>::new());
}
