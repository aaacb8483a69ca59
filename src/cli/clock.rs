//! The machine's clock and randomness, taken in one place.

use std::time::UNIX_EPOCH;

use crate::core::model::RunId;
use crate::ports::Clock;

/// The machine's wall clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where the product reads the wall clock; the lab's emulator has its own"
        )]
        let now = std::time::SystemTime::now();
        now.duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|age| i64::try_from(age.as_millis()).ok())
            .unwrap_or_default()
    }
}

/// A run id from the time and a little randomness, so that two operators do not share one.
pub(super) fn new_run_id(now_ms: i64) -> Result<RunId, String> {
    let mut noise = [0_u8; 2];
    getrandom::fill(&mut noise).map_err(|error| error.to_string())?;
    let time = jiff::Timestamp::from_millisecond(now_ms).map_err(|error| error.to_string())?;
    let [a, b] = noise;
    format!("{}-{a:02x}{b:02x}", time.strftime("%Y%m%dT%H%M%SZ")).parse().map_err(|error| format!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_sort_by_time() {
        let id = new_run_id(1_795_363_200_000).unwrap();
        assert!(id.as_str().starts_with("20261122T160000Z-"), "{id}");
    }
}
