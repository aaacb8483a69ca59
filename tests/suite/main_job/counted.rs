//! What a migration costs in calls, and a cloud that goes wrong on the way: both as `lab calls` tells it.

use serde_json::Value;

use super::rig::Stage;
use crate::support::lab::User;

const FAULTS: &str = "
rules:
  - {name: lost, action: CreateNetworkInterface, nth: 1, do: lost_answer}
  - {name: turned away, action: AttachNetworkInterface, nth: 1-2, do: {error: {code: Throttling.User, retry_after: 50ms}}}
  - {name: busy, action: AssociateEipAddress, nth: 1, do: {error: {code: TaskConflict}}}
";

const SCRIPT: &str = r#"
    keep plan eg plan -l 'done-1,web-1,web-2,api-1'
    keep planned eg lab calls --json
    keep apply eg apply --yes --json -l 'done-1,web-1,web-2,api-1'
    keep applied eg lab calls --json
    keep table eg lab calls
    keep again eg apply --yes --json -l 'done-1,web-1,web-2,api-1'
    keep again-calls eg lab calls --json
    echo 'rules: [{do: explode}]' >"$KEPT/bad.yaml"
    keep bad eg lab faults "$KEPT/bad.yaml"
    keep faults eg lab faults "$KEPT/faults.yaml"
    keep rough eg apply --yes --json -l host-007
    keep rough-calls eg lab calls --json
    keep calm eg lab faults
"#;

/// The writes about a host, and those of them that went wrong on purpose.
fn writes(stage: &Stage, name: &str, host: &str) -> (usize, usize) {
    let calls = stage.json(&format!("{name}.out"));
    let calls = calls["calls"].as_array().unwrap();
    let about = |call: &&Value| {
        call["write"] == true && call["hosts"].as_array().unwrap().contains(&Value::from(host))
    };
    let hit = calls.iter().filter(about).filter(|call| !call["fault"].is_null()).count();
    (calls.iter().filter(about).count(), hit)
}

#[test]
fn a_fresh_host_costs_five_writes_and_a_finished_one_none() {
    let stage = Stage::new(User::Same);
    std::fs::write(stage.path().join("faults.yaml"), FAULTS).unwrap();
    stage.run(&["--hosts", "7"], SCRIPT);
    assert_eq!(stage.ended("planned", 0).json("planned.out")["writes"], 0);
    stage.ended("apply", 0);
    for host in ["web-1", "web-2", "api-1"] {
        assert_eq!(writes(&stage, "applied", host), (5, 0), "{host}");
    }
    assert_eq!(writes(&stage, "applied", "done-1"), (0, 0));
    let applied = stage.json("applied.out");
    assert_eq!((&applied["writes"], &applied["by_code"]), (&15.into(), &serde_json::json!({})));
    for action in [
        "ConvertNatPublicIpToEip",
        "CreateNetworkInterface",
        "AttachNetworkInterface",
        "UnassociateEipAddress",
        "AssociateEipAddress",
    ] {
        assert_eq!(applied["by_action"][action], 3, "{applied:#}");
    }
    assert!(stage.out("table").contains("15 writes"), "{}", stage.out("table"));
    stage.ended("again", 0);
    assert_eq!(stage.json("again-calls.out")["writes"], 15, "nobody is changed twice");

    let told = stage.ended("bad", 64).read("bad.err");
    assert!(told.contains("bad.yaml:1:") && told.contains("lost_answer"), "{told}");
    stage.ended("faults", 0).ended("calm", 0);
    stage.ended("rough", 0);
    assert_eq!(stage.outcome_words("rough"), "host-007=changed");
    assert_eq!(
        writes(&stage, "rough-calls", "host-007"),
        (9, 4),
        "five, and one more for each that went wrong"
    );
    let rough = stage.json("rough-calls.out");
    assert_eq!(rough["by_fault"], serde_json::json!({"lost": 1, "turned away": 2, "busy": 1}));
    assert_eq!(rough["by_code"], serde_json::json!({"Throttling.User": 2, "TaskConflict": 1}));
}
