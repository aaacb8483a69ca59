//! The report itself. Its serialised form is read by other programs: additive changes only.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::core::event::HostOutcome;
use crate::core::model::{HostName, InstanceId, RunId};
use crate::core::plan::StepKind;

/// How a run went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The run; absent for a command that keeps no journal.
    pub run: Option<RunId>,
    /// The inventory file as given on the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<String>,
    /// What was asked for.
    pub verb: Verb,
    /// When it began, milliseconds since 1970-01-01T00:00:00Z.
    pub started_ms: i64,
    /// When it ended, milliseconds since 1970-01-01T00:00:00Z.
    pub finished_ms: i64,
    /// The hosts, in the order of the inventory.
    pub hosts: Vec<HostReport>,
    /// API calls sent, by action, retries included.
    pub api_calls: BTreeMap<String, u64>,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// `egressctl apply`
    Apply,
    /// `egressctl resume`
    Resume,
    /// `egressctl rollback`
    Rollback,
    /// `egressctl verify`
    Verify,
    /// `egressctl confirm`
    Confirm,
}

impl Verb {
    /// As typed.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Resume => "resume",
            Self::Rollback => "rollback",
            Self::Verify => "verify",
            Self::Confirm => "confirm",
        }
    }
}

/// How it went for one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostReport {
    /// Its inventory name.
    pub name: HostName,
    /// Its instance.
    pub instance: InstanceId,
    /// How it ended.
    pub outcome: HostOutcome,
    /// The address by which it is reached from outside, if it has one.
    pub inbound: Option<Ipv4Addr>,
    /// Where its traffic left before.
    pub egress_before: Vec<Egress>,
    /// Where its traffic leaves now.
    pub egress_after: Vec<Egress>,
    /// The SNAT addresses it should leave from.
    pub snat_expected: Vec<Ipv4Addr>,
    /// The verdict on its addresses, in words.
    pub verdict: String,
    /// The probes.
    pub checks: Vec<Check>,
    /// The steps that were run, in order.
    pub steps: Vec<StepTime>,
    /// How long it could not be reached from outside at most, milliseconds: as somebody outside has measured it, else as
    /// [`outage`] of its steps.
    pub outage_ms: Option<u64>,
    /// What should be known, such as "the conversion cannot be taken back".
    pub notes: Vec<String>,
}

/// The address that an echo service saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Egress {
    /// The service's URL.
    pub echo: String,
    /// The address it answered with.
    pub address: Ipv4Addr,
}

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was probed.
    pub name: String,
    /// It held.
    pub ok: bool,
    /// What should be seen.
    pub expected: String,
    /// What was seen.
    pub seen: String,
    /// Why it did not hold, where that is known.
    pub cause: Option<String>,
}

/// One step that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTime {
    /// Which.
    pub step: StepKind,
    /// It was undone.
    pub undo: bool,
    /// How long it took, milliseconds.
    pub ms: u64,
    /// When it began, milliseconds since 1970-01-01T00:00:00Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<i64>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl StepTime {
    /// When it began and ended, milliseconds since 1970-01-01T00:00:00Z.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        let start = self.started_ms?;
        Some((start, start.saturating_add_unsigned(self.ms)))
    }
}

/// A [`HostOutcome`] without its reason, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutcomeKind {
    /// Nothing was wrong, nothing was done.
    Ok,
    /// It was changed, and the probes hold.
    Changed,
    /// It was not begun, because the run was stopped before.
    Skipped,
    /// Another run holds it.
    Locked,
    /// It is not any more as it was when the plan was made.
    Stale,
    /// It was refused before anything was changed.
    Refused,
    /// It was taken back.
    Reverted,
    /// It failed.
    Failed,
    /// It could not be reached.
    Unreachable,
    /// A human is needed.
    Unknown,
}

impl OutcomeKind {
    /// All kinds, from good to bad.
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::Changed,
        Self::Skipped,
        Self::Locked,
        Self::Stale,
        Self::Refused,
        Self::Reverted,
        Self::Failed,
        Self::Unreachable,
        Self::Unknown,
    ];

    /// The kind of an outcome.
    #[must_use]
    pub const fn of(outcome: &HostOutcome) -> Self {
        match outcome {
            HostOutcome::Ok => Self::Ok,
            HostOutcome::Changed => Self::Changed,
            HostOutcome::Reverted(_) => Self::Reverted,
            HostOutcome::Failed(_) => Self::Failed,
            HostOutcome::Unreachable(_) => Self::Unreachable,
            HostOutcome::Refused(_) => Self::Refused,
            HostOutcome::Skipped(_) => Self::Skipped,
            HostOutcome::Stale(_) => Self::Stale,
            HostOutcome::Locked(_) => Self::Locked,
            HostOutcome::Unknown(_) => Self::Unknown,
        }
    }

    /// One word for tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Changed => "changed",
            Self::Reverted => "reverted",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
            Self::Stale => "stale",
            Self::Locked => "locked",
            Self::Unknown => "unknown",
        }
    }

    /// One ASCII character, so that a colour never stands alone.
    #[must_use]
    pub const fn sign(self) -> char {
        match self {
            Self::Ok => '=',
            Self::Changed => '~',
            Self::Reverted => '<',
            Self::Failed => 'x',
            Self::Unreachable => '!',
            Self::Refused => '-',
            Self::Skipped => '.',
            Self::Stale => '%',
            Self::Locked => '#',
            Self::Unknown => '?',
        }
    }
}

impl HostReport {
    /// Why it did not go well; `None` if it did.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.outcome.reason()
    }
}
