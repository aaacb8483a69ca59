//! The forms that a host's policy route can have, brought about on a host. The procedure's own form is written out here; the
//! others are made by the scripts that go to real hosts.

use egressctl::core::observed::applied::{ApplyEnd, ApplyReport, ChangeKind, parse_apply};
use egressctl::core::observed::guarded::GuardState;
use egressctl::core::plan::RouteTarget;
use egressctl::core::plan::route::HostChanges;
use egressctl::core::template::Phase;

use super::ends::Seen;
use super::house::{Ask, House, SNAT};
use crate::host_scripts::host::{phase_script, target};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    Documented,
    Slash32,
    Shim,
}

impl Form {
    pub(super) const ALL: [Self; 3] = [Self::Documented, Self::Slash32, Self::Shim];

    pub(super) fn bring_about(self, house: &House, rp_filter: u8) {
        if self == Self::Documented {
            house.set_rp_filter(rp_filter);
            house.ok(
                "host",
                "set -e; ip link set eth1 up; ip addr add 172.16.0.20/24 brd + dev eth1
                ip route add default via 172.16.0.253 dev eth1 metric 200
                ip route add default via 172.16.0.253 dev eth1 table 101
                ip rule add from 172.16.0.20 lookup 101",
            );
            return;
        }
        // Without the shim our script must do its work whatever the filter is; with it, it refuses a strict one, which may
        // still come later.
        house.set_rp_filter(if self == Self::Shim { 0 } else { rp_filter });
        assert_eq!(apply(house, self == Self::Shim).end, ApplyEnd::Ok);
        house.set_rp_filter(rp_filter);
    }
}

/// All phases; what was changed is told for all of them.
fn apply(house: &House, shim: bool) -> ApplyReport {
    let target = RouteTarget { shim, ..target() };
    let phase = |phase| {
        let output = house.run(&phase_script(&target, &HostChanges::default(), phase, 60));
        parse_apply(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output:?}"))
    };
    let report = phase(Phase::Change { again: false });
    match report.guard {
        Some(GuardState::Armed { generation, .. }) => {
            ApplyReport { changed: report.changed, ..phase(Phase::Confirm { generation }) }
        }
        _ => report,
    }
}

/// Idempotent, exact, and refused before anything is changed where it would do harm.
pub(super) fn the_shim_keeps_its_promises(house: &House) {
    use ChangeKind::{MarkRule, Shim};
    let state = || {
        house.ok("host", "ip -4 rule show; ip -4 route show table all; ip -4 -o addr show; nft list ruleset")
    };
    let refused = |code: &str, before: &str, after: &str| {
        house.ok("host", &format!("set -e\n{before}"));
        let was = state();
        let report = apply(house, true);
        assert!(
            matches!(&report.end, ApplyEnd::Reverted { code: seen, .. } if seen == code),
            "{code}: {report:?}"
        );
        assert_eq!((state(), report.changed), (was, vec![]), "{code}");
        house.ok("host", &format!("set -e\n{after}"));
    };
    house.set_rp_filter(0);
    let filter = |value: u8, dev: &str| format!("echo {value} >/proc/sys/net/ipv4/conf/{dev}/rp_filter");
    refused("shim-rp-filter", &filter(1, "all"), &filter(0, "all"));
    refused("shim-rp-filter", &filter(1, "eth1"), &filter(0, "eth1"));
    refused("shim-rule-taken", "ip rule add from 10.0.0.1 lookup 7 pref 4102", "ip rule del pref 4102");
    refused("shim-rule-taken", "ip rule add fwmark 0x65/0xff lookup 7 pref 99", "ip rule del pref 99");
    let foreign = |line: &str| {
        format!(
            "nft 'add table ip theirs; add chain ip theirs c {{ type filter hook prerouting priority 0; }}; add rule ip theirs c {line}'"
        )
    };
    refused("shim-mark-taken", &foreign("ct mark set 7"), "nft delete table ip theirs");
    refused("shim-mark-taken", &foreign("meta mark set 0x65"), "nft delete table ip theirs");

    // The kernel takes the larger value: what is strict everywhere but here is no obstacle.
    house.ok("host", &format!("{}; {}", filter(1, "all"), filter(2, "eth1")));
    // A mark of another value is nobody's concern.
    house.ok("host", &foreign("meta mark set 0x6500"));
    assert_eq!(apply(house, false).end, ApplyEnd::Ok);
    let before = state();
    let report = apply(house, true);
    assert_eq!((report.end, report.changed), (ApplyEnd::Ok, vec![MarkRule, Shim]));
    let with = state();
    assert_ne!(with, before);
    let report = apply(house, true);
    assert_eq!((report.end, report.changed), (ApplyEnd::Ok, vec![]), "nothing is done twice");
    assert_eq!(state(), with);
    // What was edited, or flushed with everything else, is made right again.
    for (harm, changed) in [
        ("nft flush chain ip egressctl_shim_101 translate", vec![Shim]),
        ("nft add rule ip egressctl_shim_101 answer counter drop", vec![Shim]),
        ("nft delete table ip egressctl_shim_101; ip rule del pref 4102", vec![MarkRule, Shim]),
    ] {
        house.ok("host", harm);
        let report = apply(house, true);
        assert_eq!((report.end, report.changed), (ApplyEnd::Ok, changed), "{harm}");
        assert_eq!(sorted(&state()), sorted(&with), "{harm}");
    }
    let report = apply(house, false);
    assert_eq!((report.end, report.changed), (ApplyEnd::Ok, vec![Shim, MarkRule]));
    assert_eq!(state(), before, "others' tables and rules are as they were");
    let report = apply(house, false);
    assert_eq!((report.end, report.changed), (ApplyEnd::Ok, vec![]));

    // What fails half-way is taken back: here nft can list, but nothing can be given to it.
    house.ok(
        "host",
        "set -e; nft=$(command -v nft); cp $nft /run/nft.real
        printf '#!/bin/sh\\n[ \"$1\" != -f ] || exit 1\\nexec /run/nft.real \"$@\"\\n' >/run/nft; chmod 755 /run/nft
        mount --bind /run/nft $(readlink -f $nft)",
    );
    let report = apply(house, true);
    assert!(matches!(&report.end, ApplyEnd::Reverted { code, .. } if code == "shim"), "{report:?}");
    assert_eq!(state(), before, "the rule is gone again");
    house.ok("host", "umount $(readlink -f $(command -v nft))");
}

/// Strict everywhere, loose on the interface: what the remedy for a strict filter leads to.
pub(super) fn a_looser_filter_on_the_interface_is_enough(house: &House) {
    house.set_rp_filter(1);
    assert_eq!(apply(house, false).end, ApplyEnd::Ok);
    house.ok("host", "echo 2 >/proc/sys/net/ipv4/conf/eth1/rp_filter");
    assert_eq!(apply(house, true).end, ApplyEnd::Ok);
    for (ask, seen) in house.ask_all() {
        let good = if ask == Ask::Egress { Seen::As(SNAT.into()) } else { Seen::Ok };
        assert_eq!(seen, good, "{ask:?}");
    }
}

/// A table that was loaded again is listed behind the others.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}
