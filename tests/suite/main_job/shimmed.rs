//! A host with the compatibility shim: planned, applied, told by audit and proven by verify, there after a reboot, gone with its
//! key and with a rollback. Services that a policy route alone does not help answer through the EIP.

use serde_json::Value;

use super::rig::Stage;
use crate::support::lab::User;

/// `serve HOST` lets a UDP service listen on every address and a TCP service on the primary's alone. `ask NAME` asks both
/// through the EIP, by a socket that takes answers from there only.
const SCRIPT: &str = r#"
    sed 's/^  - name: web-1$/&\n    route: {shim: true}/' "$EGRESSCTL_INVENTORY" >"$KEPT/shim.yaml"
    plain=$EGRESSCTL_INVENTORY
    serve() {
        on "$1" bash -c "
            setsid perl -MIO::Socket::INET -e '\$s = IO::Socket::INET->new(Proto => \"udp\", LocalAddr => \"0.0.0.0\",
                LocalPort => 7001) or die; while (defined \$s->recv(\$b, 99)) { \$s->send(\"udp of $1\\n\") }' </dev/null >/dev/null 2>&1 &
            setsid perl -MIO::Socket::INET -e '\$s = IO::Socket::INET->new(Listen => 5, LocalAddr => \"$(address_of "$1")\",
                LocalPort => 7002) or die; while (\$c = \$s->accept) { print \$c \"tcp of $1\\n\"; close \$c }' </dev/null >/dev/null 2>&1 &
            for try in {1..50}; do if [ \"\$(ss -Hlnut | grep -c ':700[12] ')\" = 2 ]; then exit; fi; sleep 0.1; done; exit 1"
    }
    ask() {
        keep "$1" bash -c "exec 3<>/dev/udp/$eip/7001; for try in 1 2; do echo >&3; if timeout 2 head -n 1 <&3; then break; fi; done
            timeout 3 cat </dev/tcp/$eip/7002"
    }
    shim() { keep "$1" on web-1 bash -c 'ip -4 rule; nft list ruleset'; }
    export EGRESSCTL_INVENTORY=$KEPT/shim.yaml
    look begin web-1; shim begin-shim
    serve web-1
    keep plan eg plan --json
    keep apply eg apply --yes --json
    look applied web-1; world applied
    eip=$(sed -n 's/^ *"inbound": "\(.*\)",*$/\1/p' "$KEPT/apply.out" | sed -n 2p)
    ask asked
    keep again eg apply --yes --json
    look again web-1; world again
    keep verify eg verify --json
    shim shim
    reboot web-1
    serve web-1
    look rebooted web-1; shim rebooted-shim
    ask asked-rebooted
    keep plan-rebooted eg plan --detailed-exitcode
    # The lines of the boot look after it for a minute.
    sleep 65
    on web-1 bash -c 'nft delete table ip egressctl_shim_101'
    keep audit eg audit --json --limit web-1
    keep verify-flushed eg verify --json --limit web-1
    keep repair eg apply --yes --json --limit web-1
    on web-1 bash -c 'echo 1 >/proc/sys/net/ipv4/conf/eth1/rp_filter'
    keep strict eg plan --limit web-1
    on web-1 bash -c 'echo 0 >/proc/sys/net/ipv4/conf/eth1/rp_filter'
    export EGRESSCTL_INVENTORY=$plain
    keep off eg apply --yes --json --limit web-1
    shim off-shim
    ask asked-off
    export EGRESSCTL_INVENTORY=$KEPT/shim.yaml
    keep on-again eg apply --yes --json --limit web-1
    keep rollback eg rollback "$(run_of apply)" --yes --json
    look back web-1; shim back-shim
    keep plan-back eg plan --json --limit web-1
"#;

#[test]
fn services_answer_through_the_eip_over_a_reboot_and_a_rollback_leaves_nothing() {
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "3"], SCRIPT);
    let plan = stage.ended("plan", 0).json("plan.out").to_string();
    assert!(plan.contains("+ nft add table ip egressctl_shim_101"), "{plan}");
    stage.ended("apply", 0).ended("again", 0).ended("verify", 0);
    assert_eq!(stage.outcome_words("apply"), "done-1=ok web-1=changed web-2=changed");
    assert_eq!(stage.outcome_words("again"), "done-1=ok web-1=ok web-2=ok");
    let both = "udp of web-1\ntcp of web-1\n";
    assert_eq!(stage.out("asked"), both);
    assert_eq!(stage.writes("applied"), stage.writes("again"));
    stage.same("applied", "again", "web-1", &["rules", "routes", "addresses", "links", "files", "stamps"]);
    assert_eq!(check(&stage, "verify"), Some(true));

    assert_eq!(stage.out("rebooted-shim"), stage.out("shim"));
    assert_eq!(stage.out("asked-rebooted"), both);
    stage.same("again", "rebooted", "web-1", &["main", "rules", "addresses"]);
    stage.ended("plan-rebooted", 0);

    let audit = stage.ended("audit", 2).json("audit.out");
    let drift = &audit["audit"]["hosts"][0]["drift"];
    assert_eq!(
        (drift[0]["kind"].as_str(), drift.as_array().map(Vec::len)),
        (Some("shim"), Some(1)),
        "{audit:#}"
    );
    stage.ended("verify-flushed", 2);
    assert_eq!(check(&stage, "verify-flushed"), Some(false));
    stage.ended("repair", 0);
    assert_eq!(stage.outcome_words("repair"), "web-1=changed");
    assert!(
        stage.ended("strict", 0).out("strict").contains("refused [shim-rp-filter]"),
        "{}",
        stage.out("strict")
    );

    stage.ended("off", 0);
    assert_eq!(stage.out("asked-off"), "", "neither answers by the policy route alone");
    for name in ["begin-shim", "off-shim", "back-shim"] {
        assert!(!stage.out(name).contains("egressctl") && !stage.out(name).contains("fwmark"), "{name}");
    }
    stage.ended("on-again", 0).ended("rollback", 0);
    stage.same("begin", "back", "web-1", &["rules", "routes", "addresses", "links", "files", "main"]);
    assert_eq!(stage.out("begin-shim"), stage.out("back-shim"));
}

/// Whether the shim's check holds in a kept report on web-1.
fn check(stage: &Stage, name: &str) -> Option<bool> {
    let report = stage.json(&format!("{name}.out"));
    let hosts = report["report"]["hosts"].as_array()?;
    let host = hosts.iter().find(|host| host["name"] == "web-1")?;
    let of_shim = |check: &&Value| check["name"] == "compatibility shim";
    host["checks"].as_array()?.iter().find(of_shim)?["ok"].as_bool()
}
