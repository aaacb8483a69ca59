//! Tests of the whole way from text to hosts. Wrong inventories with their messages are in `tests/inventories/bad`.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::{Context, Desired, Mistakes, Roster, parse, roster};

const SMALL: &str =
    "cloud: {region: cn-beijing}\nhosts:\n- {name: a, instance: i-1, verify: {echo: [http://e]}}\n";

fn read(text: &str) -> Result<Desired, Mistakes> {
    parse("f", text, &Context { folder: PathBuf::from("/inv"), ..Context::default() })
}

fn with_environment(text: &str, variables: &[(&str, &str)]) -> Result<Desired, Mistakes> {
    let environment = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    parse("f", text, &Context { folder: PathBuf::from("/inv"), environment, ..Context::default() })
}

fn logins(text: &str) -> Result<Roster, Mistakes> {
    roster("f", text, &Context { folder: PathBuf::from("/inv"), ..Context::default() })
}

#[test]
fn hosts_with_an_address_are_enough_to_log_in() {
    let found = logins("hosts: [{name: a, address: 10.0.0.1, ssh: {user: ann}}]").unwrap();
    assert!(found.cloud.is_none());
    let host = &found.hosts[0];
    assert_eq!((host.name.as_str(), host.ssh.user.as_str(), host.ssh.port), ("a", "ann", 22));
    assert_eq!((&host.instance, host.address), (&None, Some([10, 0, 0, 1].into())));
    // The main job's inventory will do as well, and its mistakes stay mistakes.
    let found = logins(SMALL).unwrap();
    assert_eq!(found.hosts[0].instance.as_ref().map(crate::core::model::InstanceId::as_str), Some("i-1"));
    assert_eq!(found.cloud, Some(read(SMALL).unwrap().cloud));
    let cases = [
        ("hosts: [{name: a}]", "hosts[0] has no instance"),
        ("cloud: {}\nhosts: [{name: a, address: 10.0.0.1}]", "cloud has no region"),
        ("hosts: [{name: a, address: 10.0.0.1, instance: x}]", "instance is \"x\""),
        ("hosts: [{address: 10.0.0.1}]", "hosts[0] has no name"),
        ("hosts: [{name: a, address: 10.0.0.1}, {name: b, address: 10.0.0.1}]", "is there twice"),
    ];
    for (text, expected) in cases {
        let mistakes = logins(text).unwrap_err().to_string();
        assert!(mistakes.contains(expected), "{text}: {mistakes}");
    }
}

#[test]
fn the_built_in_values_are_those_of_the_documentation() {
    let desired = read(SMALL).unwrap();
    let host = &desired.hosts[0];
    assert_eq!((host.ssh.user.as_str(), host.ssh.port, host.verify.inbound_port), ("root", 22, 22));
    assert_eq!(host.ssh.connect_timeout, Duration::from_secs(10));
    assert_eq!(host.eni.name, "egress-a");
    assert_eq!((host.route.table, host.route.priority), (101, 4101));
    assert!(host.ssh.known_hosts.is_empty() && !host.allow.charge_type_change);
}

#[test]
fn json_is_accepted_because_it_is_yaml() {
    let json = serde_json::json!({
        "cloud": {"region": "cn-beijing", "endpoints": {"ecs": "http://127.0.0.1:1"}},
        "defaults": {"verify": {"echo": ["http://e"]}, "allow": {"charge_type_change": true}},
        "hosts": [{"name": "a", "instance": "i-1", "ssh": {"port": 2222, "user": "\u{61}dmin"}}],
    });
    let yaml = "cloud:\n  region: cn-beijing\n  endpoints:\n    ecs: http://127.0.0.1:1\n\
                defaults:\n  verify:\n    echo:\n    - http://e\n  allow:\n    charge_type_change: true\n\
                hosts:\n- name: a\n  instance: i-1\n  ssh:\n    port: 2222\n    user: admin\n";
    let expected = read(yaml).unwrap();
    assert_eq!(read(&json.to_string()).unwrap(), expected);
    let pretty = serde_json::to_string_pretty(&json).unwrap();
    assert_eq!(read(&pretty).unwrap(), expected);
    assert_eq!(read(&pretty.replace("  ", "\t")).unwrap(), expected);
    assert_eq!(read(&pretty.replace('\n', "\r\n")).unwrap(), expected);
    assert_eq!(read(&json.to_string().replace("admin", r"\u0061dm\u0069n")).unwrap(), expected);
}

#[test]
fn a_mistake_in_json_has_its_place_too() {
    let error = read("{\n\t\"cloud\": {\"region\": \"r\"},\n\t\"hosts\": [{\"nam\": \"a\"}]\n}").unwrap_err();
    let lines: Vec<String> =
        error.0.iter().map(|m| format!("{}:{} {}", m.line, m.column, m.message)).collect();
    assert_eq!(
        lines,
        [
            "3:12 hosts[0] has no name",
            "3:12 hosts[0] has no instance",
            "3:12 no verify.echo for any host",
            "3:13 unknown key \"nam\" in hosts[0]",
        ]
    );
}

#[test]
fn the_environment_wins_over_the_file() {
    let variables = [
        ("EGRESSCTL_ECS_ENDPOINT", "http://100.100.0.10:8080"),
        ("EGRESSCTL_VPC_ENDPOINT", " http://100.100.0.10:8081 "),
        ("EGRESSCTL_ECHO", "http://x/, http://y/\nhttp://z/"),
        ("ALIBABA_CLOUD_REGION_ID", "cn-lab-1"),
    ];
    let desired = with_environment(SMALL, &variables).unwrap();
    assert_eq!(desired.cloud.region.as_str(), "cn-lab-1");
    assert_eq!(desired.cloud.ecs_endpoint.as_deref(), Some("http://100.100.0.10:8080"));
    assert_eq!(desired.cloud.vpc_endpoint.as_deref(), Some("http://100.100.0.10:8081"));
    assert_eq!(desired.hosts[0].verify.echo, ["http://x/", "http://y/", "http://z/"]);
    let bare = "hosts: [{name: a, instance: i-1}]";
    assert!(with_environment(bare, &variables).is_ok());
    assert!(with_environment(bare, &[("EGRESSCTL_ECHO", ""), ("ALIBABA_CLOUD_REGION_ID", "")]).is_err());
    assert_eq!(with_environment(SMALL, &[("PATH", "/bin")]).unwrap(), read(SMALL).unwrap());
}

#[test]
fn a_mistake_in_the_environment_names_the_variable() {
    let error = with_environment(
        SMALL,
        &[("EGRESSCTL_ECHO", "http://a,ip.example.com"), ("EGRESSCTL_ECS_ENDPOINT", "http://e/path")],
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "EGRESSCTL_ECS_ENDPOINT:1:1: the environment variable is \"http://e/path\"; expected an endpoint without a \
         path, such as https://ecs.cn-beijing.aliyuncs.com\n\
         EGRESSCTL_ECHO:1:1: the environment variable is \"http://a,ip.example.com\"; expected a URL that starts with \
         http:// or https://"
    );
    assert!(with_environment(SMALL, &[("EGRESSCTL_ECHO", ",")]).is_err());
}

#[test]
fn the_home_directory_comes_from_the_caller() {
    let text = SMALL.replace("verify", "ssh: {key: ~/.ssh/k, known_hosts: [k, /k]}, verify");
    let desired = with_environment(&text, &[("HOME", "/home/a")]).unwrap();
    assert_eq!(desired.hosts[0].ssh.keys[0].file, PathBuf::from("/home/a/.ssh/k"));
    assert_eq!(desired.hosts[0].ssh.known_hosts, [PathBuf::from("/inv/k"), PathBuf::from("/k")]);
    assert!(read(&text).unwrap_err().to_string().contains("HOME is not set"));
}

#[test]
fn a_huge_inventory_is_refused_before_it_is_parsed() {
    let error = read(&"#".repeat(super::MOST_BYTES + 1)).unwrap_err();
    assert_eq!(error.to_string(), "f:1:1: the inventory has 16777217 bytes; expected at most 16777216");
}

#[test]
fn a_large_fleet_is_read() {
    let mut text = String::from("cloud: {region: r}\ndefaults: {verify: {echo: [http://e]}}\nhosts:\n");
    for number in 0..5000 {
        text += &format!("- {{name: h{number}, instance: i-{number}}}\n");
    }
    assert_eq!(read(&text).unwrap().hosts.len(), 5000);
}

/// Every mistake lies inside the text: on one of its lines, at most one character behind the line's end.
fn check_places(text: &str) -> Result<(), TestCaseError> {
    if let Err(Mistakes(mistakes)) = read(text) {
        prop_assert!(!mistakes.is_empty());
        let normal = text.replace("\r\n", "\n").replace('\r', "\n");
        let lines: Vec<&str> = normal.split('\n').collect();
        for mistake in mistakes {
            prop_assert!((1..=lines.len()).contains(&mistake.line), "{mistake}");
            let length = lines[mistake.line - 1].chars().count();
            prop_assert!((1..=length + 1).contains(&mistake.column), "{mistake}");
            prop_assert!(!mistake.to_string().contains(['\n', '\r', '\u{1b}', '\0']), "{mistake:?}");
        }
    }
    Ok(())
}

/// Pieces of an inventory in any order: closer to the reader than random characters get.
fn shuffled() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "cloud:",
        "region: r",
        "hosts:",
        "groups:",
        "defaults:",
        "- ",
        "name: a",
        "instance: i-1",
        "ssh:",
        "jump: a@b:1",
        "port: 22",
        "{",
        "}",
        "[",
        "]",
        ",",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        "&a ",
        "*a",
        "!!str ",
        "|\n",
        ">-\n",
        "\"",
        "'",
        "#",
        "\t",
        "\r\n",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "? ",
        "<<: *a",
        "~",
        "ä",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "0x1F",
        "eni:",
        "primary_ip: 10.0.0.1",
        "verify:",
        "echo: [http://e]",
        "{{host}}",
        "table: 254",
        "yes",
        "null",
    ]);
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_panics_and_every_mistake_has_a_place(text in any::<String>()) {
        check_places(&text)?;
    }

    #[test]
    fn no_shuffled_inventory_panics(text in shuffled()) {
        check_places(&text)?;
    }

    #[test]
    fn no_damaged_inventory_panics(at in 0..SMALL.len(), junk in "\\PC{0,3}|[\\[\\]{}:,&*!|>'\"%@`\n\t -]{0,4}") {
        let mut text = SMALL.to_owned();
        text.insert_str(at, &junk);
        check_places(&text)?;
    }
}
