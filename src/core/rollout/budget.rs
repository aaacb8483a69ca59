//! `--max-fail`: how many hosts may go wrong before nothing new begins.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::core::model::ModelError;

/// A failure budget; it is spent when this many hosts have gone wrong, not only when more have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Budget {
    /// So many hosts, at least 1.
    Count(usize),
    /// So many hosts of 100, from 1 to 100.
    Percent(u8),
}

const EXPECTED: &str = "a number of hosts from 1, or a share of them from 1% to 100%";

impl Budget {
    /// The number of hosts that spends it in a run of `total` hosts: a share is rounded up, and at least 1.
    #[must_use]
    pub fn limit(self, total: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => share(total, percent).max(1),
        }
    }
}

/// A share of hosts, rounded up.
pub(super) fn share(total: usize, percent: u8) -> usize {
    total.saturating_mul(usize::from(percent)).div_ceil(100)
}

/// `N` from 1, or `N%` from 1 to 100; nothing else, no sign and no white space.
pub(super) fn amount(text: &str) -> Option<Budget> {
    let (digits, percent) = text.strip_suffix('%').map_or((text, false), |digits| (digits, true));
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match (digits.parse::<usize>().ok()?, percent) {
        (0, _) => None,
        (count, false) => Some(Budget::Count(count)),
        (share, true) => u8::try_from(share).ok().filter(|share| *share <= 100).map(Budget::Percent),
    }
}

impl FromStr for Budget {
    type Err = ModelError;
    fn from_str(text: &str) -> Result<Self, ModelError> {
        amount(text).ok_or_else(|| ModelError::new(text, EXPECTED))
    }
}

impl TryFrom<String> for Budget {
    type Error = ModelError;
    fn try_from(text: String) -> Result<Self, ModelError> {
        text.parse()
    }
}

impl From<Budget> for String {
    fn from(budget: Budget) -> Self {
        budget.to_string()
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}
