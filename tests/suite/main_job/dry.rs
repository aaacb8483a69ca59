//! Looking changes nothing: no API write, no byte and no time stamp on a host, no route, no rule.

use super::rig::Stage;
use crate::support::lab::{User, openssh_or_refusal, users};

const SCRIPT: &str = r#"
    all=$(hosts)
    look before $all; world before
    keep plan eg plan
    keep plan-json eg plan --json --diff
    keep detailed eg plan --detailed-exitcode
    keep check eg apply --check --yes
    keep validate eg validate
    keep verify eg verify --json
    keep budget eg plan --calls-per-day 3
    keep over eg apply --yes --calls-per-day 3
    keep ask eg apply
    keep runs eg runs
    look after $all; world after
"#;

fn dry(user: User, args: &[&str]) {
    let stage = Stage::new(user);
    stage.run(args, SCRIPT);
    for (name, code) in [("plan", 0), ("plan-json", 0), ("detailed", 2), ("check", 0), ("validate", 0)] {
        stage.ended(name, code);
    }
    assert_eq!(stage.out("plan"), stage.out("check"), "a check is a plan");
    // Without --yes and without a terminal nobody can be asked.
    assert!(stage.ended("ask", 64).err("ask").contains("--yes"));
    // What it costs is said, and a plan over the budget is refused with the arithmetic.
    assert!(stage.out("plan").contains("API reads: about"), "{}", stage.out("plan"));
    for name in ["budget", "over"] {
        let why = stage.ended(name, 1).err(name);
        assert!(why.contains("over the budget of 3 calls a day: 21 writes + about"), "{why}");
    }
    // The probes tell the truth before anything is done, too: these hosts leave from their own address.
    stage.ended("verify", 2);
    assert_eq!(
        stage.outcome_words("verify"),
        "api-1=failed dark-1=refused done-1=ok prepaid-1=failed web-1=failed web-2=failed"
    );
    assert_eq!(stage.ended("runs", 0).out("runs").lines().count(), 1, "no run was begun");
    assert_eq!((stage.writes("before"), stage.writes("after")), (0, 0));
    assert_eq!(stage.json("before.state"), stage.json("after.state"));
    for host in ["done-1", "web-1", "web-2", "prepaid-1", "dark-1", "api-1"] {
        let everything = ["main", "eth0", "rules", "routes", "addresses", "links", "files", "stamps"];
        stage.same("before", "after", host, &everything);
    }
}

#[test]
fn looking_changes_nothing() {
    for user in users() {
        dry(user, &[]);
    }
}

#[test]
fn looking_over_openssh_changes_nothing() {
    if openssh_or_refusal() {
        dry(User::Same, &["--sshd", "openssh"]);
    }
}
