//! What was agreed on before a run begins.

use serde::{Deserialize, Serialize};

use super::{Budget, Waves};

/// How a run goes over its hosts. The serialised form is part of the journal's: additive changes only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// The waves; all hosts at once without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waves: Option<Waves>,
    /// How much may go wrong; one host where there are waves and no budget is given, else anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Pause between two waves, milliseconds.
    #[serde(default)]
    pub soak_ms: u64,
    /// Which waves somebody has to approve.
    #[serde(default)]
    pub approve: Approve,
    /// How long an approval is waited for, milliseconds; for ever without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve_within_ms: Option<u64>,
}

/// Which waves begin only when somebody has approved it. The first is approved with the plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approve {
    /// None.
    #[default]
    Never,
    /// The second, when the first is over.
    AfterCanary,
    /// Every one but the first.
    Each,
}

impl Rollout {
    /// This policy where it says something, else what was agreed on before: going on with a run never drops its gates.
    #[must_use]
    pub fn over(&self, agreed: &Self) -> Self {
        Self {
            waves: self.waves.clone().or_else(|| agreed.waves.clone()),
            budget: self.budget.or(agreed.budget),
            soak_ms: if self.soak_ms == 0 { agreed.soak_ms } else { self.soak_ms },
            approve: if self.approve == Approve::Never { agreed.approve } else { self.approve },
            approve_within_ms: self.approve_within_ms.or(agreed.approve_within_ms),
        }
    }

    /// How many hosts spend the budget of a run of `total` hosts; `None` if nothing does.
    #[must_use]
    pub fn limit(&self, total: usize) -> Option<usize> {
        let usual = self.waves.as_ref().map(|_| Budget::Count(1));
        self.budget.or(usual).map(|budget| budget.limit(total))
    }

    /// Whether this wave, counted from 1, needs an approval of its own.
    #[must_use]
    pub const fn asks(&self, wave: usize) -> bool {
        match self.approve {
            Approve::Never => false,
            Approve::AfterCanary => wave == 2,
            Approve::Each => wave > 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_over_another_drops_no_gate() {
        let agreed = Rollout {
            waves: Some("1,5,10%".parse().unwrap()),
            budget: Some("2".parse().unwrap()),
            soak_ms: 30_000,
            approve: Approve::Each,
            approve_within_ms: Some(60_000),
        };
        assert_eq!(Rollout::default().over(&agreed), agreed);
        let more = Rollout { budget: Some("9".parse().unwrap()), ..Rollout::default() };
        assert_eq!(more.over(&agreed), Rollout { budget: more.budget, ..agreed.clone() });
        assert_eq!(agreed.over(&Rollout::default()), agreed);
    }
}
