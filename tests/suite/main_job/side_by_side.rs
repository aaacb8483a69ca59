//! What several hosts of a run have to do with each other: how many may be without their EIP at a time, who waits for whose
//! lock, whose damaged records are whose trouble; and that the watchdog goes when the run has ended well.

use std::path::Path;
use std::time::Duration;

use super::rig::{Stage, secondary_enis};
use crate::support::lab::User;

const SCRIPT: &str = r#"
    chosen='web*:host*'
    damage() { touch "$KEPT/damage.$1"; until [ -e "$KEPT/damaged.$1" ]; do sleep 0.05; done; }
    "$EGRESSCTL" apply --yes --json --cutovers 1 --limit "$chosen" >"$KEPT/apply.out" 2>"$KEPT/apply.err" &
    apply=$!
    until pgrep -P "$apply" >"$KEPT/watchdog"; do kill -0 "$apply"; sleep 0.02; done
    keep locked eg apply --yes --limit web-1
    export EGRESSCTL_LOCK_TIMEOUT=1s
    keep impatient eg apply --yes --limit web-1
    keep patient eg apply --yes --json --limit web-1 --lock-timeout 300s
    unset EGRESSCTL_LOCK_TIMEOUT
    code=0; wait "$apply" || code=$?
    echo "$code" >"$KEPT/apply.rc"
    if kill -0 "$(cat "$KEPT/watchdog")" 2>/dev/null; then echo lives; else echo gone; fi >"$KEPT/watchdog.end"
    world after
    damage web-2
    keep rollback eg rollback "$(run_of apply)" --yes --json --cutovers 2
    world back
    "$EGRESSCTL" apply --yes --json --no-watchdog --limit 'web-1:host-007' --events "$KEPT/events" >"$KEPT/killed.out" 2>&1 &
    apply=$!
    begun() { grep create_eni "$KEPT/events" 2>/dev/null | grep -q "\"$1\""; }
    until begun web-1 && begun host-007; do kill -0 "$apply"; sleep 0.02; done
    kill -9 "$apply"; wait "$apply" || true
    damage web-1
    keep resume eg resume --yes --json
    world end
"#;

/// Makes nonsense of the last record of a host whenever the script asks for it.
fn damage(folder: &Path, host: &str) {
    while !folder.join(format!("damage.{host}")).exists() {
        if !folder.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let journal = rusqlite::Connection::open(folder.join("state/journal.sqlite")).unwrap();
    journal.busy_timeout(Duration::from_secs(20)).unwrap();
    let last =
        "UPDATE record SET record = '{\"nonsense' WHERE seq = (SELECT max(seq) FROM record WHERE host = ?1)";
    assert_eq!(journal.execute(last, [host]).unwrap(), 1);
    drop(journal);
    std::fs::write(folder.join(format!("damaged.{host}")), "").unwrap();
}

/// The most EIPs that were bound to nothing at a time, by the cloud's own log from a call on, and how many there were in all.
fn most_unbound(stage: &Stage, tag: &str, from: usize) -> (i32, usize) {
    let calls = stage.json(&format!("{tag}.calls"))["calls"].as_array().unwrap()[from..].to_vec();
    let (mut now, mut most, mut moved) = (0, 0, 0);
    for call in calls.iter().filter(|call| call["code"].is_null()) {
        match call["action"].as_str().unwrap() {
            "UnassociateEipAddress" => (now, moved) = (now + 1, moved + 1),
            "AssociateEipAddress" => now -= 1,
            _ => {}
        }
        most = most.max(now);
    }
    (most, moved)
}

#[test]
fn hosts_of_a_run_share_a_cap_a_lock_and_no_damage() {
    let stage = Stage::new(User::Same);
    std::thread::scope(|scope| {
        scope.spawn(|| ["web-2", "web-1"].map(|host| damage(stage.path(), host)));
        stage.run(&["--hosts", "8", "--flavour", "rhel"], SCRIPT);
    });
    stage.ended("apply", 0);
    assert_eq!(most_unbound(&stage, "after", 0), (1, 4));
    assert_eq!(stage.read("watchdog.end").trim(), "gone");
    assert!(stage.read("watchdog").trim().parse::<u32>().is_ok());
    for name in ["locked", "impatient"] {
        assert!(stage.ended(name, 5).err(name).contains("--lock-timeout"), "{}", stage.err(name));
    }
    stage.ended("patient", 0);
    assert_eq!(stage.outcome_words("patient"), "web-1=ok");

    stage.ended("rollback", 10);
    assert_eq!(
        stage.outcome_words("rollback"),
        "host-007=changed host-008=changed web-1=changed web-2=unknown"
    );
    let (_, why) = stage.outcomes("rollback")["web-2"].clone();
    assert!(why.contains("web-2") && why.contains("nothing was taken back"), "{why}");
    let before = stage.json("after.calls")["calls"].as_array().unwrap().len();
    let (most, moved) = most_unbound(&stage, "back", before);
    assert!((1..=2).contains(&most) && moved == 3, "{most} {moved}");
    assert_eq!(secondary_enis(&stage.json("back.state"), "i-lab0000010003").len(), 1, "web-2 is as it was");

    stage.ended("resume", 10);
    assert_eq!(stage.outcome_words("resume"), "host-007=changed web-1=unknown");
    let (_, why) = stage.outcomes("resume")["web-1"].clone();
    assert!(why.contains("web-1") && why.contains("nothing was done"), "{why}");
}
