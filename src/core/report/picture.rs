//! A host's paths before and after, and its steps in time, as pictures inside the page.
//!
//! Must never put a text into a picture except through [`for_html`], nor anything that loads or runs.

use std::fmt::Write;
use std::net::Ipv4Addr;

use super::data::{Egress, HostReport, OutcomeKind};
use super::escape::for_html;
use super::outage::windows;
use super::text::duration;
use crate::core::plan::StepKind;

/// Longest host name in a box, characters.
const NAME: usize = 12;

/// How the inbound address leads to the host, and where the host's own traffic leaves, before and after. `None` if nothing
/// of both is known.
pub(super) fn paths(host: &HostReport) -> Option<String> {
    if host.inbound.is_none() && host.egress_before.is_empty() && host.egress_after.is_empty() {
        return None;
    }
    let moved = host.steps.iter().any(|step| step.step == StepKind::Associate && !step.undo);
    let there = OutcomeKind::of(&host.outcome) == OutcomeKind::Changed;
    let (before, after) = match (moved, there) {
        (true, true) => ("primary interface", "secondary interface"),
        (true, false) => ("primary interface", ""),
        (false, _) => ("", ""),
    };
    let mut out = String::from("<svg viewBox=\"0 0 760 132\" role=\"img\">\n");
    panel(&mut out, 0, "before", host, before, &host.egress_before);
    // What was taken back was probed before that.
    let title = if there || host.reason().is_none() { "after" } else { "when last probed" };
    panel(&mut out, 400, title, host, after, &host.egress_after);
    out.push_str("</svg>\n");
    Some(out)
}

fn panel(out: &mut String, x: u32, title: &str, host: &HostReport, holder: &str, egress: &[Egress]) {
    let name = host.name.as_str();
    let short: String = if name.chars().count() > NAME {
        name.chars().take(NAME - 1).chain(['…']).collect()
    } else {
        name.to_owned()
    };
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<text x=\"{x}\" y=\"14\">{title}</text>\n\
         <rect x=\"{x}\" y=\"24\" width=\"70\" height=\"100\"/><text x=\"{}\" y=\"78\" class=\"mid\">internet</text>\n\
         <rect x=\"{}\" y=\"24\" width=\"90\" height=\"100\"/><text x=\"{}\" y=\"78\" class=\"mid\">{}</text>\n",
        x + 35,
        x + 270,
        x + 315,
        for_html(&short),
    );
    let (from, to) = (x + 74, x + 266);
    if let Some(address) = host.inbound {
        lane(out, (from, to), 54, "", &format!("in {address}"), holder);
    }
    let mut leaves: Vec<Ipv4Addr> = egress.iter().map(|seen| seen.address).collect();
    leaves.sort_unstable();
    leaves.dedup();
    match leaves.as_slice() {
        [] => lane(out, (to, from), 100, "faint", "out: nobody was asked", ""),
        [address] if host.snat_expected.contains(address) => {
            lane(out, (to, from), 100, "good", &format!("out {address}"), "NAT gateway");
        }
        [address] if host.inbound == Some(*address) => {
            lane(out, (to, from), 100, "edit", &format!("out {address}"), "its own address");
        }
        many => {
            let text = many.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(", ");
            lane(out, (to, from), 100, "bad", &format!("out {text}"), "neither its own nor the SNAT entry's");
        }
    }
}

/// An arrow with a text above and one below.
fn lane(out: &mut String, (from, to): (u32, u32), y: u32, class: &str, above: &str, below: &str) {
    let back = if to > from { to - 8 } else { to + 8 };
    let middle = u32::midpoint(from, to);
    let _ = writeln!(
        out,
        "<path class=\"{class}\" d=\"M{from} {y}H{to}M{back} {}L{to} {y}L{back} {}\"/>\
         <text x=\"{middle}\" y=\"{}\" class=\"mid {class}\">{}</text>\
         <text x=\"{middle}\" y=\"{}\" class=\"mid small\">{}</text>",
        y - 4,
        y + 4,
        y - 6,
        for_html(above),
        y + 15,
        for_html(below),
    );
}

/// Where the bars begin, and how wide the longest can be.
const LEFT: u64 = 150;
const WIDTH: u64 = 500;
/// Height of a step's line.
const ROW: usize = 18;

/// The steps in time, with the windows in which the address was bound to nothing. `None` if no step has a time.
pub(super) fn timeline(host: &HostReport) -> Option<String> {
    let spans: Vec<_> = host.steps.iter().filter_map(|step| Some((step, step.span()?))).collect();
    let first = spans.iter().map(|(_, (start, _))| *start).min()?;
    let last = spans.iter().map(|(_, (_, end))| *end).max()?;
    let length = last.abs_diff(first).max(1);
    let at = |moment: i64| LEFT + moment.abs_diff(first) * WIDTH / length;
    let height = spans.len() * ROW + 4;
    let mut out = format!("<svg viewBox=\"0 0 760 {height}\" role=\"img\">\n");
    for window in windows(&host.steps) {
        let (start, end) = window.unwrap_or_else(|start| (start, last));
        let width = (at(end) - at(start)).max(1);
        let _ = writeln!(
            out,
            "<rect class=\"gap\" x=\"{}\" y=\"0\" width=\"{width}\" height=\"{height}\"/>",
            at(start)
        );
    }
    for (row, (step, (start, end))) in spans.iter().enumerate() {
        let (top, undo) = (row * ROW, if step.undo { "undo " } else { "" });
        let class = if step.error.is_some() { "bad" } else { "bar" };
        let _ = writeln!(
            out,
            "<text x=\"0\" y=\"{}\">{undo}{}</text><rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"12\"/>\
             <text x=\"{}\" y=\"{}\">{}</text>",
            top + 14,
            step.step.label(),
            at(*start),
            top + 4,
            (at(*end) - at(*start)).max(1),
            at(*end) + 6,
            top + 14,
            duration(step.ms),
        );
    }
    out.push_str("</svg>\n");
    Some(out)
}
