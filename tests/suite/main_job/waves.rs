//! Waves: what fails on the first host happens to no other, the journal tells all of it, and a second process lets a run go on.

use egressctl::core::run::RunNote;
use serde_json::Value;

use super::rig::{Stage, secondary_enis};
use crate::support::lab::User;

const SCRIPT: &str = r#"
    chosen='web*:host*'
    look before web-2 host-007
    # A file that cannot be replaced.
    on web-1 mount --bind /etc/rc.d/rc.local /etc/rc.d/rc.local
    keep check eg apply --check --waves 1,100% --limit "$chosen"
    keep apply eg apply --yes --json --waves 1,100% --limit "$chosen"
    look after web-2 host-007; world after
    run=$(run_of apply)
    keep show eg runs show "$run"
    keep show-json eg runs show "$run" --json
    keep first eg explain web-1
    keep second eg explain web-2 --json --run "$run"
    keep misspelt eg explain wbe-2
    keep failed eg plan --json --limit @failed
    keep skipped eg plan --json --limit @skipped
    keep nobody eg plan --limit @unreachable
    on web-1 umount /etc/rc.d/rc.local
    "$EGRESSCTL" apply --yes --json --waves 1 --approve each --limit 'web-1:web-2' --events "$KEPT/first-events" \
        >"$KEPT/interrupted.out" 2>"$KEPT/interrupted.err" &
    apply=$!
    until grep -q '"event":"waiting"' "$KEPT/first-events" 2>/dev/null; do sleep 0.05; done
    kill -INT "$apply"
    code=0; wait "$apply" || code=$?
    echo "$code" >"$KEPT/interrupted.rc"
    "$EGRESSCTL" apply --yes --json --waves 1,100% --approve each --limit "$chosen" --events "$KEPT/events" \
        >"$KEPT/again.out" 2>"$KEPT/again.err" &
    apply=$!
    until grep -q '"event":"waiting"' "$KEPT/events" 2>/dev/null; do sleep 0.05; done
    run=$(sed -n 's/.*"run":"\([^"]*\)".*/\1/p' "$KEPT/events" | tail -n 1)
    keep waits eg runs show "$run"
    keep wrong-wave eg approve "$run" --wave 7
    keep wrong-run eg approve 20000101T000000Z-0000
    world waiting
    keep approve eg approve "$run" --wave 2
    code=0; wait "$apply" || code=$?
    echo "$code" >"$KEPT/again.rc"
    keep over eg approve "$run"
    world end
"#;

fn hosts(document: &Value) -> Vec<&str> {
    document["hosts"].as_array().unwrap().iter().map(|host| host["host"].as_str().unwrap()).collect()
}

#[test]
fn the_first_hosts_failure_is_nobody_elses_and_a_second_process_approves() {
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "7", "--flavour", "rhel"], SCRIPT);
    let shown = stage.ended("check", 0).out("check");
    assert!(shown.contains("Wave 1: 1 host: web-1\nWave 2: 2 hosts: web-2 host-007\n"), "{shown}");

    stage.ended("apply", 8);
    assert_eq!(stage.outcome_words("apply"), "host-007=skipped web-1=reverted web-2=skipped");
    for host in ["web-2", "host-007"] {
        let (_, reason) = stage.outcomes("apply")[host].clone();
        assert!(reason.contains("the failure budget is 1"), "{reason}");
        stage.same("before", "after", host, &["rules", "routes", "addresses", "links", "files", "stamps"]);
    }
    let state = stage.json("after.state");
    for instance in ["i-lab0000010002", "i-lab0000010003", "i-lab0000010007"] {
        assert_eq!(secondary_enis(&state, instance), Vec::<String>::new(), "{instance}");
    }

    let run = stage.run_id("apply");
    let notes = stage.notes(&run);
    assert!(matches!(notes.first(), Some(RunNote::Planned(planned)) if planned.by.contains('@')));
    assert!(notes.iter().any(|note| matches!(note, RunNote::Stopped(_))), "{notes:#?}");
    let shown = stage.ended("show", 0).out("show");
    for part in [
        "waves: 1,100%",
        "< web-1  wave 1  reverted: configure host",
        ". web-2  skipped: not begun",
        "egressctl resume",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let story = stage.json("show-json.out");
    assert_eq!(story["run"]["hosts"].as_array().unwrap().len(), 3);
    let told = stage.ended("first", 0).out("first");
    for part in [
        "Wave 1 of 2.",
        "convert: done",
        "configure host: about to",
        "undo create ENI: done",
        "End: reverted",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let told = stage.json("second.out");
    assert_eq!(told["explanation"]["outcome"]["outcome"], "skipped");
    assert!(stage.ended("misspelt", 1).err("misspelt").contains("did you mean web-2"));
    assert_eq!(hosts(&stage.json("failed.out")), ["web-1"]);
    assert_eq!(hosts(&stage.json("skipped.out")), ["web-2", "host-007"]);
    assert!(stage.ended("nobody", 1).err("nobody").contains("holds no host of this inventory"));

    stage.ended("interrupted", 130);
    assert_eq!(stage.outcome_words("interrupted"), "web-1=changed web-2=skipped");

    assert!(stage.ended("waits", 0).out("waits").contains("wave 2 waits for an approval: egressctl approve"));
    assert!(
        stage
            .ended("wrong-wave", 1)
            .err("wrong-wave")
            .contains("waits for an approval of wave 2, not of wave 7")
    );
    assert!(stage.ended("wrong-run", 1).err("wrong-run").contains("there is no run 20000101T000000Z-0000"));
    let waiting = stage.json("waiting.state");
    assert_eq!(secondary_enis(&waiting, "i-lab0000010003").len(), 1);
    assert_eq!(secondary_enis(&waiting, "i-lab0000010007").len(), 0, "nobody had approved it");
    stage.ended("approve", 0).ended("again", 0);
    assert_eq!(stage.outcome_words("again"), "host-007=changed web-1=ok web-2=changed");
    assert!(stage.ended("over", 1).err("over").contains("does not wait for an approval: it is over"));
    let end = stage.json("end.state");
    for instance in ["i-lab0000010002", "i-lab0000010003", "i-lab0000010007"] {
        assert_eq!(secondary_enis(&end, instance).len(), 1, "{instance}");
    }
}
