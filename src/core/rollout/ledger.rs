//! Who has gone wrong so far, and whether that is too much.

use crate::core::event::HostOutcome;
use crate::core::plan::{Plan, Verdict};

use super::Rollout;

/// Counts hosts against the failure budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    limit: Option<usize>,
    failed: usize,
}

impl Ledger {
    /// A run's ledger before its first host. A share is one of the hosts that can go wrong: those to change, and those that
    /// could not be reached for planning, which count from the beginning.
    #[must_use]
    pub fn new(plan: &Plan, rollout: &Rollout) -> Self {
        let unreachable = plan.count(Verdict::Unreachable);
        Self { limit: rollout.limit(plan.count(Verdict::Change) + unreachable), failed: unreachable }
    }

    /// Counts how a host to change has ended: failed, unreachable, taken back (a probe that does not hold takes a host back)
    /// or unknown. A host that was skipped, stale, locked or refused has not been changed, and says nothing about the rest.
    pub const fn ended(&mut self, outcome: &HostOutcome) {
        let wrong = matches!(
            outcome,
            HostOutcome::Failed(_)
                | HostOutcome::Unreachable(_)
                | HostOutcome::Reverted(_)
                | HostOutcome::Unknown(_)
        );
        if wrong {
            self.failed += 1;
        }
    }

    /// Why nothing new may begin; `None` as long as the budget is not spent.
    #[must_use]
    pub fn spent(&self) -> Option<String> {
        let limit = self.limit.filter(|limit| self.failed >= *limit)?;
        let hosts = crate::core::plan::hosts(self.failed);
        Some(format!("{hosts} did not go well, and the failure budget is {limit}"))
    }

    /// Whether the next wave may begin while so many hosts are still at work: if all of these failed, the budget would hold.
    #[must_use]
    pub fn bears(&self, at_work: usize) -> bool {
        at_work == 0 || self.limit.is_none_or(|limit| self.failed + at_work < limit)
    }
}
