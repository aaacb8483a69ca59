//! The report as one HTML file: no scripts, nothing loaded from elsewhere, readable in light and in dark.
//!
//! Must never put a text into the page except through [`for_html`].

use std::fmt::Write;

use super::data::{Check, HostReport, OutcomeKind, Report, StepTime};
use super::escape::for_html;
use super::picture;
use super::text::{before_after_table, duration, join, title, to_text};

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
:root { color-scheme: light dark; --line: #8886; --good: #17692f; --edit: #7a5200; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --good: #7ddc95; --edit: #f0c060; --bad: #ff9c93; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
pre, td, code { font-family: ui-monospace, monospace; font-size: 0.9em; }
pre { white-space: pre-wrap; border: 1px solid var(--line); padding: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 0.5rem 0 1rem; }
th, td { text-align: left; padding: 0.25rem 0.75rem; border-bottom: 1px solid var(--line); vertical-align: top; }
summary { cursor: pointer; padding: 0.25rem 0; }
svg { width: 100%; max-width: 48rem; font: 12px system-ui, sans-serif; fill: none; stroke: currentColor; }
svg text { fill: currentColor; stroke: none; } .mid { text-anchor: middle; } .small { font-size: 10px; }
svg .bar { fill: var(--line); stroke: none; } svg .gap { fill: var(--bad); opacity: 0.15; stroke: none; }
svg rect.bad { fill: var(--bad); stroke: none; } .faint { opacity: 0.5; stroke-dasharray: 4; }
.good { color: var(--good); } .edit { color: var(--edit); } .bad { color: var(--bad); font-weight: 600; }
</style>
"#;

/// The report as a page that stands alone: the recap, the addresses before and after, and each host's details.
#[must_use]
pub fn to_html(report: &Report) -> String {
    let mut out = String::from(HEAD);
    let title = for_html(&title(report));
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<title>egressctl {title}</title>\n</head>\n<body>\n<h1>egressctl {title}</h1>\n<p>From {} to {}.</p>\n",
        for_html(&moment(report.started_ms)),
        for_html(&moment(report.finished_ms)),
    );
    let recap: Vec<String> = to_text(report).lines().skip(1).map(for_html).collect();
    let _ = write!(out, "<h2>Recap</h2>\n<pre>{}</pre>\n<h2>Addresses</h2>\n", recap.join("\n"));
    let (headers, rows) = before_after_table(report);
    table(&mut out, &headers, &rows, report.hosts.iter().map(|host| class(OutcomeKind::of(&host.outcome))));
    out.push_str("<h2>Hosts</h2>\n");
    for host in &report.hosts {
        details(&mut out, host);
    }
    out.push_str("</body>\n</html>\n");
    out
}

/// RFC 3339 in UTC.
fn moment(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| format!("{ms} ms after 1970"), |moment| format!("{moment:.0}"))
}

const fn class(kind: OutcomeKind) -> &'static str {
    match kind {
        OutcomeKind::Ok => "good",
        OutcomeKind::Changed => "edit",
        _ => "bad",
    }
}

/// A table whose last column has a row's class.
fn table(
    out: &mut String,
    headers: &[String],
    rows: &[Vec<String>],
    classes: impl Iterator<Item = &'static str>,
) {
    let cells: String = headers.iter().map(|text| format!("<th>{}</th>", for_html(text))).collect();
    let _ = writeln!(out, "<div class=\"wide\"><table>\n<tr>{cells}</tr>");
    for (row, class) in rows.iter().zip(classes) {
        out.push_str("<tr>");
        for (index, text) in row.iter().enumerate() {
            let class = if index + 1 == row.len() { format!(" class=\"{class}\"") } else { String::new() };
            let _ = write!(out, "<td{class}>{}</td>", for_html(text));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}

fn details(out: &mut String, host: &HostReport) {
    let kind = OutcomeKind::of(&host.outcome);
    let open = if class(kind) == "bad" { " open" } else { "" };
    let _ = writeln!(
        out,
        "<details{open}>\n<summary><code>{}</code> <span class=\"{}\">{} {}</span></summary>",
        for_html(host.name.as_str()),
        class(kind),
        for_html(&kind.sign().to_string()),
        kind.label(),
    );
    let echo = |seen: &[super::Egress]| join(seen.iter().map(|e| format!("{} (by {})", e.address, e.echo)));
    let mut facts = vec![("instance", host.instance.to_string())];
    facts.extend(host.reason().map(|reason| ("reason", reason.to_owned())));
    facts.push(("egress before", echo(&host.egress_before)));
    facts.push(("egress after", echo(&host.egress_after)));
    facts.extend(host.outage_ms.map(|ms| ("inbound outage", format!("at most {}", duration(ms)))));
    facts.extend(host.notes.iter().map(|note| ("note", note.clone())));
    for (name, value) in facts {
        let _ = writeln!(out, "<p>{name}: <code>{}</code></p>", for_html(&value));
    }
    out.push_str(&picture::paths(host).unwrap_or_default());
    checks(out, &host.checks);
    steps(out, &host.steps);
    out.push_str(&picture::timeline(host).unwrap_or_default());
    out.push_str("</details>\n");
}

fn words(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn checks(out: &mut String, checks: &[Check]) {
    if checks.is_empty() {
        return;
    }
    let rows: Vec<_> = checks
        .iter()
        .map(|check| {
            let result = match (check.ok, &check.cause) {
                (true, _) => "= holds".to_owned(),
                (false, None) => "x does not hold".to_owned(),
                (false, Some(cause)) => format!("x {cause}"),
            };
            vec![check.name.clone(), check.expected.clone(), check.seen.clone(), result]
        })
        .collect();
    let classes = checks.iter().map(|check| if check.ok { "good" } else { "bad" });
    table(out, &words(&["check", "expected", "seen", "result"]), &rows, classes);
}

fn steps(out: &mut String, steps: &[StepTime]) {
    if steps.is_empty() {
        return;
    }
    let rows: Vec<_> = steps
        .iter()
        .map(|step| {
            let undo = if step.undo { "undo " } else { "" };
            let result =
                step.error.as_ref().map_or_else(|| "= done".to_owned(), |error| format!("x {error}"));
            vec![format!("{undo}{}", step.step.label()), duration(step.ms), result]
        })
        .collect();
    let classes = steps.iter().map(|step| if step.error.is_none() { "good" } else { "bad" });
    table(out, &words(&["step", "time", "result"]), &rows, classes);
}
