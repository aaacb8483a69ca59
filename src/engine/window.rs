//! How many hosts may be without their EIP at the same time, apart from how many are worked on.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Leave to cut hosts off, shared by all hosts of a run. It is taken before the EIP is told to move and given back when it is
/// bound again, so a process that dies leaves at most that many hosts without an inbound address.
#[derive(Debug, Clone)]
pub struct Cutovers(Arc<Semaphore>);

impl Cutovers {
    /// At most so many at a time, but one always.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Waits for leave.
    pub(super) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.0).acquire_owned().await.ok()
    }
}

impl Default for Cutovers {
    fn default() -> Self {
        Self::new(20)
    }
}
