//! What was called: every request that reached the emulator, accepted or refused, in order.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallRecord {
    /// The action as the request named it.
    pub action: String,
    /// `Ecs`, `Vpc`, `Sts`, or the version as sent if it is none of theirs.
    pub product: String,
    /// It would change something (a dry run would not).
    pub write: bool,
    /// The error's code; `None` for a success.
    pub code: Option<String>,
    /// `RequestId` of the answer.
    pub request_id: String,
    /// Since the emulator began.
    #[serde(rename = "at_ms", serialize_with = "millis")]
    pub at: Duration,
}

fn millis<S: serde::Serializer>(at: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(at.as_millis()).unwrap_or(u64::MAX))
}

/// The log. Grows for as long as the lab lives.
#[derive(Debug)]
pub(crate) struct Log {
    began: Instant,
    calls: Mutex<Vec<CallRecord>>,
    failures: Mutex<Vec<String>>,
}

/// The log in numbers and lines, as the side door shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    total: usize,
    writes: usize,
    by_action: BTreeMap<String, usize>,
    fabric_failures: Vec<String>,
    calls: Vec<CallRecord>,
}

impl Log {
    /// An empty log that begins now.
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), calls: Mutex::default(), failures: Mutex::default() }
    }

    /// Time since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Adds a call.
    pub(crate) fn add(&self, record: CallRecord) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }

    /// Adds an effect on the network that failed.
    pub(crate) fn add_failure(&self, text: String) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> Vec<CallRecord> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All failed effects so far.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Both, counted.
    pub(crate) fn summary(&self) -> Summary {
        let calls = self.calls();
        let mut by_action = BTreeMap::new();
        for call in &calls {
            *by_action.entry(call.action.clone()).or_default() += 1;
        }
        Summary {
            total: calls.len(),
            writes: calls.iter().filter(|call| call.write).count(),
            by_action,
            fabric_failures: self.failures(),
            calls,
        }
    }
}
