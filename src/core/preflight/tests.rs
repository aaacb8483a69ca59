//! Folding, and what a preflight says of many hosts.

use super::*;
use crate::core::plan::{Code, Finding, HostPlan, Known, Reach, Severity};

fn host(n: usize, findings: Vec<Finding>) -> HostPlan {
    let refused = findings.iter().any(|finding| finding.severity == Severity::Refusal);
    HostPlan {
        host: format!("web-{n}").parse().unwrap(),
        instance: format!("i-{n}").parse().unwrap(),
        verdict: if refused { Verdict::Refused } else { Verdict::Change },
        steps: Vec::new(),
        findings,
        known: Known::default(),
        egress: Vec::new(),
    }
}

fn fleet() -> Plan {
    let hosts = (1..=1000).map(|n| {
        let mut found = vec![Finding::note("the same", "of all").coded(Code::EipBilled)];
        if n > 990 {
            let what = format!("no SNAT entry covers 10.0.0.{}", n - 990);
            found.push(Finding::refusal(what, "it would go dark", "add one").coded(Code::SnatMissing));
        }
        if n == 5 {
            found.push(
                Finding::warning("a \u{1b}[31mname\nof two lines", "why", "fix it").coded(Code::HostRemark),
            );
        }
        host(n, found)
    });
    Plan { hosts: hosts.collect() }
}

#[test]
fn a_thousand_hosts_are_three_entries() {
    let folded = fold(&fleet(), |_| true);
    let codes: Vec<Code> = folded.iter().map(|it| it.code).collect();
    assert_eq!(codes, [Code::SnatMissing, Code::HostRemark, Code::EipBilled]);
    assert_eq!(folded[0].cases.len(), 10);
    assert_eq!(folded[2].cases.len(), 1);
    assert_eq!(folded[2].hosts().count(), 1000);
}

#[test]
fn the_text_is_short_and_says_what_why_fix_and_who() {
    let looked = Looked { reach: Reach::Cloud, calls: 38 };
    let text = preflight_text(&fleet(), looked);
    let want = "refused [snat-missing] 10 hosts\n    \
        web-991: no SNAT entry covers 10.0.0.1\n    \
        web-992: no SNAT entry covers 10.0.0.2\n    \
        web-993: no SNAT entry covers 10.0.0.3\n    \
        web-[994-1000]: the like; --json shows each\n      \
        why: it would go dark\n      \
        fix: add one\n\
        warning [host-remark] 1 host\n    \
        web-5: a \\u{1b}[31mname of two lines\n      \
        why: why\n      \
        fix: fix it\n\
        note [eip-billed] 1000 hosts\n    \
        web-[1-1000]: the same\n      \
        why: of all\n\
        Preflight: 1000 hosts: 10 refused, 990 ready to be changed, 1 with warnings.\n\
        Looked at: the cloud alone; --hosts looks at the hosts as well (38 API calls).\n\
        Cannot be checked without effect: permission to write (`egressctl preflight --policy` prints what is needed).\n";
    assert_eq!(text, want);
}

#[test]
fn machines_get_every_case() {
    let looked = Looked { reach: Reach::Everything, calls: 1 };
    let document: serde_json::Value = serde_json::from_str(&preflight_json(&fleet(), looked)).unwrap();
    assert_eq!(document["schema_version"], 1);
    assert_eq!(document["findings"][0]["code"], "snat-missing");
    assert_eq!(document["findings"][0]["severity"], "refusal");
    assert_eq!(document["findings"][0]["cases"].as_array().unwrap().len(), 10);
    assert_eq!(document["findings"][2]["cases"][0]["hosts"].as_array().unwrap().len(), 1000);
    assert_eq!(document["hosts"][999]["verdict"], "refused");
}

#[test]
fn the_exit_code_says_what_is_worst() {
    let mut plan = fleet();
    assert_eq!(exit_code(&plan), 2);
    plan.hosts.truncate(10);
    assert_eq!(exit_code(&plan), 0);
    plan.hosts[0].verdict = Verdict::Unreachable;
    assert_eq!(exit_code(&plan), 4);
}

#[test]
fn what_is_not_permitted_is_named_for_people_and_machines() {
    let denied =
        [Denied { action: "vpc:DescribeNatGateways".to_owned(), reason: "no [Forbidden.RAM]".to_owned() }];
    let text = denied_text(&denied);
    assert!(text.contains("add \"vpc:DescribeNatGateways\" to the policy"), "{text}");
    let document: serde_json::Value = serde_json::from_str(&denied_json(&denied)).unwrap();
    assert_eq!(document["findings"][0]["action"], "vpc:DescribeNatGateways");
}
