//! `kill -9` in the middle of an apply, then simply apply again.

use std::collections::BTreeSet;

use super::rig::{Stage, holders, secondary_enis};
use crate::support::lab::User;

/// Delays until the kill, milliseconds: spread over the time that one host takes.
const DELAYS: [u32; 12] = [150, 500, 800, 1100, 1400, 1700, 2000, 2300, 2600, 2900, 3200, 3600];

/// Each trial is a host and a journal of its own, all at the same time.
const SCRIPT: &str = r#"
    trial() {
        local host=$1 delay=$2
        export EGRESSCTL_STATE_DIR="$KEPT/state.$host"
        "$EGRESSCTL" apply --yes --limit "$host" >"$KEPT/killed.$host.out" 2>"$KEPT/killed.$host.err" &
        local victim=$!
        sleep "$delay"
        kill -9 "$victim" || true
        wait "$victim" || true
        keep "again.$host" eg apply --yes --json --limit "$host"
        keep "plan.$host" eg plan --detailed-exitcode --limit "$host"
        keep "verify.$host" eg verify --limit "$host"
    }
    trials=()
    delays=(DELAYS)
    for host in $(hosts | grep -v -e done-1 -e dark-1); do
        trial "$host" "${delays[0]}" & trials+=($!)
        delays=("${delays[@]:1}")
    done
    for one in "${trials[@]}"; do wait "$one"; done
    world end
"#;

#[test]
fn a_killed_apply_is_finished_by_the_next_one() {
    let delays: Vec<String> = DELAYS.iter().map(|ms| format!("{:.3}", f64::from(*ms) / 1000.0)).collect();
    let stage = Stage::new(User::Same);
    let hosts = (DELAYS.len() + 2).to_string();
    stage.run(&["--hosts", &hosts], &SCRIPT.replace("DELAYS", &delays.join(" ")));
    let state = stage.json("end.state");
    let mut stopped_after = BTreeSet::new();
    for index in (0..DELAYS.len() + 2).filter(|index| ![0, 4].contains(index)) {
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
