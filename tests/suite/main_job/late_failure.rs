//! A step that fails late, after the cutover, takes the host back to where it was.

use egressctl::core::saga::End;
use serde_json::json;

use super::rig::{Stage, holders, secondary_enis};
use crate::support::lab::User;

const SCRIPT: &str = r#"
    # Nobody needs to wait long for an answer that does not come.
    sed -i 's/^  ssh:$/  ssh:\n    connect_timeout: 2s/' "$EGRESSCTL_INVENTORY"
    keep validate eg validate
    look before web-1
    on web-1 nft -f - <<'RULES'
table inet obstacle {
    chain input { type filter hook input priority 0; iifname "eth1" drop; }
}
RULES
    keep apply eg apply --yes --json
    look after web-1; world after
    keep ssh log_in 203.0.113.11 "$(address_of web-1)" hostname
    keep egress egress web-1
    keep runs eg runs
    keep plan eg plan --json
    on web-1 nft delete table inet obstacle
    keep apply-again eg apply --yes --json
    world again
    keep ssh-again log_in 203.0.113.11 "$(address_of web-1)" hostname
    keep plan-again eg plan --detailed-exitcode
"#;

#[test]
fn an_interface_that_lets_nothing_in_takes_the_host_back() {
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "3"], SCRIPT);
    stage.ended("validate", 0).ended("apply", 2);
    assert_eq!(stage.outcome_words("apply"), "done-1=ok web-1=reverted web-2=changed");
    let (_, reason) = stage.outcomes("apply")["web-1"].clone();
    assert!(reason.starts_with("verify: ") && reason.contains("203.0.113.11"), "{reason}");

    stage.same(
        "before",
        "after",
        "web-1",
        &["main", "eth0", "rules", "routes", "addresses", "links", "files"],
    );
    let state = stage.json("after.state");
    let instance = "i-lab0000010002";
    assert_eq!(holders(&state, "203.0.113.11"), json!({ "Instance": instance }));
    assert_eq!(secondary_enis(&state, instance), Vec::<String>::new());
    assert_eq!(stage.ended("ssh", 0).out("ssh"), "web-1\n");
    assert_eq!(stage.out("egress").trim(), "ip: 203.0.113.11");

    let run = stage.run_id("apply");
    assert!(stage.out("runs").contains(run.as_str()));
    let sagas = stage.sagas(&run);
    assert!(matches!(sagas["web-1"].end(), Some(End::Unwound(why)) if why.starts_with("verify: ")));
    assert_eq!(sagas["web-2"].end(), Some(&End::Committed));

    stage.ended("apply-again", 0);
    assert_eq!(stage.outcome_words("apply-again"), "done-1=ok web-1=changed web-2=ok");
    assert_eq!(secondary_enis(&stage.json("again.state"), instance).len(), 1);
    assert_eq!(stage.ended("ssh-again", 0).out("ssh-again"), "web-1\n");
    stage.ended("plan-again", 0);
}
