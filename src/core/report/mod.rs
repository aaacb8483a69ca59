//! How a run went, as plain data, and that data as text for people and machines.
//!
//! Pure: strings go out, nothing is shown from here. What a host or the cloud has said is escaped for the medium it
//! goes to, and never anything but text there.

mod data;
mod escape;
mod fold;
mod html;
mod json;
mod junit;
mod next;
mod outage;
mod picture;
mod text;

#[cfg(test)]
mod tests;

use crate::core::event::HostOutcome;

pub use data::{Check, Egress, HostReport, OutcomeKind, Report, StepTime, Verb};
pub use escape::{for_html, for_terminal};
pub use fold::shorten;
pub use html::to_html;
pub use json::{ReportError, from_json, to_json};
pub use junit::to_junit;
pub use outage::outage;
pub use text::{before_after_table, duration, to_text};

/// Exit code of a command that ended with this report, the worst that holds: 10 if a host needs a human, 8 if hosts were not
/// begun because the run was stopped, 2 if a host failed, was taken back or was refused, 4 if a host could not be reached, 6
/// if a host has changed since the plan was made, 5 if another run holds a host, else 0.
#[must_use]
pub fn exit_code(report: &Report) -> u8 {
    exit_code_of(report.hosts.iter().map(|host| &host.outcome))
}

/// The same for a command without a report.
#[must_use]
pub fn exit_code_of<'a>(outcomes: impl IntoIterator<Item = &'a HostOutcome>) -> u8 {
    let code = |outcome| match OutcomeKind::of(outcome) {
        OutcomeKind::Ok | OutcomeKind::Changed => 0,
        OutcomeKind::Skipped => 8,
        OutcomeKind::Unreachable => 4,
        OutcomeKind::Locked => 5,
        OutcomeKind::Stale => 6,
        OutcomeKind::Reverted | OutcomeKind::Failed | OutcomeKind::Refused => 2,
        OutcomeKind::Unknown => 10,
    };
    let codes: Vec<u8> = outcomes.into_iter().map(code).collect();
    [10, 8, 2, 4, 6, 5].into_iter().find(|code| codes.contains(code)).unwrap_or(0)
}
