//! The documented form on a real kernel: there, back, and from one form to the other in one guarded step.

use std::time::{Duration, Instant};

use egressctl::core::observed::applied::{ApplyEnd, ChangeKind};
use egressctl::core::plan::route::{Documented, HostChanges};
use egressctl::core::plan::{RouteForm, RouteTarget};
use egressctl::core::template::StageParams;

use super::host::{DEBIAN, Host, MAC, debian, target, templates};
use super::on_every_shell;

pub(super) fn documented() -> RouteTarget {
    RouteTarget {
        form: RouteForm::Documented(Documented { prefix: 24, metric: 30_000, connected: 0 }),
        ..target()
    }
}

/// As the plan asks for it where the owner can make the route to the subnet a worse one.
fn worse() -> RouteTarget {
    RouteTarget {
        form: RouteForm::Documented(Documented { prefix: 24, metric: 30_000, connected: 30_000 }),
        ..target()
    }
}

/// What the main table has by the interface.
fn main_by_eth1(host: &Host) -> String {
    host.ok("ip -4 route show table main dev eth1 | sed 's/ *$//'")
}

fn done(host: &Host, target: &RouteTarget) -> HostChanges {
    let changes = host.changes_for(target);
    let report = host.apply(target, &changes);
    assert_eq!(report.end, ApplyEnd::Ok, "{:?} {target:?}", host.shell);
    let left = host.changes_for(target);
    assert!(left.is_empty(), "{:?} {target:?} {left:?}", host.shell);
    let again = host.apply(target, &left);
    assert_eq!((again.end, again.changed), (ApplyEnd::Ok, vec![]), "{:?} {target:?}", host.shell);
    assert!(host.ok("ip route get 1.1.1.1").contains("dev eth0 src 172.16.0.10"));
    assert!(host.ok("ip route get 1.1.1.1 from 172.16.0.20").contains("dev eth1 table 101"));
    assert!(host.ok("ip route get 172.16.0.30").contains("dev eth0 src 172.16.0.10"));
    changes
}

const PLAIN: &str =
    "default via 172.16.0.253 metric 30000\n172.16.0.0/24 proto kernel scope link src 172.16.0.20\n";
const WORSE: &str = "default via 172.16.0.253 metric 30000\n\
    172.16.0.0/24 proto kernel scope link src 172.16.0.20 metric 30000\n";
/// The primary as NetworkManager and newer releases of systemd-networkd have it.
const METRIC: &str = "ip route del default; ip addr del 172.16.0.10/24 dev eth0
    ip addr add 172.16.0.10/24 brd + dev eth0 noprefixroute
    ip route add 172.16.0.0/24 dev eth0 proto kernel scope link src 172.16.0.10 metric 100
    ip route add default via 172.16.0.253 dev eth0 metric 100";

#[test]
fn it_is_complete_idempotent_kept_and_reversible() {
    on_every_shell(|shell| {
        for (before, wanted, by_eth1) in
            [("", documented(), PLAIN), ("", worse(), WORSE), (METRIC, worse(), WORSE)]
        {
            let host = debian(shell);
            host.ok(before);
            let network = host.network();
            let changes = done(&host, &wanted);
            assert_eq!(main_by_eth1(&host), by_eth1, "{shell:?}");
            if before.is_empty() {
                host.reboot();
            } else {
                host.ok("ip link set eth1 down; ip addr flush dev eth1; ip route flush table 101
                    while ip rule del from 172.16.0.20; do :; done; ip link set eth0 down; ip link set eth0 up
                    ip route add 172.16.0.0/24 dev eth0 proto kernel scope link src 172.16.0.10 metric 100
                    ip route add default via 172.16.0.253 dev eth0 metric 100
                    /etc/rc.local");
            }
            let left = host.changes_for(&wanted);
            assert!(left.is_empty(), "{shell:?} {by_eth1} {left:?}\n{}", host.network());
            assert_eq!(main_by_eth1(&host), by_eth1, "{shell:?}");
            // As a minute after the boot: lines that still run take back their own part once they are cut out, and the
            // revert would find less to do.
            host.ok("for process in /proc/[0-9]*; do
                  if grep -q -s -F rc.local $process/cmdline; then kill ${process#/proc/} || :; fi
                done");
            let revert = host.revert_of(&wanted, &changes);
            assert_eq!(revert.end, ApplyEnd::Ok, "{shell:?} {revert:?}");
            use ChangeKind::{Address, File, Link, MainRoute, Route, Rule};
            assert_eq!(revert.changed, [File, Rule, Route, MainRoute, Address, Link]);
            assert_eq!((host.network(), host.read("rc.local").as_str()), (network, DEBIAN), "{shell:?}");
            let again = host.revert_of(&wanted, &changes);
            assert_eq!((again.end, again.changed), (ApplyEnd::Ok, vec![]), "{shell:?}");
        }
    });
}

#[test]
fn one_form_becomes_the_other_in_one_step() {
    on_every_shell(|shell| {
        for (before, wanted) in [("", documented()), ("", worse()), (METRIC, worse())] {
            let host = debian(shell);
            host.ok(before);
            done(&host, &target());
            let network = host.network();
            done(&host, &wanted);
            assert!(!host.network().contains("172.16.0.20/32"));
            done(&host, &target());
            assert_eq!((host.network(), main_by_eth1(&host).as_str()), (network, ""), "{shell:?}");
        }
    });
}

#[test]
fn what_fails_in_either_direction_is_taken_back() {
    on_every_shell(|shell| {
        let other = |target: RouteTarget| RouteTarget { gateway: [172, 16, 0, 252].into(), ..target };
        for (before, wanted) in [("", documented()), (METRIC, worse())] {
            let host = debian(shell);
            host.ok(before);
            let forms = [target(), wanted];
            for (from, to) in [(&forms[0], &forms[1]), (&forms[1], &forms[0])] {
                done(&host, from);
                let network = host.network();
                let changes = host.changes_for(to);
                let report = host.apply(&other(to.clone()), &changes);
                assert!(
                    matches!(&report.end, ApplyEnd::Reverted { code, .. } if code == "gateway-silent"),
                    "{report:?}"
                );
                assert_eq!(host.network(), network, "{shell:?} {before} {to:?}");
            }
        }
    });
}

#[test]
fn a_default_route_that_is_not_worse_is_refused() {
    on_every_shell(|shell| {
        for metric in [30_000, 30_001] {
            let host = debian(shell);
            let changes = host.changes_for(&documented());
            host.ok(&format!(
                "ip route del default; ip route add default via 172.16.0.253 dev eth0 metric {metric}"
            ));
            let network = host.network();
            let planned =
                egressctl::core::plan::route::host_changes(&host.facts(), &documented(), &templates());
            assert_eq!(planned.unwrap_err()[0].code, "metric-too-small");
            let report = host.apply(&documented(), &changes);
            assert!(
                matches!(&report.end, ApplyEnd::Reverted { code, .. } if code == "metric-too-small"),
                "{report:?}"
            );
            assert_eq!(host.network(), network, "{shell:?}");
        }
    });
}

/// The lock-out of the documented form: what brings it about is seen, and the next apply repairs it.
#[test]
fn the_way_back_to_the_own_subnet_is_put_right_after_a_flap() {
    on_every_shell(|shell| {
        let host = debian(shell);
        done(&host, &documented());
        host.ok(
            "ip link set eth0 down; ip link set eth0 up; ip route replace default via 172.16.0.253 dev eth0",
        );
        assert!(
            host.ok("ip route get 172.16.0.30").contains("dev eth1"),
            "the kernel has no such order any more"
        );
        let changes = host.changes_for(&documented());
        assert_eq!(changes.routes.len(), 2, "{changes:?}");
        let report = host.apply(&documented(), &changes);
        assert_eq!((report.end, report.changed), (ApplyEnd::Ok, vec![ChangeKind::MainRoute]), "{shell:?}");
        done(&host, &documented());
    });
}

#[test]
fn a_flap_turns_nothing_where_the_way_to_the_subnet_is_the_worse_one() {
    on_every_shell(|shell| {
        let host = debian(shell);
        done(&host, &worse());
        host.ok(
            "ip link set eth0 down; ip link set eth0 up; ip route replace default via 172.16.0.253 dev eth0",
        );
        assert!(host.ok("ip route get 172.16.0.30").contains("dev eth0 src 172.16.0.10"), "{shell:?}");
        assert!(host.changes_for(&worse()).is_empty(), "{shell:?}");
    });
}

#[test]
fn what_dhcp_brings_is_what_the_form_has_but_for_its_metric() {
    on_every_shell(|shell| {
        let host = debian(shell);
        host.ok("ip link set eth1 up; ip addr add 172.16.0.20/24 brd + dev eth1
            ip route append default via 172.16.0.253 dev eth1 proto dhcp src 172.16.0.20 metric 100");
        done(&host, &documented());
        assert_eq!(main_by_eth1(&host), PLAIN);
        host.reboot();
        host.ok("ip route append default via 172.16.0.253 dev eth1 proto dhcp metric 100; /etc/rc.local");
        assert!(host.changes_for(&documented()).is_empty(), "{shell:?}");
    });
}

/// The watcher that keeps the main table the primary's leaves alone what the form has there.
#[test]
fn the_staged_watcher_and_the_form_do_not_quarrel() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let params = StageParams { mac: MAC, primary_ip: target().primary_ip, metric: 30_000, seconds: 60 };
        host.run(&templates().stage_script(&params).unwrap());
        let changes = host.changes_for(&documented());
        assert_eq!(host.apply(&documented(), &changes).end, ApplyEnd::Ok);
        host.ok("ip route append default via 172.16.0.253 dev eth1 metric 7");
        let deadline = Instant::now() + Duration::from_secs(45);
        while main_by_eth1(&host) != PLAIN {
            assert!(Instant::now() < deadline, "{shell:?} {}", main_by_eth1(&host));
            std::thread::sleep(Duration::from_millis(200));
        }
    });
}
