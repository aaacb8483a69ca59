//! The wish to stop: what is begun is finished, nothing new begins.

use std::sync::Arc;

use tokio::sync::watch;

/// A wish that any holder can utter and every host's task heeds before it begins.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<Option<String>>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::channel(None).0))
    }
}

impl Stop {
    /// Nothing new begins from now on, because somebody interrupts the run.
    pub fn ask(&self) {
        self.because("the run was interrupted".to_owned());
    }

    /// Nothing new begins from now on, for this reason. Only the first reason counts.
    pub(super) fn because(&self, reason: String) {
        self.0.send_if_modified(|first| {
            let new = first.is_none();
            if new {
                *first = Some(reason);
            }
            new
        });
    }

    /// Why nothing new may begin; `None` if it may.
    pub(super) fn reason(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// What is said of a host that has not begun yet; `None` if it may begin.
    pub(super) fn not_begun(&self) -> Option<String> {
        self.reason().map(|reason| format!("not begun, because {reason}; nothing was changed"))
    }

    /// Returns when nothing new may begin any more.
    pub(super) async fn uttered(&self) {
        // It cannot be closed as long as this holds a sender.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }
}
