//! SSH as the engine needs it: connect with a checked host key, run one command, close.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use super::login::AuthMethod;
use super::{Exec, Output};
use crate::core::ssh_config::Algorithms;

/// A public host key: algorithm and base64 blob, as in `known_hosts`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HostKey {
    /// OpenSSH text form without comment, `ssh-ed25519 AAAA…`.
    pub openssh: String,
    /// `SHA256:…`
    pub fingerprint: String,
}

/// Which host key is accepted. There is no way to accept any key.
///
/// `files` are all consulted, and one that cannot be read is an error. A key may be recorded under any of the `names`
/// (`host`, `[host]:port`, hashed or plain), most specific first; the first that has any key decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// A key on record, or a certificate of an authority on record (`@cert-authority`).
    KnownHosts {
        /// `known_hosts` files.
        files: Vec<PathBuf>,
        /// Names of the host.
        names: Vec<String>,
    },
    /// The same, but the key of a host that has none on record is put on record.
    AcceptNew {
        /// `known_hosts` files; the first is written to and need not exist.
        files: Vec<PathBuf>,
        /// Names of the host.
        names: Vec<String>,
        /// Names are written as hashes.
        hashed: bool,
    },
    /// Only a certificate of an authority on record.
    Authority {
        /// `known_hosts` files.
        files: Vec<PathBuf>,
        /// Names of the host.
        names: Vec<String>,
    },
    /// One of exactly these keys.
    Pinned(Vec<HostKey>),
}

/// Where and how to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Address to connect to (from the last jump host if there is one).
    pub address: IpAddr,
    /// TCP port.
    pub port: u16,
    /// Login name.
    pub user: String,
    /// Ways to log in, in the order to try them.
    pub auth: Vec<AuthMethod>,
    /// Which host key is accepted.
    pub host_key: HostKeyPolicy,
    /// The way there, from us to the host.
    pub jumps: Vec<Hop>,
    /// Limit for TCP connect, key exchange and authentication together; time that a person takes to answer is not counted.
    pub connect_within: Duration,
    /// How a silent host is found out.
    pub keepalive: Keepalive,
    /// Restrictions of what is negotiated.
    pub algorithms: Algorithms,
}

/// One leg of the way to a host: a jump host, or several that are as good as each other and share the load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The jump hosts; never empty.
    pub any_of: Vec<Jump>,
}

impl From<Jump> for Hop {
    fn from(jump: Jump) -> Self {
        Self { any_of: vec![jump] }
    }
}

/// A jump host: like a target, but it may be given by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jump {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Login name.
    pub user: String,
    /// Ways to log in, in the order to try them.
    pub auth: Vec<AuthMethod>,
    /// Which host key is accepted.
    pub host_key: HostKeyPolicy,
    /// Restrictions of what is negotiated.
    pub algorithms: Algorithms,
}

/// How a host that went silent is found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Keepalive {
    /// Silence after which the host is asked whether it lives.
    pub every: Duration,
    /// Unanswered questions after which the connection is lost.
    pub misses: usize,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { every: Duration::from_secs(5), misses: 3 }
    }
}

/// Makes connections. One connection per host and phase.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Connects, checks the host key, authenticates. What may pass is tried again within the target's time to connect; what
    /// was refused is not.
    async fn connect(&self, target: &Target) -> Result<Box<dyn Session>, SshError>;
}

/// An authenticated connection.
#[async_trait]
pub trait Session: Send + Sync {
    /// The key the host has proven to hold.
    fn host_key(&self) -> &HostKey;
    /// Runs one command and waits for its end.
    async fn exec(&self, exec: &Exec) -> Result<Output, SshError>;
    /// Says goodbye; errors do not matter any more.
    async fn close(self: Box<Self>);
}

/// Why a connection or a command did not end well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SshError {
    /// What kind of failure it is.
    pub kind: SshErrorKind,
    /// For people: what happened, and what to do about it where we know. No trailing dot, no raw text of the host.
    pub message: String,
}

/// Kinds of SSH failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshErrorKind {
    /// No TCP connection, or no SSH behind it, in time.
    Unreachable,
    /// No key is recorded for the host.
    HostKeyUnknown,
    /// A key is recorded for the host, and it is another one, or it is revoked.
    HostKeyChanged,
    /// The host refused our key.
    Auth,
    /// Something on our side: key file, `known_hosts`, configuration.
    Local,
    /// The connection broke or went silent while a command ran: its outcome is unknown.
    Lost,
    /// The command did not end in time; it was cut off and its outcome is unknown.
    Timeout,
    /// The peer broke the protocol or a limit.
    Protocol,
    /// The host does not let the login be somebody else; the command was not begun.
    Privilege,
    /// The command was ended because the caller wished so; its outcome is unknown.
    Cancelled,
}
