//! The meter of outages: what a user of a host on "the internet" would have seen of a cutover, measured from outside.
//!
//! Every `interval` it opens a new connection to every target and waits for the SSH banner. It must never make an outage
//! look shorter than it was: a gap runs from the *beginning* of the last attempt that succeeded before it to the *answer* of
//! the first that succeeded after it. So it is too long by at most two intervals and one round trip.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod probe;
mod record;
#[cfg(test)]
mod tests;

pub use record::{Gap, Measured};

/// What one run of the meter found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutageReport {
    /// The time between two attempts, in milliseconds: the resolution of all that follows.
    pub interval_ms: u64,
    /// The targets, in the order given.
    pub targets: Vec<Measured>,
}

/// Measures all `targets` until `stop` is done; returns then, or at most one attempt's time-out (150 ms) later.
///
/// An `interval` below a millisecond counts as one. Attempts overlap, so one that hangs does not hide the recovery.
pub async fn measure(
    targets: Vec<SocketAddr>,
    interval: Duration,
    stop: impl Future<Output = ()>,
) -> Vec<Measured> {
    let (running, stopped) = tokio::sync::watch::channel(());
    let interval = interval.max(Duration::from_millis(1));
    let meters: Vec<_> =
        targets.iter().map(|target| tokio::spawn(probe::watch(*target, interval, stopped.clone()))).collect();
    stop.await;
    drop(running);
    let mut measured = Vec::with_capacity(meters.len());
    for (meter, target) in meters.into_iter().zip(targets) {
        // A meter cannot panic; if it did, a target without probes is what is known of it.
        measured.push(meter.await.unwrap_or_else(|_| Measured::nothing(target)));
    }
    measured
}

/// Measures until standard input closes; returns an [`OutageReport`] as one JSON document.
///
/// # Errors
/// Standard input cannot be read.
pub async fn run_until_stdin_closes(targets: Vec<SocketAddr>, interval: Duration) -> io::Result<String> {
    // Reading blocks a thread of the runtime's pool; it ends with the input.
    let closed = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin().lock(), &mut io::sink()));
    run_until(async { closed.await?.map(drop) }, targets, interval).await
}

async fn run_until(
    closed: impl Future<Output = io::Result<()>>,
    targets: Vec<SocketAddr>,
    interval: Duration,
) -> io::Result<String> {
    let mut end = Ok(());
    let targets = measure(targets, interval, async { end = closed.await }).await;
    end?;
    let interval_ms = record::millis(interval.max(Duration::from_millis(1)));
    Ok(serde_json::to_string(&OutageReport { interval_ms, targets })?)
}
