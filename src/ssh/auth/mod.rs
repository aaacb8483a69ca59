//! Proving who we are: the ways to log in are made ready before anybody is connected to, and tried by [`log_in`].
//!
//! Must never offer more than one public key to a host, nor try another way after a refusal: hosts count failures, and a
//! fleet that comes from one address would be locked out as one (`PerSourcePenalties`, fail2ban). The agent is never
//! forwarded.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use russh::MethodKind;
use russh::keys::agent::AgentIdentity;
use russh::keys::{Certificate, HashAlg};

use self::agent::Agents;
use self::keys::LoginKey;
use super::cache::PathCache;
use super::failure::local;
use crate::ports::{Asker, AuthMethod, SshError};

mod agent;
mod answers;
mod attempt;
mod keys;
mod questions;
mod refusal;
mod widened;

pub(super) use self::answers::Answers;
pub(super) use self::attempt::{Ending, log_in};
pub(super) use self::refusal::Refusal;
use self::refusal::Sort;

/// What all logins of a run share: every file is read once, every question asked once.
pub(super) struct Custody {
    keys: PathCache<LoginKey>,
    certificates: PathCache<Certificate>,
    agents: Agents,
    answers: Arc<Answers>,
}

/// One way to log in, ready to be used.
pub(super) enum Way {
    /// A key from a file, with its certificate if it has one.
    Key { key: Arc<LoginKey>, certificate: Option<Arc<Certificate>> },
    /// A key of an agent.
    Agent { socket: PathBuf, identity: Box<AgentIdentity> },
    /// The password, asked for when it comes to that.
    Password,
    /// Questions of the host.
    KeyboardInteractive,
}

/// Who logs in, and how.
pub(super) struct Credentials {
    /// Login name.
    pub(super) user: String,
    /// `host:port` if it is a jump host.
    pub(super) jump: Option<String>,
    ways: Vec<Way>,
    answers: Arc<Answers>,
    /// Whether a person has answered questions, whose answers may be good for one login only.
    is_personal: AtomicBool,
}

impl Custody {
    pub(super) fn new(asker: Arc<dyn Asker>) -> Self {
        Self {
            keys: PathCache::new(),
            certificates: PathCache::new(),
            agents: Agents::new(),
            answers: Arc::new(Answers::new(asker)),
        }
    }

    /// Makes the ways to log in ready. Of those that need a public key, the first that is there is taken.
    pub(super) async fn prepare(
        &self,
        user: &str,
        jump: Option<String>,
        methods: &[AuthMethod],
    ) -> Result<Credentials, SshError> {
        let (mut ways, mut missing, mut has_key) = (Vec::new(), Vec::new(), false);
        for method in methods {
            let way = match method {
                AuthMethod::Password => Some(Way::Password),
                AuthMethod::KeyboardInteractive => Some(Way::KeyboardInteractive),
                _ if has_key => None,
                AuthMethod::Key { file } => self.key(file, None, &mut missing).await?,
                AuthMethod::Certificate { key_file, certificate_file } => {
                    self.key(key_file, Some(certificate_file), &mut missing).await?
                }
                AuthMethod::Agent { socket, key } => {
                    let held = self.agents.held_at(socket).await;
                    match agent::choose(socket, &held, key.as_ref()).await? {
                        Ok(identity) => {
                            Some(Way::Agent { socket: socket.clone(), identity: Box::new(identity) })
                        }
                        Err(why) => {
                            missing.push(why);
                            None
                        }
                    }
                }
            };
            has_key |= matches!(way, Some(Way::Key { .. } | Way::Agent { .. }));
            ways.extend(way);
        }
        if ways.is_empty() {
            let why = if missing.is_empty() { "none was given".to_owned() } else { missing.join("; ") };
            return Err(local(format!("no way to log in as {user}: {why}")));
        }
        Ok(Credentials {
            user: user.to_owned(),
            jump,
            ways,
            answers: Arc::clone(&self.answers),
            is_personal: AtomicBool::new(false),
        })
    }

    async fn key(
        &self,
        file: &Path,
        certificate: Option<&Path>,
        missing: &mut Vec<String>,
    ) -> Result<Option<Way>, SshError> {
        for (path, what) in [(Some(file), "private key"), (certificate, "certificate")] {
            if let Some(path) = path
                && !keys::is_there(path).await
            {
                missing.push(format!("{what} {} cannot be read: there is no such file", path.display()));
                return Ok(None);
            }
        }
        let key = self.keys.get(file, || keys::load(file, &self.answers)).await?;
        let certificate = match certificate {
            None => None,
            Some(path) => {
                let read = self.certificates.get(path, || keys::load_certificate(path)).await?;
                if read.public_key() != key.key.public_key().key_data() {
                    return Err(local(format!(
                        "certificate {} is for another key than {} ({})",
                        path.display(),
                        key.file,
                        read.public_key().fingerprint(HashAlg::Sha256)
                    )));
                }
                Some(read)
            }
        };
        Ok(Some(Way::Key { key, certificate }))
    }
}

impl Credentials {
    /// Whether the login took answers that may be good for one login only.
    pub(super) fn is_personal(&self) -> bool {
        self.is_personal.load(Ordering::Relaxed)
    }
}

impl Way {
    const fn kind(&self) -> MethodKind {
        match self {
            Self::Key { .. } | Self::Agent { .. } => MethodKind::PublicKey,
            Self::Password => MethodKind::Password,
            Self::KeyboardInteractive => MethodKind::KeyboardInteractive,
        }
    }

    fn sort(&self) -> Sort {
        match self {
            Self::Key { certificate: None, .. } => Sort::Key,
            Self::Key { .. } => Sort::Certificate,
            Self::Agent { identity, .. } => match identity.as_ref() {
                AgentIdentity::PublicKey { .. } => Sort::Key,
                AgentIdentity::Certificate { .. } => Sort::Certificate,
            },
            Self::Password | Self::KeyboardInteractive => Sort::Told,
        }
    }

    /// As people know it.
    fn shown(&self) -> String {
        match self {
            Self::Key { key, certificate: None } => format!("{} {}", key.file, key.fingerprint),
            Self::Key { key, certificate: Some(certificate) } => {
                let id = crate::core::text::clean_line(certificate.key_id().as_bytes(), 60);
                format!("{} {} with certificate \"{id}\"", key.file, key.fingerprint)
            }
            Self::Agent { identity, .. } => format!("the agent's key {}", agent::describe(identity)),
            Self::Password => "a password".to_owned(),
            Self::KeyboardInteractive => "answers to its questions".to_owned(),
        }
    }
}
