//! A plan as text for people and as JSON for machines. Pure strings; every line that quotes a host is cleaned.

use std::fmt::Write;

use serde_json::json;

use super::{HostPlan, Plan, Severity, Verdict};
use crate::core::text::clean;

/// Longest line of a diff that is shown, in bytes.
const LINE: usize = 400;

/// The plan for people. Signs: `~` change, `=` unchanged, `!` refused, `?` unreachable.
#[must_use]
pub fn plan_text(plan: &Plan) -> String {
    let mut out = String::new();
    for host in &plan.hosts {
        host_text(&mut out, host);
    }
    let counts = [
        (Verdict::Change, "to change"),
        (Verdict::Unchanged, "unchanged"),
        (Verdict::Refused, "refused"),
        (Verdict::Unreachable, "unreachable"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .map(|(verdict, text)| (plan.count(*verdict), text))
        .filter(|(count, _)| *count > 0)
        .map(|(count, text)| format!("{count} {text}"))
        .collect();
    let _ = writeln!(out, "Plan: {} hosts: {}.", plan.hosts.len(), counts.join(", "));
    let writes: Vec<String> =
        plan.writes().iter().map(|(action, count)| format!("{action} {count}")).collect();
    if writes.is_empty() {
        let _ = writeln!(out, "API writes: none.");
    } else {
        let total: usize = plan.writes().values().sum();
        let _ = writeln!(out, "API writes: {total} ({}).", writes.join(", "));
    }
    let lasting: Vec<&str> = plan
        .hosts
        .iter()
        .filter(|host| host.steps.iter().any(|step| step.op.kind().irreversible()))
        .map(|host| host.host.as_str())
        .collect();
    if !lasting.is_empty() {
        let _ = writeln!(out, "Cannot be taken back (marked *) on: {}.", lasting.join(", "));
    }
    out
}

fn host_text(out: &mut String, host: &HostPlan) {
    let (sign, verdict) = match host.verdict {
        Verdict::Change => ('~', "change"),
        Verdict::Unchanged => ('=', "unchanged"),
        Verdict::Refused => ('!', "refused"),
        Verdict::Unreachable => ('?', "unreachable"),
    };
    let _ = writeln!(out, "{sign} {} ({}): {verdict}", host.host, host.instance);
    if let (Verdict::Change, Some(inbound)) = (host.verdict, host.known.inbound) {
        let egress: Vec<String> = host.egress.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "    inbound stays {inbound}, egress becomes {}", egress.join(" or "));
    }
    for (number, step) in host.steps.iter().enumerate() {
        let kind = step.op.kind();
        let mark = if kind.irreversible() { "*" } else { "" };
        let _ = writeln!(out, "    {}. {}{mark}: {}", number + 1, kind.label(), step.why);
        for line in &step.diff {
            let _ = writeln!(out, "         {}", clean(line.as_bytes(), LINE));
        }
    }
    for finding in &host.findings {
        let severity = match finding.severity {
            Severity::Refusal => "refused",
            Severity::Unreachable => "unreachable",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let text = |text: &str| clean(text.as_bytes(), LINE);
        let _ = writeln!(out, "    {severity}: {}: {}", text(&finding.what), text(&finding.why));
        if !finding.fix.is_empty() {
            let _ = writeln!(out, "      fix: {}", text(&finding.fix));
        }
    }
}

/// The plan for machines: one JSON document with `schema_version` 1.
#[must_use]
pub fn plan_json(plan: &Plan) -> String {
    let document = json!({
        "schema_version": 1,
        "empty": plan.is_empty(),
        "api_writes": plan.writes(),
        "hosts": plan.hosts,
    });
    format!("{document:#}\n")
}
