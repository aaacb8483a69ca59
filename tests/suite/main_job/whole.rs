//! The main line: plan, apply, verify, plan again, apply again, reboot, verify, roll back, plan again.

use egressctl::core::saga::{End, Record};
use serde_json::{Value, json};

use super::rig::{SHARED, Stage, differences, holders, secondary_enis};
use crate::support::lab::{User, openssh_or_refusal, users};

const HOSTS: [&str; 6] = ["done-1", "web-1", "web-2", "prepaid-1", "dark-1", "api-1"];
/// Those that a run migrates.
const MOVED: [&str; 4] = ["web-1", "web-2", "prepaid-1", "api-1"];
/// Everything about a host that its owner could miss afterwards.
const ALL: [&str; 6] = ["rules", "routes", "addresses", "links", "files", "main"];

const SCRIPT: &str = r#"
    all=$(hosts)
    others='!dark-1'
    look begin $all; world begin
    keep plan eg plan --json
    keep apply eg apply --yes --json --events "$KEPT/apply.events" --report "$KEPT/apply.html"
    grep -q '"event":"run_started"' "$KEPT/apply.events"
    look applied $all; world applied
    keep verify-all eg verify --json
    keep verify eg verify --json --limit "$others"
    keep plan-again eg plan --detailed-exitcode --json
    keep apply-again eg apply --yes --json
    keep apply-others eg apply --yes --json --limit "$others"
    look again $all; world again
    reboot $all
    look rebooted $all
    keep verify-rebooted eg verify --json --limit "$others"
    keep plan-rebooted eg plan --detailed-exitcode

    run=$(run_of apply)
    keep rollback eg rollback "$run" --yes --json --events "$KEPT/rollback.events"
    keep plan-back eg plan --json
    look back $all; world back
    for host in $all; do
        keep "egress.$host" egress "$host"
        public=$(eg plan --json --limit "$host" | sed -n 's/^ *"inbound": "\(.*\)"$/\1/p')
        keep "ssh.$host" log_in "$public" "$(address_of "$host")" hostname
    done
    keep rollback-again eg rollback "$run" --yes
    look back-again $all; world back-again
    keep runs eg runs
    for file in "$EGRESSCTL_INVENTORY" "$KEPT"/*.calls; do
        if grep -q "$ALIBABA_CLOUD_ACCESS_KEY_SECRET" "$file"; then echo "the secret is in $file"; exit 1; fi
    done
    echo "$ALIBABA_CLOUD_ACCESS_KEY_SECRET"
"#;

fn main_line(user: User, args: &[&str]) {
    let stage = Stage::new(user);
    let secret = stage.run(args, SCRIPT);
    plan(&stage);
    applied(&stage);
    nothing_more_to_do(&stage);
    rebooted(&stage);
    rolled_back(&stage);
    journals(&stage);
    stage.never_says(secret.trim());
}

fn verdicts(document: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let hosts = document["hosts"].as_array().unwrap().iter();
    hosts.map(|host| (text(&host["host"]), text(&host["verdict"]))).collect()
}

fn plan(stage: &Stage) {
    let plan = stage.ended("plan", 0).json("plan.out");
    let expected = ["unchanged", "change", "change", "change", "refused", "change"];
    let expected: Vec<(String, String)> =
        HOSTS.iter().zip(expected).map(|(host, verdict)| ((*host).to_owned(), verdict.to_owned())).collect();
    assert_eq!(verdicts(&plan), expected);
    assert!(plan.to_string().contains("no SNAT entry covers"), "{plan}");
}

fn applied(stage: &Stage) {
    stage.ended("apply", 2);
    assert_eq!(
        stage.outcome_words("apply"),
        "api-1=changed dark-1=refused done-1=ok prepaid-1=changed web-1=changed web-2=changed"
    );
    let report = stage.json("apply.out");
    for host in report["report"]["hosts"].as_array().unwrap() {
        let name = host["name"].as_str().unwrap();
        if MOVED.contains(&name) {
            let (before, after) = (addresses(&host["egress_before"]), addresses(&host["egress_after"]));
            let inbound = host["inbound"].as_str().unwrap();
            assert_eq!(before, [inbound, inbound], "{host:#}");
            assert_eq!(after, [SHARED, SHARED], "{host:#}");
            assert!(!host["checks"].as_array().unwrap().is_empty(), "{host:#}");
        }
    }
    // The same plan, announced and done.
    let announced: u64 =
        stage.json("plan.out")["api_writes"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(stage.writes("begin"), 0);
    assert_eq!(stage.writes("applied"), announced);
    for host in HOSTS {
        stage.same("begin", "applied", host, &["main", "eth0"]);
    }
    for host in ["done-1", "dark-1"] {
        stage.same("begin", "applied", host, &["rules", "routes", "addresses", "links", "files", "stamps"]);
    }
    assert!(stage.read("apply.html").contains("prepaid-1"));
}

fn addresses(seen: &Value) -> Vec<&str> {
    seen.as_array().unwrap().iter().map(|egress| egress["address"].as_str().unwrap()).collect()
}

fn nothing_more_to_do(stage: &Stage) {
    stage.ended("verify-all", 2).ended("verify", 0).ended("plan-again", 0);
    assert_eq!(stage.outcome_words("verify"), "api-1=ok done-1=ok prepaid-1=ok web-1=ok web-2=ok");
    assert_eq!(stage.json("plan-again.out")["empty"], true);
    stage.ended("apply-again", 2).ended("apply-others", 0);
    assert_eq!(stage.writes("again"), stage.writes("applied"));
    assert_eq!(differences(&stage.json("applied.state"), &stage.json("again.state")), Vec::<String>::new());
    for host in HOSTS {
        stage.same("applied", "again", host, &["rules", "routes", "addresses", "links", "files", "stamps"]);
    }
}

fn rebooted(stage: &Stage) {
    stage.ended("verify-rebooted", 0).ended("plan-rebooted", 0);
    for host in HOSTS {
        stage.same("again", "rebooted", host, &["main", "rules", "addresses"]);
    }
}

fn rolled_back(stage: &Stage) {
    stage.ended("rollback", 0);
    assert_eq!(
        stage.outcome_words("rollback"),
        "api-1=changed prepaid-1=changed web-1=changed web-2=changed"
    );
    for host in HOSTS {
        stage.same("begin", "back", host, &ALL);
        let eth1 = stage.section("back", host, "links").contains("eth1");
        assert_eq!(eth1, host == "done-1", "{host}");
        let public = if host == "done-1" { SHARED.to_owned() } else { inbound(stage, host) };
        let egress = stage.ended(&format!("egress.{host}"), 0).out(&format!("egress.{host}"));
        assert_eq!(egress.trim(), format!("ip: {public}"), "{host}");
        assert_eq!(stage.ended(&format!("ssh.{host}"), 0).out(&format!("ssh.{host}")).trim(), host);
    }
    let (begin, back) = (canonical(stage.json("begin.state")), canonical(stage.json("back.state")));
    assert_eq!(differences(&begin, &back), Vec::<String>::new());
    let state = stage.json("back.state");
    for host in MOVED {
        let instance = instance(stage, host);
        assert_eq!(holders(&state, &inbound(stage, host)), json!({ "Instance": instance }), "{host}");
        assert_eq!(secondary_enis(&state, &instance), Vec::<String>::new(), "{host}");
    }
    // Once more: nothing is left to take back, or taking it back changes nothing.
    stage.ended("rollback-again", 0);
    assert_eq!(differences(&state, &stage.json("back-again.state")), Vec::<String>::new());
    assert_eq!(stage.writes("back-again"), stage.writes("back"));
    for host in HOSTS {
        stage.same("back", "back-again", host, &ALL);
    }
    let plan = stage.ended("plan-back", 0).json("plan-back.out");
    assert_eq!(verdicts(&plan), verdicts(&stage.json("plan.out")));
    let writes = plan["api_writes"].as_object().unwrap();
    assert!(!writes.contains_key("ConvertNatPublicIpToEip"), "{writes:?}");
    assert_eq!(writes["AssociateEipAddress"], 4, "{writes:?}");
}

fn field(stage: &Stage, host: &str, pointer: &str) -> String {
    let plan = stage.json("plan.out");
    let host = plan["hosts"].as_array().unwrap().iter().find(|entry| entry["host"] == host).unwrap().clone();
    host.pointer(pointer).unwrap().as_str().unwrap().to_owned()
}

fn inbound(stage: &Stage, host: &str) -> String {
    field(stage, host, "/known/inbound")
}

fn instance(stage: &Stage, host: &str) -> String {
    field(stage, host, "/instance")
}

/// A cloud's state without what cannot be taken back: where a static public address has become an EIP, and the charge type.
fn canonical(mut state: Value) -> Value {
    let eips = state["eips"].as_object_mut().unwrap();
    eips.retain(|id, _| ["eip-lab-bastion", "eip-lab-nat", "eip-labdone0000"].contains(&id.as_str()));
    for instance in state["instances"].as_object_mut().unwrap().values_mut() {
        let instance = instance.as_object_mut().unwrap();
        for stays_changed in ["public", "bandwidth", "charge", "days", "traffic"] {
            instance.remove(stays_changed);
        }
    }
    state
}

/// The journal tells the whole story, every intent before its outcome.
fn journals(stage: &Stage) {
    let sagas = stage.sagas(&stage.run_id("apply"));
    assert_eq!(
        sagas.keys().map(String::as_str).collect::<Vec<_>>(),
        ["api-1", "prepaid-1", "web-1", "web-2"]
    );
    for (host, saga) in &sagas {
        assert_eq!(saga.end(), Some(&End::Committed), "{host}");
        assert_eq!(saga.done().len(), saga.began().ops.len(), "{host}");
    }
    for (host, records) in stage.records(&stage.run_id("apply")) {
        let intents = records.iter().filter(|record| matches!(record, Record::Intent(_))).count();
        let outcomes = records.iter().filter(|record| matches!(record, Record::Done(..))).count();
        assert_eq!((intents, outcomes), (sagas[&host].began().ops.len(), intents), "{host}");
    }
    for (host, saga) in stage.sagas(&stage.run_id("rollback")) {
        assert!(matches!(saga.end(), Some(End::Unwound(_))), "{host}: {:?}", saga.end());
    }
    let runs = stage.ended("runs", 0).out("runs");
    assert!(runs.contains(stage.run_id("apply").as_str()) && runs.contains("rollback of"), "{runs}");
}

#[test]
fn the_main_line_holds_with_the_built_in_ssh_server() {
    main_line(User::Same, &[]);
}

#[test]
fn the_main_line_holds_for_an_ordinary_user() {
    // The last one is the ordinary one, and the only one if the tests are run by one.
    main_line(users().pop().unwrap(), &[]);
}

#[test]
fn the_main_line_holds_with_openssh() {
    if openssh_or_refusal() {
        main_line(User::Same, &["--sshd", "openssh"]);
    }
}
