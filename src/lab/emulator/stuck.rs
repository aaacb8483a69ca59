//! Transitions that hang until somebody repeats the call, time passes, or the faults end.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::faults::Hold;

/// Those that hang now, each with the repetitions it still waits for.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    hanging: Mutex<BTreeMap<String, Option<u32>>>,
    bell: Notify,
}

impl Stuck {
    fn hanging(&self) -> MutexGuard<'_, BTreeMap<String, Option<u32>>> {
        self.hanging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on repetitions count.
    pub(super) fn begin(&self, id: &str, hold: Hold) {
        self.hanging().insert(id.to_owned(), hold.repeats);
    }

    /// Waits until it is over.
    pub(super) async fn end(&self, id: &str, hold: Hold) {
        let until = hold.time.map(|time| Instant::now() + time);
        loop {
            let mut bell = std::pin::pin!(self.bell.notified());
            bell.as_mut().enable();
            if self.hanging().get(id).is_none_or(|left| *left == Some(0)) {
                break;
            }
            match until {
                Some(until) if timeout_at(until, bell.as_mut()).await.is_err() => break,
                Some(_) => {}
                None => bell.await,
            }
        }
        self.hanging().remove(id);
    }

    /// A call names these.
    pub(super) fn repeated(&self, ids: &[String]) {
        for id in ids {
            if let Some(Some(left)) = self.hanging().get_mut(id) {
                *left = left.saturating_sub(1);
            }
        }
        self.bell.notify_waiters();
    }

    /// Nothing hangs any more.
    pub(super) fn release(&self) {
        self.hanging().clear();
        self.bell.notify_waiters();
    }
}
