//! The report as JUnit XML, which every CI system shows: one test case per host, failed as the host failed.
//!
//! Must never put a text into the document except through [`for_html`], whose five entities are XML's own and which lets no
//! control character through, as XML demands.

use std::fmt::Write;

use super::data::{HostReport, OutcomeKind, Report};
use super::escape::for_html;
use super::text::title;

/// What a CI system makes of an outcome.
enum Case {
    Passed,
    Skipped,
    Failed,
    Error,
}

impl Case {
    const fn of(kind: OutcomeKind) -> Self {
        match kind {
            OutcomeKind::Ok | OutcomeKind::Changed => Self::Passed,
            OutcomeKind::Skipped => Self::Skipped,
            OutcomeKind::Refused
            | OutcomeKind::Stale
            | OutcomeKind::Locked
            | OutcomeKind::Reverted
            | OutcomeKind::Failed => Self::Failed,
            OutcomeKind::Unreachable | OutcomeKind::Unknown => Self::Error,
        }
    }
}

/// The report as one JUnit document. Failed hosts are failures, hosts that need a human or could not be reached are errors,
/// hosts that were not begun are skipped; a host's steps and checks are its output.
#[must_use]
pub fn to_junit(report: &Report) -> String {
    let cases: Vec<(Case, &HostReport)> =
        report.hosts.iter().map(|host| (Case::of(OutcomeKind::of(&host.outcome)), host)).collect();
    let count = |wanted: fn(&Case) -> bool| cases.iter().filter(|(case, _)| wanted(case)).count();
    let length = report.finished_ms.abs_diff(report.started_ms);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "<testsuites>\n<testsuite name=\"egressctl {}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\">",
        for_html(&title(report)),
        cases.len(),
        count(|case| matches!(case, Case::Failed)),
        count(|case| matches!(case, Case::Error)),
        count(|case| matches!(case, Case::Skipped)),
        seconds(length),
    );
    for (case, host) in &cases {
        write_case(&mut out, case, host);
    }
    out.push_str("</testsuite>\n</testsuites>\n");
    out
}

fn write_case(out: &mut String, case: &Case, host: &HostReport) {
    let name = for_html(host.name.as_str());
    let time = seconds(host.steps.iter().map(|step| step.ms).sum());
    let _ = writeln!(out, "<testcase classname=\"egressctl.host\" name=\"{name}\" time=\"{time}\">");
    let element = match case {
        Case::Passed => None,
        Case::Skipped => Some("skipped"),
        Case::Failed => Some("failure"),
        Case::Error => Some("error"),
    };
    if let Some(element) = element {
        let kind = OutcomeKind::of(&host.outcome).label();
        let reason = for_html(host.reason().unwrap_or_default());
        // JUnit's `skipped` has a message only; the others a type too.
        let class = if element == "skipped" { String::new() } else { format!(" type=\"{kind}\"") };
        let _ = writeln!(out, "<{element}{class} message=\"{kind}: {reason}\"/>");
    }
    let mut lines = Vec::new();
    for step in &host.steps {
        let undo = if step.undo { "undo " } else { "" };
        let end = step.error.as_deref().unwrap_or("done");
        lines.push(format!("{undo}{} ({} s): {end}", step.step.label(), seconds(step.ms)));
    }
    for check in &host.checks {
        let held = if check.ok { "holds" } else { "does not hold" };
        lines.push(format!("{} {held}: expected {}, seen {}", check.name, check.expected, check.seen));
    }
    lines.extend(host.notes.iter().map(|note| format!("note: {note}")));
    if !lines.is_empty() {
        let lines: Vec<String> = lines.iter().map(|line| for_html(line)).collect();
        let _ = writeln!(out, "<system-out>{}</system-out>", lines.join("\n"));
    }
    out.push_str("</testcase>\n");
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}
