//! Sessions of roles that STS has given, and the tokens of identity providers that it gives them for.
//!
//! Must never give the same key twice, and never forget when a session ends.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::AccessKey;
use crate::core::model::Secret;

/// A role, and who took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assumed {
    /// The role's name.
    pub role: String,
    /// `RoleSessionName`.
    pub session: String,
}

/// A session as its owner gets it.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Its key.
    pub key: AccessKey,
    /// The token that goes with the key.
    pub token: Secret<String>,
    /// Its end, in milliseconds since 1970.
    pub expires_ms: i64,
    /// Whose it is.
    pub assumed: Arc<Assumed>,
}

/// All sessions that were given.
#[derive(Default)]
pub(crate) struct Sessions {
    given: Mutex<BTreeMap<String, Session>>,
    tokens: Mutex<BTreeMap<String, Secret<String>>>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(..)")
    }
}

impl Sessions {
    /// Gives a session that lasts until then; `None` without randomness.
    pub(crate) fn give(&self, assumed: Assumed, expires_ms: i64) -> Option<Session> {
        let key = AccessKey { id: format!("STS.{}", random()?), secret: Secret::new(random()?) };
        // Like real ones, with what has to be encoded somewhere.
        let token = Secret::new(format!("CAIS+{}/{}==", random()?, random()?));
        let session = Session { key, token, expires_ms, assumed: Arc::new(assumed) };
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.insert(session.key.id.clone(), session.clone());
        Some(session)
    }

    /// The session with this key.
    pub(super) fn find(&self, id: &str) -> Option<Session> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Believes this token of an identity provider.
    pub(crate) fn believe(&self, provider_arn: &str, token: Secret<String>) {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(provider_arn.to_owned(), token);
    }

    /// Whether a provider is known and the token is its; `None` for a stranger.
    pub(crate) fn believes(&self, provider_arn: &str, token: &str) -> Option<bool> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(provider_arn).map(|known| known.expose() == token)
    }
}

fn random() -> Option<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(super::canonical::hex(&bytes))
}
