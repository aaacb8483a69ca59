//! What the documented procedure leaves when somebody runs its commands by hand, and more than once.

use super::rig::Stage;
use crate::support::lab::User;

const SCRIPT: &str = r#"
    eg apply --yes >"$KEPT/apply.out" 2>"$KEPT/apply.err"
    eni=$(on web-1 ip -4 -o addr show dev eth1 | sed -E 's|.* inet ([0-9.]+)/.*|\1|')
    look applied web-1; world applied
    for turn in 1 2; do on web-1 ip -4 rule add from "$eni" lookup 101; done
    on web-1 ip -4 rule add from 192.0.2.7 lookup 101 pref 77
    look messy web-1
    keep plan eg plan --detailed-exitcode
    keep apply-again eg apply --yes --json
    look tidy web-1; world tidy
    keep plan-again eg plan --detailed-exitcode
    keep verify eg verify
    echo "$eni"
"#;

#[test]
fn duplicate_rules_are_shown_and_one_is_left() {
    let stage = Stage::new(User::Same);
    let eni = stage.run(&["--hosts", "3"], SCRIPT);
    let ours = format!("from {} lookup 101", eni.trim());
    let count = |moment: &str| stage.section(moment, "web-1", "rules").matches(&ours).count();
    assert_eq!((count("applied"), count("messy"), count("tidy")), (1, 3, 1));
    let plan = stage.ended("plan", 2).out("plan");
    assert_eq!(plan.matches(&format!("- ip -4 rule del {ours}")).count(), 2, "{plan}");
    assert!(!plan.contains("192.0.2.7"), "somebody else's rule is not ours to remove: {plan}");
    stage.ended("apply-again", 0);
    assert_eq!(stage.outcome_words("apply-again"), "done-1=ok web-1=changed web-2=ok");
    assert_eq!(stage.writes("applied"), stage.writes("tidy"));
    // All is as it was, and somebody else's rule is still there.
    stage.same("applied", "tidy", "web-1", &["main", "eth0", "routes", "addresses", "files"]);
    let rules = stage.section("tidy", "web-1", "rules").replace("77:\tfrom 192.0.2.7 lookup 101\n", "");
    assert_eq!(rules, stage.section("applied", "web-1", "rules"));
    assert!(stage.section("tidy", "web-1", "rules").contains("192.0.2.7"));
    stage.ended("plan-again", 0).ended("verify", 0);
}
