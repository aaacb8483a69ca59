//! Folded findings as text for people and as JSON for machines. What the cloud or a host said is cleaned.

use std::fmt::Write;

use serde_json::{Value, json};

use super::fold::{Case, Folded, fold};
use crate::core::model::HostName;
use crate::core::permissions::purpose;
use crate::core::plan::{Plan, Reach, Severity, Verdict, hosts};
use crate::core::report::shorten;
use crate::core::text::clean_line;

/// Longest text that is quoted, in characters.
const LINE: usize = 600;
/// Cases of one finding that are shown to people.
const CASES: usize = 3;

/// What a preflight looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// The cloud alone, or the hosts too.
    pub reach: Reach,
    /// Calls to the cloud that it took.
    pub calls: u64,
}

/// A read that the account's policy does not permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// `product:Action`, as in a policy.
    pub action: String,
    /// The vendor's message.
    pub reason: String,
}

/// The folded findings as lines, each entry with what, why, fix and its hosts.
#[must_use]
pub fn findings_text(folded: &[Folded]) -> String {
    let mut out = String::new();
    for it in folded {
        let count = it.hosts().count();
        let _ = writeln!(out, "{} [{}] {}", it.severity.label(), it.code, hosts(count));
        let alike = it.cases.windows(2).all(|pair| pair[0].fix == pair[1].fix);
        for case in it.cases.iter().take(CASES) {
            let _ = writeln!(out, "    {}: {}", names(&case.hosts), line(&case.what));
            if !alike && !case.fix.is_empty() {
                let _ = writeln!(out, "      fix: {}", line(&case.fix));
            }
        }
        let rest: Vec<&Case> = it.cases.iter().skip(CASES).collect();
        if !rest.is_empty() {
            let others: Vec<HostName> = rest.iter().flat_map(|case| case.hosts.clone()).collect();
            let _ = writeln!(out, "    {}: the like; --json shows each", names(&others));
        }
        let _ = writeln!(out, "      why: {}", line(&it.why));
        if let Some(fix) = it.cases.first().map(|case| &case.fix).filter(|fix| alike && !fix.is_empty()) {
            let _ = writeln!(out, "      fix: {}", line(fix));
        }
    }
    out
}

fn line(text: &str) -> String {
    clean_line(text.as_bytes(), LINE)
}

fn names(hosts: &[HostName]) -> String {
    shorten(hosts.iter().map(HostName::as_str)).join(" ")
}

/// The preflight for people.
#[must_use]
pub fn preflight_text(plan: &Plan, looked: Looked) -> String {
    let mut out = findings_text(&fold(plan, |_| true));
    let worst = |severity: Severity| {
        let of = |host: &&crate::core::plan::HostPlan| {
            matches!(host.verdict, Verdict::Change | Verdict::Unchanged)
                && host.findings.iter().any(|finding| finding.severity == severity)
        };
        plan.hosts.iter().filter(of).count()
    };
    let counts = [
        (plan.count(Verdict::Refused), "refused"),
        (plan.count(Verdict::Unreachable), "unreachable"),
        (plan.count(Verdict::Change), "ready to be changed"),
        (plan.count(Verdict::Unchanged), "as desired"),
        (worst(Severity::Warning), "with warnings"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, text)| format!("{count} {text}"))
        .collect();
    let what = match looked.reach {
        Reach::Everything => "the cloud and the hosts",
        Reach::Cloud => "the cloud alone; --hosts looks at the hosts as well",
    };
    let _ = writeln!(out, "Preflight: {}: {}.", hosts(plan.hosts.len()), counts.join(", "));
    let _ = writeln!(out, "Looked at: {what} ({} API calls).", looked.calls);
    let _ = writeln!(
        out,
        "Cannot be checked without effect: permission to write (`egressctl preflight --policy` prints what is needed)."
    );
    out
}

/// The preflight for machines: one JSON document with `schema_version` 1.
#[must_use]
pub fn preflight_json(plan: &Plan, looked: Looked) -> String {
    let case = |case: &Case| json!({ "what": case.what, "fix": case.fix, "hosts": case.hosts });
    let findings: Vec<Value> = fold(plan, |_| true)
        .iter()
        .map(|it| {
            json!({
                "code": it.code,
                "severity": it.severity,
                "why": it.why,
                "hosts": it.hosts().count(),
                "cases": it.cases.iter().map(case).collect::<Vec<_>>(),
            })
        })
        .collect();
    let document = json!({
        "schema_version": 1,
        "reach": match looked.reach { Reach::Everything => "cloud and hosts", Reach::Cloud => "cloud" },
        "api_calls": looked.calls,
        "hosts": plan.hosts.iter().map(|host| json!({ "host": host.host, "verdict": host.verdict })).collect::<Vec<_>>(),
        "findings": findings,
    });
    format!("{document:#}\n")
}

/// What is said if reads without which nothing can be planned are not permitted.
#[must_use]
pub fn denied_text(denied: &[Denied]) -> String {
    let mut out = String::new();
    for it in denied {
        let _ = writeln!(
            out,
            "refused [permission-missing] {} is not permitted: {}",
            it.action,
            line(&it.reason)
        );
        let _ = writeln!(out, "      why: it reads {}", purpose(&it.action));
        let _ = writeln!(out, "      fix: add \"{}\" to the policy of our user or role", it.action);
    }
    let _ = writeln!(
        out,
        "Preflight: nothing can be planned; `egressctl preflight --policy` prints all that is needed."
    );
    out
}

/// The same for machines.
#[must_use]
pub fn denied_json(denied: &[Denied]) -> String {
    let findings: Vec<Value> = denied
        .iter()
        .map(|it| {
            json!({
                "code": "permission-missing",
                "severity": "refusal",
                "why": format!("it reads {}", purpose(&it.action)),
                "action": it.action,
                "cases": [{
                    "what": format!("{} is not permitted: {}", it.action, line(&it.reason)),
                    "fix": format!("add \"{}\" to the policy of our user or role", it.action),
                    "hosts": [],
                }],
            })
        })
        .collect();
    format!("{:#}\n", json!({ "schema_version": 1, "hosts": [], "findings": findings }))
}
