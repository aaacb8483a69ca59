//! What is known about one connection from outside of russh: its first bytes, its host key, how it ended.
//!
//! Must never grow with what the peer sends.

use std::sync::Mutex;

use tokio::sync::Notify;

use super::cache::lock;
use crate::ports::HostKey;

/// How much of the peer's first words is kept, to say what answered if it was not SSH.
const HEAD: usize = 200;

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The peer said goodbye, with these words (raw).
    Goodbye(String),
    /// It broke or went silent.
    Lost(String),
    /// The peer broke the protocol.
    Violation(String),
    /// The SSH library panicked.
    Panic,
}

/// Shared between the stream, russh's callbacks and the connection's owner.
#[derive(Debug, Default)]
pub(super) struct Vitals {
    facts: Mutex<Facts>,
    gone: Notify,
}

#[derive(Debug, Default)]
struct Facts {
    head: Vec<u8>,
    host_key: Option<HostKey>,
    end: Option<End>,
}

impl Vitals {
    /// Bytes came in.
    pub(super) fn received(&self, bytes: &[u8]) {
        let mut facts = lock(&self.facts);
        let room = HEAD.saturating_sub(facts.head.len());
        facts.head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// The first bytes.
    pub(super) fn head(&self) -> Vec<u8> {
        lock(&self.facts).head.clone()
    }

    /// The host has proven to hold an accepted key.
    pub(super) fn proved(&self, key: HostKey) {
        lock(&self.facts).host_key = Some(key);
    }

    /// The accepted host key.
    pub(super) fn host_key(&self) -> Option<HostKey> {
        lock(&self.facts).host_key.clone()
    }

    /// The connection ended; the first cause stays.
    pub(super) fn ended(&self, end: End) {
        lock(&self.facts).end.get_or_insert(end);
    }

    /// The connection's task is over.
    pub(super) fn leave(&self) {
        self.gone.notify_one();
    }

    /// Waits for [`Self::leave`]; for one waiter.
    pub(super) async fn left(&self) {
        self.gone.notified().await;
    }

    /// How it ended, if it did.
    pub(super) fn end(&self) -> Option<End> {
        lock(&self.facts).end.clone()
    }
}
