//! What is wrong with broken sources, as a table.

use super::sources::{CLI, ID, INI, home, made};
use super::*;

/// What is in which file, by which variables, and what is said about it.
type Broken<'a> = (String, &'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn a_source_that_is_broken_is_told_and_not_passed_over() {
    const CONFIG: &str = ".aliyun/config.json";
    const SECTIONS: &str = ".alibabacloud/credentials.ini";
    let profile = |fields: &str| format!(r#"{{"current": "p", "profiles": [{{"name": "p", {fields}}}]}}"#);
    let role = r#""access_key_id": "a", "access_key_secret": "canary", "ram_role_arn": "acs:ram::1:role/r""#;
    let of = |mode: &str, more: &str| profile(&format!(r#""mode": "{mode}"{more}"#));
    let circle = r#"{"current": "a", "profiles": [
        {"name": "a", "mode": "ChainableRamRoleArn", "source_profile": "b", "ram_role_arn": "acs:ram::1:role/r"},
        {"name": "b", "mode": "ChainableRamRoleArn", "source_profile": "a", "ram_role_arn": "acs:ram::1:role/r"}]}"#;
    let section = |lines: &str| format!("# head\n[default]\n{lines}\n");
    let seconds = |n: &str| profile(&format!(r#""mode": "RamRoleArn", "expired_seconds": {n}, {role}"#));
    const NAMED: (&str, &str) = ("ALIBABA_CLOUD_PROFILE", "plian");
    let cases: Vec<Broken<'_>> = vec![
        (String::new(), CONFIG, &[], &["config.json:1:0: ", "not JSON", "aliyun configure"]),
        ("{\n \"profiles\": canary".to_owned(), CONFIG, &[], &["config.json:2:", "not JSON"]),
        ("[\"canary\"]".to_owned(), CONFIG, &[], &["no list of profiles"]),
        (r#"{"profiles": []}"#.to_owned(), CONFIG, &[], &["no current profile", "ALIBABA_CLOUD_PROFILE"]),
        (CLI.to_owned(), CONFIG, &[NAMED], &["no profile \"plian\"", "did you mean \"plain\"?"]),
        (
            of("AK", ""),
            CONFIG,
            &[],
            &["profile \"p\"", "access_key_id is missing", "aliyun configure --profile p"],
        ),
        (
            of("AK", r#", "access_key_id": "a", "access_key_secret": """#),
            CONFIG,
            &[],
            &["access_key_secret is missing"],
        ),
        (
            of("AK", r#", "access_key_id": "a", "access_key_secret": ["canary"]"#),
            CONFIG,
            &[],
            &["access_key_secret is not a text"],
        ),
        (
            of("AK", r#", "access_key_id": "a", "access_key_secret": "canary\n""#),
            CONFIG,
            &[],
            &["the access key secret with white space"],
        ),
        (
            of("StsToken", r#", "access_key_id": "a", "access_key_secret": "canary""#),
            CONFIG,
            &[],
            &["sts_token is missing"],
        ),
        (profile(r#""access_key_id": "a""#), CONFIG, &[], &["mode is missing"]),
        (
            of("CloudSSO", r#", "access_token": "canary""#),
            CONFIG,
            &[],
            &["CloudSSO is not supported", "External"],
        ),
        (of("OAuth", ""), CONFIG, &[], &["OAuth is not supported", "External"]),
        (of("RsaKeyPair", r#", "private_key": "canary""#), CONFIG, &[], &["RsaKeyPair is not supported"]),
        (of("CredentialsURI", ""), CONFIG, &[], &["CredentialsURI is not supported", "credentials: uri"]),
        (of("Fancy", ""), CONFIG, &[], &["\"Fancy\" is not known", "ChainableRamRoleArn"]),
        (
            of("RamRoleArn", r#", "access_key_id": "a", "access_key_secret": "canary""#),
            CONFIG,
            &[],
            &["ram_role_arn is missing"],
        ),
        (
            of("RamRoleArn", r#", "access_key_id": "a", "access_key_secret": "s", "ram_role_arn": "role/r""#),
            CONFIG,
            &[],
            &["acs:ram::ACCOUNT:role/NAME"],
        ),
        (seconds("899"), CONFIG, &[], &["899 s; expected 900 to 43200"]),
        (seconds("43201"), CONFIG, &[], &["43201 s"]),
        (seconds("\"3600\""), CONFIG, &[], &["expired_seconds is not a whole number"]),
        (
            profile(&format!(r#""mode": "RamRoleArn", "ram_session_name": "a b", {role}"#)),
            CONFIG,
            &[],
            &["session's name"],
        ),
        (
            profile(&format!(r#""mode": "RamRoleArn", "enable_vpc": "yes", {role}"#)),
            CONFIG,
            &[],
            &["enable_vpc"],
        ),
        (
            profile(&format!(r#""mode": "RamRoleArn", "sts_region": "a/b", {role}"#)),
            CONFIG,
            &[],
            &["not a region id"],
        ),
        (
            of("OIDC", r#", "ram_role_arn": "acs:ram::1:role/r""#),
            CONFIG,
            &[],
            &["oidc_token_file is missing"],
        ),
        (of("External", ""), CONFIG, &[], &["process_command is missing"]),
        (of("External", r#", "process_command": "'' canary""#), CONFIG, &[], &["process_command is empty"]),
        (
            of("External", r#", "process_command": "a 'canary""#),
            CONFIG,
            &[],
            &["cannot be read: a ' is not closed"],
        ),
        (
            of("EcsRamRole", ""),
            CONFIG,
            &[("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")],
            &["forbids the RAM role"],
        ),
        (circle.to_owned(), CONFIG, &[], &["in a circle (a -> b -> a)"]),
        (
            circle.replace("\"source_profile\": \"b\"", "\"source_profile\": \"a\""),
            CONFIG,
            &[],
            &["in a circle (a -> a)"],
        ),
        (
            circle.replace("\"source_profile\": \"b\"", "\"source_profile\": \"c\""),
            CONFIG,
            &[],
            &["no profile \"c\""],
        ),
        (CLI.replace("\"session\"", "\"plain\""), CONFIG, &[], &["\"plain\" is there twice"]),
        ("[default]\ncanary\n".to_owned(), SECTIONS, &[], &["credentials.ini:2: expected key = value"]),
        (
            "[prod]\ntype = access_key\n".to_owned(),
            SECTIONS,
            &[],
            &["no section [default]", "it has \"prod\""],
        ),
        (INI.to_owned(), SECTIONS, &[("ALIBABA_CLOUD_PROFILE", "sesion")], &["did you mean \"session\"?"]),
        (section("access_key_id = a"), SECTIONS, &[], &["credentials.ini:2: ", "has no type"]),
        (
            section("type = access_key\naccess_key_secret = canary"),
            SECTIONS,
            &[],
            &["ini:2: ", "has no access_key_id"],
        ),
        (
            section("type = access_key\naccess_key_id = a\naccess_key_secret ="),
            SECTIONS,
            &[],
            &["has no access_key_secret"],
        ),
        (
            section("type = access_key\naccess_key_id = a\naccess_key_secret = canary b"),
            SECTIONS,
            &[],
            &["ini:5: ", "white space"],
        ),
        (
            section("type = rsa_key_pair\nprivate_key_file = /k"),
            SECTIONS,
            &[],
            &["ini:3: ", "rsa_key_pair is not supported"],
        ),
        (section("type = fancy"), SECTIONS, &[], &["ini:3: ", "\"fancy\" is not known", "oidc_role_arn"]),
        (
            section("type = oidc_role_arn\nrole_arn = acs:ram::1:role/r"),
            SECTIONS,
            &[],
            &["no oidc_provider_arn"],
        ),
        (
            section("type = ram_role_arn\naccess_key_id=a\naccess_key_secret=canary\nrole_arn = r"),
            SECTIONS,
            &[],
            &["ini:6: ", "acs:ram::"],
        ),
        (
            String::new(),
            "x",
            &[("ALIBABA_CLOUD_CREDENTIALS_FILE", "/nonexistent/c")],
            &["/nonexistent/c: there is no such file", "ALIBABA_CLOUD_CREDENTIALS_FILE"],
        ),
        (String::new(), "x", &[("ALIBABA_CLOUD_CREDENTIALS_FILE", "/dev")], &["/dev: it is not a file"]),
        (String::new(), "x", &[ID], &["ALIBABA_CLOUD_ACCESS_KEY_SECRET is not", "set both or neither"]),
        (String::new(), "x", &[ID, ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "canary\r")], &["white space"]),
        (
            String::new(),
            "x",
            &[("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/t")],
            &["ALIBABA_CLOUD_ROLE_ARN and ALIBABA_CLOUD_OIDC_PROVIDER_ARN is not set"],
        ),
        (String::new(), "x", &[("ALIBABA_CLOUD_CREDENTIALS_URI", "canary")], &["no http(s) URL"]),
    ];
    for case @ (text, file, pairs, wanted) in &cases {
        let folder = home(&[(file, text)]);
        // Nothing after the broken source is asked: nothing listens there, and the metadata service is forbidden.
        let pairs = if text.contains("EcsRamRole") {
            pairs.to_vec()
        } else {
            [*pairs, &[("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")]].concat()
        };
        let made = made("http://127.0.0.1:1", &folder, CredentialSource::Auto, &pairs);
        let error = made.map(drop).expect_err(&format!("{case:?}"));
        assert_eq!(error.kind, CloudErrorKind::Account, "{error}");
        for word in *wanted {
            assert!(error.message.contains(word), "{word:?} is not in: {error}\n{case:?}");
        }
        assert!(!format!("{error:?} {error}").contains("canary"), "{error}");
    }
    assert!(cases.len() >= 45, "{}", cases.len());
}
