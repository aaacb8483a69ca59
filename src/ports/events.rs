//! Where events go.

use crate::core::event::Event;

/// Takes events. Must return at once: a slow reader may not slow the work that it reads about.
pub trait EventSink: Send + Sync {
    /// Hands over an event. Nobody learns whether it was shown.
    fn emit(&self, event: Event);
}
