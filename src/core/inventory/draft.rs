//! An inventory written for instances that were found, ready to be read again by us and to be edited by people.
//!
//! Must never put a text of the cloud anywhere but into a quoted value or, cleaned, into a comment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::core::model::{HostName, InstanceId, RegionId};
use crate::core::observed::{FoundInstance, Instance};
use crate::core::text::clean_line;

/// Longest name that is made of an instance's: the interface's name is made of it and must stay below 128.
const LONGEST: usize = 100;

/// What every host of the draft has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftHead {
    /// The region.
    pub region: RegionId,
    /// Who logs in.
    pub user: String,
    /// The echo services; the environment's if there are none.
    pub echo: Vec<String>,
    /// What was searched for, for the first comment.
    pub search: String,
}

/// An inventory, and what is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The text, in YAML.
    pub text: String,
    /// How many hosts it has.
    pub hosts: usize,
    /// Instances that cannot be hosts, and why.
    pub left_out: Vec<(InstanceId, String)>,
}

/// Writes the inventory.
#[must_use]
pub fn draft(found: &[FoundInstance], head: &DraftHead) -> Draft {
    let mut left_out = Vec::new();
    let mut usable: Vec<(&FoundInstance, &Instance)> = Vec::new();
    for it in found {
        match &it.record {
            Ok(record) if record.vpc.is_none() => {
                left_out.push((
                    it.id.clone(),
                    "it is in the classic network, where nothing can be moved".to_owned(),
                ));
            }
            Ok(record) => usable.push((it, record)),
            Err(reason) => left_out.push((it.id.clone(), format!("its record cannot be used: {reason}"))),
        }
    }
    let mut text = format!("# Found by egressctl inventory discover: {}.\n", comment(&head.search));
    for (id, reason) in &left_out {
        let _ = writeln!(text, "# Left out: {id}: {}.", comment(reason));
    }
    let _ = write!(
        text,
        "cloud:\n  provider: aliyun\n  region: {}\ndefaults:\n  ssh: {{user: {}}}\n",
        quoted(head.region.as_str()),
        quoted(&head.user)
    );
    if !head.echo.is_empty() {
        let urls: Vec<String> = head.echo.iter().map(|url| quoted(url)).collect();
        let _ = writeln!(text, "  verify: {{echo: [{}]}}", urls.join(", "));
    }
    text.push_str("hosts:\n");
    // Two VPCs may use one range: who is behind such an address is not for us to say.
    let mut addresses: BTreeMap<_, usize> = BTreeMap::new();
    for (_, record) in &usable {
        *addresses.entry(record.primary_ip).or_default() += 1;
    }
    for ((it, record), name) in usable.iter().zip(names(&usable)) {
        let _ = writeln!(text, "  - name: {}    # {}", quoted(name.as_str()), comment(&about(it, record)));
        let _ = writeln!(text, "    instance: {}", quoted(it.id.as_str()));
        if addresses.get(&record.primary_ip) == Some(&1) {
            let _ = writeln!(text, "    address: {}", record.primary_ip);
        }
    }
    Draft { text, hosts: usable.len(), left_out }
}

fn about(it: &FoundInstance, record: &Instance) -> String {
    let public = record.public_ip.or(record.eip.as_ref().map(|eip| eip.address));
    let public = public.map_or_else(|| "no public address".to_owned(), |address| address.to_string());
    let vswitch = record.vswitch.as_ref().map_or("", |id| id.as_str());
    format!("{}, {}, {vswitch}, {:?}, {public}", it.name, record.instance_type, record.status)
}

/// JSON is YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

fn comment(text: &str) -> String {
    clean_line(text.as_bytes(), 200)
}

/// A name for each, made of the instance's own; where that is not its alone, its instance's id is behind it, or instead of it.
fn names(usable: &[(&FoundInstance, &Instance)]) -> Vec<HostName> {
    let wished: Vec<String> = usable.iter().map(|(it, _)| wished(&it.name, &it.id)).collect();
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &wished {
        *times.entry(name).or_default() += 1;
    }
    let ids: BTreeSet<&str> = usable.iter().map(|(it, _)| it.id.as_str()).collect();
    let name = |(wish, (it, _)): (&String, &(&FoundInstance, &Instance))| {
        let longer = format!("{wish}.{}", it.id);
        let text = match wish.as_str() {
            wish if times.get(wish) == Some(&1) && !ids.contains(wish) => wish,
            // Somebody may be called so, and nobody but this instance has its id.
            wish if wish == it.id.as_str() || times.contains_key(longer.as_str()) => it.id.as_str(),
            _ => &longer,
        };
        // All of them are made of characters that a host's name may have.
        text.parse().or_else(|_| it.id.as_str().parse())
    };
    wished.iter().zip(usable).filter_map(|pair| name(pair).ok()).collect()
}

fn wished(name: &str, id: &InstanceId) -> String {
    let fine = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let text: String = name.trim().chars().map(fine).take(LONGEST).collect();
    let text = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    match text {
        "" | "all" | "ungrouped" => id.to_string(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::core::inventory::{Context, parse};

    fn found(id: &str, name: &str, address: [u8; 4]) -> FoundInstance {
        let base: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/plans/base.json")).unwrap();
        let mut record: Instance =
            serde_json::from_value(base["cloud"]["instances"]["i-web1"].clone()).unwrap();
        record.id = id.parse().unwrap();
        record.primary_ip = Ipv4Addr::from(address);
        FoundInstance {
            id: record.id.clone(),
            record: Ok(record),
            name: name.to_owned(),
            tags: BTreeMap::new(),
        }
    }

    fn head(echo: &[&str]) -> DraftHead {
        DraftHead {
            region: "cn-beijing".parse().unwrap(),
            user: "root".to_owned(),
            echo: echo.iter().map(|url| (*url).to_owned()).collect(),
            search: "everything\nhosts: []".to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let names = [
            "web-1",
            "web-1",
            "i-3",
            "123",
            "true",
            "1e5",
            "all",
            "",
            "\u{e4}\u{202e}\": }\n- x",
            "a b:c#d",
            &"x".repeat(300),
            "Web-1",
            "~",
            "0x1F",
            "null",
            "web-1.i-1",
        ];
        let instances: Vec<FoundInstance> = names
            .iter()
            .enumerate()
            .map(|(n, name)| found(&format!("i-{n}"), name, [10, 0, 0, u8::try_from(n).unwrap() / 2 * 2 + 1]))
            .collect();
        let draft = draft(&instances, &head(&["http://ip.example.com"]));
        let desired = parse("draft", &draft.text, &Context::default())
            .unwrap_or_else(|mistakes| panic!("{mistakes}\n{}", draft.text));
        assert_eq!((desired.hosts.len(), draft.hosts), (names.len(), names.len()));
        for (host, it) in desired.hosts.iter().zip(&instances) {
            assert_eq!(host.instance, it.id);
            assert_eq!(host.address, None, "two instances have this address");
        }
        let name = |n: usize| desired.hosts[n].name.to_string();
        assert_eq!(
            (name(0), name(1), name(6), name(7)),
            ("web-1.i-0".into(), "i-1".into(), "i-6".into(), "i-7".into())
        );
        assert_eq!((name(3), name(9)), ("123".into(), "a-b-c-d".into()));
    }

    #[test]
    fn what_cannot_be_a_host_is_left_out_with_the_reason() {
        let mut classic = found("i-1", "old", [10, 0, 0, 1]);
        if let Ok(record) = &mut classic.record {
            record.vpc = None;
        }
        let mut odd = found("i-2", "odd", [10, 0, 0, 2]);
        odd.record = Err("VpcAttributes.PrivateIpAddress of \"i-2\": it is missing".to_owned());
        let draft = draft(&[classic, odd, found("i-3", "new", [10, 0, 0, 3])], &head(&["http://a.example"]));
        assert_eq!(draft.hosts, 1);
        assert_eq!(draft.left_out.len(), 2);
        let desired = parse("draft", &draft.text, &Context::default()).unwrap();
        assert_eq!(desired.hosts[0].address, Some([10, 0, 0, 3].into()));
        assert!(draft.text.contains("# Left out: i-1: it is in the classic network"), "{}", draft.text);
    }
}
