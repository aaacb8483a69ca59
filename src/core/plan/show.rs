//! A plan as text for people and as JSON for machines. Pure strings; every line that quotes a host is cleaned.

use std::fmt::Write;

use serde_json::json;

use super::{HostPlan, Plan, Severity, Verdict};
use crate::core::text::clean;

/// Longest line of a diff that is shown, in bytes.
const LINE: usize = 400;

/// Added or removed lines in a row beyond which a diff is folded.
const FOLD: usize = 8;

/// How much of a plan's diffs is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Long runs of added or removed lines are folded.
    Folded,
    /// Every line.
    Full,
}

/// The plan for people. Signs: `~` change, `=` unchanged, `!` refused, `?` unreachable.
#[must_use]
pub fn plan_text(plan: &Plan, detail: Detail) -> String {
    let mut out = String::new();
    for host in &plan.hosts {
        host_text(&mut out, host, detail);
    }
    let counts = [
        (Verdict::Change, "to change"),
        (Verdict::Unchanged, "unchanged"),
        (Verdict::Refused, "refused"),
        (Verdict::Unreachable, "unreachable"),
        (Verdict::Stale, "stale"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .map(|(verdict, text)| (plan.count(*verdict), text))
        .filter(|(count, _)| *count > 0)
        .map(|(count, text)| format!("{count} {text}"))
        .collect();
    let _ = writeln!(out, "Plan: {}: {}.", hosts(plan.hosts.len()), counts.join(", "));
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

fn host_text(out: &mut String, host: &HostPlan, detail: Detail) {
    let (sign, verdict) = match host.verdict {
        Verdict::Change => ('~', "change"),
        Verdict::Unchanged => ('=', "unchanged"),
        Verdict::Refused => ('!', "refused"),
        Verdict::Unreachable => ('?', "unreachable"),
        Verdict::Stale => ('%', "stale"),
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
        let lines = match detail {
            Detail::Folded => folded(&step.diff),
            Detail::Full => step.diff.clone(),
        };
        for line in &lines {
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

/// `1 host`, `2 hosts`.
#[must_use]
pub fn hosts(count: usize) -> String {
    if count == 1 { "1 host".to_owned() } else { format!("{count} hosts") }
}

/// The diff with every long run of added or removed lines cut short.
fn folded(diff: &[String]) -> Vec<String> {
    let kind = |line: &String| line.chars().next().filter(|sign| "+-".contains(*sign));
    let runs = diff.chunk_by(|a, b| kind(a).is_some() && kind(a) == kind(b));
    let mut lines = Vec::new();
    for run in runs {
        match run.split_at_checked(FOLD) {
            Some((shown, rest)) if rest.len() > 1 => {
                lines.extend(shown.iter().cloned());
                lines.push(format!("… {} more such lines, shown by --diff", rest.len()));
            }
            _ => lines.extend(run.iter().cloned()),
        }
    }
    lines
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
