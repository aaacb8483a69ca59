//! How long a login may take. The clock stands while a person is asked.
//!
//! Must never run out because of a person, and never be extended by anything else.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::FOREVER;
use super::cache::lock;

/// The time left for one login.
pub(super) struct Patience {
    within: Duration,
    clock: Mutex<Clock>,
    resumed: Notify,
}

#[derive(Clone, Copy)]
enum Clock {
    Runs { until: Instant },
    Stands { left: Duration },
}

impl Patience {
    /// Begins now.
    pub(super) fn new(within: Duration) -> Self {
        let within = within.min(FOREVER);
        let clock = Mutex::new(Clock::Runs { until: Instant::now() + within });
        Self { within, clock, resumed: Notify::new() }
    }

    /// How long it is in all, for messages.
    pub(super) const fn within(&self) -> Duration {
        self.within
    }

    /// What is left of it.
    pub(super) fn left(&self) -> Duration {
        match *lock(&self.clock) {
            Clock::Runs { until } => until.saturating_duration_since(Instant::now()),
            Clock::Stands { left } => left,
        }
    }

    /// Waits for a person, or whatever waits for one.
    pub(super) async fn without<T>(&self, person: impl Future<Output = T>) -> T {
        let left = self.left();
        *lock(&self.clock) = Clock::Stands { left };
        // Runs on also if the waiting is given up.
        let _resume = Resume(self, left);
        person.await
    }

    /// `work`, or nothing if it takes too long.
    pub(super) async fn for_work<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        loop {
            let clock = *lock(&self.clock);
            match clock {
                Clock::Runs { until } => match timeout_at(until, &mut work).await {
                    Ok(done) => return Some(done),
                    Err(_) if self.left().is_zero() => return None,
                    Err(_) => {}
                },
                Clock::Stands { .. } => tokio::select! {
                    done = &mut work => return Some(done),
                    () = self.resumed.notified() => {}
                },
            }
        }
    }

    /// Waits this long, at most until it runs out.
    pub(super) async fn pause(&self, duration: Duration) {
        sleep_until(Instant::now() + duration.min(self.left())).await;
    }
}

struct Resume<'a>(&'a Patience, Duration);

impl Drop for Resume<'_> {
    fn drop(&mut self) {
        *lock(&self.0.clock) = Clock::Runs { until: Instant::now() + self.1 };
        self.0.resumed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn work_is_cut_off_when_it_takes_too_long() {
        let patience = Patience::new(3 * SECOND);
        assert_eq!(patience.for_work(sleep(SECOND)).await, Some(()));
        assert_eq!(patience.for_work(sleep(3 * SECOND)).await, None);
        assert_eq!(patience.left(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_stands_while_a_person_thinks() {
        let patience = Patience::new(3 * SECOND);
        let login = async {
            sleep(2 * SECOND).await;
            patience.without(sleep(600 * SECOND)).await;
        };
        assert_eq!(patience.for_work(login).await, Some(()));
        assert_eq!(patience.left(), SECOND);
        let login = async {
            patience.without(sleep(600 * SECOND)).await;
            sleep(2 * SECOND).await;
        };
        assert_eq!(patience.for_work(login).await, None);
    }
}
