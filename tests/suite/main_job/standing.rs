//! Hosts whose controller is dead: `status` tells what they say, `confirm` confirms what is whole and in time, and nothing else.

use super::rig::{Stage, secondary_enis};
use crate::support::lab::User;

/// `cut HOST` lets no packet leave a host from the moment at which a change on it waits to be confirmed, so that nobody can. `dies HOST
/// TIMEOUT` begins the host's part by a controller that is killed then.
const SCRIPT: &str = r#"
    cut() {
        on "$1" bash -c '
            until compgen -G "/run/egressctl/guard/*/ready.1" >/dev/null; do sleep 0.01; done
            ip -4 rule add blackhole pref 7
        '
    }
    dies() {
        local host=$1 timeout=$2 killed watch
        export EGRESSCTL_STATE_DIR="$KEPT/state.$host"
        cut "$host" & watch=$!
        "$EGRESSCTL" apply --yes --no-watchdog --confirm-timeout "$timeout" --limit "$host" >/dev/null 2>&1 & killed=$!
        wait "$watch"
        keep "alive.$host" eg confirm "$host"
        kill -9 "$killed"; wait "$killed" || true
        if [ "$host" = web-1 ]; then
            keep rescue eg rescue web-1
            on web-1 ls /run/egressctl/guard >"$KEPT/guard"
        fi
        on "$host" ip -4 rule del blackhole pref 7
    }
    keep fresh eg status web-1 --json
    (
        dies web-1 120s
        keep armed eg status web-1 --json
        keep armed-text eg status web-1
        keep confirm eg confirm web-1 --json --confirm-timeout 120s
        keep confirmed eg status web-1 --json
        keep again eg confirm --json
        keep resume eg resume --yes --json
        keep plan eg plan --detailed-exitcode --limit web-1
        keep verify eg verify --limit web-1
        keep nothing eg confirm
    ) & one=$!
    (
        dies web-2 6s
        on web-2 bash -c 'until compgen -G "/run/egressctl/guard/*/result" >/dev/null; do sleep 0.05; done'
        keep back eg status web-2 --json
        keep late eg confirm web-2 --json
        keep late-resume eg resume --yes --json
        keep late-verify eg verify --limit web-2
    ) & two=$!
    wait "$one" "$two"
    keep nobody eg confirm web-99
    world end
"#;

/// The only host of a kept status.
fn host(stage: &Stage, name: &str) -> serde_json::Value {
    stage.ended(name, 0).json(&format!("{name}.out"))["hosts"][0].clone()
}

#[test]
fn hosts_tell_how_they_stand_and_what_is_whole_can_be_confirmed_by_another_process() {
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "4"], SCRIPT);
    let fresh = host(&stage, "fresh");
    assert_eq!(
        (&fresh["routes"], &fresh["guards"]["standing"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    assert!(fresh["lease"].is_null(), "{fresh}");
    // As long as the controller lives, it is its business.
    stage.ended("alive.web-1", 5).ended("alive.web-2", 5);

    // Nobody reaches it, and whoever is at its console is told its very folder.
    let told = stage.ended("rescue", 4).out("rescue");
    let folder = format!("/run/egressctl/guard/{}/rollback.sh now", stage.read("guard").trim());
    for words in [
        "does not answer by SSH",
        "in the middle of: configure host",
        "aliyun ecs DescribeInstanceVncUrl",
        &folder,
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }

    let armed = host(&stage, "armed");
    let guard = &armed["guards"]["standing"][0];
    assert_eq!(guard["whole"], true, "{armed}");
    let left = guard["state"]["armed"]["left"]["secs"].as_u64().unwrap();
    assert!(guard["state"]["armed"]["generation"] == 1 && (1..120).contains(&left), "{armed}");
    let route = &armed["routes"][0];
    assert_eq!(
        (&route["lacks"], &route["kept_by"]),
        (&serde_json::json!([]), &serde_json::json!([])),
        "{armed}"
    );
    assert!(armed["lease"]["run"].is_string(), "{armed}");
    let text = stage.out("armed-text");
    for words in ["-- web-1\n", "gone with a reboot", "unless a new connection confirms", "lease: run "] {
        assert!(text.contains(words), "{words}: {text}");
    }

    stage.ended("confirm", 0);
    assert_eq!(stage.outcome_words("confirm"), "web-1=changed");
    let confirmed = host(&stage, "confirmed");
    assert_eq!(confirmed["guards"]["standing"], serde_json::json!([]), "{confirmed}");
    assert_eq!(confirmed["routes"][0]["kept_by"].as_array().unwrap().len(), 1, "{confirmed}");
    assert!(confirmed["lease"].is_null(), "{confirmed}");
    // Its own part is over, the run is not.
    stage.ended("again", 2);
    let (_, reason) = stage.outcomes("again")["web-1"].clone();
    assert!(
        reason.contains("nothing waits to be confirmed") && reason.contains("egressctl resume"),
        "{reason}"
    );
    stage.ended("resume", 0).ended("plan", 0).ended("verify", 0).ended("nothing", 0);
    assert_eq!(stage.outcome_words("resume"), "web-1=changed");
    assert!(stage.out("nothing").contains("nothing to confirm"));

    let back = host(&stage, "back");
    let guard = &back["guards"]["standing"][0];
    assert_eq!((&guard["state"], &guard["end"]["complete"]), (&"rolled_back".into(), &true.into()), "{back}");
    assert_eq!(back["routes"], serde_json::json!([]), "{back}");
    stage.ended("late", 2);
    let (outcome, reason) = stage.outcomes("late")["web-2"].clone();
    assert_eq!(outcome, "refused");
    assert!(
        reason.contains("rolled-back: the host has taken the change back; it was not confirmed in time"),
        "{reason}"
    );
    stage.ended("late-resume", 0).ended("late-verify", 0).ended("nobody", 1);
    let state = stage.json("end.state");
    for instance in ["i-lab0000010002", "i-lab0000010003"] {
        assert_eq!(secondary_enis(&state, instance).len(), 1, "{instance}");
    }
}
