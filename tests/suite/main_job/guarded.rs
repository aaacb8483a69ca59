//! The host takes its part back by itself: the way to it is cut in the window, and the controller is killed in the window.

use super::rig::{Stage, secondary_enis};
use crate::support::lab::User;

/// `cut HOST` waits on the host for a change that waits to be confirmed, then lets no packet leave the host until the host has
/// taken the change back. It is on the host itself, so that it needs no way there.
const SCRIPT: &str = r#"
    cut() {
        on "$1" bash -c '
            until compgen -G "/run/egressctl/guard/*/ready.1" >/dev/null; do sleep 0.01; done
            ip -4 rule add blackhole pref 7
            until compgen -G "/run/egressctl/guard/*/result" >/dev/null; do sleep 0.05; done
            cat /run/egressctl/guard/*/until.1 /run/egressctl/guard/*/result
            ip -4 rule del blackhole pref 7
        ' >"$KEPT/cut.$1"
    }
    look before web-1 web-2
    cut web-1 & one=$!
    cut web-2 & two=$!
    keep apply eg apply --yes --json --confirm-timeout 30s --limit web-1 & apply=$!
    (
        export EGRESSCTL_STATE_DIR="$KEPT/state.web-2"
        "$EGRESSCTL" apply --yes --no-watchdog --confirm-timeout 30s --limit web-2 >/dev/null 2>&1 &
        killed=$!
        until on web-2 bash -c 'compgen -G "/run/egressctl/guard/*/ready.1"' >/dev/null; do sleep 0.1; done
        kill -9 "$killed"
        wait "$killed" || true
        wait
    )
    wait "$one" "$two" "$apply"
    look after web-1 web-2
    keep resume env EGRESSCTL_STATE_DIR="$KEPT/state.web-2" "$EGRESSCTL" resume --yes --json
    keep plan eg plan --detailed-exitcode --limit web-2
    keep verify eg verify --limit web-2
    for host in web-1 web-2; do
        on "$host" bash -c 'ls -d /run/egressctl /var/lib/egressctl 2>/dev/null || :' >"$KEPT/left.$host"
    done
    world end
"#;

#[test]
fn a_host_that_cannot_be_reached_in_time_takes_its_part_back() {
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "4"], SCRIPT);
    for host in ["web-1", "web-2"] {
        // The lab's own clock on the host: due, how it ended, when it began, when access was back, when all was done.
        let told = stage.read(&format!("cut.{host}"));
        let words: Vec<&str> = told.split_whitespace().collect();
        assert_eq!(words[1], "reverted", "{host}: {told}");
        let (due, back): (i64, i64) = (words[0].parse().unwrap(), words[3].parse().unwrap());
        assert!((0..=200).contains(&(back - due)), "{host}: {told}");
        assert_eq!(stage.read(&format!("left.{host}")), "", "{host}");
    }
    // Nobody could confirm: the host's word is the report's, and the rest was taken back.
    stage.ended("apply", 2);
    assert_eq!(stage.outcome_words("apply"), "web-1=reverted");
    let (_, reason) = stage.outcomes("apply")["web-1"].clone();
    let (_, why) = reason.split_once("rolled-back: the host has taken the change back; ").expect(&reason);
    assert!(!why.trim().is_empty(), "{reason}");
    stage.same("before", "after", "web-1", &["main", "eth0", "rules", "routes", "addresses", "files"]);
    // Nobody was there: the host was as before while it waited, and whoever goes on begins its part again.
    stage.same("before", "after", "web-2", &["main", "eth0", "rules", "routes", "files"]);
    stage.ended("resume", 0).ended("plan", 0).ended("verify", 0);
    let state = stage.json("end.state");
    for (instance, enis) in [("i-lab0000010002", 0), ("i-lab0000010003", 1)] {
        assert_eq!(secondary_enis(&state, instance).len(), enis, "{instance}");
    }
}
