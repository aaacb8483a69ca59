//! Who is asked between two waves.

use async_trait::async_trait;

use crate::core::model::RunId;

/// What somebody says to a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// It may begin.
    Given,
    /// It may not, and nothing else either.
    Denied,
}

/// Somebody who can be asked where the run is; others answer through the journal.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Asks whether this wave, counted from 1, may begin. Never returns where nobody can be asked. May be dropped while it
    /// waits, because somebody else has answered.
    async fn ask(&self, run: &RunId, wave: usize) -> Approval;
}
