//! How to prove who we are, and whom to ask for what no file holds.
//!
//! Must never carry a secret outside of [`Secret`], and has no way to lend our agent to a host.

use std::path::PathBuf;

use async_trait::async_trait;

use crate::core::model::Secret;

/// One way to log in.
///
/// A login takes a list of them. Of the ways that need a public key, one key is offered: the first that is there (its file
/// exists, the agent holds it). The next way is tried only if the host took the one before and wants more (a second
/// factor), or if the host does not have the one before at all; a refused key or password ends the login.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// A private key, OpenSSH or PEM format; if it is encrypted, its passphrase is asked for, once.
    Key {
        /// The private key's file.
        file: PathBuf,
    },
    /// A private key with an OpenSSH user certificate.
    Certificate {
        /// The private key's file.
        key_file: PathBuf,
        /// The certificate's file, often `…-cert.pub`.
        certificate_file: PathBuf,
    },
    /// A key that an SSH agent holds.
    Agent {
        /// The agent's socket (`SSH_AUTH_SOCK`, `IdentityAgent`).
        socket: PathBuf,
        /// Which of its keys. If absent, the agent must hold exactly one.
        key: Option<AgentKey>,
    },
    /// A password, asked for once.
    Password,
    /// Questions of the host. For a host, only the one for a password is answered, with the same password as for
    /// [`Self::Password`]; for a jump host, a person is shown every question, once.
    KeyboardInteractive,
}

/// Which key of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AgentKey {
    /// The one with this fingerprint, `SHA256:…`.
    Fingerprint(String),
    /// The one whose public half is in this file, `….pub`; a certificate is used as one.
    PublicFile(PathBuf),
}

/// Something that only a person can tell.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// The passphrase of a private key.
    Passphrase {
        /// The key's file.
        file: PathBuf,
        /// 1 at first; more if the answers before were wrong.
        attempt: u8,
    },
    /// The password of a login, the same on all hosts.
    Password {
        /// Login name.
        user: String,
        /// `host:port` of a jump host, whose password is its own.
        jump: Option<String>,
    },
    /// The password for being somebody else on the hosts (sudo, doas), the same on all of them.
    Become {
        /// Who to be.
        user: String,
    },
    /// A question of a jump host (keyboard-interactive).
    Prompt {
        /// Login name.
        user: String,
        /// `host:port` of the jump host.
        jump: String,
        /// Its words, harmless to show.
        text: String,
        /// Whether the answer may be seen while it is typed.
        echo: bool,
    },
}

/// Nobody answered, and why: one sentence with what to do, without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub String);

/// Asks people. An implementation asks one question at a time and remembers nothing: who asks does.
#[async_trait]
pub trait Asker: Send + Sync {
    /// The answer to `question`.
    async fn secret(&self, question: &Question) -> Result<Secret<String>, Unanswered>;
}
