//! The host's guard on a real kernel: what nobody confirms is taken back, by the host alone, and leaves nothing.

mod duplicates;
mod files;
mod told;
mod trials;
mod under_systemd;

use std::time::{Duration, Instant};

use egressctl::core::observed::guarded::GuardState;
use egressctl::core::observed::{ApplyEnd, ApplyReport};
use egressctl::core::plan::RouteTarget;
use egressctl::core::plan::route::HostChanges;
use egressctl::core::template::Phase;

use super::host::{Host, phase_script, target};
use super::{DEBIAN, debian, on_every_shell};

const CHANGE: Phase = Phase::Change { again: false };
const FIRST: Phase = Phase::Confirm { generation: 1 };
const SECOND: Phase = Phase::Confirm { generation: 2 };
/// Where the guard of these tests is.
const FOLDER: &str = "/run/egressctl/guard/feedc0de00000000";

/// The code of a failure after which the host is as it was.
fn reverted(report: &ApplyReport) -> &str {
    match &report.end {
        ApplyEnd::Reverted { code, .. } => code,
        end => panic!("{end:?}"),
    }
}

fn armed(report: &ApplyReport) -> u8 {
    match (&report.end, report.guard) {
        (ApplyEnd::Ok, Some(GuardState::Armed { generation, .. })) => generation,
        _ => panic!("{report:?}"),
    }
}

/// Waits until the host has written down how taking back ended; gives how late it was, in hundredths of a second.
fn taken_back(host: &Host, generation: u8) -> i64 {
    taken_back_as(host, generation, "reverted")
}

fn taken_back_as(host: &Host, generation: u8, how: &str) -> i64 {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let text = host.ok(&format!("cat {FOLDER}/result {FOLDER}/until.{generation} 2>/dev/null || :"));
        let words: Vec<&str> = text.split_whitespace().collect();
        if let [end, _, back, _, .., until] = words.as_slice() {
            assert_eq!(*end, how, "{:?}: {text}", host.shell);
            return back.parse::<i64>().unwrap() - until.parse::<i64>().unwrap();
        }
        assert!(Instant::now() < deadline, "{:?}: nobody takes it back: {text}", host.shell);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Nothing of any guard is left on the host: no file, and no process.
fn nothing_left(host: &Host) {
    host.ok("! ls -d /run/egressctl /var/lib/egressctl /etc/.egressctl* 2>/dev/null >&2");
    let deadline = Instant::now() + Duration::from_secs(20);
    while host.ok("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '").contains("rollback.sh") {
        assert!(Instant::now() < deadline, "{:?}: a guard's process stays", host.shell);
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn phase(host: &Host, file: &HostChanges, phase: Phase, seconds: u32) -> ApplyReport {
    host.phase(&target(), file, phase, seconds)
}

#[test]
fn what_nobody_confirms_is_taken_back_by_the_host_alone() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let network = host.network();
        let file = host.changes();
        assert_eq!(armed(&phase(&host, &file, CHANGE, 6)), 1, "{shell:?}");
        assert_ne!(host.network(), network);
        assert_eq!(host.read("rc.local"), DEBIAN, "no file before a confirmation");
        taken_back(&host, 1);
        assert_eq!(host.network(), network, "{shell:?}");
        // Whoever asks is told, once; a confirmation comes too late.
        assert_eq!(reverted(&phase(&host, &file, FIRST, 2)), "rolled-back");
        nothing_left(&host);
        assert_eq!(reverted(&phase(&host, &file, FIRST, 2)), "gone");
        assert_eq!(host.network(), network, "{shell:?}");
    });
}

#[test]
fn a_change_that_cuts_the_way_to_us_is_taken_back() {
    // Bastion and host reach each other by the secondary interface only, and the change moves the replies to the primary: all
    // probes on the host hold, and nobody reaches it.
    on_every_shell(|shell| {
        let host = debian(shell);
        host.router("ip addr add 10.99.0.1/32 dev lo; ip link set p0 nomaster");
        host.ok("ip link set eth1 up; ip addr add 172.16.0.20/24 brd + dev eth1; ip route replace default via 172.16.0.253 dev eth1
            ip neigh replace 172.16.0.253 lladdr 00:16:3e:00:00:fd dev eth0");
        let reached = || host.router_says("ping -c 1 -W 1 -I 10.99.0.1 172.16.0.10");
        let begun = Instant::now();
        while !reached() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{shell:?}: not reached before");
        }
        let network = host.network();
        assert_eq!(armed(&phase(&host, &HostChanges::default(), CHANGE, 8)), 1, "{shell:?}");
        assert!(!reached(), "{shell:?}: the change cuts nothing");
        taken_back(&host, 1);
        assert!(reached(), "{shell:?}: not reached afterwards\n{}", host.network());
        assert_eq!(host.network(), network, "{shell:?}");
    });
}

#[test]
fn without_a_way_back_nothing_is_changed() {
    on_every_shell(|shell| {
        let cases: [(&str, &str); 3] = [
            ("no-guard", "mount -o remount,bind,ro /run"),
            ("no-guard", "mkdir /run/nothing; mount --bind /dev/null \"$(command -v sha256sum)\""),
            (
                "guarded",
                "mkdir -p /run/egressctl/guard/other; cd /run/egressctl/guard/other; touch rollback.sh armed.1",
            ),
        ];
        for (code, spoil) in cases {
            let host = debian(shell);
            let network = host.network();
            let file = host.changes();
            host.ok(spoil);
            assert_eq!(reverted(&phase(&host, &file, CHANGE, 60)), code, "{shell:?} {spoil}");
            assert_eq!((host.network(), host.read("rc.local").as_str()), (network, DEBIAN), "{shell:?}");
        }
    });
}

#[test]
fn whoever_comes_after_a_dead_controller_goes_on_by_what_the_host_says() {
    let again = Phase::Change { again: true };
    on_every_shell(|shell| {
        let host = debian(shell);
        let network = host.network();
        let file = host.changes();
        // Armed and whole: gone on with.
        phase(&host, &file, CHANGE, 60);
        assert_eq!(armed(&phase(&host, &file, again, 60)), 1, "{shell:?}");
        assert_eq!(armed(&phase(&host, &file, Phase::Look, 60)), 1, "{shell:?}");
        // Cut off in the middle: taken back, and begun again.
        host.ok(&format!("rm {FOLDER}/ready.1"));
        assert_eq!(armed(&phase(&host, &file, again, 60)), 1, "{shell:?}");
        assert_eq!(armed(&phase(&host, &file, FIRST, 60)), 2, "{shell:?}");
        // The answer got lost: the same question does not confirm the second guard.
        assert_eq!(armed(&phase(&host, &file, FIRST, 60)), 2, "{shell:?}");
        assert_eq!(armed(&phase(&host, &file, again, 60)), 2, "{shell:?}");
        assert_eq!(phase(&host, &file, SECOND, 60).guard, Some(GuardState::Confirmed), "{shell:?}");
        nothing_left(&host);
        assert!(host.changes().is_empty(), "{shell:?}");
        let done = phase(&host, &file, again, 60);
        assert_eq!((done.end, done.changed, done.guard), (ApplyEnd::Ok, vec![], None), "{shell:?}");
        // Taken back by the host: begun again by who may, told to who may not.
        host.revert(&file);
        for (phase_now, armed_again) in [(CHANGE, false), (again, true)] {
            phase(&host, &file, CHANGE, 5);
            taken_back(&host, 1);
            let report = phase(&host, &file, phase_now, 60);
            if armed_again {
                assert_eq!(armed(&report), 1, "{shell:?}");
            } else {
                assert_eq!(reverted(&report), "rolled-back", "{shell:?}");
            }
        }
        // A revert finds it armed.
        let report = host.revert(&file);
        assert_eq!((report.end, host.network()), (ApplyEnd::Ok, network), "{shell:?}");
        nothing_left(&host);
    });
}

#[test]
fn a_gateway_of_which_nothing_is_known_is_silent() {
    // A kernel with too many neighbours forgets those that do not answer.
    on_every_shell(|shell| {
        let host = debian(shell);
        let network = host.network();
        host.ok("(while :; do ip neigh del 172.16.0.252 dev eth1; done) </dev/null >/dev/null 2>&1 &");
        let bad = RouteTarget { gateway: [172, 16, 0, 252].into(), ..target() };
        assert_eq!(
            reverted(&host.phase(&bad, &HostChanges::default(), CHANGE, 60)),
            "gateway-silent",
            "{shell:?}"
        );
        assert_eq!(host.network(), network, "{shell:?}");
    });
}

/// What the one file becomes.
fn written(changes: &HostChanges) -> &str {
    changes.files[0].after.as_deref().unwrap()
}

#[test]
fn what_the_one_at_work_has_started_ends_with_it() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let network = host.network();
        assert_eq!(armed(&phase(&host, &HostChanges::default(), CHANGE, 60)), 1, "{shell:?}");
        // As an owner's program that is still busy with the new files when the time is over.
        host.ok(&format!(
            "sh -c '(sleep 2; : >/run/began; ip link set eth1 up; ip -4 addr add 172.16.0.20/32 dev eth1; : >/run/went-on) & wait' \
             </dev/null >/dev/null 2>&1 &
             set -- $! $(cat /proc/$!/stat); echo \"$1 $(shift; echo ${{22}})\" >{FOLDER}/worker
             sleep 0.2; sh {FOLDER}/rollback.sh now"
        ));
        taken_back(&host, 1);
        std::thread::sleep(Duration::from_secs(4));
        assert_eq!(host.ok("ls /run/began /run/went-on 2>/dev/null || :"), "", "{shell:?}: it went on");
        assert_eq!(host.network(), network, "{shell:?}");
    });
}

#[test]
fn who_waits_for_the_one_at_work_sees_that_it_is_gone() {
    on_every_shell(|shell| {
        let host = debian(shell);
        assert_eq!(armed(&phase(&host, &HostChanges::default(), CHANGE, 60)), 1, "{shell:?}");
        // Like sudo and su, nsenter stops itself when the one that it waits for is stopped.
        let state = host.ok(&format!(
            "nsenter -t 1 -p -- sh -c 'read -r stat </proc/self/stat; set -- ${{stat##*) }}; shift 19
                 echo \"$$ $1\" >{FOLDER}/worker; : >/run/began; sleep 60; :' </dev/null >/dev/null 2>&1 &
             until [ -e /run/began ]; do sleep 0.1; done
             sh {FOLDER}/rollback.sh now; sleep 0.5
             case $(cat /proc/$!/stat 2>/dev/null) in '' | *') Z '*) echo gone ;; *) echo waits ;; esac"
        ));
        assert_eq!(state, "gone\n", "{shell:?}");
        taken_back(&host, 1);
    });
}

#[test]
fn a_timer_that_is_tampered_with_still_comes() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let network = host.network();
        assert_eq!(armed(&phase(&host, &HostChanges::default(), CHANGE, 6)), 1, "{shell:?}");
        // Somebody ends its sleep: it sleeps on.
        host.ok("for p in /proc/[0-9]*; do case $(tr '\\0' ' ' <$p/cmdline 2>/dev/null) in 'sleep '[0-9].* | 'busybox sleep '[0-9].*) kill ${p#/proc/};; esac; done");
        assert_ne!(host.network(), network, "{shell:?}: too early");
        taken_back(&host, 1);
        assert_eq!(host.network(), network, "{shell:?}");
    });
}

#[test]
fn the_way_back_is_a_script_that_every_shell_reads() {
    let script = phase_script(&target(), &HostChanges::default(), CHANGE, 60);
    for shell in super::SHELLS {
        let mut check = std::process::Command::new(shell[0]);
        let status = check.args(&shell[1..]).args(["-n", "-c", &script]).status().unwrap();
        assert!(status.success(), "{shell:?}");
    }
}
