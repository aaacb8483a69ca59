//! How many logins at a time go to one address: an ordinary sshd drops at random from the tenth on that has not logged in
//! (`MaxStartups 10:30:100`), and several hosts of a fleet may stand behind one address.
//!
//! Must never slow down logins to different addresses.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::cache::lock;

/// From this many addresses on, those that nobody waits for are forgotten.
const MANY: usize = 256;

/// Turns, by address.
pub(super) struct Pacing {
    at_once: usize,
    turns: Mutex<HashMap<(IpAddr, u16), Weak<Semaphore>>>,
}

impl Pacing {
    /// Lets this many at a time go to one address.
    pub(super) fn new(at_once: usize) -> Self {
        Self { at_once: at_once.max(1), turns: Mutex::default() }
    }

    /// Waits for a turn at an address; it lasts as long as what this gives.
    pub(super) async fn turn(&self, address: IpAddr, port: u16) -> Option<OwnedSemaphorePermit> {
        let semaphore = {
            let mut turns = lock(&self.turns);
            if turns.len() >= MANY {
                turns.retain(|_, semaphore| semaphore.strong_count() > 0);
            }
            let entry = turns.entry((address, port)).or_default();
            entry.upgrade().unwrap_or_else(|| {
                let fresh = Arc::new(Semaphore::new(self.at_once));
                *entry = Arc::downgrade(&fresh);
                fresh
            })
        };
        semaphore.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Whether something does not happen by itself.
    async fn is_waiting(future: impl Future) -> bool {
        tokio::time::timeout(Duration::from_secs(60), future).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_limited_for_each_address() {
        let pacing = Pacing::new(2);
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let first = pacing.turn(here, 22).await;
        let _second = pacing.turn(here, 22).await;
        assert!(is_waiting(pacing.turn(here, 22)).await);
        let _others = (pacing.turn(here, 23).await, pacing.turn(there, 22).await);
        drop(first);
        assert!(!is_waiting(pacing.turn(here, 22)).await);
    }

    #[tokio::test]
    async fn addresses_that_nobody_waits_for_are_forgotten() {
        let pacing = Pacing::new(1);
        for n in 0..5000u32 {
            drop(pacing.turn(IpAddr::from(n.to_be_bytes()), 22).await);
        }
        assert!(lock(&pacing.turns).len() <= MANY);
    }
}
