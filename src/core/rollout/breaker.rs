//! When too many calls to the cloud fail for good, nothing new is put at risk.
//!
//! Pure counting. Must never have a say in whether something begun is finished.

use std::collections::VecDeque;

/// How many failures are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// How many of the last calls count.
    pub window: usize,
    /// No verdict before there are so many.
    pub sample: usize,
    /// More than so many of a hundred are too many.
    pub percent: usize,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self { window: 100, sample: 50, percent: 5 }
    }
}

/// What became of the last calls. Once it is open it stays open: what fails for good is not healed by waiting.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    policy: BreakerPolicy,
    failed: VecDeque<bool>,
    reason: Option<String>,
}

impl Breaker {
    /// With nothing counted yet.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Counts a call that has come to its end: `None` if it went well, else why not. Returns the reason if this opens it.
    pub fn count(&mut self, failure: Option<&str>) -> Option<String> {
        self.failed.push_back(failure.is_some());
        while self.failed.len() > self.policy.window {
            self.failed.pop_front();
        }
        let (all, bad) = (self.failed.len(), self.failed.iter().filter(|failed| **failed).count());
        let too_many = all >= self.policy.sample && bad * 100 > self.policy.percent * all;
        if !too_many || self.reason.is_some() {
            return None;
        }
        let last = failure.unwrap_or("earlier");
        self.reason =
            Some(format!("{bad} of the last {all} changes in the cloud failed for good (the last: {last})"));
        self.reason.clone()
    }

    /// Why nothing new may be put at risk; `None` if it may.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_beyond_the_share_and_not_before_the_sample() {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        for _ in 0..3 {
            assert_eq!(breaker.count(Some("no")), None, "too few calls to tell");
        }
        for n in 3..49 {
            assert_eq!(breaker.count(None), None, "{n}");
        }
        let reason = breaker.count(None).unwrap();
        assert!(reason.starts_with("3 of the last 50 changes"), "{reason}");
        assert_eq!(breaker.reason(), Some(reason.as_str()));
        assert_eq!(breaker.count(Some("again")), None, "it is said once");
    }

    #[test]
    fn exactly_the_share_is_borne_and_old_failures_are_forgotten() {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        for n in 0..1000 {
            assert_eq!(breaker.count((n % 20 == 19).then_some("no")), None, "{n}");
        }
        assert!(breaker.count(Some("one more")).is_some_and(|why| why.starts_with("6 of the last 100")));
    }
}
