//! The record of host keys, as first contact needs it.
//!
//! Must never put a key on record that nobody has approved: whoever calls `record` answers for the list.

use std::path::PathBuf;

use async_trait::async_trait;

use super::transport::{HostKey, HostKeyPolicy, SshError};

/// A host that has shown a key of which nothing is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// `address:port` as people know it, with the jump hosts on the way.
    pub at: String,
    /// Where its key would be recorded.
    pub file: PathBuf,
    /// Under which names it would be recorded.
    pub names: Vec<String>,
    /// The key that it has proven to hold.
    pub key: HostKey,
}

/// What is on record, and putting more there.
#[async_trait]
pub trait KeyRecord: Send + Sync {
    /// Whether anything is on record for the host: a key, or an authority that speaks for it.
    async fn knows(&self, policy: &HostKeyPolicy) -> Result<bool, SshError>;
    /// The strangers that connections were refused to since the last call, each once.
    fn take_strangers(&self) -> Vec<Stranger>;
    /// Puts all of them on record, or none of a file if one of its hosts has got another key meanwhile. `hashed` hides the
    /// names.
    async fn record(&self, strangers: &[Stranger], hashed: bool) -> Result<(), SshError>;
}
