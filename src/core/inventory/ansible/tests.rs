//! Cases by folder, `tests/ansible/<case>`: what is read must be what Ansible reads. `referee.py` there asks it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::resolve::{Host, resolve};
use super::{Form, Given, Vars, read, yaml};
use crate::core::inventory::Context;
use crate::core::inventory::mistake::Collector;

fn form(path: &Path) -> Form {
    if path.extension().is_some_and(|extension| extension == "ini") { Form::Ini } else { Form::Yaml }
}

/// The files `group_vars/*` or `host_vars/*` of a case.
fn beside(folder: PathBuf) -> BTreeMap<String, Vars> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeMap::new() };
    let files = entries.map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let mut collector = Collector::new("vars", &text);
            let vars = yaml::read_vars(&"vars".into(), &text, &mut collector);
            assert_eq!(collector.finish(), None);
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), vars)
        })
        .collect()
}

fn seen(case: &Path) -> Value {
    let inventory = fs::read_dir(case)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_file() && path.file_stem().is_some_and(|stem| stem == "hosts"))
        .unwrap();
    let text = fs::read_to_string(&inventory).unwrap();
    let mut collector = Collector::new("hosts", &text);
    let tree = read("hosts", &text, form(&inventory), &mut collector);
    let (groups, hosts) = (beside(case.join("group_vars")), beside(case.join("host_vars")));
    let hosts = resolve(&tree, &groups, &hosts, &mut collector);
    assert_eq!(collector.finish(), None, "{}", case.display());
    let host = |host: Host| {
        let mut groups = host.groups;
        groups.sort();
        let vars = host.vars.into_iter().map(|(name, var)| {
            let value = match var.value {
                Given::Text(text) => json!(text),
                Given::Nothing => Value::Null,
                Given::Compound => json!({}),
            };
            (name, value)
        });
        (host.name, json!({ "groups": groups, "vars": vars.collect::<BTreeMap<_, _>>() }))
    };
    json!(hosts.into_iter().map(host).collect::<BTreeMap<_, _>>())
}

/// Ansible's answer with every scalar as text, and compounds without their inside.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) if map.contains_key("__ansible_unsafe") => map["__ansible_unsafe"].clone(),
        Value::Object(_) | Value::Array(_) => json!({}),
        Value::Null => Value::Null,
        Value::String(text) => json!(text),
        other => json!(other.to_string()),
    }
}

#[test]
fn inventories_are_read_as_ansible_reads_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ansible");
    let mut cases = 0;
    for case in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        let text = fs::read_to_string(case.join("expected.json")).unwrap();
        let mut expected: Value = serde_json::from_str(&text).unwrap();
        for host in expected.as_object_mut().unwrap().values_mut() {
            for value in host["vars"].as_object_mut().unwrap().values_mut() {
                *value = plain(value);
            }
        }
        let seen = seen(&case);
        let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
        assert_eq!(pretty(&seen), pretty(&expected), "{}", case.display());
        cases += 1;
    }
    assert!(cases >= 6, "cases were lost: {cases}");
}

#[test]
fn mistakes_name_their_place_and_the_cure() {
    let cases = [
        (
            "web1 port\n",
            Form::Ini,
            "f:1:6: \"port\" is no setting of a host; expected key=value; quote a value that has spaces",
        ),
        (
            "[web\n",
            Form::Ini,
            "f:1:1: \"[web\" is no section; expected [group], [group:vars] or [group:children]",
        ),
        (
            "[web:war]\n",
            Form::Ini,
            "f:1:1: sections of kind \"war\" are not known; expected [group], [group:vars] or [group:children]",
        ),
        (
            "[web:vars]\na=1\n",
            Form::Ini,
            "f:1:1: [web:vars] is for a group that is nowhere declared; expected [web] with hosts, or [web:children]",
        ),
        ("[a:vars]\nb\n[a]\n", Form::Ini, "f:2:1: \"b\" is no variable; expected key=value"),
        (
            "[a:children]\nb c\n",
            Form::Ini,
            "f:2:1: \"b c\" is no name of a group; expected one child group a line",
        ),
        (
            "[a:children]\nb\n[b:children]\na\n[b]\nh\n",
            Form::Ini,
            "contains itself; expected children that are not their own parents",
        ),
        (
            "web[3:1]\n",
            Form::Ini,
            "f:1:1: \"web[3:1]\" is no host; expected a range whose end is not before its beginning",
        ),
        ("h a='b\n", Form::Ini, "f:1:1: a ' is not closed; expected a host and key=value words"),
        ("plugin: x\n", Form::Yaml, "f:1:1: this configures a plugin of Ansible"),
        (
            "web:\n  host:\n",
            Form::Yaml,
            "f:2:3: unknown key \"host\" in group \"web\"; did you mean \"hosts\"?",
        ),
        (
            "web: 1\n",
            Form::Yaml,
            "f:1:6: group \"web\" is something else; expected a mapping with hosts, children, vars",
        ),
        ("web:\n  hosts: [a]\n", Form::Yaml, "f:2:10: the hosts of group \"web\" is something else"),
    ];
    for (text, form, expected) in cases {
        let mut collector = Collector::new("f", text);
        let tree = read("f", text, form, &mut collector);
        let _ = resolve(&tree, &BTreeMap::new(), &BTreeMap::new(), &mut collector);
        let found = collector.finish().map_or_else(String::new, |mistakes| mistakes.to_string());
        assert!(found.contains(expected), "{text:?}: {found}");
    }
}

#[test]
fn the_main_job_takes_what_ansible_does_not_know_from_variables_of_ours() {
    let text = "[web]\nweb-[1:2] ansible_user=admin ansible_ssh_common_args='-o ProxyJump=ops@gate:2222 -C'\n\
                [web:vars]\negressctl_region=cn-beijing\negressctl_echo=http://192.0.2.1/, http://192.0.2.2/\n";
    let parse = |text: &str| crate::core::inventory::parse("hosts.ini", text, &Context::default());
    let wrong = parse(text).unwrap_err().to_string();
    assert!(wrong.starts_with("hosts.ini:2:1: hosts[0] has no instance; expected instance:"), "{wrong}");
    let text = text.replace("admin", "admin egressctl_instance=i-1").replace("[1:2]", "1");
    let desired = parse(&text).unwrap();
    let host = &desired.hosts[0];
    assert_eq!((host.name.as_str(), host.instance.as_str()), ("web-1", "i-1"));
    assert_eq!((host.groups.as_slice(), host.ssh.user.as_str()), (&["web".to_owned()][..], "admin"));
    assert_eq!((desired.cloud.region.as_str(), host.verify.echo.len()), ("cn-beijing", 2));
    let jump = &host.ssh.jumps[0][0];
    assert_eq!((jump.name.as_str(), jump.ssh.user.as_str(), jump.ssh.port), ("gate", "ops", 2222));
    for (value, expected) in [
        ("ansible_host={{x}}", "hosts.ini:1:3: ansible_host is a template of Ansible's"),
        ("ansible_connection=winrm", "hosts.ini:1:3: \"h\" is connected to by \"winrm\""),
        ("ansible_port=x", "hosts.ini:1:3: ssh.port is \"x\"; expected a port from 1 to 65535"),
        ("ansible_ssh_common_args='-o ProxyCommand=x'", "goes through another program (ProxyCommand)"),
        ("ansible_become=maybe", "hosts.ini:1:3: ansible_become is \"maybe\"; expected true or false"),
    ] {
        let roster =
            crate::core::inventory::roster("hosts.ini", &format!("h {value}\n"), &Context::default());
        let wrong = roster.unwrap_err().to_string();
        assert!(wrong.contains(expected), "{value}: {wrong}");
    }
}

proptest! {
    #[test]
    fn no_text_is_a_reason_to_panic(text in "(\\[[a-c]{1,2}(:vars|:children)?\\]|[a-c\\[\\]:=0-9'\"# {}-]{0,12}|\n|\\PC){0,24}") {
        for form in [Form::Ini, Form::Yaml] {
            let mut collector = Collector::new("f", &text);
            let tree = read("f", &text, form, &mut collector);
            let _ = resolve(&tree, &BTreeMap::new(), &BTreeMap::new(), &mut collector);
            let _ = collector.finish();
        }
    }
}
