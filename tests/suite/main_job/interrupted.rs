//! Ctrl-C once: what is begun is finished, the rest is not begun.

use super::rig::{Stage, secondary_enis};
use crate::support::lab::User;

const SCRIPT: &str = r#"
    look before web-2 prepaid-1
    "$EGRESSCTL" apply --yes --json --forks 1 --limit 'web-1:web-2:prepaid-1' --events "$KEPT/events" \
        >"$KEPT/apply.out" 2>"$KEPT/apply.err" &
    until grep -q '"create_eni"' "$KEPT/events" 2>/dev/null; do sleep 0.02; done
    kill -INT $!
    code=0; wait $! || code=$?
    echo "$code" >"$KEPT/apply.rc"
    look after web-2 prepaid-1; world after
    keep verify eg verify --limit web-1
    keep apply-again eg apply --yes --json --limit 'web-1:web-2:prepaid-1'
"#;

#[test]
fn one_interrupt_finishes_what_is_begun() {
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "4"], SCRIPT);
    stage.ended("apply", 130);
    let (run, told) = (stage.run_id("apply"), stage.err("apply"));
    assert!(told.contains(&format!("`egressctl resume {run}` goes on with the rest")), "{told}");
    assert_eq!(stage.outcome_words("apply"), "prepaid-1=skipped web-1=changed web-2=skipped");
    for host in ["web-2", "prepaid-1"] {
        let (_, reason) = stage.outcomes("apply")[host].clone();
        assert!(reason.contains("not begun"), "{reason}");
        stage.same("before", "after", host, &["rules", "routes", "addresses", "links", "files", "stamps"]);
    }
    let state = stage.json("after.state");
    for (instance, enis) in [("i-lab0000010002", 1), ("i-lab0000010003", 0), ("i-lab0000010004", 0)] {
        assert_eq!(secondary_enis(&state, instance).len(), enis, "{instance}");
    }
    assert_eq!(stage.writes("after"), 5);
    assert_eq!(stage.sagas(&run).len(), 1, "only what was begun is in the journal");
    stage.ended("verify", 0).ended("apply-again", 0);
    assert_eq!(stage.outcome_words("apply-again"), "prepaid-1=changed web-1=ok web-2=changed");
}
