//! Inventories as data: every folder below `tests/inventories/bad` holds a wrong inventory and the messages about it, every
//! folder below `good` a right one and what it means. `EGRESSCTL_BLESS=1` rewrites the expectations; review the difference.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use egressctl::core::inventory::{Context, Desired, Lists, Mistakes, parse, select};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Paths in expectations must not depend on where the repository is.
fn read(text: &str) -> Result<Desired, Mistakes> {
    let environment = BTreeMap::from([("HOME".to_owned(), "/home/operator".to_owned())]);
    parse(
        "inventory.yaml",
        text,
        &Context { folder: PathBuf::from("/inventories"), environment, ..Context::default() },
    )
}

fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = repository().join("tests/inventories").join(kind);
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    cases
}

/// Compares what `see` makes of each case with its `expected.txt`, and reports all differences together.
fn check(kind: &str, least: usize, see: impl Fn(&str) -> Result<String, String>) {
    let bless = std::env::var_os("EGRESSCTL_BLESS").is_some_and(|value| value == "1");
    let cases = cases(kind);
    assert!(cases.len() >= least, "{} cases of {kind}, at least {least} wanted", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text =
            fs::read_to_string(case.join("inventory.yaml")).unwrap_or_else(|error| panic!("{name}: {error}"));
        let seen = match see(&text) {
            Ok(seen) => seen + "\n",
            Err(why) => {
                wrong.push(format!("{kind}/{name}: {why}"));
                continue;
            }
        };
        let file = case.join("expected.txt");
        if bless {
            fs::write(&file, &seen).unwrap();
        }
        match fs::read_to_string(&file) {
            Ok(expected) if expected == seen => {}
            Ok(expected) => wrong.push(format!("{kind}/{name}: expected\n{expected}but saw\n{seen}")),
            Err(error) => wrong.push(format!("{kind}/{name}/expected.txt: {error}; saw\n{seen}")),
        }
    }
    assert!(wrong.is_empty(), "{}\nIf this is right: EGRESSCTL_BLESS=1\n", wrong.join("\n"));
}

#[test]
fn wrong_inventories_are_explained() {
    check("bad", 25, |text| match read(text) {
        Err(mistakes) => Ok(mistakes.to_string()),
        Ok(_) => Err("was accepted".to_owned()),
    });
}

#[test]
fn right_inventories_are_understood() {
    check("good", 5, |text| match read(text) {
        Ok(desired) => Ok(format!("{desired:#?}")),
        Err(mistakes) => Err(format!("was refused:\n{mistakes}")),
    });
}

fn shipped(name: &str) -> Desired {
    let folder = repository().join("inventories").join(name);
    let text = fs::read_to_string(folder.join("inventory.yaml")).unwrap();
    parse("inventory.yaml", &text, &Context { folder, ..Context::default() })
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_example_is_right_and_its_patterns_select_what_it_says() {
    let desired = shipped("example");
    let names = |pattern: &str| -> Vec<String> {
        select(&desired.hosts, pattern, &Lists::new())
            .unwrap()
            .iter()
            .map(|host| host.name.to_string())
            .collect()
    };
    assert_eq!(names("web"), ["web-1", "web-2"]);
    assert_eq!(names("all:!web"), ["db-1"]);
    assert_eq!(names("web-[1:2]:&canary"), ["web-1"]);
    let database = &select(&desired.hosts, "db-1", &Lists::new()).unwrap()[0];
    assert!(database.allow.charge_type_change && !database.ssh.jumps.is_empty());
    assert_eq!(database.ssh.user, "admin");
}

#[test]
fn the_example_shows_every_key() {
    let text = fs::read_to_string(repository().join("inventories/example/inventory.yaml")).unwrap();
    for key in [
        "provider",
        "region",
        "credentials",
        "profile",
        "network",
        "endpoints",
        "ecs",
        "vpc",
        "sts",
        "name",
        "instance",
        "address",
        "groups",
        "user",
        "become",
        "port",
        "key",
        "known_hosts",
        "jump",
        "connect_timeout",
        "vswitch",
        "security_groups",
        "primary_ip",
        "table",
        "priority",
        "persist",
        "echo",
        "inbound_port",
        "charge_type_change",
    ] {
        assert!(text.contains(&format!("{key}:")), "{key} is not in the example");
    }
}

#[test]
fn the_lab_inventory_names_the_hosts_every_lab_begins_with() {
    let desired = shipped("lab");
    let lab = egressctl::lab::spec::LabSpec::new(1, Default::default(), desired.hosts.len(), None).unwrap();
    for (host, spec) in desired.hosts.iter().zip(&lab.hosts) {
        assert_eq!((&host.name, &host.instance), (&spec.name, &spec.instance));
        let pre_paid = spec.case == egressctl::lab::spec::Case::PrePaid;
        assert_eq!(host.allow.charge_type_change, pre_paid, "{}", host.name);
    }
    assert_eq!(desired.cloud.region.as_str(), egressctl::lab::spec::REGION);
}
