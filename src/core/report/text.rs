//! The recap: a report as a text that fits a screen, and the addresses before and after as a table.

use std::fmt::Write;

use super::data::{Egress, HostReport, OutcomeKind, Report};
use super::escape::for_terminal;
use super::fold::{causes, shorten};
use super::next;

/// Causes shown in full; the rest is counted.
const CAUSES: usize = 4;
/// Groups of host names shown in a line.
const GROUPS: usize = 6;
/// Longest reason shown, characters.
const REASON: usize = 300;

/// The recap: counts by outcome, failures folded by cause, notes, outage, API calls. Plain text, lines end with `\n`.
#[must_use]
pub fn to_text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", title(report));
    for kind in OutcomeKind::ALL {
        let hosts = names(report.hosts.iter().filter(|host| OutcomeKind::of(&host.outcome) == kind));
        if !hosts.is_empty() {
            let _ =
                writeln!(out, "  {} {:<11} {:>4}  {}", kind.sign(), kind.label(), hosts.len(), list(&hosts));
        }
    }
    let causes = causes(&report.hosts);
    for cause in causes.iter().take(CAUSES) {
        let _ = write!(
            out,
            "\n{} {} ({}): {}\n",
            cause.kind.sign(),
            cause.kind.label(),
            cause.hosts.len(),
            list(&cause.hosts)
        );
        let _ = writeln!(out, "    {}", cut(&for_terminal(&cause.reason), REASON));
    }
    if causes.len() > CAUSES {
        let rest: usize = causes.iter().skip(CAUSES).map(|cause| cause.hosts.len()).sum();
        let _ = writeln!(out, "\n… and {} more causes on {rest} hosts", causes.len() - CAUSES);
    }
    out.push_str(&failed_checks(report));
    out.push_str(&tail(report));
    let next = next::commands(report);
    if !next.is_empty() {
        let _ = writeln!(out, "\nnext:\n  {}", next.join("\n  "));
    }
    out
}

/// `apply 2026…: 12 hosts in 41.2 s`
pub(super) fn title(report: &Report) -> String {
    let run = report.run.as_ref().map(|run| format!(" {run}")).unwrap_or_default();
    let ms = u64::try_from(report.finished_ms.saturating_sub(report.started_ms)).unwrap_or_default();
    format!("{}{run}: {} in {}", report.verb.label(), hosts_word(report.hosts.len()), duration(ms))
}

fn hosts_word(count: usize) -> String {
    format!("{count} {}", if count == 1 { "host" } else { "hosts" })
}

fn names<'a>(hosts: impl Iterator<Item = &'a HostReport>) -> Vec<&'a str> {
    hosts.map(|host| host.name.as_str()).collect()
}

fn list(names: &[&str]) -> String {
    let groups = shorten(names.iter().copied());
    let more = groups.len().saturating_sub(GROUPS);
    let mut text = groups.into_iter().take(GROUPS).collect::<Vec<_>>().join(" ");
    if more > 0 {
        let _ = write!(text, " … and {more} more");
    }
    text
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        text.chars().take(most).chain(['…']).collect()
    }
}

/// Checks that did not hold, folded by name: a check of one name fails on most hosts for one cause.
fn failed_checks(report: &Report) -> String {
    let mut folded: Vec<(&str, Vec<&str>, String)> = Vec::new();
    for host in &report.hosts {
        for check in host.checks.iter().filter(|check| !check.ok) {
            match folded.iter_mut().find(|(name, ..)| *name == check.name) {
                Some((_, hosts, _)) => hosts.push(host.name.as_str()),
                None => {
                    let cause = check.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
                    let first = format!("expected {}, seen {}{cause}", check.expected, check.seen);
                    folded.push((&check.name, vec![host.name.as_str()], first));
                }
            }
        }
    }
    let mut out = String::new();
    for (name, hosts, first) in folded.into_iter().take(CAUSES) {
        let of = if hosts.len() > 1 { format!("{}: ", hosts[0]) } else { String::new() };
        let _ = write!(out, "\nx check {} ({}): {}\n", for_terminal(name), hosts.len(), list(&hosts));
        let _ = writeln!(out, "    {of}{}", cut(&for_terminal(&first), REASON));
    }
    out
}

fn tail(report: &Report) -> String {
    let mut out = String::new();
    let mut notes: Vec<(&str, Vec<&str>)> = Vec::new();
    for host in &report.hosts {
        for note in &host.notes {
            match notes.iter_mut().find(|(text, _)| text == note) {
                Some((_, hosts)) => hosts.push(host.name.as_str()),
                None => notes.push((note, vec![host.name.as_str()])),
            }
        }
    }
    for (note, hosts) in notes.into_iter().take(CAUSES) {
        let _ = write!(out, "\nnote: {}\n    {}\n", cut(&for_terminal(note), REASON), list(&hosts));
    }
    let mut outages: Vec<(u64, &str)> =
        report.hosts.iter().filter_map(|host| Some((host.outage_ms?, host.name.as_str()))).collect();
    outages.sort_unstable();
    if let (Some((middle, _)), Some((longest, name))) = (outages.get(outages.len() / 2), outages.last()) {
        let (middle, longest) = (duration(*middle), duration(*longest));
        let _ = writeln!(out, "\ninbound outage at most: median {middle}, longest {longest} ({name})");
    }
    let calls: u64 = report.api_calls.values().sum();
    if calls > 0 {
        let mut by_action: Vec<_> = report.api_calls.iter().map(|(action, count)| (*count, action)).collect();
        by_action.sort_by_key(|(count, action)| (std::cmp::Reverse(*count), *action));
        let each: Vec<_> =
            by_action.iter().map(|(count, action)| format!("{} {count}", for_terminal(action))).collect();
        let _ = writeln!(out, "\nAPI calls: {calls} ({})", each.join(", "));
    }
    out
}

/// The addresses before and after, one row per host: headers and rows for a table.
#[must_use]
pub fn before_after_table(report: &Report) -> (Vec<String>, Vec<Vec<String>>) {
    let headers = ["host", "inbound", "egress before", "egress after", "SNAT", "result"];
    let rows = report.hosts.iter().map(|host| {
        let kind = OutcomeKind::of(&host.outcome);
        let result = match host.verdict.as_str() {
            "" => format!("{} {}", kind.sign(), kind.label()),
            verdict => format!("{} {}: {}", kind.sign(), kind.label(), for_terminal(verdict)),
        };
        vec![
            host.name.to_string(),
            host.inbound.map_or_else(|| "-".to_owned(), |address| address.to_string()),
            addresses(&host.egress_before),
            addresses(&host.egress_after),
            join(host.snat_expected.iter().map(ToString::to_string)),
            result,
        ]
    });
    (headers.map(str::to_owned).to_vec(), rows.collect())
}

/// What the echo services saw, each address once.
pub(super) fn addresses(seen: &[Egress]) -> String {
    join(seen.iter().map(|egress| egress.address.to_string()))
}

pub(super) fn join(items: impl Iterator<Item = String>) -> String {
    let mut unique: Vec<String> = Vec::new();
    for item in items {
        if !unique.contains(&item) {
            unique.push(item);
        }
    }
    if unique.is_empty() { "-".to_owned() } else { unique.join(", ") }
}

/// Milliseconds for people: `840 ms`, `4.2 s`, `3 min 05 s`, `2 h 07 min`.
#[must_use]
pub fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {:02} s", ms / 60_000, ms / 1_000 % 60),
        _ => format!("{} h {:02} min", ms / 3_600_000, ms / 60_000 % 60),
    }
}
