//! The wish to stop: what is begun is finished, nothing new begins.

use std::sync::{Arc, OnceLock};

/// A wish that any holder can utter and every host's task heeds before it begins.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<OnceLock<String>>);

impl Stop {
    /// Nothing new begins from now on, because somebody interrupts the run.
    pub fn ask(&self) {
        self.because("the run was interrupted".to_owned());
    }

    /// Nothing new begins from now on, for this reason. Only the first reason counts.
    pub(super) fn because(&self, reason: String) {
        self.0.get_or_init(|| reason);
    }

    /// What is said of a host that has not begun yet; `None` if it may begin.
    pub(super) fn not_begun(&self) -> Option<String> {
        self.0.get().map(|reason| format!("not begun, because {reason}; nothing was changed"))
    }
}
