//! `egressctl demo`, and a fleet.

use std::time::Instant;

use super::rig::Stage;
use crate::support::lab::{User, as_user, users};

#[test]
fn the_demo_holds_what_it_claims() {
    for user in users() {
        let stage = Stage::new(user);
        let report = stage.path().join("report.html");
        let output = as_user(user).arg("demo").arg("--report").arg(&report).output().unwrap();
        assert!(output.status.success(), "{user:?} {output:?}");
        let page = stage.read("report.html");
        for host in ["done-1", "web-1", "web-2", "prepaid-1", "dark-1", "api-1"] {
            assert!(page.contains(host), "{user:?}: {host} is not in the report");
        }
        let shown = String::from_utf8_lossy(&output.stdout);
        for part in ["inbound outage", "203.0.113.250", "rolled back"] {
            assert!(shown.contains(part), "{user:?}: no {part:?} in\n{shown}");
        }
    }
}

#[test]
fn forty_hosts_are_a_fleet() {
    let stage = Stage::new(User::Same);
    let script = r#"
        start=$(date +%s%N)
        keep apply eg apply --yes --json --forks 20 --limit '!dark-1'
        echo $(( ($(date +%s%N) - start) / 1000000 ))
        keep plan eg plan --detailed-exitcode --limit '!dark-1'
        world end
    "#;
    let begun = Instant::now();
    let took = stage.run(&["--hosts", "40"], script);
    println!("40 hosts, 20 at once: apply {} ms, all {} ms", took.trim(), begun.elapsed().as_millis());
    stage.ended("apply", 0).ended("plan", 0);
    let outcomes = stage.outcomes("apply");
    let changed = outcomes.values().filter(|(outcome, _)| outcome == "changed").count();
    assert_eq!((outcomes.len(), changed), (39, 38), "{outcomes:?}");
    // Five writes for each, and the change of one charge type.
    assert_eq!(stage.writes("end"), 38 * 5 + 1);
}
