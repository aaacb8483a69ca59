//! `kill -9` in the middle of an apply, then simply apply again.

use std::collections::BTreeSet;

use super::rig::{Stage, holders, secondary_enis};
use crate::support::lab::User;

/// How many hosts are killed in the middle: after the first line of progress, after the second, and so on.
const KILLS: usize = 12;

/// Each trial is a host and a journal of its own, all at the same time.
const SCRIPT: &str = r#"
    trial() {
        local host=$1 lines=$2
        export EGRESSCTL_STATE_DIR="$KEPT/state.$host"
        "$EGRESSCTL" apply --yes --limit "$host" >"$KEPT/killed.$host.out" 2>"$KEPT/killed.$host.err" &
        local victim=$!
        until [ "$(wc -l <"$KEPT/killed.$host.err")" -ge "$lines" ] || ! kill -0 "$victim" 2>/dev/null; do
            sleep 0.01
        done
        kill -9 "$victim" || true
        wait "$victim" || true
        # Nobody else gives a dead run's lease back before its time.
        keep "free.$host" eg lock release "$host" --yes
        keep "again.$host" eg apply --yes --json --limit "$host"
        keep "plan.$host" eg plan --detailed-exitcode --limit "$host"
        keep "verify.$host" eg verify --limit "$host"
    }
    trials=()
    lines=0
    for host in $(hosts | grep -v -e done-1 -e dark-1); do
        lines=$((lines + 1))
        trial "$host" "$lines" & trials+=($!)
    done
    for one in "${trials[@]}"; do wait "$one"; done
    world end
"#;

#[test]
fn a_killed_apply_is_finished_by_the_next_one() {
    let stage = Stage::new(User::Same);
    let hosts = (KILLS + 2).to_string();
    stage.run(&["--hosts", &hosts], SCRIPT);
    let state = stage.json("end.state");
    let mut stopped_after = BTreeSet::new();
    for index in (0..KILLS + 2).filter(|index| ![0, 4].contains(index)) {
        let host = match index {
            1 | 2 => format!("web-{index}"),
            3 => "prepaid-1".to_owned(),
            5 => "api-1".to_owned(),
            _ => format!("host-{:03}", index + 1),
        };
        stage.ended(&format!("again.{host}"), 0);
        stage.ended(&format!("plan.{host}"), 0).ended(&format!("verify.{host}"), 0);
        let instance = format!("i-lab000001{:04}", index + 1);
        let enis = secondary_enis(&state, &instance);
        assert_eq!(enis.len(), 1, "{host}: {enis:?}");
        let eip = holders(&state, &format!("203.0.113.{}", 10 + index));
        assert_eq!(eip, serde_json::json!({ "Eni": enis[0] }), "{host}");
        stopped_after.insert(stage.err(&format!("killed.{host}")).lines().count());
    }
    assert!(stopped_after.len() >= 4, "the kills came at too few different places: {stopped_after:?}");
}
