//! Drift after one change made by hand on each host: one finding each, nothing changed, and applying repairs it.

use super::rig::Stage;
use crate::support::lab::User;

const SCRIPT: &str = r#"
    eg apply --yes >"$KEPT/apply.out" 2>"$KEPT/apply.err"
    keep clean eg audit
    world clean
    on web-1 bash -c 'ip -4 rule del pref 4101'
    on web-2 bash -c 'ip link set dev eth1 down'
    on prepaid-1 bash -c 'sed -i s/pref/prio/ "$(readlink -f /etc/rc.local)"'
    look drifted web-1 web-2 prepaid-1
    keep drift eg audit --json
    keep shown eg audit
    look audited web-1 web-2 prepaid-1; world audited
    eg apply --yes >"$KEPT/repair.out" 2>"$KEPT/repair.err"
    keep repaired eg audit
"#;

#[test]
fn one_change_by_hand_on_a_host_is_one_finding_and_nothing_is_changed() {
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "4"], SCRIPT);
    stage.ended("clean", 0).ended("drift", 2).ended("shown", 2).ended("repaired", 0);
    let found = stage.json("drift.out");
    let kinds: Vec<(&str, Vec<&str>)> = found["audit"]["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| {
            let drift = host["drift"].as_array().unwrap().iter();
            (host["host"].as_str().unwrap(), drift.map(|drift| drift["kind"].as_str().unwrap()).collect())
        })
        .collect();
    assert_eq!(
        kinds,
        [
            ("done-1", vec![]),
            ("web-1", vec!["rule"]),
            ("web-2", vec!["device"]),
            ("prepaid-1", vec!["persistence"])
        ]
    );
    assert!(stage.out("shown").contains("~ rule differs (1): web-1\n"), "{}", stage.out("shown"));
    for host in ["web-1", "web-2", "prepaid-1"] {
        stage.same("drifted", "audited", host, &["rules", "routes", "addresses", "links", "files", "stamps"]);
    }
    assert_eq!(stage.writes("clean"), stage.writes("audited"));
}
