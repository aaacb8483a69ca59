//! Keys that an SSH agent holds: which one is meant, and signatures by it.
//!
//! Must never forward the agent, add to it or take from it, and never wait for it without end. The library bounds what one
//! answer of an agent may be (256 KiB); a broken answer is an error of ours, not of the host.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::agent::client::AgentClient;
use russh::keys::agent::{AgentIdentity, AgentSessionBinding};
use russh::keys::{Certificate, HashAlg, PublicKey};
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::super::cache::PathCache;
use super::super::failure::local;
use super::keys::{is_there, read_public};
use crate::core::text::clean_line;
use crate::ports::{AgentKey, SshError};

/// How long an agent may take to say what it holds.
const LISTING: Duration = Duration::from_secs(5);

/// How long the failure of one listing stands for all: many hosts need it at once, and none is to wait for each other's.
const STANDS: Duration = Duration::from_secs(30);

/// What an agent holds, or why that is not known.
pub(super) struct Holdings(Result<Vec<AgentIdentity>, String>);

/// What the agents hold, asked once each.
pub(super) struct Agents(PathCache<Mutex<Option<Asked>>>);

/// What an agent said, and when.
struct Asked {
    at: Instant,
    held: Arc<Holdings>,
}

impl Agents {
    pub(super) fn new() -> Self {
        Self(PathCache::new())
    }

    /// What the agent at `socket` holds. One that did not say is asked again after [`STANDS`].
    pub(super) async fn held_at(&self, socket: &Path) -> Arc<Holdings> {
        let nothing = || async { Ok::<_, Infallible>(Mutex::new(None)) };
        let Ok(cell) = self.0.get(socket, nothing).await;
        let mut asked = cell.lock().await;
        match &*asked {
            Some(Asked { at, held }) if held.0.is_ok() || at.elapsed() < STANDS => Arc::clone(held),
            Some(_) | None => {
                let held = Arc::new(list(socket).await);
                *asked = Some(Asked { at: Instant::now(), held: Arc::clone(&held) });
                held
            }
        }
    }
}

/// Asks the agent at `socket` what it holds.
async fn list(socket: &Path) -> Holdings {
    let listing = async {
        connect(socket).await.map_err(|e| e.message)?.request_identities().await.map_err(|e| {
            let why = clean_line(e.to_string().as_bytes(), 200);
            format!("the SSH agent at {} gives an answer that cannot be read: {why}", socket.display())
        })
    };
    let late = || {
        format!("the SSH agent at {} does not say within {LISTING:?} which keys it holds", socket.display())
    };
    Holdings(timeout(LISTING, listing).await.unwrap_or_else(|_| Err(late())))
}

/// Which key is meant; or why it cannot be had from this agent, and another way is next.
pub(super) async fn choose(
    socket: &Path,
    held: &Holdings,
    wanted: Option<&AgentKey>,
) -> Result<Result<AgentIdentity, String>, SshError> {
    let at = socket.display();
    let held = match &held.0 {
        Ok(held) => held,
        Err(why) => return Ok(Err(why.clone())),
    };
    let found = match wanted {
        None => match &**held {
            [] => None,
            [only] => Some(only),
            several => {
                let shown: Vec<_> = several.iter().take(8).map(describe).collect();
                return Err(local(format!(
                    "the SSH agent at {at} holds {} keys, and offering one after the other would get us locked out; say \
                     which one is meant: {}",
                    several.len(),
                    shown.join(", ")
                )));
            }
        },
        Some(AgentKey::Fingerprint(fingerprint)) => {
            let matches = |it: &&AgentIdentity| fingerprint_of(it) == *fingerprint;
            // A certificate for the key, if there is one, is asked for by its file.
            held.iter().filter(|it| matches!(it, AgentIdentity::PublicKey { .. })).find(matches)
        }
        Some(AgentKey::PublicFile(file)) if !is_there(file).await => {
            return Ok(Err(format!("public key {} cannot be read: there is no such file", file.display())));
        }
        Some(AgentKey::PublicFile(file)) => {
            let wanted = read_public(file).await?;
            held.iter().find(|it| same(it, &wanted))
        }
    };
    Ok(found.cloned().ok_or_else(|| format!("the SSH agent at {at} does not hold the key")))
}

/// A connection to the agent, told for which host it is to sign, so that keys bound to hosts can be used.
pub(super) async fn for_host(
    socket: &Path,
    binding: Option<&AgentSessionBinding>,
) -> Result<AgentClient<UnixStream>, SshError> {
    let mut agent = connect(socket).await?;
    if let Some(binding) = binding {
        // Agents other than OpenSSH's may not know of this, and hold no such keys then.
        let _ = timeout(LISTING, agent.bind_session(binding, false)).await;
    }
    Ok(agent)
}

async fn connect(socket: &Path) -> Result<AgentClient<UnixStream>, SshError> {
    let failed = |e: &dyn std::fmt::Display| local(format!("no SSH agent at {}: {e}", socket.display()));
    let opening = timeout(LISTING, UnixStream::connect(socket));
    let stream = opening.await.map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
    Ok(AgentClient::connect(stream))
}

/// A key as people know it: fingerprint and comment.
pub(super) fn describe(identity: &AgentIdentity) -> String {
    let (AgentIdentity::PublicKey { comment, .. } | AgentIdentity::Certificate { comment, .. }) = identity;
    let comment = clean_line(comment.as_bytes(), 60);
    let fingerprint = fingerprint_of(identity);
    if comment.is_empty() { fingerprint } else { format!("{fingerprint} ({comment})") }
}

fn fingerprint_of(identity: &AgentIdentity) -> String {
    let key = match identity {
        AgentIdentity::PublicKey { key, .. } => key.key_data(),
        AgentIdentity::Certificate { certificate, .. } => certificate.public_key(),
    };
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// What a `.pub` file holds.
pub(super) enum Public {
    Key(Box<PublicKey>),
    Certificate(Box<Certificate>),
}

fn same(held: &AgentIdentity, wanted: &Public) -> bool {
    match (held, wanted) {
        (AgentIdentity::PublicKey { key, .. }, Public::Key(wanted)) => key.key_data() == wanted.key_data(),
        (AgentIdentity::Certificate { certificate, .. }, Public::Certificate(wanted)) => {
            // Not the comments, which are no part of it.
            matches!((certificate.to_bytes(), wanted.to_bytes()), (Ok(held), Ok(wanted)) if held == wanted)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_did_not_answer_is_asked_again_after_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, agents) = (folder.path().join("agent"), Agents::new());
        let first = agents.held_at(&socket).await;
        assert!(first.0.is_err());
        assert!(Arc::ptr_eq(&first, &agents.held_at(&socket).await), "not once for each host");
        tokio::time::advance(STANDS).await;
        assert!(!Arc::ptr_eq(&first, &agents.held_at(&socket).await), "not for the whole run");
    }
}
