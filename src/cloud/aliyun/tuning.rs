//! The numbers that decide how patient the client is, in one place so that tests can be in a hurry.

use std::time::Duration;

/// Limits, cadences and patience. The default is meant for the real cloud.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// Limit for a TCP connection and TLS handshake.
    pub connect_timeout: Duration,
    /// Limit for the time without a byte of an answer.
    pub read_timeout: Duration,
    /// Limit for one whole exchange.
    pub request_timeout: Duration,
    /// Limit for each request to the metadata service.
    pub metadata_timeout: Duration,
    /// First step of the back-off between attempts; it doubles.
    pub retry_base: Duration,
    /// Largest step of the back-off.
    pub retry_cap: Duration,
    /// How long one call may be retried.
    pub retry_budget: Duration,
    /// Draws the actual pause from zero up to the given step.
    pub jitter: fn(Duration) -> Duration,
    /// Pause before the first look at something that is waited for.
    pub poll_first: Duration,
    /// Shortest pause between two looks.
    pub poll_min: Duration,
    /// Longest pause between two looks; it is reached by growing half again each time.
    pub poll_max: Duration,
    /// How long something just created may be missing from the answers.
    pub absence_grace: Duration,
    /// How long all looks must agree that something will never be reached; longer than answers lag behind.
    pub doubt_grace: Duration,
    /// How long an interface may stay `Available` after it was told to attach.
    pub attach_grace: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            metadata_timeout: Duration::from_secs(1),
            retry_base: Duration::from_millis(200),
            retry_cap: Duration::from_secs(5),
            retry_budget: Duration::from_secs(60),
            jitter: full_jitter,
            poll_first: Duration::from_millis(100),
            poll_min: Duration::from_millis(250),
            poll_max: Duration::from_secs(1),
            absence_grace: Duration::from_secs(60),
            doubt_grace: Duration::from_secs(5),
            attach_grace: Duration::from_secs(15),
        }
    }
}

/// A pause drawn evenly from zero up to `step`: callers that failed together come back apart.
fn full_jitter(step: Duration) -> Duration {
    // Without randomness the whole step is still a correct pause.
    getrandom::u32().map_or(step, |draw| step.mul_f64(f64::from(draw) / f64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_the_step() {
        let step = Duration::from_millis(200);
        let draws: Vec<Duration> = (0..64).map(|_| full_jitter(step)).collect();
        assert!(draws.iter().all(|d| *d <= step));
        assert!(draws.iter().any(|d| *d != draws[0]), "64 equal draws");
    }
}
