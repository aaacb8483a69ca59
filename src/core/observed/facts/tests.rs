//! The parser of facts on what real and hostile hosts print.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

/// Frames as the facts script prints them, with other texts for some of them.
fn printed(other: &[(&str, &str)]) -> Vec<u8> {
    let usual = [
        ("begin", "egressctl-facts 1\n"),
        ("uid", "0\n"),
        ("os", "NAME=x\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"\n"),
        ("kernel", "3.10.0-1160.el7.x86_64\n"),
        ("iproute", "ip utility, iproute2-ss170501\n"),
        ("http", "curl\n"),
        ("instance", "i-2ze0001"),
        ("tables", "255\tlocal\n254\tmain\n253\tdefault\n0\tunspec\n# comment\n101 eip # ours\n0x66 hex\n"),
        ("link", LINKS_3_10),
        ("addr", ADDRS_3_10),
        (
            "rule",
            "0:\tfrom all lookup local \n32766:\tfrom all lookup main \n32767:\tfrom all lookup default \n",
        ),
        (
            "route",
            "default via 172.16.0.253 dev eth0 \n172.16.0.0/24 dev eth0  proto kernel  scope link  src 172.16.0.10 \n",
        ),
        ("internet", "1.1.1.1 via 172.16.0.253 dev eth0  src 172.16.0.10 \n    cache \n"),
        ("rc.path", "/etc/rc.d/rc.local"),
        ("rc.state", "file"),
        ("rc.mode", "644"),
        ("rc.content", "#!/bin/bash\ntouch /var/lock/subsys/local\n"),
        ("end", ""),
    ];
    let mut out = String::new();
    for (name, text) in usual {
        let text = other.iter().find(|(key, _)| *key == name).map_or(text, |(_, text)| text);
        out.push_str(&format!("@@ {name} 0 {}\n{text}\n", text.len()));
    }
    out.into_bytes()
}

const LINKS_3_10: &str = "\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT qlen 1\\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc pfifo_fast state UP mode DEFAULT qlen 1000\\    link/ether 00:16:3e:aa:bb:01 brd ff:ff:ff:ff:ff:ff
3: eth1: <BROADCAST,MULTICAST> mtu 8500 qdisc noop state DOWN mode DEFAULT qlen 1000\\    link/ether 00:16:3e:aa:bb:02 brd ff:ff:ff:ff:ff:ff
";
const ADDRS_3_10: &str = "\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
2: eth0    inet 172.16.0.10/24 brd 172.16.0.255 scope global dynamic eth0\\       valid_lft 315359874sec preferred_lft 315359874sec
";

fn facts(other: &[(&str, &str)]) -> Facts {
    parse_facts(&printed(other)).unwrap()
}

#[test]
fn centos_7_is_read() {
    let facts = facts(&[]);
    assert_eq!((facts.uid, facts.os.as_str()), (0, "CentOS Linux 7 (Core)"));
    assert_eq!(facts.http_client, Some(HttpClient::Curl));
    assert_eq!(facts.instance.unwrap().as_str(), "i-2ze0001");
    let links: Vec<_> = facts.links.iter().map(|link| (link.name.as_str(), link.up, link.mtu)).collect();
    assert_eq!(links, [("eth0", true, 1500), ("eth1", false, 8500)]);
    assert_eq!(facts.addresses.len(), 1);
    assert_eq!(facts.addresses[0].net.to_string(), "172.16.0.10/24");
    assert_eq!(
        facts.rules.iter().map(|rule| rule.table).collect::<Vec<_>>(),
        [Some(255), Some(254), Some(253)]
    );
    assert_eq!(facts.routes[0].text, "default via 172.16.0.253 dev eth0");
    assert_eq!(facts.internet_route.unwrap().source, Ipv4Addr::new(172, 16, 0, 10));
    assert_eq!((facts.rc_local.mode, facts.rc_local.obstacle), (0o644, None));
}

#[test]
fn links_of_all_kinds() {
    let text = "\
2: eth0@if12: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000\\    link/ether 00:16:3e:00:00:01 brd ff:ff:ff:ff:ff:ff link-netnsid 0
3: eth0.100@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default \\    link/ether 00:16:3e:00:00:01 brd ff:ff:ff:ff:ff:ff
4: tunl0@NONE: <NOARP> mtu 1480 qdisc noop state DOWN mode DEFAULT group default qlen 1000\\    link/ipip 0.0.0.0 brd 0.0.0.0
5: ens6: <BROADCAST,MULTICAST,LOWER_UP> mtu 1500 qdisc fq_codel state DOWN mode DEFAULT group default qlen 1000\\    link/ether 00:16:3e:00:00:02 brd ff:ff:ff:ff:ff:ff\\    altname enp0s6 newword 7
6: wg0: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1420 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\\    link/none
";
    let facts = facts(&[("link", text)]);
    let links: Vec<_> = facts.links.iter().map(|link| (link.name.as_str(), link.up)).collect();
    assert_eq!(links, [("eth0", true), ("ens6", false)]);
}

#[test]
fn routes_of_all_kinds() {
    let text = "\
default via 172.16.0.253 dev eth1 table 101 onlink
default via 172.16.0.253 dev eth1 table eip proto static metric 100
default via 172.16.0.253 dev eth0 proto dhcp src 172.16.0.10 metric 100 linkdown
10.0.0.0/8 nhid 12 via inet6 fe80::1 dev eth0 proto bgp newword 5
blackhole 10.9.0.0/16 table 0x66
default table 102 proto static
\tnexthop via 172.16.0.1 dev eth0 weight 1
\tnexthop via 172.16.0.2 dev eth1 weight 1
unreachable default dev lo table unspec metric 4294967295 error -101
broadcast 172.16.0.255 dev eth0 table local proto kernel scope link src 172.16.0.10
local 172.16.0.10 dev eth0 table local proto kernel scope host src 172.16.0.10
";
    let text = text.replace("table 0x66", "table hex");
    let facts = facts(&[("route", &text)]);
    let routes: Vec<_> = facts
        .routes
        .iter()
        .map(|route| (route.table, route.metric, route.onlink, route.dev.as_ref().map(IfName::as_str)))
        .collect();
    assert_eq!(
        routes,
        [
            (101, 0, true, Some("eth1")),
            (101, 100, false, Some("eth1")),
            (254, 100, false, Some("eth0")),
            (254, 0, false, Some("eth0")),
            (102, 0, false, None),
            (102, 0, false, None),
            (0, 4_294_967_295, false, Some("lo")),
        ]
    );
    assert_eq!(facts.routes[0].text, "default via 172.16.0.253 dev eth1 onlink");
    assert!(facts.routes[5].text.ends_with("nexthop via 172.16.0.2 dev eth1 weight 1"));
}

#[test]
fn rules_of_all_kinds() {
    let text = "\
0:\tfrom all lookup local
99:\tnot from all fwmark 0xca6c lookup 51820
4101:\tfrom 172.16.0.20 lookup eip proto static
4102:\tfrom 172.16.0.0/24 iif eth1 [detached] lookup 102
5000:\tfrom all lookup main suppress_prefixlength 0
5001:\tfrom all unreachable
5002:\tfrom 10.0.0.1 lookup nobodyknows
32766:\tfrom all lookup main
";
    let facts = facts(&[("rule", text)]);
    let rules: Vec<_> = facts
        .rules
        .iter()
        .map(|rule| (rule.priority, rule.from.map(|net| net.to_string()), rule.table, rule.more))
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        rules,
        [
            (0, None, Some(255), false),
            (99, None, Some(51820), true),
            (4101, some("172.16.0.20/32"), Some(101), false),
            (4102, some("172.16.0.0/24"), Some(102), true),
            (5000, None, Some(254), true),
            (5001, None, None, true),
            (5002, some("10.0.0.1/32"), None, false),
            (32766, None, Some(254), false),
        ]
    );
}

#[test]
fn wrong_values_are_refused_with_their_place() {
    let cases = [
        ("route", "default dev eth0 \u{1b}[2J\n", "ip -4 route", "control characters"),
        ("uid", "root\n", "uid", "\"root\" is not a number"),
        ("rule", "0:\tfrom all lookup local\nx:\tfrom all\n", "ip -4 rule, line 2", "no priority"),
        ("rule", "5:\tfrom banana lookup 1\n", "ip -4 rule, line 1", "no IPv4 address"),
        ("route", "default via here dev eth0\n", "line 1", "no next hop"),
        ("route", "default dev eth0 metric x\n", "line 1", "no metric"),
        ("route", "default dev eth0 table nobodyknows\n", "line 1", "table name"),
        ("route", "default via\n", "line 1", "without its value"),
        ("link", "2: a;b: <UP> mtu 1 link/ether 00:16:3e:aa:bb:01\n", "line 1", "device name"),
        ("link", "2: eth0: <UP> mtu x link/ether 00:16:3e:aa:bb:01\n", "line 1", "no MTU"),
        ("addr", "2: eth0    inet 1.2.3.4/99 scope\n", "line 1", "no IPv4 address"),
        ("internet", "1.1.1.1 dev eth0 src banana\n", "ip -4 route get", "no source address"),
        ("rc.state", "banana", "rc.local", "unknown state"),
        ("begin", "egressctl-facts 2\n", "answer", "not of the script"),
    ];
    for (name, text, place, problem) in cases {
        let error = parse_facts(&printed(&[(name, text)])).unwrap_err();
        assert!(error.what.contains(place) && error.problem.contains(problem), "{name} {text:?}: {error}");
    }
}

#[test]
fn a_failed_command_is_not_an_empty_list() {
    let text = String::from_utf8(printed(&[])).unwrap().replace("@@ rule 0", "@@ rule 2");
    assert!(parse_facts(text.as_bytes()).unwrap_err().what.contains("ip -4 rule"));
}

#[test]
fn busybox_ip_leaves_the_lists_empty() {
    let facts = facts(&[("iproute", "BusyBox v1.35.0 multi-call binary\n"), ("rule", "garbage\n")]);
    assert!(facts.rules.is_empty() && facts.links.is_empty() && !facts.iproute.contains("iproute2"));
}

#[test]
fn rc_local_in_the_way() {
    for state in [
        "dangling-link",
        "foreign-link",
        "not-a-file",
        "too-large",
        "not-text",
        "immutable",
        "read-only",
        "unreadable",
    ] {
        let rc = facts(&[("rc.state", state)]).rc_local;
        assert!(rc.obstacle.is_some() && rc.content.is_none(), "{state}");
    }
    let absent = facts(&[("rc.state", "absent"), ("rc.mode", "0"), ("rc.content", "")]).rc_local;
    assert_eq!((absent.content, absent.obstacle), (None, None));
    for path in ["/etc/../root/x", "/tmp/x", "/etc/a b", "/etc/x\ny", ""] {
        assert!(facts(&[("rc.path", path)]).rc_local.obstacle.is_some(), "{path:?}");
    }
}

#[test]
fn hostile_text_stays_data() {
    let facts = facts(&[
        ("os", "PRETTY_NAME=\"x\u{1b}[2J\"\n"),
        ("rc.content", "@@ end 0 0\n\n$(reboot)\u{1b}]0;x\u{7}"),
        ("instance", "<html>\n"),
    ]);
    assert_eq!((facts.os.as_str(), facts.instance), ("x[2J", None));
    assert!(facts.rc_local.content.unwrap().starts_with("@@ end"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse_facts(&bytes);
    }

    #[test]
    fn mutated_output_never_panics(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>()) {
        let mut bytes = printed(&[]);
        for (place, value) in edits {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let _ = parse_facts(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        let _ = parse_facts(&bytes);
    }

    #[test]
    fn lines_of_random_words_never_panic(words in prop::collection::vec("default|via|dev|table|metric|nexthop|inet6|from|lookup|proto|all|eth0|1\\.2\\.3\\.4|10\\.0\\.0\\.0/8|[0-9]{1,11}|\t|\n|\\\\|[a-z@:]{1,5}", 0..40)) {
        let text = words.join(" ");
        for name in ["link", "addr", "rule", "route", "internet", "tables", "os"] {
            let _ = parse_facts(&printed(&[(name, &text)]));
        }
    }
}
