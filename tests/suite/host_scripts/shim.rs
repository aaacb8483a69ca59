//! The compatibility shim as part of a change: planned, made, kept over a boot, taken back. What it does to packets is in
//! `packets`.

use std::time::{Duration, Instant};

use egressctl::core::observed::applied::{ApplyEnd, ChangeKind};
use egressctl::core::plan::RouteTarget;
use egressctl::core::plan::route::{HostChanges, RoutePart, host_changes};
use egressctl::core::template::Phase;

use super::host::{DEBIAN, Host, debian, target, templates};
use super::on_every_shell;

fn shimmed() -> RouteTarget {
    RouteTarget { shim: true, ..target() }
}

/// What the plan says of the shim.
fn planned(changes: &HostChanges) -> Vec<&str> {
    let shim = changes.routes.iter().filter(|change| change.part == RoutePart::Shim);
    shim.map(|change| change.line.as_str()).collect()
}

const ON: [&str; 2] = [
    "+ ip -4 rule add fwmark 0x65 lookup 101 pref 4102",
    "+ nft add table ip egressctl_shim_101 (compatibility shim)",
];
const OFF: [&str; 2] =
    ["- ip -4 rule del fwmark 0x65 lookup 101 pref 4102", "- nft delete table ip egressctl_shim_101"];

#[test]
fn it_is_put_on_kept_over_a_boot_and_taken_back() {
    on_every_shell(|shell| {
        use ChangeKind::{Address, File, Link, MarkRule, Route, Rule, Shim};
        let host = debian(shell);
        let network = host.network();
        let changes = host.changes_for(&shimmed());
        assert_eq!(planned(&changes), ON, "{shell:?}");
        let first = changes.clone();
        let report = host.apply(&shimmed(), &changes);
        assert_eq!(report.end, ApplyEnd::Ok, "{shell:?}");
        assert_eq!(report.changed, [Link, Route, Rule, MarkRule, Shim, Address, File], "{shell:?}");
        assert_eq!(host.changes_for(&shimmed()), HostChanges::default(), "{shell:?}");
        let again = host.apply(&shimmed(), &changes);
        assert_eq!((again.end, again.changed), (ApplyEnd::Ok, vec![]), "{shell:?}");

        let with = host.network();
        // What was edited by hand is told, and made right again. Of two rules the one that an owner has made stays.
        host.ok("nft flush chain ip egressctl_shim_101 translate; ip rule add fwmark 0x65 lookup 101 pref 4102 protocol static");
        let changes = host.changes_for(&shimmed());
        let repair = [
            "- ip -4 rule del fwmark 0x65 lookup 101 pref 4102",
            "+ nft replace table ip egressctl_shim_101 (it was edited)",
        ];
        assert_eq!(planned(&changes), repair, "{shell:?}");
        let report = host.apply(&shimmed(), &changes);
        assert_eq!((report.end, report.changed), (ApplyEnd::Ok, vec![MarkRule, Shim]), "{shell:?}");
        assert_eq!(host.changes_for(&shimmed()), HostChanges::default(), "{shell:?}");

        host.reboot();
        assert_eq!(host.changes_for(&shimmed()), HostChanges::default(), "{shell:?}");
        assert_eq!(sorted(&host.network()), sorted(&with), "{shell:?}");

        let report = host.revert_of(&shimmed(), &first);
        assert_eq!(report.end, ApplyEnd::Ok, "{shell:?} {report:?}");
        assert_eq!((host.network(), host.read("rc.local").as_str()), (network, DEBIAN), "{shell:?}");
    });
}

#[test]
fn without_its_key_it_goes_and_the_route_stays() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let plain = host.changes();
        assert_eq!(host.apply(&target(), &plain).end, ApplyEnd::Ok);
        let (network, file) = (host.network(), host.read("rc.local"));
        assert_eq!(host.apply(&shimmed(), &host.changes_for(&shimmed())).end, ApplyEnd::Ok);
        assert_ne!((host.network(), host.read("rc.local")), (network.clone(), file.clone()), "{shell:?}");
        let changes = host.changes();
        assert_eq!((planned(&changes), changes.routes.len()), (OFF.to_vec(), 2), "{shell:?}");
        assert_eq!(host.apply(&target(), &changes).end, ApplyEnd::Ok);
        assert_eq!((host.network(), host.read("rc.local")), (network, file), "{shell:?}");
        assert_eq!(host.changes(), HostChanges::default(), "{shell:?}");
    });
}

/// A rollback of the run before the one that brought the shim takes it along.
#[test]
fn an_older_run_that_is_taken_back_leaves_none_of_it() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let network = host.network();
        let first = host.changes();
        assert_eq!(host.apply(&target(), &first).end, ApplyEnd::Ok);
        assert_eq!(host.apply(&shimmed(), &host.changes_for(&shimmed())).end, ApplyEnd::Ok);
        host.write("systemd/system/egressctl-shim-101.timer", "# egressctl, table 101: x\n[Timer]\n", 0o644);
        host.write("egressctl/shim-101.sh", "# egressctl, table 101: x\n:\n", 0o644);
        host.write("systemd/system/egressctl-shim-101.service", "[Service]\n# somebody else's\n", 0o644);
        let report = host.revert(&first);
        assert_eq!(report.end, ApplyEnd::Ok, "{shell:?} {report:?}");
        assert_eq!((host.network(), host.read("rc.local").as_str()), (network, DEBIAN), "{shell:?}");
        host.ok("[ ! -e /etc/egressctl ] && [ ! -e /etc/systemd/system/egressctl-shim-101.timer ]");
        host.ok("[ -e /etc/systemd/system/egressctl-shim-101.service ]");
    });
}

/// Waits until the host's guard has taken everything back.
fn taken_back(host: &Host) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let result = || host.ok("cat /run/egressctl/guard/*/result 2>/dev/null || :");
    while result().is_empty() {
        assert!(Instant::now() < deadline, "{:?}: nobody takes it back", host.shell);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(result().starts_with("reverted "), "{:?}: {}", host.shell, result());
}

#[test]
fn what_nobody_confirms_is_taken_back_in_both_directions() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let before = host.network();
        let change = Phase::Change { again: false };
        let report = host.phase(&shimmed(), &host.changes_for(&shimmed()), change, 2);
        assert_eq!(report.end, ApplyEnd::Ok, "{shell:?}");
        assert!(host.network().contains("egressctl_shim_101"), "{shell:?}");
        taken_back(&host);
        assert_eq!(host.network(), before, "{shell:?}");
        host.ok("rm -rf /run/egressctl");

        assert_eq!(host.apply(&shimmed(), &host.changes_for(&shimmed())).end, ApplyEnd::Ok);
        let harms = [
            // Taken away where an owner has made the rule: it is that owner's again afterwards.
            (target(), "ip rule del pref 4102; ip rule add fwmark 0x65 lookup 101 pref 4102 protocol static"),
            // Repaired: what was there was somebody's edit, and that comes back.
            (shimmed(), "nft add rule ip egressctl_shim_101 answer accept"),
        ];
        for (target, harm) in harms {
            host.ok(harm);
            let before = host.network();
            let report = host.phase(&target, &host.changes_for(&target), change, 2);
            assert_eq!(report.end, ApplyEnd::Ok, "{shell:?}");
            assert_ne!(sorted(&host.network()), sorted(&before), "{shell:?}");
            taken_back(&host);
            assert_eq!(sorted(&host.network()), sorted(&before), "{shell:?}");
            host.ok("rm -rf /run/egressctl");
        }
    });
}

/// A filter that is strict at a boot leaves the shim out, and with it what would cut the host off; the plan refuses it.
#[test]
fn a_strict_filter_at_a_boot_leaves_it_out() {
    on_every_shell(|shell| {
        let host = debian(shell);
        assert_eq!(host.apply(&shimmed(), &host.changes_for(&shimmed())).end, ApplyEnd::Ok);
        host.ok(
            "echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter; echo 0 >/proc/sys/net/ipv4/conf/eth1/rp_filter",
        );
        host.reboot();
        assert!(!host.network().contains("egressctl_shim"), "{shell:?}");
        assert_eq!(host.ok("ip -4 rule show pref 4101").lines().count(), 1, "the route itself is there");
        let refused = host_changes(&host.facts(), &shimmed(), &templates()).unwrap_err();
        let codes: Vec<&str> = refused.iter().map(|obstacle| obstacle.code.as_str()).collect();
        assert_eq!(codes, ["shim-rp-filter"], "{shell:?}");
        // It comes back with a looser one, also while it is there already.
        host.ok("echo 2 >/proc/sys/net/ipv4/conf/eth1/rp_filter");
        host.reboot();
        assert_eq!(host.changes_for(&shimmed()), HostChanges::default(), "{shell:?}");
    });
}

/// A table that was loaded again is listed behind the others.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}
