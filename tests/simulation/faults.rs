//! What goes wrong, and how often.

use std::time::Duration;

use super::region::Change;

/// How a request to the cloud goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Fine,
    /// Refused for good, without effect.
    Refused,
    /// The account is refused.
    Account,
    /// From now on requests are turned away for so many seconds.
    Throttled(u64),
    /// It never arrives.
    LostRequest,
    /// It has its effect, the answer gets lost.
    LostAnswer,
    /// No answer; it arrives after so many milliseconds.
    Slow(u64),
    /// It is carried out, and arrives a second time after so many milliseconds.
    Twice(u64),
}

/// How an execution on a host goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    Fine,
    /// The connection breaks before anything ran.
    LostBefore,
    /// The script runs, the connection breaks before its answer comes.
    LostAfter,
    /// It ends too late; the script ran.
    Late,
    /// The host loses its power after so many of the script's changes.
    Falls(usize),
    /// The script fails and takes back what it did.
    Fails,
    /// What comes back is cut off.
    CutOff,
}

/// Chances, each out of a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Faults {
    /// A request, an execution or a connection goes wrong.
    pub(crate) rate: u32,
    /// A look at a record shows its past.
    pub(crate) stale: u32,
    /// The journal cannot be written.
    pub(crate) journal: u32,
}

impl Faults {
    /// Nothing goes wrong.
    pub(crate) const NONE: Self = Self { rate: 0, stale: 0, journal: 0 };

    /// Draws how wrong things go in one simulation.
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        let rate = [0, 20, 60, 150][rng.usize(0..4)];
        Self { rate, stale: [0, 50, 200][rng.usize(0..3)], journal: [0, 0, 0, 5][rng.usize(0..4)] }
    }

    pub(crate) fn hits(rng: &mut fastrand::Rng, chance: u32) -> bool {
        rng.u32(0..1000) < chance
    }

    pub(crate) fn way(self, rng: &mut fastrand::Rng) -> Way {
        if !Self::hits(rng, self.rate) {
            return Way::Fine;
        }
        match rng.u32(0..20) {
            0..=3 => Way::Refused,
            4 if rng.u32(0..8) == 0 => Way::Account,
            4..=6 => Way::Throttled(rng.u64(1..90)),
            7..=9 => Way::LostRequest,
            10..=13 => Way::LostAnswer,
            14..=16 => Way::Slow(rng.u64(500..15_000)),
            _ => Way::Twice(rng.u64(50..15_000)),
        }
    }

    pub(crate) fn run(self, rng: &mut fastrand::Rng, steps: usize) -> Run {
        if !Self::hits(rng, self.rate) {
            return Run::Fine;
        }
        match rng.u32(0..7) {
            0 => Run::LostBefore,
            1 => Run::LostAfter,
            2 => Run::Late,
            3 => Run::Falls(rng.usize(0..=steps)),
            4 | 5 => Run::Fails,
            _ => Run::CutOff,
        }
    }

    /// How long a look lags behind.
    pub(crate) fn lag(self, rng: &mut fastrand::Rng) -> Duration {
        let lag = if Self::hits(rng, self.stale) { rng.u64(100..3_000) } else { 0 };
        Duration::from_millis(lag)
    }

    /// How long the cloud takes for a change; rarely longer than anybody waits.
    pub(crate) fn transition(self, rng: &mut fastrand::Rng, change: &Change) -> Duration {
        let usual = match change {
            Change::Attached(..) | Change::Detached(_) => rng.u64(1_000..30_000),
            Change::Bound(..) | Change::Unbound(_) => rng.u64(1_000..9_000),
            _ => rng.u64(200..6_000),
        };
        let long = Self::hits(rng, self.rate) && rng.u32(0..10) == 0;
        Duration::from_millis(if long { rng.u64(30_000..200_000) } else { usual })
    }
}
