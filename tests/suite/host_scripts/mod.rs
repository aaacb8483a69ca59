//! The host scripts on a real kernel: facts, apply, revert, probe and the persisted block, under three shells.

#[cfg(test)]
mod by_line;
#[cfg(test)]
mod form;
#[cfg(test)]
mod guard;
#[cfg(test)]
pub(crate) mod host;
#[cfg(test)]
mod lease;
#[cfg(test)]
mod locked;
#[cfg(test)]
mod once;
#[cfg(test)]
mod owners;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod push;
#[cfg(test)]
mod rc_local;
#[cfg(test)]
mod shim;
#[cfg(test)]
mod staged;
#[cfg(test)]
mod untouched;

use std::fs;
use std::time::{Duration, Instant};

use egressctl::core::observed::applied::{ApplyEnd, ChangeKind};
use egressctl::core::plan::RouteTarget;
use egressctl::core::plan::rc_local::BEGIN;
use egressctl::core::plan::route::host_changes;
use host::{DEBIAN, Host, SHELLS, debian, target, templates};

/// Runs a case under every shell, side by side.
fn on_every_shell(case: impl Fn(&'static [&'static str]) + Sync) {
    std::thread::scope(|scope| {
        for shell in SHELLS {
            scope.spawn(|| case(shell));
        }
    });
}

#[test]
fn apply_is_complete_idempotent_and_reversible() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let network = host.network();
        let changes = host.changes();
        assert_eq!(changes.routes.len(), 4, "{shell:?} {changes:?}");
        assert_eq!(host.network(), network, "looking changes nothing");
        let file = changes;
        let report = host.apply(&target(), &file);
        assert_eq!(report.end, ApplyEnd::Ok, "{shell:?}");
        use ChangeKind::{Address, File, Link, Route, Rule};
        assert_eq!(report.changed, [Link, Route, Rule, Address, File]);
        assert_eq!(report.dev.unwrap().as_str(), "eth1");
        assert!(host.changes().is_empty(), "{shell:?} {:?}", host.changes());
        assert_eq!(Some(host.read("rc.local")), file.files[0].after);
        assert!(host.ok("ip route get 1.1.1.1 from 172.16.0.20").contains("dev eth1 table 101"));
        assert_eq!(host.ok("ip -4 route show table main"), host.ok("ip -4 route show table main dev eth0 | sed 's/ \\(proto\\|$\\)/ dev eth0 \\1/; s/253 $/253 dev eth0 /'"));

        let again = host.apply(&target(), &file);
        assert_eq!((again.end, again.changed), (ApplyEnd::Ok, vec![]), "{shell:?}");

        let revert = host.revert(&file);
        assert_eq!(revert.end, ApplyEnd::Ok);
        assert_eq!(revert.changed, [File, Rule, Route, Address, Link]);
        assert_eq!((host.network(), host.read("rc.local").as_str()), (network, DEBIAN), "{shell:?}");
        let again = host.revert(&file);
        assert_eq!((again.end, again.changed), (ApplyEnd::Ok, vec![]));
    });
}

#[test]
fn the_persisted_block_brings_everything_back() {
    let shapes = [
        DEBIAN,
        "#!/bin/bash\ntouch /etc/was-run\n",
        "#!/bin/sh -e\nf() {\nexit 1\n}\ncat >/dev/null <<EOF\nexit 0\nEOF\nif false; then\nexit 0\nfi\nexit 0",
        "",
        "#!/bin/sh\nset -eu\nexec >/dev/null\ncase x in\nx)\n:\n;;\nesac\nexit 0\n",
        "#!/bin/sh\nip -4 route add default via 172.16.0.253 dev eth1 table 101 || :\nip -4 rule add from 172.16.0.20 lookup 101\nip -4 rule add from 172.16.0.20 lookup 101\nexit 0\n",
    ];
    on_every_shell(|shell| {
        let host = Host::new(shell);
        for shape in shapes {
            host.write("rc.local", shape, 0o755);
            let file = host.changes();
            assert_eq!(host.apply(&target(), &file).end, ApplyEnd::Ok, "{shape:?}");
            host.reboot();
            assert!(host.changes().is_empty(), "{shell:?} {shape:?} {:?}", host.changes());
            assert_eq!(host.revert(&file).end, ApplyEnd::Ok);
            assert_eq!(host.read("rc.local"), shape);
        }
    });
}

#[test]
fn a_dhcp_hijack_and_documented_duplicates_are_cleaned() {
    let hijacks = [
        "ip route replace default via 172.16.0.253 dev eth1",
        "ip route append default via 172.16.0.253 dev eth1 proto dhcp src 172.16.0.20 metric 100",
        "ip route del default; ip route add default via 172.16.0.253 dev eth0 metric 100; ip route add default via 172.16.0.253 dev eth1",
    ];
    on_every_shell(|shell| {
        for hijack in hijacks {
            let host = debian(shell);
            host.ok(&format!(
                "ip link set eth1 up; ip addr add 172.16.0.20/24 brd + dev eth1; {hijack}
                ip route add default via 172.16.0.253 dev eth1 table 101
                ip route add 172.16.0.0/24 dev eth1 table 101
                for n in 1 2 3; do ip rule add from 172.16.0.20 lookup 101; done
                ip rule add from 172.16.0.20 lookup 101 pref 4101"
            ));
            let changes = host.changes();
            assert!(!changes.is_empty());
            let report = host.apply(&target(), &changes);
            assert_eq!(report.end, ApplyEnd::Ok, "{shell:?} {hijack}");
            assert!(host.changes().is_empty(), "{shell:?} {hijack} {:?}", host.changes());
            assert!(host.ok("ip route get 1.1.1.1").contains("dev eth0 src 172.16.0.10"));
            // After a reboot the DHCP client is as eager as ever.
            host.reboot();
            host.ok(&format!("ip addr add 172.16.0.20/24 brd + dev eth1; {hijack}; /etc/rc.local"));
            assert!(host.changes().is_empty(), "{shell:?} {hijack} {:?}", host.changes());
        }
    });
}

#[test]
fn what_fails_is_taken_back_at_once() {
    type Change = fn(&mut RouteTarget);
    let cases: [(&str, &str, &str, Change); 6] = [
        ("gateway-silent", "", "", |target| target.gateway = [172, 16, 0, 252].into()),
        (
            "gateway-silent",
            "ip link set eth1 up; ip addr add 172.16.0.20/24 brd + dev eth1; ip route replace default via 172.16.0.253 dev eth1
            ip route add 10.9.0.0/16 via 172.16.0.253 dev eth1; ip route add default via 172.16.0.253 dev eth1 table 101 metric 7
            ip rule add from 172.16.0.20 lookup 101 pref 500 protocol static; ip rule add from 172.16.0.20 lookup 101 pref 501",
            "",
            |target| target.gateway = [172, 16, 0, 252].into(),
        ),
        ("route", "", "", |target| target.gateway = [255, 255, 255, 255].into()),
        ("table-taken", "ip route add 10.9.0.0/16 via 172.16.0.253 dev eth0 table 101", "", |_| ()),
        ("priority-taken", "ip rule add from 10.0.0.1 lookup 7 pref 4101", "", |_| ()),
        ("file-changed", "", "echo edited >>/etc/rc.local", |_| ()),
    ];
    on_every_shell(|shell| {
        for (code, before, after, change) in cases {
            let host = debian(shell);
            let file = host.changes();
            host.ok(&format!("{before}\n{after}"));
            let (network, text) = (host.network(), host.read("rc.local"));
            let mut target = target();
            change(&mut target);
            let report = host.apply(&target, &file);
            let ApplyEnd::Reverted { code: seen, .. } = &report.end else {
                panic!("{shell:?} {code}: {report:?}")
            };
            assert_eq!(seen, code, "{shell:?} {report:?}");
            assert_eq!(host.network(), network, "{shell:?} {code} {before}");
            assert_eq!(host.read("rc.local"), text);
            assert_eq!(
                fs::read_dir(host.etc.path())
                    .unwrap()
                    .filter(|entry| {
                        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".egressctl")
                    })
                    .count(),
                0,
                "no left-over file"
            );
        }
    });
}

#[test]
fn the_link_of_rhel_stays_a_link() {
    on_every_shell(|shell| {
        let host = Host::new(shell);
        let text = "#!/bin/bash\n# for compatibility\n\ntouch /etc/was-run\n";
        host.write("rc.d/rc.local", text, 0o644);
        std::os::unix::fs::symlink("/etc/rc.d/rc.local", host.etc.path().join("rc.local")).unwrap();
        let facts = host.facts();
        assert_eq!((facts.rc_local.path.as_str(), facts.rc_local.mode), ("/etc/rc.d/rc.local", 0o644));
        let changes = host.changes();
        assert!(
            changes.warnings.iter().any(|found| found.why.contains("begin to run at boot")),
            "{changes:?}"
        );
        let file = changes;
        assert_eq!(host.apply(&target(), &file).end, ApplyEnd::Ok);
        assert!(fs::symlink_metadata(host.etc.path().join("rc.local")).unwrap().is_symlink());
        host.reboot();
        assert!(host.changes().is_empty(), "{:?}", host.changes());
        assert!(host.etc.path().join("was-run").exists());
        assert_eq!(host.revert(&file).end, ApplyEnd::Ok);
        assert_eq!(host.facts().rc_local, facts.rc_local);
    });
}

#[test]
fn a_file_that_did_not_exist_is_created_and_removed() {
    on_every_shell(|shell| {
        for (folder, path) in [(None, "/etc/rc.local"), (Some("rc.d"), "/etc/rc.d/rc.local")] {
            let host = Host::new(shell);
            if let Some(folder) = folder {
                fs::create_dir(host.etc.path().join(folder)).unwrap();
            }
            let facts = host.facts();
            assert_eq!((facts.rc_local.path.as_str(), &facts.rc_local.content), (path, &None));
            let file = host.changes();
            assert_eq!(host.apply(&target(), &file).end, ApplyEnd::Ok);
            assert!(host.changes().is_empty());
            assert_eq!(host.revert(&file).end, ApplyEnd::Ok);
            let mut now = host.facts();
            now.system.space = facts.system.space;
            assert_eq!(now, facts);
            assert_eq!(facts.system.effective("rp_filter", "eth1"), Some(0), "{shell:?}");
        }
    });
}

#[test]
fn revert_keeps_what_others_have_written_since() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let file = host.changes();
        assert_eq!(host.apply(&target(), &file).end, ApplyEnd::Ok);
        host.ok("sed -i 's/^exit 0/touch \\/x\\nexit 0/' /etc/rc.local");
        let report = host.revert(&file);
        assert_eq!(report.end, ApplyEnd::Ok);
        assert!(report.kept[0].contains("only our lines were cut out"), "{report:?}");
        assert_eq!(host.read("rc.local"), DEBIAN.replace("exit 0", "touch /x\nexit 0"));
        host.ok("sed -i '1a# BEGIN egressctl' /etc/rc.local");
        let report = host.revert(&file);
        assert!(
            matches!(report.end, ApplyEnd::NotReverted { .. }),
            "half a block is not guessed at: {report:?}"
        );
        assert!(host.read("rc.local").contains(BEGIN));
    });
}

#[test]
fn revert_works_when_the_interface_is_gone() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let file = host.changes();
        assert_eq!(host.apply(&target(), &file).end, ApplyEnd::Ok);
        host.ok("ip link del eth1");
        let report = host.revert(&file);
        assert_eq!((report.end, report.dev), (ApplyEnd::Ok, None));
        assert_eq!(report.changed, [ChangeKind::File, ChangeKind::Rule]);
        assert!(!host.network().contains("172.16.0.20"));
    });
}

#[test]
fn a_late_interface_is_waited_for() {
    let host = debian(SHELLS[0]);
    let file = host.changes();
    host.ok("ip link set eth1 address 00:16:3e:aa:bb:99");
    host.ok("(sleep 2; ip link set eth1 address 00:16:3e:aa:bb:02) </dev/null >/dev/null 2>&1 &");
    assert_eq!(host.apply(&target(), &file).end, ApplyEnd::Ok);
    assert!(host.changes().is_empty());
}

#[test]
fn a_late_dhcp_client_is_undone_after_a_reboot_until_our_lines_are_gone() {
    let host = debian(SHELLS[0]);
    let file = host.changes();
    assert_eq!(host.apply(&target(), &file).end, ApplyEnd::Ok);
    host.reboot();
    host.ok("ip addr add 172.16.0.20/24 brd + dev eth1; ip route replace default via 172.16.0.253 dev eth1");
    let deadline = Instant::now() + Duration::from_secs(120);
    while !host.changes().is_empty() {
        assert!(Instant::now() < deadline, "nobody took the hijack back");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(host.revert(&file).end, ApplyEnd::Ok);
    // The watcher ends by itself once the lines are gone; whatever it was doing, nothing of ours may be left then.
    let watchers = "mine=$(readlink /proc/self/ns/pid)
        for process in /proc/[0-9]*; do
          [ \"$(readlink $process/ns/pid)\" = \"$mine\" ] && grep -q /etc/rc.local $process/cmdline && echo $process
        done || :";
    while !host.ok(watchers).is_empty() {
        assert!(Instant::now() < deadline, "the watcher does not end");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(!host.network().contains("172.16.0.20"), "{}", host.network());
}

#[test]
fn a_file_that_no_shell_would_accept_is_not_written() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let network = host.network();
        let mut file = host.changes();
        file.files[0].after.as_mut().unwrap().push_str("if true; then\n");
        let end = host.apply(&target(), &file).end;
        assert!(matches!(&end, ApplyEnd::Reverted { code, .. } if code == "file-syntax"), "{end:?}");
        assert_eq!((host.network(), host.read("rc.local").as_str()), (network, DEBIAN));
    });
}

#[test]
fn a_named_table_is_recognised() {
    on_every_shell(|shell| {
        let host = debian(shell);
        host.write("iproute2/rt_tables", "255 local\n254 main\n253 default\n101 eip\n", 0o644);
        let file = host.changes();
        host.ok("ip rule add from 172.16.0.20 lookup eip pref 77");
        assert_eq!(host.apply(&target(), &file).end, ApplyEnd::Ok);
        assert!(host.ok("ip rule").contains("lookup eip"));
        assert!(host.changes().is_empty(), "{:?}", host.changes());
    });
}

#[test]
fn obstacles_of_rc_local_are_seen() {
    type Spoil = fn(&Host);
    let cases: [(&str, Spoil); 7] = [
        ("nowhere", |host| std::os::unix::fs::symlink("nowhere", host.etc.path().join("rc.local")).unwrap()),
        ("out of /etc", |host| {
            std::os::unix::fs::symlink("/bin/true", host.etc.path().join("rc.local")).unwrap();
        }),
        ("not a regular file", |host| fs::create_dir(host.etc.path().join("rc.local")).unwrap()),
        ("64 KiB", |host| host.write("rc.local", &"#".repeat(65537), 0o755)),
        ("NUL", |host| host.write("rc.local", "#!/bin/sh\n\0", 0o755)),
        ("UTF-8", |host| fs::write(host.etc.path().join("rc.local"), b"#!/bin/sh\n\xff\n").unwrap()),
        ("Windows", |host| host.write("rc.local", "#!/bin/sh\r\n", 0o755)),
    ];
    on_every_shell(|shell| {
        for (words, spoil) in cases {
            let host = Host::new(shell);
            spoil(&host);
            let obstacles = host_changes(&host.facts(), &target(), &templates()).unwrap_err();
            assert!(obstacles[0].what.contains(words), "{shell:?} {words}: {obstacles:?}");
        }
    });
}

#[test]
fn content_is_read_to_the_byte() {
    on_every_shell(|shell| {
        let host = Host::new(shell);
        for text in ["#!/bin/sh", "#!/bin/sh\n\n\n", "\n", "", "#!/bin/sh\n@@ end 0 0\n\nä $(x) 'y' \\\n"] {
            host.write("rc.local", text, 0o755);
            assert_eq!(host.facts().rc_local.content.as_deref(), Some(text), "{shell:?}");
        }
    });
}
