//! Each finding by the facts that bring it about, and none without them.

use super::*;
use crate::core::model::Owner;
use crate::core::observed::facts::{ConfigFile, Service, Socket, Space};
use crate::core::plan::Severity;

/// The host of `tests/plans/base.json` and what it should have.
pub(in crate::core::plan) fn host() -> (Facts, RouteTarget) {
    let seen: crate::core::plan::Observed =
        serde_json::from_str(include_str!("../../../../tests/plans/base.json")).unwrap();
    let facts = seen.facts.into_values().find_map(|facts| facts.seen().cloned()).unwrap();
    let target = RouteTarget {
        mac: None,
        address: None,
        gateway: [172, 16, 0, 253].into(),
        primary_ip: [172, 16, 0, 10].into(),
        table: 101,
        priority: 4101,
        owner: Some(Owner::Networkd),
        shim: false,
        form: Default::default(),
    };
    (facts, target)
}

fn active() -> Service {
    Service { active: true, enabled: "enabled".to_owned() }
}

fn socket(udp: bool, address: Option<[u8; 4]>, port: u16, process: &str) -> Socket {
    Socket { udp, address: address.map(Into::into), port, process: process.to_owned() }
}

#[test]
fn a_plain_host_has_nothing_to_say() {
    let (mut facts, target) = host();
    assert_eq!(findings(&facts, &target, &[]), []);
    facts.system.sockets = vec![
        socket(false, None, 22, "sshd"),
        socket(true, None, 68, "dhclient"),
        socket(true, None, 45000, "named"),
        socket(true, Some([127, 0, 0, 1]), 323, "chronyd"),
    ];
    facts.system.space = Some(Space { kib: 9_000_000, inodes: Some(100_000) });
    facts.system.conntrack = Some((10, 65536));
    facts.system.services.insert("docker".to_owned(), active());
    assert_eq!(findings(&facts, &target, &[]), []);
}

#[test]
fn everything_that_will_not_go_along_is_said_with_its_remedy() {
    type Change = fn(&mut Facts);
    let cases: [(&str, Severity, Change); 17] = [
        ("sshd listens on 172.16.0.10", Severity::Warning, |f| {
            f.system.sockets.push(socket(false, Some([172, 16, 0, 10]), 22, "sshd"));
        }),
        ("nginx (TCP 443)", Severity::Warning, |f| {
            f.system.sockets.push(socket(false, Some([172, 16, 0, 10]), 443, "nginx"));
        }),
        ("named (UDP 53)", Severity::Warning, |f| {
            f.system.sockets.push(socket(true, None, 53, "named"));
        }),
        ("Kubernetes node (kubelet)", Severity::Refusal, |f| {
            f.system.services.insert("kubelet".to_owned(), active());
        }),
        ("Kubernetes node (terwayd)", Severity::Refusal, |f| {
            f.system.services.insert("terwayd".to_owned(), active());
        }),
        ("translate destinations", Severity::Warning, |f| {
            f.system.filter.push(
                "-A DOCKER ! -i docker0 -p tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80".to_owned(),
            );
        }),
        ("zone \"public\"", Severity::Warning, |f| {
            f.system.zones.insert("public".to_owned(), vec!["eth0".to_owned()]);
        }),
        ("name eth0 or 172.16.0.10", Severity::Warning, |f| {
            f.system.filter.push("-A INPUT -i eth0 -p tcp --dport 22 -j ACCEPT".to_owned());
        }),
        ("name eth0 or 172.16.0.10", Severity::Warning, |f| {
            f.system.filter.push("iifname \"eth0\" tcp dport 443 accept".to_owned());
        }),
        ("name eth0 or 172.16.0.10", Severity::Warning, |f| {
            f.system.filter.push("-A INPUT -d 172.16.0.10/32 -j ACCEPT".to_owned());
        }),
        ("multi-nic-util", Severity::Warning, |f| {
            f.system.services.insert("eni".to_owned(), active());
        }),
        ("nm-cloud-setup", Severity::Warning, |f| {
            f.system.services.insert("nm-cloud-setup.timer".to_owned(), active());
        }),
        ("cloud-init writes", Severity::Warning, |f| {
            f.system.services.insert("cloud-init".to_owned(), active());
        }),
        ("rp_filter is 1", Severity::Warning, |f| {
            f.system.sysctls = [("ip_forward".to_owned(), 1), ("conf.all.rp_filter".to_owned(), 1)].into();
        }),
        ("60000 of 65536", Severity::Warning, |f| f.system.conntrack = Some((60000, 65536))),
        ("read-only", Severity::Refusal, |f| f.system.read_only = vec!["/etc".to_owned()]),
        ("0 KiB", Severity::Refusal, |f| {
            f.system.space = Some(Space { kib: 0, inodes: Some(1000) });
        }),
    ];
    for (words, severity, change) in cases {
        let (mut facts, target) = host();
        change(&mut facts);
        let found = findings(&facts, &target, &[]);
        assert_eq!(found.len(), 1, "{words}: {found:#?}");
        assert!(found[0].what.contains(words), "{words}: {found:#?}");
        assert_eq!(found[0].severity, severity);
        assert!(!found[0].fix.is_empty() && !found[0].why.is_empty());
    }
}

#[test]
fn a_cloud_init_that_is_told_off_writes_nothing() {
    let (mut facts, target) = host();
    facts.system.services.insert("cloud-init".to_owned(), active());
    let file =
        ConfigFile { content: Some("network: {config: disabled}\n".to_owned()), mode: 0o644, obstacle: None };
    facts.files.insert("/etc/cloud/cloud.cfg.d/99-network.cfg".to_owned(), file);
    assert_eq!(findings(&facts, &target, &[]), []);
}

#[test]
fn the_documented_form_says_what_it_costs_and_never_cuts_the_way_that_we_come_by() {
    use crate::core::plan::RouteForm;
    use crate::core::plan::route::Documented;
    let said = |connected, caller: Option<&str>, gateway: [u8; 4]| {
        let (mut facts, mut target) = host();
        facts.system.caller = caller.map(|caller| caller.parse().unwrap());
        target.form = RouteForm::Documented(Documented { prefix: 24, metric: 30_000, connected });
        target.gateway = gateway.into();
        let found = findings(&facts, &target, &[]);
        assert_eq!(found.len(), 1, "{found:#?}");
        found[0].severity
    };
    let (own, other) = ([172, 16, 0, 253], [172, 16, 1, 253]);
    for caller in [None, Some("10.9.9.9"), Some("2001:db8::1")] {
        for (connected, gateway) in [(0, own), (30_000, own), (0, other), (30_000, other)] {
            assert_eq!(said(connected, caller, gateway), Severity::Warning);
        }
    }
    assert_eq!(said(0, Some("172.16.0.30"), own), Severity::Refusal);
    assert_eq!(said(30_000, Some("172.16.0.30"), own), Severity::Warning);
    assert_eq!(said(30_000, Some("172.16.1.30"), other), Severity::Refusal);
}

#[test]
fn a_default_route_by_an_interface_of_ours_is_the_plans() {
    let (mut facts, target) = host();
    let mut link = facts.links[0].clone();
    (link.name, link.mac) = ("eth7".parse().unwrap(), MacAddr([0, 0x16, 0x3e, 0, 0, 7]));
    let mut route = facts.routes.iter().find(|route| route.table == 254).unwrap().clone();
    (route.destination, route.dev, route.metric) = (Default::default(), Some(link.name.clone()), 30_000);
    let mac = link.mac;
    facts.links.push(link);
    facts.routes.push(route);
    let found = findings(&facts, &target, &[]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].what.contains("a default route by eth7"), "{found:#?}");
    assert_eq!(findings(&facts, &target, &[mac]), []);
}
