//! Hosts with two secondary interfaces: one carries the EIP, the other has its own already. Each gets a policy route.

use super::rig::Stage;
use crate::support::lab::User;

const SCRIPT: &str = r#"
    look before web-1 web-2; world before
    keep plan eg plan --limit web-1,web-2
    keep apply eg apply --limit web-1,web-2 --yes --json
    look applied web-1 web-2; world applied
    for host in web-1 web-2; do
        for dev in eth1 eth2; do
            address=$(on $host ip -4 -o addr show dev $dev | sed -E 's|.* inet ([0-9.]+)/.*|\1|')
            echo "$host $dev $(on $host ip -4 route get 198.51.100.10 from "$address" | head -n 1)"
            echo "$host $dev rules $(on $host ip -4 rule | grep -c "from $address ")"
            keep "ping-$host-$dev" on $host ping -c 1 -W 2 -I "$address" 172.16.3.253
        done
        echo "$host main $(on $host ip -4 route get 198.51.100.10 | head -n 1)"
        echo "$host egress $(egress $host)"
    done
    keep again eg apply --limit web-1,web-2 --yes --json
    look again web-1 web-2; world again
    keep verify eg verify --limit web-1,web-2 --json
    keep audit eg audit --limit web-1,web-2
    keep status eg status web-1
    other=$(on web-2 ip -4 -o addr show dev eth1 | sed -E 's|.* inet ([0-9.]+)/.*|\1|')
    on web-2 ip -4 rule del from "$other" lookup 102 pref 4102
    keep drift eg audit --limit web-2
    keep verify-drift eg verify --limit web-2
    keep mend eg apply --limit web-2 --yes --json
    keep verify-mended eg verify --limit web-2
    keep undo-mend eg rollback "$(run_of mend)" --yes
    keep verify-undone eg verify --limit web-2
    reboot web-1 web-2
    keep verify-booted eg verify --limit web-1,web-2
    keep plan-booted eg plan --limit web-1,web-2 --detailed-exitcode
    keep rollback eg rollback "$(run_of apply)" --yes --json
    look after web-1 web-2; world after
"#;

#[test]
fn two_routes_are_made_proven_kept_and_taken_back() {
    let stage = Stage::new(User::Same);
    let said = stage.run(&["--hosts", "3", "--others"], SCRIPT);
    let plan = stage.ended("plan", 0).out("plan");
    for host in ["1", "2"] {
        assert!(plan.contains(&format!("replies from eni-labother000{host} must leave by it")), "{plan}");
    }
    stage.ended("apply", 0);
    assert_eq!(stage.outcome_words("apply"), "web-1=changed web-2=changed");
    for host in ["web-1", "web-2"] {
        // The interface that was there is the first one plugged, ours the second.
        for (dev, table) in [("eth1", 102), ("eth2", 101)] {
            assert!(said.contains(&format!("{host} {dev} rules 1\n")), "{said}");
            let way = format!("via 172.16.3.253 dev {dev} table {table}");
            let line =
                said.lines().find(|line| line.starts_with(&format!("{host} {dev} 198.51.100.10 from")));
            assert!(line.is_some_and(|line| line.contains(&way)), "{host} {dev}: {said}");
        }
        let line = said.lines().find(|line| line.starts_with(&format!("{host} main ")));
        assert!(line.is_some_and(|line| line.contains("dev eth0")), "{said}");
        assert!(said.contains(&format!("{host} egress ip: 203.0.113.250")), "{said}");
        stage.same("before", "applied", host, &["main", "eth0"]);
        stage.same("applied", "again", host, &["main", "rules", "routes", "addresses", "files"]);
    }
    stage.ended("again", 0);
    assert_eq!(stage.outcome_words("again"), "web-1=ok web-2=ok");
    assert_eq!(stage.writes("applied"), stage.writes("again"));
    let verify = stage.ended("verify", 0).out("verify");
    assert!(verify.contains("policy route of eni-labother0001"), "{verify}");
    stage.ended("audit", 0).ended("verify-booted", 0).ended("plan-booted", 0);
    let status = stage.ended("status", 0).out("status");
    assert!(status.contains("101") && status.contains("102"), "{status}");

    // Drift of the second route alone is told, mended, and not taken away with the run that has mended it.
    let drift = stage.ended("drift", 2).out("drift");
    assert!(drift.contains("lookup 102 pref 4102") && !drift.contains("101"), "{drift}");
    let verify = stage.read("verify-drift.out");
    assert!(stage.read("verify-drift.rc").trim() != "0" && verify.contains("eni-labother0002"), "{verify}");
    stage.ended("mend", 0).ended("verify-mended", 0).ended("verify-undone", 0);
    assert_eq!(stage.outcome_words("mend"), "web-2=changed");
    stage.ended("rollback", 0);
    assert_eq!(stage.outcome_words("rollback"), "web-1=changed web-2=changed");
    for host in ["web-1", "web-2"] {
        stage.same("before", "after", host, &["main", "eth0", "rules", "routes", "addresses", "files"]);
        // A device that was up once has another queue, which nobody can give back.
        let links = |tag: &str| stage.section(tag, host, "links").replace("qdisc noop ", "qdisc noqueue ");
        assert_eq!(links("before"), links("after"), "{host}");
    }
}

/// `die HOST`: a run whose controller dies while the host waits for the confirmation of its second route.
const KILLED: &str = r#"
    die() {
        export EGRESSCTL_STATE_DIR="$KEPT/state.$1"
        "$EGRESSCTL" apply --yes --no-watchdog --confirm-timeout 60s --limit "$1" >"$KEPT/died.$1" 2>&1 &
        local killed=$!
        until on "$1" bash -c 'grep -q " 102 " /run/egressctl/guard/*/what && ls /run/egressctl/guard/*/ready.2' >/dev/null 2>&1
        do sleep 0.05; done
        kill -9 "$killed"; wait "$killed" || true
    }
    one() {
        die web-1
        keep rescue eg rescue web-1 --json
        on web-1 ls /run/egressctl/guard >"$KEPT/guards"
        keep confirm eg confirm web-1
        on web-1 bash -c 'ls /run/egressctl/guard 2>/dev/null || :' >"$KEPT/guards-after"
        keep resume-1 eg resume --yes --json
        keep plan-1 eg plan --detailed-exitcode --limit web-1
    }
    two() {
        die web-2
        keep resume-2 eg resume --yes --json
        keep plan-2 eg plan --detailed-exitcode --limit web-2
        keep verify-2 eg verify --limit web-2
        keep rollback-2 eg rollback "$(run_of resume-2)" --yes --json
    }
    look before web-1 web-2
    one & first=$!
    two & second=$!
    wait "$first" "$second"
    look after web-1 web-2
"#;

#[test]
fn a_controller_that_dies_in_the_second_route_is_confirmed_or_resumed() {
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "3", "--others"], KILLED);
    // The guard that waits is the second route's, and that is what people are told of.
    let rescue = stage.ended("rescue", 0).json("rescue.out");
    let run = &rescue["rescue"]["run"];
    let guards = stage.read("guards");
    assert_eq!(run["others"][0]["guard"].as_str(), guards.split_whitespace().next(), "{rescue:#}");
    assert_ne!(run["guard"], run["others"][0]["guard"], "{rescue:#}");
    assert_eq!(run["others"][0]["route"]["table"], 102, "{rescue:#}");
    stage.ended("confirm", 0);
    assert_eq!(stage.read("guards-after"), "", "{}", stage.out("confirm"));
    stage.ended("resume-1", 0).ended("plan-1", 0);
    stage.ended("resume-2", 0).ended("plan-2", 0).ended("verify-2", 0).ended("rollback-2", 0);
    assert_eq!(stage.outcome_words("rollback-2"), "web-2=changed");
    stage.same("before", "after", "web-2", &["main", "eth0", "rules", "routes", "addresses", "files"]);
}
