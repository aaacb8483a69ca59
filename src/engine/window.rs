//! How many hosts may be without their EIP at the same time, apart from how many are worked on, and whether any more may be.
//!
//! Must never keep an EIP that is bound to nothing from being bound.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::core::rollout::{Breaker, BreakerPolicy};

/// Leave to cut hosts off, shared by all hosts of a run. It is taken before the EIP is told to move and given back when it is
/// bound again, so a process that dies leaves at most that many hosts without an inbound address.
#[derive(Debug, Clone)]
pub struct Cutovers {
    places: Arc<Semaphore>,
    breaker: Arc<Mutex<Breaker>>,
}

impl Cutovers {
    /// At most so many at a time, but one always.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self::guarded(most, BreakerPolicy::default())
    }

    /// The same, with another idea of how many failures are too many.
    #[must_use]
    pub fn guarded(most: usize, policy: BreakerPolicy) -> Self {
        let places = Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)));
        Self { places, breaker: Arc::new(Mutex::new(Breaker::new(policy))) }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a change in the cloud that has come to its end; returns the reason if nothing new may begin from now on.
    pub(super) fn count(&self, failure: Option<&str>) -> Option<String> {
        self.breaker().count(failure)
    }

    /// Why nothing new may be put at risk.
    pub(super) fn closed(&self) -> Option<String> {
        self.breaker().reason().map(str::to_owned)
    }

    /// Waits for leave.
    pub(super) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.places).acquire_owned().await.ok()
    }
}

impl Default for Cutovers {
    fn default() -> Self {
        Self::new(20)
    }
}
