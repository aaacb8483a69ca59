//! The login itself: one way after the other, as far as the host asks for more.
//!
//! Must never go on after a refusal, see the module above.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{AgentAuthError, SendError, Signer};
use tokio::time::timeout;

use super::super::failure::local;
use super::super::guard::{Broken, Guard};
use super::super::patience::Patience;
use super::refusal::{Refusal, Verdict};
use super::{Credentials, Way, agent, questions};
use crate::core::text::clean_line;
use crate::ports::Question;

/// How long an agent may take to sign, a person who is asked included.
const SIGNING: Duration = Duration::from_secs(300);

/// What came of a login.
pub(in crate::ssh) enum Ending {
    /// We are in.
    In,
    /// We are not.
    Refused(Refusal),
}

/// What the host said to one way.
pub(super) enum Answer {
    /// Its words.
    Told(AuthResult),
    /// We have nothing (more) to say to it, and why.
    Ours(Verdict),
}

/// Logs in. Time that people take is taken off `patience`.
pub(in crate::ssh) async fn log_in(
    handle: &mut Handle<Guard>,
    who: &Credentials,
    patience: &Patience,
) -> Result<Ending, Broken> {
    let mut refusal = Refusal::default();
    // A password is not shown to a host that does not ask for one; asking costs no attempt there.
    if !matches!(who.ways.first(), Some(Way::Key { .. } | Way::Agent { .. })) {
        match handle.authenticate_none(&who.user).await? {
            AuthResult::Success => return Ok(Ending::In),
            AuthResult::Failure { remaining_methods, .. } => refusal.offers(&remaining_methods),
        }
    }
    for way in &who.ways {
        if !refusal.is_open_to(way.kind()) {
            continue;
        }
        match attempt(handle, who, way, patience).await? {
            Answer::Told(AuthResult::Success) => return Ok(Ending::In),
            Answer::Told(AuthResult::Failure { remaining_methods, partial_success }) => {
                let is_wrong = !partial_success && remaining_methods.contains(&way.kind());
                refusal.note(way, if partial_success { Verdict::Taken } else { Verdict::Refused });
                refusal.offers(&remaining_methods);
                if is_wrong || remaining_methods.is_empty() {
                    break;
                }
            }
            Answer::Ours(verdict) => {
                refusal.note(way, verdict);
                break;
            }
        }
    }
    Ok(Ending::Refused(refusal))
}

async fn attempt(
    handle: &mut Handle<Guard>,
    who: &Credentials,
    way: &Way,
    patience: &Patience,
) -> Result<Answer, Broken> {
    let user = who.user.as_str();
    let told = match way {
        Way::Key { key, certificate: None } => {
            let key = Arc::clone(&key.key);
            let Some(hash) = hash_for(handle, key.algorithm()).await? else {
                return Ok(Answer::Ours(Verdict::Sha1Only));
            };
            handle.authenticate_publickey(user, PrivateKeyWithHashAlg::new(key, hash)).await?
        }
        Way::Key { key, certificate: Some(certificate) } => {
            let Some(hash) = hash_for(handle, certificate.algorithm()).await? else {
                return Ok(Answer::Ours(Verdict::Sha1Only));
            };
            let mut signer = Own(Arc::clone(&key.key));
            let certificate = Certificate::clone(certificate);
            handle.authenticate_certificate_with(user, certificate, hash, &mut signer).await?
        }
        Way::Agent { socket, identity } => {
            let algorithm = match identity.as_ref() {
                AgentIdentity::PublicKey { key, .. } => key.algorithm(),
                AgentIdentity::Certificate { certificate, .. } => certificate.algorithm(),
            };
            let Some(hash) = hash_for(handle, algorithm).await? else {
                return Ok(Answer::Ours(Verdict::Sha1Only));
            };
            let binding = handle.agent_session_binding().cloned();
            let agent = agent::for_host(socket, binding.as_ref()).await.map_err(Broken::Ours)?;
            let mut agent = Touched { agent, patience };
            let told = match identity.as_ref().clone() {
                AgentIdentity::PublicKey { key, .. } => {
                    handle.authenticate_publickey_with(user, key, hash, &mut agent).await
                }
                AgentIdentity::Certificate { certificate, .. } => {
                    handle.authenticate_certificate_with(user, certificate, hash, &mut agent).await
                }
            };
            told.map_err(|error| agent_failed(socket, identity, &error))?
        }
        Way::Password => {
            let question = Question::Password { user: user.to_owned(), jump: who.jump.clone() };
            let answer = patience.without(who.answers.get(question)).await;
            let password = answer.map_err(|why| Broken::Ours(local(why.0)))?;
            handle.authenticate_password(user, password.expose()).await?
        }
        Way::KeyboardInteractive => return questions::answer(handle, who, patience).await,
    };
    Ok(Answer::Told(told))
}

fn agent_failed(socket: &std::path::Path, identity: &AgentIdentity, error: &AgentAuthError) -> Broken {
    match error {
        AgentAuthError::Send(_) => Broken::Russh(russh::Error::SendError),
        AgentAuthError::Key(error) => Broken::Ours(local(format!(
            "the SSH agent at {} does not sign with {}: {}",
            socket.display(),
            agent::describe(identity),
            clean_line(error.to_string().as_bytes(), 200)
        ))),
    }
}

/// With which hash an RSA key has to sign: `None` if the host would take nothing but SHA-1.
async fn hash_for(
    handle: &Handle<Guard>,
    algorithm: Algorithm,
) -> Result<Option<Option<HashAlg>>, russh::Error> {
    if !matches!(algorithm, Algorithm::Rsa { .. }) {
        return Ok(Some(None));
    }
    Ok(match handle.best_supported_rsa_hash().await? {
        Some(None) => None,
        Some(hash) => Some(hash),
        None => Some(Some(HashAlg::Sha512)),
    })
}

/// An agent as a signer. It may wait for somebody to confirm, or to touch the key; only that time is not the login's, since
/// the host must not have more of it than with any other way.
struct Touched<'a, S> {
    agent: S,
    patience: &'a Patience,
}

impl<S: Signer<Error = AgentAuthError> + Send> Signer for Touched<'_, S> {
    type Error = AgentAuthError;

    async fn auth_sign(
        &mut self,
        identity: &AgentIdentity,
        hash: Option<HashAlg>,
        to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, AgentAuthError> {
        let signing = timeout(SIGNING, self.agent.auth_sign(identity, hash, to_sign));
        self.patience.without(signing).await.unwrap_or_else(|_| {
            let why = format!("nothing came of it within {} s", SIGNING.as_secs());
            Err(AgentAuthError::Key(io::Error::new(io::ErrorKind::TimedOut, why).into()))
        })
    }
}

/// Our own key as a signer: russh signs with certificates of RSA keys by SHA-1 unless it is told the hash, and takes that
/// from signers only.
struct Own(Arc<PrivateKey>);

/// Why our key could not sign.
enum NotSigned {
    Send,
    Key(String),
}

impl From<SendError> for NotSigned {
    fn from(_: SendError) -> Self {
        Self::Send
    }
}

impl From<NotSigned> for Broken {
    fn from(error: NotSigned) -> Self {
        match error {
            NotSigned::Send => Self::Russh(russh::Error::SendError),
            NotSigned::Key(why) => Self::Ours(local(format!("our key cannot sign: {why}"))),
        }
    }
}

impl Signer for Own {
    type Error = NotSigned;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        mut to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, NotSigned> {
        let signature = match self.0.key_data() {
            KeypairData::Rsa(key) => (key, hash).try_sign(&to_sign),
            _ => self.0.try_sign(&to_sign),
        };
        let failed = |why: String| NotSigned::Key(why);
        let signature = signature.map_err(|e| failed(e.to_string()))?;
        // As a string of the protocol, behind what was signed.
        signature.encode_prefixed(&mut to_sign).map_err(|e| failed(e.to_string()))?;
        Ok(to_sign)
    }
}
