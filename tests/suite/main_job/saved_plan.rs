//! A plan that is saved, shown, and applied: once, unchanged, and only where everything is as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::rig::{Stage, secondary_enis};
use crate::support::lab::User;

const SCRIPT: &str = r##"
    umask 022
    touch "$KEPT/plan.json"
    some='web-1:web-2:prepaid-1:done-1'
    keep plan eg plan --out "$KEPT/plan.json" --limit "$some"
    keep show eg show "$KEPT/plan.json"
    keep show-one eg show "$KEPT/plan.json" --host web-1 --json
    keep show-none eg show "$KEPT/plan.json" --host web-9
    sed 's/web-2/web-3/' "$KEPT/plan.json" >"$KEPT/edited.json"
    sed 's/"version": 1/"version": 2/' "$KEPT/plan.json" >"$KEPT/newer.json"
    echo '{"format": "tfplan"}' >"$KEPT/foreign.json"
    for bad in edited newer foreign; do keep "$bad" eg apply "$KEPT/$bad.json"; done
    mkdir "$KEPT/templates"; { cat "$TEMPLATE"; echo '# mine'; } >"$KEPT/templates/probe.sh.hbs"
    keep templates eg apply "$KEPT/plan.json" --templates "$KEPT/templates"
    world untouched
    on web-1 bash -c 'echo \#by-hand >>/etc/rc.d/rc.local'
    look edited web-1
    keep check eg apply "$KEPT/plan.json" --check
    keep apply eg apply "$KEPT/plan.json" --json </dev/null
    look after web-1; world after
    keep again eg apply "$KEPT/plan.json"
    keep replan eg plan --out "$KEPT/next.json" --limit "$some"
    keep rest env -u EGRESSCTL_INVENTORY "$EGRESSCTL" apply "$KEPT/next.json" --json --limit web-1
    keep verify eg verify --limit "$some"
    echo "$ALIBABA_CLOUD_ACCESS_KEY_SECRET"
"##;

#[test]
fn a_host_edited_by_hand_is_refused_alone_and_a_plan_is_applied_once() {
    let stage = Stage::new(User::Same);
    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/probe.sh.hbs");
    let secret = stage.run(&["--hosts", "4"], &format!("TEMPLATE='{template}'\n{SCRIPT}"));
    assert!(stage.ended("plan", 0).err("plan").contains("egressctl apply"));
    let mode = fs::metadata(stage.path().join("plan.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "a file that was there before is closed, too");

    let show = stage.ended("show", 0).out("show");
    assert!(show.starts_with("Made 20") && show.contains("(known after apply)"), "{show}");
    assert!(show.ends_with(&stage.out("plan")), "{show}\n{}", stage.out("plan"));
    let one = stage.ended("show-one", 0).json("show-one.out");
    assert_eq!(one["plan"]["hosts"].as_array().map(Vec::len), Some(1), "{one}");
    assert!(stage.ended("show-none", 1).err("show-none").contains("it has no host web-9"));

    for (bad, code, words) in [
        ("edited", 6, "was changed after it was made"),
        ("newer", 6, "has version 2 of the format"),
        ("foreign", 1, "not a saved plan"),
        ("templates", 6, "made with other templates"),
    ] {
        let told = stage.ended(bad, code).err(bad);
        assert!(told.contains(words), "{bad}: {told}");
    }
    assert_eq!(stage.writes("untouched"), 0);

    let check = stage.ended("check", 0).out("check");
    assert!(check.contains("% web-1 (i-lab0000010002): stale"), "{check}");
    stage.ended("apply", 6);
    assert_eq!(stage.outcome_words("apply"), "done-1=ok prepaid-1=changed web-1=stale web-2=changed");
    let told = stage.outcomes("apply")["web-1"].1.clone();
    assert!(told.contains("its rc.local") && told.contains("plan again"), "{told}");
    stage.same("edited", "after", "web-1", &["main", "rules", "routes", "links", "files", "stamps"]);
    assert_eq!(secondary_enis(&stage.json("after.state"), "i-lab0000010002"), Vec::<String>::new());

    let run = stage.run_id("apply");
    let again = stage.ended("again", 6).err("again");
    assert!(again.contains(&format!("it was applied before, by run {run}")), "{again}");
    stage.ended("replan", 0).ended("rest", 0).ended("verify", 0);
    assert_eq!(stage.outcome_words("rest"), "web-1=changed");
    stage.never_says(secret.trim());
}
