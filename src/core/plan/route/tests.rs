//! The difference between a host and its target, case by case.

use super::*;
use crate::core::model::IfName;
use crate::core::observed::facts::{Address, Facts, HttpClient, Link, RcLocal, Route, RouteChoice, Rule};
use crate::core::plan::Code;
use crate::core::template::Templates;

const MAC: MacAddr = MacAddr([0x00, 0x16, 0x3e, 0xaa, 0xbb, 0x02]);

fn dev(name: &str) -> IfName {
    name.parse().unwrap()
}

fn target() -> RouteTarget {
    RouteTarget {
        mac: Some(MAC),
        address: Some(Ipv4Addr::new(172, 16, 0, 20)),
        gateway: Ipv4Addr::new(172, 16, 0, 253),
        primary_ip: Ipv4Addr::new(172, 16, 0, 10),
        table: 101,
        priority: 4101,
        owner: Some(Owner::RcLocal),
        shim: false,
        form: Default::default(),
    }
}

fn route(table: u32, device: &str, text: &str) -> Route {
    let words: Vec<&str> = text.split_whitespace().collect();
    let after = |key| words.iter().position(|word| *word == key).map(|at| words[at + 1]);
    Route {
        table,
        destination: words[0].parse().unwrap_or_default(),
        via: after("via").map(|via| via.parse().unwrap()),
        dev: Some(dev(device)),
        metric: after("metric").map_or(0, |metric| metric.parse().unwrap()),
        onlink: words.contains(&"onlink"),
        text: text.to_owned(),
    }
}

fn rule(priority: u32, from: Option<&str>, table: u32) -> Rule {
    let from = from.map(|from| from.parse().unwrap());
    Rule { priority, from, table: Some(table), more: false, text: format!("{priority}: …") }
}

/// A fresh host with an unconfigured secondary interface.
fn fresh() -> Facts {
    let link = |name, last, up| Link {
        name: dev(name),
        mac: MacAddr([0, 0x16, 0x3e, 0xaa, 0xbb, last]),
        up,
        mtu: 1500,
    };
    Facts {
        uid: 0,
        os: String::new(),
        kernel: String::new(),
        iproute: "ip utility, iproute2-6.1.0".to_owned(),
        http_client: Some(HttpClient::Curl),
        instance: None,
        links: vec![link("eth0", 1, true), link("eth1", 2, false)],
        addresses: vec![Address { dev: dev("eth0"), net: "172.16.0.10/24".parse().unwrap() }],
        rules: vec![rule(0, None, 255), rule(32766, None, 254)],
        routes: vec![
            route(254, "eth0", "default via 172.16.0.253 dev eth0"),
            route(254, "eth0", "172.16.0.0/24 dev eth0 proto kernel scope link src 172.16.0.10"),
        ],
        internet_route: Some(RouteChoice { dev: dev("eth0"), source: Ipv4Addr::new(172, 16, 0, 10) }),
        system: Default::default(),
        files: Default::default(),
        rc_local: RcLocal {
            path: "/etc/rc.local".to_owned(),
            content: Some("#!/bin/sh -e\nexit 0\n".to_owned()),
            mode: 0o644,
            obstacle: None,
        },
    }
}

fn changes(facts: &Facts, target: &RouteTarget) -> Result<HostChanges, Vec<HostObstacle>> {
    host_changes(facts, target, &Templates::builtin().unwrap())
}

fn codes(facts: &Facts, target: &RouteTarget) -> Vec<String> {
    changes(facts, target).unwrap_err().into_iter().map(|obstacle| obstacle.code).collect()
}

/// A host that has everything.
fn done() -> Facts {
    let mut facts = fresh();
    facts.links[1].up = true;
    facts.addresses.push(Address { dev: dev("eth1"), net: "172.16.0.20/32".parse().unwrap() });
    facts.routes.push(route(101, "eth1", "default via 172.16.0.253 dev eth1 onlink"));
    facts.rules.push(rule(4101, Some("172.16.0.20/32"), 101));
    let change = changes(&fresh(), &target()).unwrap().files.remove(0);
    facts.rc_local.content = change.after;
    facts.rc_local.mode = change.mode_after;
    facts
}

fn lines(changes: &HostChanges) -> Vec<&str> {
    changes.routes.iter().map(|change| change.line.as_str()).collect()
}

#[test]
fn a_fresh_host_lacks_everything() {
    let changes = changes(&fresh(), &target()).unwrap();
    assert_eq!(
        lines(&changes),
        [
            "+ ip link set dev eth1 up",
            "+ ip -4 addr add 172.16.0.20/32 dev eth1",
            "+ ip -4 route replace default via 172.16.0.253 dev eth1 onlink table 101",
            "+ ip -4 rule add from 172.16.0.20 lookup 101 pref 4101",
        ]
    );
    let file = changes.files[0].clone();
    assert_eq!((file.mode_before, file.mode_after), (0o644, 0o755));
    assert!(
        file.diff().starts_with("# mode 0644 -> 0755\n--- /etc/rc.local\n+++ /etc/rc.local\n@@ -1,2 +1,")
    );
}

#[test]
fn a_done_host_lacks_nothing() {
    let changes = changes(&done(), &target()).unwrap();
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn unknown_values_are_shown_as_such() {
    let mut facts = fresh();
    facts.links.pop();
    let changes = changes(&facts, &RouteTarget { mac: None, address: None, ..target() }).unwrap();
    assert!(changes.routes.iter().all(|change| change.line.contains("(known after apply)")), "{changes:?}");
    assert!(changes.files[0].after.as_ref().unwrap().contains("mac='(known after apply)'"));
}

#[test]
fn a_hijack_is_taken_back() {
    let mut facts = fresh();
    facts.addresses.push(Address { dev: dev("eth1"), net: "172.16.0.20/24".parse().unwrap() });
    facts.routes[0] = route(254, "eth1", "default via 172.16.0.253 dev eth1");
    facts.internet_route = Some(RouteChoice { dev: dev("eth1"), source: Ipv4Addr::new(172, 16, 0, 20) });
    let changes = changes(&facts, &target()).unwrap();
    let lines = lines(&changes);
    assert_eq!(lines[0], "+ ip -4 route replace default via 172.16.0.253 dev eth0");
    assert_eq!(lines[1], "- ip -4 route del table main default via 172.16.0.253 dev eth1");
    assert!(lines.contains(&"- ip -4 addr del 172.16.0.20/24 dev eth1"));
}

#[test]
fn duplicates_of_the_documented_form_go() {
    let mut facts = done();
    facts.rules.push(rule(32765, Some("172.16.0.20/32"), 101));
    facts.rules.push(rule(4101, Some("172.16.0.20/32"), 101));
    facts.routes.push(route(101, "eth1", "default via 172.16.0.253 dev eth1 metric 50"));
    assert_eq!(
        lines(&changes(&facts, &target()).unwrap()),
        [
            "- ip -4 route del default via 172.16.0.253 dev eth1 metric 50 table 101",
            "- ip -4 rule del from 172.16.0.20 lookup 101 pref 32765",
            "- ip -4 rule del from 172.16.0.20 lookup 101 pref 4101",
        ]
    );
}

#[test]
fn obstacles_are_named() {
    type Break = fn(&mut Facts);
    let cases: [(&str, Break); 12] = [
        ("not-root", |facts| facts.uid = 1000),
        ("no-iproute2", |facts| facts.iproute = "BusyBox v1.35.0".to_owned()),
        ("no-primary", |facts| facts.addresses.clear()),
        ("ambiguous-device", |facts| {
            let mut twin = facts.links[1].clone();
            twin.name = dev("br0");
            facts.links.push(twin);
        }),
        ("same-device", |facts| facts.links[0].mac = MAC),
        ("table-taken", |facts| facts.routes.push(route(101, "tun0", "default dev tun0"))),
        ("priority-taken", |facts| facts.rules.push(rule(4101, Some("10.0.0.1/32"), 7))),
        ("source-taken", |facts| facts.rules.push(rule(100, Some("172.16.0.20/32"), 7))),
        ("egress-elsewhere", |facts| {
            facts.internet_route = Some(RouteChoice { dev: dev("tun0"), source: Ipv4Addr::new(10, 8, 0, 2) });
        }),
        ("egress-source", |facts| {
            facts.internet_route =
                Some(RouteChoice { dev: dev("eth0"), source: Ipv4Addr::new(172, 16, 0, 11) });
        }),
        ("no-default", |facts| {
            facts.routes.clear();
            facts.addresses[0].net = "172.16.0.10/32".parse().unwrap();
        }),
        ("rc-local", |facts| facts.rc_local.obstacle = Some("it is immutable".to_owned())),
    ];
    for (code, spoil) in cases {
        let mut facts = fresh();
        spoil(&mut facts);
        let wanted = RouteTarget { mac: Some(MAC), ..target() };
        if code == "same-device" {
            facts.links.pop();
        }
        assert_eq!(codes(&facts, &wanted), [code]);
        assert_eq!(Code::named(code).as_str(), code, "it is in the list that people rely on");
        for obstacle in changes(&facts, &wanted).unwrap_err() {
            assert!(!obstacle.what.is_empty() && !obstacle.why.is_empty() && !obstacle.fix.is_empty());
        }
    }
}

#[test]
fn rc_local_is_left_alone_if_not_wanted() {
    let mut facts = fresh();
    facts.rc_local.obstacle = Some("it is immutable".to_owned());
    assert_eq!(changes(&facts, &RouteTarget { owner: None, ..target() }).unwrap().files, []);
}

#[test]
fn diffs_are_unified() {
    assert_eq!(unified_diff("a\n", "a\n", "f"), "");
    assert_eq!(
        unified_diff("", "a\nb", "f"),
        "--- /dev/null\n+++ f\n@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n"
    );
    assert_eq!(
        unified_diff("1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\nx\n5\n6\n7\n8\n", "f"),
        "--- f\n+++ f\n@@ -2,6 +2,7 @@\n 2\n 3\n 4\n+x\n 5\n 6\n 7\n"
    );
    assert_eq!(unified_diff("a\n", "b\n", "f"), "--- f\n+++ f\n@@ -1 +1 @@\n-a\n+b\n");
    assert_eq!(unified_diff("a\na\n", "a\n", "f"), "--- f\n+++ f\n@@ -1,2 +1 @@\n a\n-a\n");
}
