//! What the cloud was a while ago, for reads that lag behind.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::state::Cloud;

/// Former states, the oldest first, each with the time until which it was so.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<VecDeque<(Instant, Arc<Cloud>)>>);

impl History {
    /// Keeps the state that is about to change; what is older than `memory` is forgotten.
    pub(super) fn note(&self, before: &Cloud, memory: Duration) {
        let now = Instant::now();
        let mut past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while past.front().is_some_and(|(until, _)| now.duration_since(*until) > memory) {
            past.pop_front();
        }
        past.push_back((now, Arc::new(before.clone())));
    }

    /// The state that long ago; `None` if it is the one of now.
    pub(super) fn before(&self, age: Duration) -> Option<Arc<Cloud>> {
        let now = Instant::now();
        let past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        past.iter().find(|(until, _)| now.duration_since(*until) < age).map(|(_, state)| Arc::clone(state))
    }
}
