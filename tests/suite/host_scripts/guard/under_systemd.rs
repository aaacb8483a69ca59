//! The branch for hosts where systemd is process 1, which cannot be had in a namespace: a stand-in takes the place of systemd-run
//! and systemctl. It knows the options that are given here, refuses all others and what
//! systemd 219 does not know, and prints what systemd 252 prints.

use egressctl::core::observed::ApplyEnd;
use egressctl::core::observed::guarded::GuardState;
use egressctl::core::plan::route::HostChanges;

use super::{
    CHANGE, DEBIAN, FIRST, FOLDER, SECOND, armed, debian, nothing_left, on_every_shell, phase, reverted,
    taken_back, written,
};
use crate::host_scripts::host::Host;

/// Starts a timer as a process; `@TIME@` is a function that prints a time since the boot as systemctl does.
const RUN: &str = r#"#!/bin/bash
unit= seconds= words=()
for word; do
    case $word in
        --unit=egressctl-guard-????????-[12]) unit=${word#*=} ;;
        --on-active=*) seconds=${word#*=} ;;
        --timer-property=AccuracySec=1s | --service-type=oneshot) ;;
        --property=Type=*) echo "Unknown assignment ${word#*=}." >&2; exit 1 ;;
        -*) echo "unknown option $word" >&2; exit 1 ;;
        *) words+=("$word") ;;
    esac
done
[ -n "$unit" ] && [ "$seconds" -gt 0 ] && [ "${words[0]}" = /bin/sh ] || exit 1
read -r up _ </proc/uptime
mkdir -p /run/units
echo "$up $seconds" >"/run/units/$unit.timer"
setsid bash -c 'sleep "$0"; rm "/run/units/$1.timer" && exec "${@:2}"' "$seconds" "$unit" "${words[@]}" </dev/null >/dev/null 2>&1 &
echo $! >"/run/units/$unit.process"
"#;

const CTL: &str = r#"#!/bin/bash
file=/run/units/${@: -1}
case "$1 $2 $3" in
    is-system-running*) echo running ;;
    is-active\ *) [ -e "$file" ] && echo active || { echo inactive; exit 3; } ;;
    "show -p NextElapseUSecMonotonic")
        [ -e "$file" ] || { echo NextElapseUSecMonotonic=infinity; exit 0; }
        read -r up seconds <"$file"
        at=$((${up%.*} + seconds))
        months=
        if [ "$at" -ge 2629800 ]; then months="$((at / 2629800))month " at=$((at % 2629800)); fi
        echo "NextElapseUSecMonotonic=$months$((at / 3600))h $((at / 60 % 60))min $((at % 60)).${up#*.}1234s" ;;
    stop\ *) rm -f "$file"; kill -- -"$(cat "${file%.timer}.process")" ;;
    reset-failed\ *) ;;
    *) exit 1 ;;
esac
"#;

fn under_systemd(shell: &'static [&'static str]) -> Host {
    let host = debian(shell);
    host.write("stand-in/systemd-run", RUN, 0o755);
    host.write("stand-in/systemctl", CTL, 0o755);
    host.write("systemd/system/multi-user.target.wants/x", "", 0o644);
    host.ok(
        "mkdir -p /run/systemd/system; mount -t tmpfs none /var/lib
        for tool in systemd-run systemctl; do mount --bind /etc/stand-in/$tool \"$(command -v $tool)\"; done",
    );
    host
}

#[test]
fn a_timer_of_systemd_is_started_looked_at_and_stopped() {
    on_every_shell(|shell| {
        let host = under_systemd(shell);
        let network = host.network();
        let file = host.changes();
        assert_eq!(armed(&phase(&host, &file, CHANGE, 60)), 1, "{shell:?}");
        assert_eq!(
            host.ok("ls /run/units"),
            "egressctl-guard-feedc0de-1.process\negressctl-guard-feedc0de-1.timer\n"
        );
        assert_eq!(armed(&phase(&host, &file, FIRST, 60)), 2, "{shell:?}");
        assert!(!host.ok("ls /run/units").contains("-1.timer"), "{shell:?}");
        assert_eq!(phase(&host, &file, SECOND, 60).guard, Some(GuardState::Confirmed), "{shell:?}");
        assert!(!host.ok("ls /run/units").contains("timer"), "{shell:?}");
        nothing_left(&host);
        assert_eq!(host.ok("find /etc/systemd -type f"), "/etc/systemd/system/multi-user.target.wants/x\n");
        assert!(host.changes().is_empty(), "{shell:?}");
        // And one that nobody stops.
        host.revert(&file);
        assert_eq!(host.network(), network);
        assert_eq!(armed(&phase(&host, &file, CHANGE, 6)), 1, "{shell:?}");
        taken_back(&host, 1);
        assert_eq!(host.network(), network, "{shell:?}");
    });
}

#[test]
fn a_host_that_has_been_up_for_months_has_a_timer_too() {
    on_every_shell(|shell| {
        let host = under_systemd(shell);
        host.ok(
            "echo '3456000.12 1.00' >/etc/stand-in/uptime; mount --bind /etc/stand-in/uptime /proc/uptime",
        );
        let file = host.changes();
        assert_eq!(armed(&phase(&host, &file, CHANGE, 60)), 1, "{shell:?}");
        assert_eq!(armed(&phase(&host, &file, FIRST, 60)), 2, "{shell:?}");
        assert_eq!(phase(&host, &file, SECOND, 60).guard, Some(GuardState::Confirmed), "{shell:?}");
    });
}

/// What is left of a controller that died between confirming and clearing up.
#[test]
fn what_another_runs_guard_has_left_goes_with_its_boot_unit() {
    on_every_shell(|shell| {
        let host = under_systemd(shell);
        let file = host.changes();
        phase(&host, &file, CHANGE, 60);
        assert_eq!(armed(&phase(&host, &file, FIRST, 60)), 2, "{shell:?}");
        let other = FOLDER.replace("feedc0de", "0ther");
        host.ok(&format!(
            "systemctl stop egressctl-guard-feedc0de-2.timer; mv {FOLDER}/armed.2 {FOLDER}/confirmed; mv {FOLDER} {other}; \
             ip -4 rule del pref 4101"
        ));
        assert!(host.ok("find /etc/systemd -type f").contains("egressctl-guard.service"), "{shell:?}");
        assert_eq!(armed(&phase(&host, &file, CHANGE, 60)), 1, "{shell:?}");
        assert_eq!(phase(&host, &file, FIRST, 60).guard, Some(GuardState::Confirmed), "{shell:?}");
        assert_eq!(host.ok("find /etc/systemd -type f"), "/etc/systemd/system/multi-user.target.wants/x\n");
        assert_eq!(host.read("rc.local"), written(&file), "{shell:?}");
    });
}

#[test]
fn a_timer_that_cannot_be_seen_is_no_timer() {
    on_every_shell(|shell| {
        let lies = [
            // It says yes and does nothing; it fails; it would come much later.
            "printf '#!/bin/sh\\n' >/etc/stand-in/systemd-run",
            "printf '#!/bin/sh\\nexit 1\\n' >/etc/stand-in/systemd-run",
            "new=$(sed 's/--on-active=.*/--on-active=*) seconds=86400 ;;/' /etc/stand-in/systemd-run); echo \"$new\" >/etc/stand-in/systemd-run",
        ];
        for lie in lies {
            let host = under_systemd(shell);
            let network = host.network();
            host.ok(lie);
            assert_eq!(
                reverted(&phase(&host, &HostChanges::default(), CHANGE, 60)),
                "no-guard",
                "{shell:?} {lie}"
            );
            assert_eq!(host.network(), network, "{shell:?} {lie}");
        }
    });
}

#[test]
fn nothing_is_confirmed_while_a_boot_would_still_take_it_back() {
    on_every_shell(|shell| {
        let host = under_systemd(shell);
        let file = host.changes();
        phase(&host, &file, CHANGE, 60);
        assert_eq!(armed(&phase(&host, &file, FIRST, 60)), 2, "{shell:?}");
        // What is mounted cannot be removed.
        let unit = "/etc/systemd/system/egressctl-guard.service";
        host.ok(&format!("mount --bind {unit} {unit}"));
        for _ in 0..2 {
            let report = phase(&host, &file, SECOND, 60);
            assert!(
                matches!(&report.end, ApplyEnd::NotReverted { detail, .. } if detail.contains(FOLDER)),
                "{shell:?} {report:?}"
            );
            assert_eq!(report.guard, None, "{shell:?}");
        }
        host.ok(&format!("umount {unit}"));
        assert_eq!(phase(&host, &file, SECOND, 60).guard, Some(GuardState::Confirmed), "{shell:?}");
        nothing_left(&host);
        assert!(host.changes().is_empty(), "{shell:?}");
    });
}

#[test]
fn what_a_boot_cannot_give_back_is_told_and_its_copy_stays() {
    on_every_shell(|shell| {
        let host = under_systemd(shell);
        let file = host.changes();
        phase(&host, &file, CHANGE, 60);
        assert_eq!(armed(&phase(&host, &file, FIRST, 60)), 2, "{shell:?}");
        let unit = host.ok("cat /etc/systemd/system/egressctl-guard.service");
        let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let mut told = String::new();
        super::trials::boot_with(&host, || {
            host.ok("mount --bind /etc/rc.local /etc/rc.local");
            told = host.ok(&format!("if {start} 2>&1; then echo it says that all is well; fi"));
            host.ok("umount /etc/rc.local");
        });
        let copies = FOLDER.replace("/run/egressctl/guard", "/var/lib/egressctl");
        assert!(told.contains("/etc/rc.local") && told.contains(&copies), "{shell:?}: {told}");
        assert!(!told.contains("all is well"), "{shell:?}: {told}");
        assert_eq!(host.ok(&format!("cat {copies}/files/1/before")), DEBIAN, "{shell:?}");
        // No later boot takes back what somebody may have confirmed by then.
        assert_eq!(
            host.ok("find /etc/systemd -type f -o -type l"),
            "/etc/systemd/system/multi-user.target.wants/x\n"
        );
    });
}

#[test]
fn a_boot_in_the_second_window_takes_the_files_back_before_the_network_comes_up() {
    on_every_shell(|shell| {
        let host = under_systemd(shell);
        let file = host.changes();
        phase(&host, &file, CHANGE, 60);
        assert_eq!(armed(&phase(&host, &file, FIRST, 60)), 2, "{shell:?}");
        assert_eq!(host.read("rc.local"), written(&file), "{shell:?}");
        // The boot: what systemd would start, as it would start it.
        let unit = host.ok("cd /etc/systemd/system/sysinit.target.wants && readlink egressctl-guard.service && cat egressctl-guard.service");
        assert!(unit.contains("Before=network-pre.target"), "{unit}");
        // systemd may start what such a target wants at any time, also before the boot that this is for.
        assert!(unit.contains(&format!("ConditionPathExists=!{FOLDER}\n")), "{unit}");
        super::trials::boot_with(&host, || {
            let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
            host.ok(start);
        });
        assert_eq!(host.read("rc.local"), DEBIAN, "{shell:?}");
        nothing_left(&host);
        assert_eq!(
            host.ok("find /etc/systemd -type f -o -type l"),
            "/etc/systemd/system/multi-user.target.wants/x\n"
        );
        assert!(!host.network().contains("172.16.0.20"), "{shell:?}");
        assert!(!host.ok(&format!("ls {FOLDER} 2>&1 || :")).contains("armed"), "{shell:?}");
        assert_eq!(reverted(&phase(&host, &file, SECOND, 60)), "gone", "{shell:?}");
    });
}
