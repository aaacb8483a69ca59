//! `rc.local` as it is found in the field, by folder: `tests/rc_local/<case>/rc.local`, and in `how` what is special about it
//! (`mode 644`, `link`: behind the link of the Red Hat family, `absent`, `fails`: it ends with an error at boot, `refused
//! WORDS`). Each is applied, run as init runs it, applied again, and taken back to the same bytes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use egressctl::core::observed::applied::ApplyEnd;
use egressctl::core::plan::RouteTarget;
use egressctl::core::plan::route::host_changes;

use super::host::{Host, SHELLS, debian, target, templates};
use super::on_every_shell;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rc_local");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn go_through(case: &Path, shell: &'static [&'static str]) {
    let name = case.file_name().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(case.join("rc.local")).unwrap();
    let how = fs::read_to_string(case.join("how")).unwrap_or_default();
    let says = |word: &str| how.lines().find_map(|line| line.strip_prefix(word)).map(str::trim);
    let mode = says("mode").map_or(0o755, |mode| u32::from_str_radix(mode, 8).unwrap());
    let host = Host::new(shell);
    let path = if says("link").is_some() { "rc.d/rc.local" } else { "rc.local" };
    if says("link").is_some() {
        fs::create_dir(host.etc.path().join("rc.d")).unwrap();
        symlink("rc.d/rc.local", host.etc.path().join("rc.local")).unwrap();
    }
    if says("absent").is_some() {
        let _ = fs::remove_file(host.etc.path().join("rc.local"));
    } else {
        host.write(path, &text, mode);
    }
    let before = host.facts().rc_local;
    if let Some(words) = says("refused") {
        let obstacles = host_changes(&host.facts(), &target(), &templates()).unwrap_err();
        assert!(obstacles[0].what.contains(words), "{name}: {obstacles:?}");
        return;
    }

    let changes = host.changes();
    assert_eq!(host.apply(&target(), &changes).end, ApplyEnd::Ok, "{name} {shell:?}");
    assert!(host.changes().is_empty(), "{name} {:?}", host.changes());
    let linked = host.etc.path().join("rc.local");
    assert_eq!(says("link").is_some() && says("absent").is_none(), linked.is_symlink(), "{name}");

    host.ok("mkdir -p /var/lock/subsys 2>/dev/null || :");
    host.forget();
    let status = host.ok(&format!("/etc/{path} >/dev/null 2>&1 </dev/null; echo $?"));
    assert_eq!(status != "0\n", says("fails").is_some(), "{name}: it ended with {status}");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !host.changes().is_empty() {
        assert!(
            std::time::Instant::now() < end,
            "{name} after a boot: {:?}\n{}",
            host.changes(),
            host.read(path)
        );
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    let again = host.apply(&target(), &changes);
    assert_eq!((&again.end, again.changed.as_slice()), (&ApplyEnd::Ok, [].as_slice()), "{name}");

    assert_eq!(host.revert(&changes).end, ApplyEnd::Ok, "{name}");
    assert_eq!(host.facts().rc_local, before, "{name}");
}

#[test]
fn every_shape_is_applied_run_and_taken_back() {
    let cases = cases();
    assert!(cases.len() >= 40, "cases were lost: {}", cases.len());
    let left = Mutex::new(cases.into_iter().enumerate());
    let failed: Vec<String> = std::thread::scope(|scope| {
        let work = || {
            let mut failed = Vec::new();
            loop {
                let Some((index, case)) = left.lock().unwrap().next() else { return failed };
                let run = std::panic::AssertUnwindSafe(|| go_through(&case, SHELLS[index % SHELLS.len()]));
                if std::panic::catch_unwind(run).is_err() {
                    failed.push(case.display().to_string());
                }
            }
        };
        let workers: Vec<_> = (0..16).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn the_lines_of_an_earlier_target_end_when_others_take_their_place() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let first = host.changes();
        assert_eq!(host.apply(&target(), &first).end, ApplyEnd::Ok, "{shell:?}");
        let later = RouteTarget { priority: 4200, ..target() };
        let second = host.changes_for(&later);
        host.reboot();
        host.write("rc.local", second.files[0].after.as_deref().unwrap(), 0o755);
        // Every two seconds they look.
        std::thread::sleep(std::time::Duration::from_secs(5));
        host.ok("while ip -4 rule del from 172.16.0.20; do :; done; sleep 5");
        assert!(!host.network().contains("172.16.0.20 lookup"), "{shell:?}: they go on");
        host.ok("! grep -l -e '/etc/rc[.]local' /proc/[0-9]*/cmdline 2>/dev/null | grep -v /self/ >&2");
    });
}

#[test]
fn the_lines_hold_on_to_the_route_for_a_while_after_a_boot() {
    on_every_shell(|shell| {
        let host = debian(shell);
        assert_eq!(host.apply(&target(), &host.changes()).end, ApplyEnd::Ok, "{shell:?}");
        host.reboot();
        for _ in 0..2 {
            // As somebody does who comes to the network later than they, and knows nothing of them.
            host.ok("while ip -4 rule del from 172.16.0.20 2>/dev/null; do :; done; sleep 5");
            assert!(host.changes().routes.is_empty(), "{shell:?} {:?}", host.changes());
        }
    });
}

#[test]
fn taking_back_a_changed_target_gives_the_earlier_ones_route_back() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let first = host.changes();
        assert_eq!(host.apply(&target(), &first).end, ApplyEnd::Ok, "{shell:?}");
        let (network, text) = (host.network(), host.read("rc.local"));
        let later = RouteTarget { priority: 4200, ..target() };
        let second = host.changes_for(&later);
        assert_eq!(host.apply(&later, &second).end, ApplyEnd::Ok, "{shell:?}");
        assert!(host.network().contains("4200:"), "{shell:?}");
        for _ in 0..2 {
            assert_eq!(host.revert_of(&later, &second).end, ApplyEnd::Ok, "{shell:?}");
            assert_eq!((host.network(), host.read("rc.local")), (network.clone(), text.clone()), "{shell:?}");
        }
    });
}

#[test]
fn the_lines_touch_no_rule_that_is_not_exactly_theirs() {
    on_every_shell(|shell| {
        let host = debian(shell);
        host.write("iproute2/rt_tables", "255 local\n254 main\n253 default\n101 eip\n", 0o644);
        let changes = host.changes();
        assert_eq!(host.apply(&target(), &changes).end, ApplyEnd::Ok, "{shell:?}");
        // Somebody else's come before ours, by the same address; at our priority too, where nobody else should be.
        let strangers = "30: from 172.16.0.20 to 10.9.0.0/16 lookup 77\n40: from 172.16.0.20 lookup 7\n\
            4101: from 172.16.0.20 lookup 78\n";
        let ours = "4101: from 172.16.0.20 lookup eip\n";
        let rules = || {
            let lines = host.ok("ip -4 rule show | grep 172.16.0.20 | tr -s '\\t ' ' ' | sed 's/ $//; s/ proto static//' | sort -n -s");
            lines.replace(ours, "") + if lines.matches(ours).count() == 1 { ours } else { "not once ours" }
        };
        host.forget();
        host.ok("ip rule add from 172.16.0.20 lookup 7 pref 40; ip rule add from 172.16.0.20 lookup 78 pref 4101
            ip rule add from 172.16.0.20 to 10.9.0.0/16 lookup 77 pref 30
            ip rule add from 172.16.0.20 lookup 101 pref 50; ip rule add from 172.16.0.20 lookup 101 pref 4101 protocol static
            /etc/rc.local");
        assert_eq!(rules(), format!("{strangers}{ours}"), "{shell:?}");
    });
}

#[test]
fn the_lines_replace_no_default_route_of_a_third_device() {
    on_every_shell(|shell| {
        let host = debian(shell);
        assert_eq!(host.apply(&target(), &host.changes()).end, ApplyEnd::Ok, "{shell:?}");
        let default = || host.ok("ip -4 route show table main | grep ^default");
        let by_primary = default();
        assert!(by_primary.starts_with("default via 172.16.0.253 dev eth0"), "{by_primary}");
        host.forget();
        // As somebody has it who sends everything through a tunnel of their own.
        host.ok("set -e; ip link add t0 type bridge; ip addr add 192.0.2.1/24 dev t0; ip link set t0 up
            ip -4 route del default; ip -4 route add default via 192.0.2.254 dev t0; /etc/rc.local");
        let by_tunnel = default();
        assert!(by_tunnel.starts_with("default via 192.0.2.254 dev t0"), "{shell:?} {by_tunnel}");
        assert_eq!(by_tunnel.lines().count(), 1, "{shell:?} {by_tunnel}");
        // One by our own interface, as its DHCP client makes it, is not somebody else's.
        host.ok("ip -4 route replace default via 172.16.0.253 dev eth1 onlink; /etc/rc.local");
        assert_eq!(default(), by_primary, "{shell:?}");
    });
}
