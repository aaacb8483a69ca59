//! Two operators on two bastions who know nothing of each other change the same hosts at the same time.

use std::collections::BTreeMap;

use super::rig::{Stage, holders, secondary_enis};
use crate::support::lab::User;

/// How much later the second operator begins, in seconds, and on which hosts.
const TRIALS: [(&str, [usize; 2]); 4] = [("0", [7, 8]), ("0.3", [9, 10]), ("1", [11, 12]), ("2.5", [13, 14])];

const FUNCTIONS: &str = r#"
    as_operator() { USER=$1 LOGNAME=$1 EGRESSCTL_STATE_DIR="$KEPT/state.$1.$2" "$EGRESSCTL" "${@:3}"; }
    trial() {
        local number=$1 later=$2 limit=$3 first
        keep "ann.$number" as_operator ann "$number" apply --yes --json --limit "$limit" & first=$!
        sleep "$later"
        keep "bob.$number" as_operator bob "$number" apply --yes --json --limit "$limit"
        wait "$first"
        keep "bob-again.$number" as_operator bob "$number" apply --yes --json --limit "$limit"
    }
"#;

fn name(number: usize) -> String {
    format!("host-{number:03}")
}

#[test]
fn never_change_a_host_twice() {
    let trials: Vec<String> = TRIALS
        .iter()
        .enumerate()
        .map(|(n, (later, hosts))| {
            format!("trial {n} {later} '{}:{}' & trials+=($!)", name(hosts[0]), name(hosts[1]))
        })
        .collect();
    let script = format!(
        r#"{FUNCTIONS}
        trials=()
        {}
        for one in "${{trials[@]}}"; do wait "$one"; done
        world end
        keep list eg lock list --limit 'host-*'
        for host in $(hosts | grep host-); do on "$host" ls -A /run; done | sort -u"#,
        trials.join("\n")
    );
    let stage = Stage::new(User::Same);
    let left = stage.run(&["--hosts", "14"], &script);
    assert!(!left.contains("egressctl"), "something is left on a host: {left}");
    let state = stage.json("end.state");
    let mut told = 0;
    for (n, (later, hosts)) in TRIALS.iter().enumerate() {
        let (ann, bob) = (stage.outcomes(&format!("ann.{n}")), stage.outcomes(&format!("bob.{n}")));
        for host in hosts {
            let words = [&ann[&name(*host)], &bob[&name(*host)]].map(|(word, _)| word.as_str());
            let case = format!("{later} s, {}: {ann:?} {bob:?}", name(*host));
            assert_eq!(words.iter().filter(|word| **word == "changed").count(), 1, "{case}");
            let address = format!("203.0.113.{}", 9 + host);
            let enis = secondary_enis(&state, &format!("i-lab000001{host:04}"));
            assert_eq!(enis.len(), 1, "{case}");
            assert_eq!(holders(&state, &address), serde_json::json!({ "Eni": enis[0] }), "{case}");
        }
        for (who, other, outcomes) in [("ann", "bob", &ann), ("bob", "ann", &bob)] {
            stage.ended(&format!("{who}.{n}"), code(outcomes));
            for (word, reason) in outcomes.values() {
                told += usize::from(word == "locked" || word == "stale");
                let names = format!(" of {other}@");
                assert!(word != "locked" || reason.contains(&names) && reason.contains("until"), "{reason}");
                assert!(word != "stale" || reason.contains("plan again"), "{reason}");
            }
        }
        stage.ended(&format!("bob-again.{n}"), 0);
        let again = stage.outcomes(&format!("bob-again.{n}"));
        assert!(again.values().all(|(word, _)| word == "ok"), "{again:?}");
    }
    assert!(told > 0, "the two have never met");
    // One host's writes: convert, create, attach, unassociate, associate.
    assert_eq!(stage.writes("end"), 5 * 2 * TRIALS.len() as u64);
    assert_eq!(stage.ended("list", 0).out("list"), format!("{NOBODY}Nobody holds any of 8 hosts.\n"));
}

/// What is said of the state folder that no run works in.
const NOBODY: &str = "Nobody holds the lock of the state folder.\n";

/// The exit code that fits: a stale plan is worse than a host that somebody holds.
fn code(outcomes: &BTreeMap<String, (String, String)>) -> i32 {
    let any = |kind: &str| outcomes.values().any(|(word, _)| word == kind);
    match (any("stale"), any("locked")) {
        (true, _) => 6,
        (false, true) => 5,
        (false, false) => 0,
    }
}

#[test]
fn a_dead_runs_lease_is_shown_refused_and_released_by_name() {
    let script = r#"
        "$EGRESSCTL" apply --yes --limit web-1 --events "$KEPT/events" >/dev/null 2>&1 &
        until grep -q '"create_eni"' "$KEPT/events" 2>/dev/null; do sleep 0.02; done
        kill -9 $!
        wait $! || true
        keep list eg lock list
        keep json eg lock list --json --limit web-1
        # By a journal that knows nothing of that run: its own would name the run to resume.
        keep unfinished eg apply --yes --json --limit web-1
        export EGRESSCTL_STATE_DIR="$KEPT/state.other"
        keep locked eg apply --yes --json --limit web-1
        keep unsure eg lock release web-1
        keep release eg lock release web-1 web-2 --yes
        keep list-again eg lock list
        keep apply eg apply --yes --json --limit web-1
        keep nobody eg lock release web-9 --yes
    "#;
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "3"], script);
    let list = stage.ended("list", 0).out("list");
    assert_eq!(list.lines().count(), 3, "{list}");
    assert!(list.contains("web-1") && list.contains('@'), "{list}");
    let run = stage.json("json.out")["leases"][0]["lease"]["run"].as_str().unwrap().to_owned();
    assert!(list.contains(&run), "{list}");
    let (word, reason) = stage.ended("unfinished", 2).outcomes("unfinished")["web-1"].clone();
    assert!(word == "refused" && reason.contains(&format!("egressctl resume {run}")), "{reason}");
    let (word, reason) = stage.ended("locked", 5).outcomes("locked")["web-1"].clone();
    assert!(word == "locked" && reason.contains(&run), "{reason}");
    assert!(reason.contains("egressctl lock release web-1"), "{reason}");
    stage.ended("unsure", 64);
    let release = stage.ended("release", 0).out("release");
    assert!(release.contains(&format!("web-1: run {run} of ")), "{release}");
    assert!(release.contains("web-2: nobody holds it\n") && release.ends_with("web-1: free\n"), "{release}");
    assert_eq!(
        stage.ended("list-again", 0).out("list-again"),
        format!("{NOBODY}Nobody holds any of 3 hosts.\n")
    );
    assert_eq!(stage.ended("apply", 0).outcome_words("apply"), "web-1=changed");
    assert!(stage.ended("nobody", 1).err("nobody").contains("there is no host web-9"));
}
