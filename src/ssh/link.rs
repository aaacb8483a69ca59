//! One authenticated connection over any byte stream: banner, key exchange, host key, one public key.
//!
//! Must never offer a second key or another method, and must never let a panic of the SSH library out.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, AuthResult, Handle};
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg};
use russh::{AlgorithmKind, Disconnect, Preferred, cipher, compression};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::Settings;
use super::cord::{Cord, Grip};
use super::failure::{failure, quoted, russh_text, seconds};
use super::guard::{Broken, Guard};
use super::keys::LoginKey;
use super::trust::Trust;
use super::vitals::{End, Vitals};
use crate::ports::{HostKey, Keepalive, SshError, SshErrorKind};

/// How long a goodbye may take to be written.
const GOODBYE: Duration = Duration::from_millis(500);

/// Who logs in where.
pub(super) struct Login {
    /// The peer as people know it, `address:port`, with the jump host if there is one.
    pub(super) at: String,
    /// Login name.
    pub(super) user: String,
    /// The one key.
    pub(super) key: Arc<LoginKey>,
    /// Which host key is accepted.
    pub(super) trust: Trust,
    /// When patience ends.
    pub(super) deadline: Instant,
    /// How long that is in all, for messages.
    pub(super) within: Duration,
    /// How silence is found out afterwards.
    pub(super) keepalive: Keepalive,
}

/// A connection that is logged in. Dropping it cuts it.
pub(super) struct Link {
    pub(super) handle: Handle<Guard>,
    pub(super) host_key: HostKey,
    pub(super) at: String,
    /// Whether it is root's login.
    pub(super) is_root: bool,
    vitals: Arc<Vitals>,
    _grip: Grip,
}

impl Link {
    /// Shakes hands over `stream` and logs in.
    pub(super) async fn open<S>(stream: S, login: Login, settings: &Settings) -> Result<Self, SshError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let vitals = Arc::new(Vitals::default());
        let (cord, grip) = Cord::new(stream, settings.stall, Arc::clone(&vitals));
        let guard = Guard { at: login.at.clone(), trust: login.trust.clone(), vitals: Arc::clone(&vitals) };
        let config = Arc::new(config(&login.trust, login.keepalive));
        let (user, key) = (login.user.clone(), Arc::clone(&login.key));
        // In a task of its own: a panic in there becomes an error here, and dropping the set ends it.
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut handle = client::connect_stream(config, cord, guard).await?;
            let key = Arc::clone(key.key.expose());
            let hash = match key.algorithm() {
                Algorithm::Rsa { .. } => match handle.best_supported_rsa_hash().await? {
                    Some(None) => return Ok::<_, Broken>((handle, Answer::Sha1Only)),
                    Some(hash) => hash,
                    None => Some(HashAlg::Sha512),
                },
                _ => None,
            };
            let answer = handle.authenticate_publickey(user, PrivateKeyWithHashAlg::new(key, hash)).await?;
            Ok((handle, Answer::Told(answer)))
        });
        let result = match timeout_at(login.deadline, task.join_next()).await {
            Err(_) => return Err(late(&login, &vitals)),
            Ok(Some(Ok(Ok(result)))) => result,
            Ok(Some(Ok(Err(broken)))) => return Err(broken_off(&login, &vitals, broken)),
            Ok(Some(Err(_)) | None) => return Err(panicked(&login.at)),
        };
        let (handle, answer) = result;
        match (answer, vitals.host_key()) {
            (Answer::Told(AuthResult::Success), Some(host_key)) => Ok(Self {
                handle,
                host_key,
                at: login.at,
                is_root: login.user == "root",
                vitals,
                _grip: grip,
            }),
            (answer, _) => Err(refused(&login, &vitals, handle.is_closed(), answer)),
        }
    }

    /// Whether nothing can be asked of it any more.
    pub(super) fn is_dead(&self) -> bool {
        self.handle.is_closed() || self.vitals.end().is_some()
    }

    /// Why it ended while `what` was under way.
    pub(super) fn lost(&self, what: &str) -> SshError {
        let at = &self.at;
        match self.vitals.end() {
            Some(End::Panic) => panicked(at),
            Some(End::Violation(why)) => {
                failure(SshErrorKind::Protocol, format!("{at}: connection given up while {what}: {why}"))
            }
            Some(End::Goodbye(words)) => failure(
                SshErrorKind::Lost,
                format!("{at}: the host ended the connection while {what}: {}", quoted(words.as_bytes())),
            ),
            Some(End::Lost(why)) => {
                failure(SshErrorKind::Lost, format!("{at}: connection lost while {what}: {why}"))
            }
            None => failure(SshErrorKind::Lost, format!("{at}: connection lost while {what}")),
        }
    }

    /// Says goodbye. Waits until that is written, not for an answer.
    pub(super) async fn close(&self) {
        let bye = async {
            if self.handle.disconnect(Disconnect::ByApplication, "", "").await.is_ok() {
                self.vitals.left().await;
            }
        };
        // Whatever is left is cut when the link is dropped.
        let _ = timeout(GOODBYE, bye).await;
    }
}

enum Answer {
    /// The server's.
    Told(AuthResult),
    /// Our RSA key cannot be used without SHA-1.
    Sha1Only,
}

fn config(trust: &Trust, keepalive: Keepalive) -> client::Config {
    client::Config {
        preferred: Preferred {
            key: Cow::Owned(trust.algorithms()),
            // GCM first: it needs no strict key exchange to be safe from prefix truncation, and is the faster one here.
            cipher: Cow::Borrowed(&[
                cipher::AES_256_GCM,
                cipher::AES_128_GCM,
                cipher::CHACHA20_POLY1305,
                cipher::AES_256_CTR,
                cipher::AES_192_CTR,
                cipher::AES_128_CTR,
            ]),
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        keepalive_interval: Some(keepalive.every),
        keepalive_max: keepalive.misses,
        nodelay: true,
        ..client::Config::default()
    }
}

fn panicked(at: &str) -> SshError {
    failure(
        SshErrorKind::Protocol,
        format!("{at}: the SSH library failed on what the host sent (it panicked)"),
    )
}

/// Patience ended. What was reached by then says what is wrong.
fn late(login: &Login, vitals: &Vitals) -> SshError {
    let (at, within) = (&login.at, seconds(login.within));
    let message = if vitals.host_key().is_some() {
        format!("{at} did not finish the login of {} within {within}", login.user)
    } else if vitals.head().is_empty() {
        format!(
            "{at} accepts connections but says nothing within {within}; is it SSH, and is the host overloaded?"
        )
    } else {
        format!("{at} did not finish the key exchange within {within}")
    };
    failure(SshErrorKind::Unreachable, message)
}

fn broken_off(login: &Login, vitals: &Vitals, broken: Broken) -> SshError {
    let at = &login.at;
    let error = match broken {
        Broken::Ours(error) => return error,
        Broken::Russh(russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, theirs, .. }) => {
            return login.trust.no_common(at, &theirs);
        }
        Broken::Russh(russh::Error::Join(_)) => return panicked(at),
        Broken::Russh(error) => error,
    };
    let head = vitals.head();
    let is_ssh = head.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"SSH-"));
    let parted = matches!(
        error,
        russh::Error::Disconnect
            | russh::Error::HUP
            | russh::Error::IO(_)
            | russh::Error::SendError
            | russh::Error::RecvError
    );
    let (kind, message) = match (vitals.end(), parted) {
        (Some(End::Panic), _) => return panicked(at),
        (Some(End::Goodbye(words)), _) => {
            (SshErrorKind::Unreachable, format!("{at} ended the connection: {}", quoted(words.as_bytes())))
        }
        (_, true) if head.is_empty() => (
            SshErrorKind::Unreachable,
            format!(
                "{at} closed the connection without a word; is it SSH, and does it admit us (MaxStartups, penalties)?"
            ),
        ),
        (_, true) if !is_ssh => {
            (SshErrorKind::Unreachable, format!("{at} said {} and closed the connection", quoted(&head)))
        }
        (_, true) => {
            (SshErrorKind::Unreachable, format!("{at} closed the connection before the login was done"))
        }
        (_, false) if !is_ssh => {
            (SshErrorKind::Protocol, format!("{at} does not speak SSH; it said {}", quoted(&head)))
        }
        (_, false) => (SshErrorKind::Protocol, format!("{at}: SSH failed: {}", russh_text(&error))),
    };
    failure(kind, message)
}

fn refused(login: &Login, vitals: &Vitals, is_closed: bool, answer: Answer) -> SshError {
    let Login { at, user, key, .. } = login;
    let offered = format!("{} {}", key.file, key.fingerprint);
    let message = match (answer, vitals.end()) {
        (_, Some(End::Panic)) => return panicked(at),
        (Answer::Sha1Only, _) => format!(
            "{at}: its sshd takes RSA keys only with SHA-1 signatures, which are not safe; use an ed25519 key ({offered})"
        ),
        (Answer::Told(AuthResult::Failure { remaining_methods, partial_success }), end) => {
            let methods = remaining_methods.iter().map(<&str>::from).collect::<Vec<_>>().join(", ");
            match end {
                Some(End::Goodbye(words)) => {
                    format!("{at}: {user} with {offered} was sent away: {}", quoted(words.as_bytes()))
                }
                // russh reports a connection that broke during the login as a refusal without methods.
                Some(End::Lost(why)) if remaining_methods.is_empty() && is_closed => {
                    return failure(
                        SshErrorKind::Unreachable,
                        format!("{at} closed the connection during the login of {user}: {why}"),
                    );
                }
                Some(End::Violation(why)) => {
                    return failure(
                        SshErrorKind::Protocol,
                        format!("{at}: SSH failed during the login: {why}"),
                    );
                }
                _ if partial_success => format!(
                    "{at}: it took the key of {user} but wants more than a key ({methods}), which cannot be given unattended"
                ),
                _ if methods.is_empty() => format!("{at} refused {user} with {offered}"),
                _ => format!(
                    "{at} refused {user} with {offered} (it offers: {methods}); \
                     is this the key in ~{user}/.ssh/authorized_keys there?"
                ),
            }
        }
        (Answer::Told(AuthResult::Success), _) => {
            return failure(SshErrorKind::Protocol, format!("{at}: it let us in without showing a host key"));
        }
    };
    failure(SshErrorKind::Auth, message)
}

#[cfg(test)]
mod tests;
