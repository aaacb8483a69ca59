//! What a host says of the guard over a change of it. Its word is the truth of the report.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The state of a host's guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardState {
    /// The host takes the change back unless a new connection confirms it in time.
    Armed {
        /// 1 over what is gone with a boot, 2 over files too.
        generation: u8,
        /// How long it waited still when it said so.
        left: Duration,
    },
    /// The change stays.
    Confirmed,
    /// The host has taken the change back.
    RolledBack,
}

impl FromStr for GuardState {
    type Err = ();

    /// Reads `armed GENERATION HUNDREDTHS`, `confirmed` or `rolledback`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.split(' ');
        let state = match words.next() {
            Some("armed") => {
                let generation = match words.next() {
                    Some("1") => 1,
                    Some("2") => 2,
                    _ => return Err(()),
                };
                let left: i64 = words.next().ok_or(())?.parse().map_err(|_| ())?;
                // Over already, or far more than any guard waits.
                let left = u64::try_from(left).unwrap_or(0).min(100 * 3600);
                Self::Armed { generation, left: Duration::from_millis(10 * left) }
            }
            Some("confirmed") => Self::Confirmed,
            Some("rolledback") => Self::RolledBack,
            _ => return Err(()),
        };
        if words.next().is_some() { Err(()) } else { Ok(state) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_and_nothing_else_is() {
        let armed = |generation, ms| Ok(GuardState::Armed { generation, left: Duration::from_millis(ms) });
        assert_eq!("armed 1 18000".parse(), armed(1, 180_000));
        assert_eq!("armed 2 -3".parse(), armed(2, 0));
        assert_eq!("armed 2 99999999999".parse(), armed(2, 3_600_000));
        assert_eq!("confirmed".parse(), Ok(GuardState::Confirmed));
        assert_eq!("rolledback".parse(), Ok(GuardState::RolledBack));
        for bad in
            ["", "armed", "armed 3 1", "armed 1", "armed 1 x", "armed 1 1 1", "confirmed 1", "Confirmed"]
        {
            assert_eq!(bad.parse::<GuardState>(), Err(()), "{bad:?}");
        }
    }
}
