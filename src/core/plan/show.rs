//! A plan as text for people and as JSON for machines. Pure strings; every line that quotes a host is cleaned.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::json;

use super::{Code, Finding, HostPlan, Plan, Severity, Verdict};
use crate::core::preflight::{findings_text, fold};
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
    // What several hosts have in common is told once, after them.
    let mut times: BTreeMap<Code, usize> = BTreeMap::new();
    for host in &plan.hosts {
        let codes: BTreeSet<Code> = host.findings.iter().map(|finding| finding.code).collect();
        codes.into_iter().for_each(|code| *times.entry(code).or_default() += 1);
    }
    let shared = |finding: &Finding| times.get(&finding.code).is_some_and(|times| *times > 1);
    for host in &plan.hosts {
        host_text(&mut out, host, detail, &shared);
    }
    out += &findings_text(&fold(plan, shared));
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

fn host_text(out: &mut String, host: &HostPlan, detail: Detail, shared: &impl Fn(&Finding) -> bool) {
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
        if shared(finding) {
            continue;
        }
        let text = |text: &str| clean(text.as_bytes(), LINE);
        let _ = write!(out, "    {}: {}", finding.label(), text(&finding.what));
        // Notes are many and always the same; the preflight says why they matter.
        let why = if finding.severity == Severity::Note {
            String::new()
        } else {
            format!(": {}", text(&finding.why))
        };
        let _ = writeln!(out, "{why}");
        if !finding.fix.is_empty() {
            let _ = writeln!(out, "      fix: {}", text(&finding.fix));
        }
    }
    let mut codes: Vec<&str> =
        host.findings.iter().filter(|finding| shared(finding)).map(|finding| finding.code.as_str()).collect();
    codes.dedup();
    if !codes.is_empty() {
        let _ = writeln!(out, "    found, see below: {}", codes.join(", "));
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
