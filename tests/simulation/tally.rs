//! What came of some stories.

use std::collections::BTreeMap;

use egressctl::core::event::HostOutcome;

/// What came of some seeds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Stories.
    pub(crate) seeds: u64,
    /// Hosts taken through one story each.
    pub(crate) host_runs: u64,
    /// Events that every invariant has looked at.
    pub(crate) events: u64,
    /// Things that went wrong.
    pub(crate) injected: u64,
    /// Controllers that were killed.
    pub(crate) kills: u64,
    /// How hosts ended, over all verbs.
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    /// Of everything that happened: the same for the same seeds.
    pub(crate) digest: u64,
    /// Seeds that broke something: what, and everything that happened.
    pub(crate) broken: Vec<(u64, Vec<String>, Vec<String>)>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.host_runs += other.host_runs;
        self.events += other.events;
        self.injected += other.injected;
        self.kills += other.kills;
        self.digest ^= other.digest;
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        self.broken.extend(other.broken);
    }
}

/// An outcome without its reason.
pub(crate) fn word(outcome: &HostOutcome) -> &'static str {
    match outcome {
        HostOutcome::Ok => "ok",
        HostOutcome::Changed => "changed",
        HostOutcome::Reverted(_) => "reverted",
        HostOutcome::Failed(_) => "failed",
        HostOutcome::Unreachable(_) => "unreachable",
        HostOutcome::Refused(_) => "refused",
        HostOutcome::Skipped(_) => "skipped",
        HostOutcome::Stale(_) => "stale",
        HostOutcome::Locked(_) => "locked",
        HostOutcome::Unknown(_) => "unknown",
    }
}
