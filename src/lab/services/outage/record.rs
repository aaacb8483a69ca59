//! From attempts to gaps. Pure: times are given, as durations since the beginning of the measurement.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Gaps kept per target; of more only the number and the longest are known.
const MAX_GAPS: usize = 1000;

/// One target's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Where the connections went.
    pub target: SocketAddr,
    /// Attempts made.
    pub probes: u64,
    /// Those that did not see the banner in time.
    pub failures: u64,
    /// The longest gap, zero if there was none; in JSON `longest_gap_ms`, in milliseconds.
    #[serde(rename = "longest_gap_ms", with = "as_millis")]
    pub longest_gap: Duration,
    /// The first thousand gaps, in order.
    pub gaps: Vec<Gap>,
    /// Gaps beyond those.
    pub gaps_dropped: u64,
}

/// A time in which the target could not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Beginning of the last attempt that succeeded before it, since the measurement began; 0 if none had.
    pub start_ms: u64,
    /// From there to the answer of the first attempt that succeeded after it, or to the end of the measurement.
    pub length_ms: u64,
    /// An attempt succeeded after it.
    pub recovered: bool,
}

impl Measured {
    /// A target of which nothing is known.
    pub(super) fn nothing(target: SocketAddr) -> Self {
        Self {
            target,
            probes: 0,
            failures: 0,
            longest_gap: Duration::ZERO,
            gaps: Vec::new(),
            gaps_dropped: 0,
        }
    }
}

/// Whole milliseconds, rounded up: a gap is never shown shorter than it was.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Takes the attempts in the order they were begun.
pub(super) struct Recorder {
    measured: Measured,
    /// Beginning of the last success.
    reached: Duration,
    failing: bool,
}

impl Recorder {
    pub(super) fn new(target: SocketAddr) -> Self {
        Self { measured: Measured::nothing(target), reached: Duration::ZERO, failing: false }
    }

    /// An attempt begun at `begun` and answered at `answered`, if it was.
    pub(super) fn add(&mut self, begun: Duration, answered: Option<Duration>) {
        self.measured.probes += 1;
        match answered {
            None => {
                self.measured.failures += 1;
                self.failing = true;
            }
            Some(answered) => {
                if self.failing {
                    self.close(answered, true);
                }
                self.failing = false;
                self.reached = begun;
            }
        }
    }

    /// The measurement ends.
    pub(super) fn finish(mut self, now: Duration) -> Measured {
        if self.failing {
            self.close(now, false);
        }
        self.measured
    }

    fn close(&mut self, end: Duration, recovered: bool) {
        let length = end.saturating_sub(self.reached);
        self.measured.longest_gap = self.measured.longest_gap.max(length);
        if self.measured.gaps.len() < MAX_GAPS {
            // Down, so that start and length together still reach the end.
            let start_ms = u64::try_from(self.reached.as_millis()).unwrap_or(u64::MAX);
            self.measured.gaps.push(Gap { start_ms, length_ms: millis(length), recovered });
        } else {
            self.measured.gaps_dropped += 1;
        }
    }
}

mod as_millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(super::millis(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    fn record(attempts: &[(u64, Option<u64>)], end: u64) -> Measured {
        let mut recorder = Recorder::new(([127, 0, 0, 1], 22).into());
        for (begun, answered) in attempts {
            recorder.add(ms(*begun), answered.map(ms));
        }
        recorder.finish(ms(end))
    }

    #[test]
    fn a_gap_runs_from_the_last_success_to_the_first_answer_after_it() {
        let found = record(&[(0, Some(2)), (25, Some(26)), (50, None), (75, None), (100, Some(103))], 110);
        assert_eq!((found.probes, found.failures, found.longest_gap), (5, 2, ms(78)));
        assert_eq!(found.gaps, [Gap { start_ms: 25, length_ms: 78, recovered: true }]);
    }

    #[test]
    fn gaps_at_both_ends_are_counted() {
        let found = record(&[(0, None), (25, Some(30)), (50, None)], 200);
        assert_eq!(
            found.gaps,
            [
                Gap { start_ms: 0, length_ms: 30, recovered: true },
                Gap { start_ms: 25, length_ms: 175, recovered: false }
            ]
        );
        assert_eq!(found.longest_gap, ms(175));
    }

    #[test]
    fn without_failures_there_is_no_gap() {
        assert_eq!(record(&[(0, Some(140)), (25, Some(26))], 150).gaps, []);
    }

    #[test]
    fn memory_is_bounded_but_the_longest_gap_is_still_found() {
        let mut attempts: Vec<_> = (0..4000).map(|n| (n * 10, (n % 2 == 0).then_some(n * 10 + 1))).collect();
        attempts.push((90_000, Some(90_000)));
        let found = record(&attempts, 90_001);
        assert_eq!((found.gaps.len(), found.gaps_dropped), (MAX_GAPS, 1000));
        assert_eq!(found.longest_gap, ms(90_000 - 39_980));
    }
}
