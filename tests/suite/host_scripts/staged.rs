//! The watcher that is left on a host before its interface is plugged in.

use std::time::{Duration, Instant};

use egressctl::core::observed::applied::{ApplyEnd, parse_stage};
use egressctl::core::template::StageParams;

use super::host::{Host, target, templates};
use super::{debian, on_every_shell};

/// A hardware address that the interface has before it is "plugged in".
const OTHER: &str = "00:16:3e:aa:bb:99";

fn stage(host: &Host, seconds: u32) -> ApplyEnd {
    let target = target();
    let params = StageParams { mac: target.mac.unwrap(), primary_ip: target.primary_ip, metric: 0, seconds };
    let output = host.run(&templates().stage_script(&params).unwrap());
    parse_stage(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output:?}")).end
}

/// What an eager DHCP client does at the moment the interface appears.
fn plug_and_hijack(host: &Host) {
    let mac = target().mac.unwrap();
    host.ok(&format!(
        "set -e; ip link set eth1 address {mac}; ip link set eth1 up; ip addr add 172.16.0.20/24 brd + dev eth1
        ip route replace default via 172.16.0.253 dev eth1"
    ));
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_hijack_is_taken_back_while_nobody_can_log_in() {
    on_every_shell(|shell| {
        let host = debian(shell);
        host.ok(&format!("ip link set eth1 address {OTHER}"));
        let main = host.ok("ip -4 route show table main");
        assert_eq!(stage(&host, 60), ApplyEnd::Ok, "{shell:?}");
        assert_eq!(host.ok("ip -4 route show table main"), main, "staging changes nothing");
        plug_and_hijack(&host);
        until("nobody took the default route back", || {
            host.ok("ip -4 route get 1.1.1.1 || :").contains("dev eth0 src 172.16.0.10")
        });
        // The host's part is done while the watcher is still there.
        let file = host.changes();
        assert_eq!(host.apply(&target(), &file).end, ApplyEnd::Ok, "{shell:?}");
        assert!(host.changes().is_empty(), "{shell:?} {:?}", host.changes());
        assert_eq!(host.ok("ip -4 route show table main"), main);
    });
}

#[test]
fn the_watcher_ends_with_its_time_or_its_interface() {
    on_every_shell(|shell| {
        let watchers = "mine=$(readlink /proc/self/ns/pid)
            for process in /proc/[0-9]*; do
              [ \"$(readlink $process/ns/pid)\" = \"$mine\" ] && tr '\\0' ' ' <$process/cmdline && echo
            done | grep -c -e '-s $' || :";
        let host = debian(shell);
        let before = host.ok(watchers);
        host.ok(&format!("ip link set eth1 address {OTHER}"));
        assert_eq!(stage(&host, 8), ApplyEnd::Ok);
        assert_ne!(host.ok(watchers), before, "{shell:?}: there is a watcher");
        until("its time is over", || host.ok(watchers) == before);

        assert_eq!(stage(&host, 3600), ApplyEnd::Ok);
        plug_and_hijack(&host);
        until("it has seen the interface", || host.ok("ip -4 route get 1.1.1.1 || :").contains("dev eth0"));
        host.ok("ip link del eth1");
        until("its interface is gone", || host.ok(watchers) == before);
    });
}

#[test]
fn a_host_that_cannot_be_guarded_is_refused_before_anything_is_plugged() {
    let host = debian(super::SHELLS[0]);
    host.ok("ip route del default");
    assert!(matches!(stage(&host, 1), ApplyEnd::Reverted { code, .. } if code == "no-default"));
    host.ok("ip addr flush dev eth0");
    assert!(matches!(stage(&host, 1), ApplyEnd::Reverted { code, .. } if code == "no-primary"));
}
