//! A host with the documented form of the route: planned, applied, verified, there after a reboot, changed into the `/32` form
//! and back, and gone with a rollback.

use super::rig::Stage;
use crate::support::lab::User;

const SCRIPT: &str = r#"
    sed 's/^  - name: web-1$/&\n    route: {form: documented}/' "$EGRESSCTL_INVENTORY" >"$KEPT/form.yaml"
    plain=$EGRESSCTL_INVENTORY
    beside() { keep "$1" on web-1 bash -c 'ip -4 route show table main dev eth1 | sed "s/ *$//"'; }
    export EGRESSCTL_INVENTORY=$KEPT/form.yaml
    look begin web-1
    keep plan eg plan
    keep apply eg apply --yes --json
    look applied web-1; world applied; beside applied-main
    keep again eg apply --yes --json
    look again web-1; world again
    keep verify eg verify --json
    reboot web-1
    look rebooted web-1; beside rebooted-main
    keep plan-rebooted eg plan --detailed-exitcode
    # The lines of the boot look after the routes for a minute, and longer on a busy machine.
    on web-1 bash -c 'while grep -q -s "rc[.]local" /proc/[0-9]*/cmdline; do sleep 1; done'
    on web-1 bash -c 'ip -4 route del default dev eth1 metric 30000'
    keep audit eg audit --json --limit web-1
    keep repair eg apply --yes --json --limit web-1
    beside repaired-main
    export EGRESSCTL_INVENTORY=$plain
    keep slash32 eg apply --yes --json --limit web-1
    look slash32 web-1; beside slash32-main
    keep verify-slash32 eg verify --json --limit web-1
    export EGRESSCTL_INVENTORY=$KEPT/form.yaml
    keep back-again eg apply --yes --json --limit web-1
    beside back-again-main
    keep rollback eg rollback "$(run_of apply)" --yes --json
    look back web-1
"#;

const BY_ETH1: &str = "default via 172.16.3.253 metric 30000\n\
    172.16.0.0/22 proto kernel scope link src ADDRESS metric 30000\n";

#[test]
fn it_comes_stays_changes_and_goes() {
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "2"], SCRIPT);
    let plan = stage.ended("plan", 0).out("plan");
    for part in ["default via 172.16.3.253 dev", "metric 30000", "[documented-form]"] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    stage.ended("apply", 0).ended("again", 0).ended("verify", 0);
    assert_eq!(stage.outcome_words("apply"), "done-1=ok web-1=changed");
    assert_eq!(stage.outcome_words("again"), "done-1=ok web-1=ok");
    assert_eq!(stage.writes("applied"), stage.writes("again"));
    stage.same(
        "applied",
        "again",
        "web-1",
        &["main", "rules", "routes", "addresses", "links", "files", "stamps"],
    );
    let beside = stage.out("applied-main");
    let address = beside.split(" src ").nth(1).and_then(|rest| rest.split(' ').next()).expect("the address");
    assert_eq!(beside, BY_ETH1.replace("ADDRESS", address));

    for name in ["rebooted-main", "repaired-main", "back-again-main"] {
        assert_eq!(stage.out(name), beside, "{name}");
    }
    stage.same("again", "rebooted", "web-1", &["rules", "addresses"]);
    stage.ended("plan-rebooted", 0);
    let audit = stage.ended("audit", 2).json("audit.out");
    let drift = &audit["audit"]["hosts"][0]["drift"];
    assert!(drift.to_string().contains("metric 30000"), "{audit:#}");
    stage.ended("repair", 0);
    assert_eq!(stage.outcome_words("repair"), "web-1=changed");

    stage.ended("slash32", 0).ended("verify-slash32", 0).ended("back-again", 0);
    assert_eq!(stage.out("slash32-main"), "", "the main table knows nothing of the interface");
    stage.ended("rollback", 0);
    stage.same("begin", "back", "web-1", &["main", "rules", "routes", "addresses", "links", "files"]);
}
