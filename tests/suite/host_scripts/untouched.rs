//! What the scripts cannot give back as it was they leave alone: default routes of others, routes by several ways, a link
//! that was up, addresses of another family.

use egressctl::core::observed::applied::{ApplyEnd, ChangeKind};
use egressctl::core::plan::route::host_changes;

use super::host::{Host, debian, target, templates};
use super::on_every_shell;

#[test]
fn a_default_route_of_others_is_not_replaced() {
    let d0 = "ip link add d0 type bridge; ip link set d0 up; ip addr add 10.7.0.1/24 dev d0";
    let eth1 = "ip link set eth1 up; ip addr add 172.16.0.21/24 dev eth1";
    let cases = [
        format!("{d0}; ip route del default; ip route add default via 10.7.0.2 dev d0"),
        "ip route del default; ip route add default nexthop via 172.16.0.253 dev eth0 nexthop via 172.16.0.252 dev eth0".to_owned(),
        format!("{eth1}; ip route del default; ip route add default nexthop via 172.16.0.253 dev eth0 nexthop via 172.16.0.253 dev eth1"),
        format!("{eth1}; ip route add 10.9.0.0/16 nexthop via 172.16.0.253 dev eth0 nexthop via 172.16.0.252 dev eth1"),
        "ip route del default; ip route add blackhole default".to_owned(),
    ];
    on_every_shell(|shell| {
        for before in &cases {
            let host = debian(shell);
            let changes = host.changes();
            host.ok(before);
            let network = host.network();
            let planned =
                host_changes(&host.facts(), &target(), &templates()).map_err(|all| all[0].code.clone());
            assert_eq!(planned.map(drop), Err("main-taken".to_owned()), "{shell:?} {before}");
            let report = host.apply(&target(), &changes);
            let ApplyEnd::Reverted { code, .. } = &report.end else {
                panic!("{shell:?} {before}: {report:?}")
            };
            assert_eq!((code.as_str(), report.changed.as_slice()), ("main-taken", [].as_slice()), "{before}");
            assert_eq!(host.network(), network, "{shell:?} {before}");
        }
    });
}

#[test]
fn a_link_that_was_up_or_has_other_addresses_stays_up() {
    let six = |host: &Host| host.ok("ip -6 -o addr show dev eth1 scope global | sed 's/ valid_lft.*//'");
    let add_six = "ip -6 addr add fd00::5/64 dev eth1 nodad";
    on_every_shell(|shell| {
        for (before, between) in
            [("ip link set eth1 up", ""), ("ip link set eth1 up", add_six), ("", add_six)]
        {
            let host = debian(shell);
            host.ok(before);
            if !before.is_empty() {
                host.ok("until ip -o link show dev eth1 | grep -q 'state UP'; do sleep 0.1; done");
            }
            let network = host.network();
            let changes = host.changes();
            assert_eq!(host.apply(&target(), &changes).end, ApplyEnd::Ok, "{shell:?} {before}");
            host.ok(between);
            let addresses = six(&host);
            assert_eq!(addresses.is_empty(), between.is_empty(), "{addresses}");
            let report = host.revert(&changes);
            assert_eq!(report.end, ApplyEnd::Ok, "{shell:?} {report:?}");
            assert!(!report.changed.contains(&ChangeKind::Link), "{shell:?} {before} {between} {report:?}");
            assert!(host.ok("ip -o link show dev eth1").contains(",UP"), "{shell:?} {before} {between}");
            assert_eq!(six(&host), addresses, "{shell:?} {before} {between}");
            if !before.is_empty() {
                assert_eq!(host.network(), network, "{shell:?} {before} {between}");
            }
        }
    });
}
