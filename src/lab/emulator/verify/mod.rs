//! Who calls: signatures, clock skew, single-use nonces and credentials.
//!
//! Written from the public rules alone and without the client's signer, so that each proves the other. Must never accept
//! a request because a check could not be made, and must never put a secret into an answer.

mod acs3;
pub(super) mod canonical;
mod rpc_v1;
mod sessions;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::errors::{
    ApiError, INCOMPLETE_SIGNATURE, KEY_UNKNOWN, NONCE_USED, SESSION_ENDED, TIMESTAMP_EXPIRED, TOKEN_MISMATCH,
};
use super::wire::Request;
use crate::core::model::Secret;
use crate::ports::Clock;
pub(crate) use sessions::{Assumed, Session, Sessions};

/// How far a client's clock may be off, either way.
const SKEW_MS: i64 = 15 * 60 * 1000;

/// An access key.
#[derive(Debug, Clone)]
pub struct AccessKey {
    /// `AccessKeyId`.
    pub id: String,
    /// `AccessKeySecret`.
    pub secret: Secret<String>,
}

/// Who a verified request is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nobody, for the one action that needs no signature.
    Nobody,
    /// A user with a permanent access key.
    User,
    /// A session of the bastion's RAM role.
    Role,
    /// A session that STS gave.
    Assumed(Arc<Assumed>),
}

struct Credential {
    key: AccessKey,
    token: Option<Secret<String>>,
}

/// What a request claims, before the claim is checked.
struct Claim<'a> {
    key_id: &'a str,
    token: Option<&'a str>,
    date: &'a str,
    nonce: &'a str,
}

/// Checks requests against the known credentials.
pub(crate) struct Verifier {
    credentials: Vec<Credential>,
    sessions: Sessions,
    clock: Arc<dyn Clock>,
    nonces: Mutex<HashMap<(String, String), i64>>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("credentials", &self.credentials.len()).finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier that knows one permanent key.
    pub(crate) fn new(key: AccessKey, clock: Arc<dyn Clock>) -> Self {
        let credentials = vec![Credential { key, token: None }];
        Self { credentials, sessions: Sessions::default(), clock, nonces: Mutex::default() }
    }

    /// Also accepts a session: a key that is valid together with its token only.
    pub(crate) fn add_session(&mut self, key: AccessKey, token: Secret<String>) {
        self.credentials.push(Credential { key, token: Some(token) });
    }

    /// What STS has given.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Takes the time from another clock.
    pub(crate) fn set_clock(&mut self, clock: Arc<dyn Clock>) {
        self.clock = clock;
    }

    /// Now, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Who sent this request.
    ///
    /// # Errors
    /// The gateway's refusals: `IncompleteSignature`, `InvalidAccessKeyId.NotFound`, `InvalidTimeStamp.Expired`,
    /// `SignatureDoesNotMatch`, `SignatureNonceUsed` and those about security tokens.
    pub(crate) fn verify(&self, request: &Request) -> Result<Caller, ApiError> {
        if let Some(authorization) = request.header("authorization") {
            let signed = acs3::Signed::parse(request, authorization)?;
            self.check(&signed.claim(), |secret| signed.check(secret))
        } else if request.query.iter().chain(&request.form).any(|(key, _)| key == "Signature") {
            let signed = rpc_v1::Signed::parse(request)?;
            self.check(&signed.claim(), |secret| signed.check(secret))
        } else {
            Err(INCOMPLETE_SIGNATURE.into())
        }
    }

    /// The nonce is spent last, so that nobody can spend another's by guessing it.
    fn check(
        &self,
        claim: &Claim<'_>,
        signature: impl FnOnce(&Secret<String>) -> Result<(), ApiError>,
    ) -> Result<Caller, ApiError> {
        let given = self.sessions.find(claim.key_id);
        let known = self.credentials.iter().find(|known| known.key.id == claim.key_id);
        let (secret, wanted, caller) = match (&given, known) {
            (Some(Session { key, token, assumed, .. }), _) => {
                (&key.secret, Some(token), Caller::Assumed(Arc::clone(assumed)))
            }
            (None, Some(Credential { key, token: Some(token) })) => (&key.secret, Some(token), Caller::Role),
            (None, Some(Credential { key, token: None })) => (&key.secret, None, Caller::User),
            (None, None) => return Err(KEY_UNKNOWN.into()),
        };
        match (wanted, claim.token) {
            (None, None) => {}
            (Some(token), Some(sent)) if token.expose() == sent => {}
            (Some(_), None) => return Err(KEY_UNKNOWN.into()),
            _ => return Err(TOKEN_MISMATCH.into()),
        }
        self.check_date(claim.date)?;
        signature(secret)?;
        if given.as_ref().is_some_and(|session| session.expires_ms <= self.now_ms()) {
            return Err(SESSION_ENDED.into());
        }
        self.spend(claim)?;
        Ok(caller)
    }

    fn check_date(&self, date: &str) -> Result<(), ApiError> {
        let exact = date.len() == "2026-03-01T08:09:10Z".len() && date.ends_with('Z');
        let then: jiff::Timestamp = date.parse().ok().filter(|_| exact).ok_or_else(|| {
            INCOMPLETE_SIGNATURE.because("The date is not of the form YYYY-MM-DDThh:mm:ssZ.")
        })?;
        let off = self.now_ms().abs_diff(then.as_millisecond());
        if off > SKEW_MS.unsigned_abs() { Err(TIMESTAMP_EXPIRED.into()) } else { Ok(()) }
    }

    /// A nonce older than twice the skew cannot come back: its date would be refused.
    fn spend(&self, claim: &Claim<'_>) -> Result<(), ApiError> {
        let now = self.now_ms();
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        if nonces.len() >= 4096 {
            nonces.retain(|_, seen| now - *seen <= 2 * SKEW_MS);
        }
        match nonces.insert((claim.key_id.to_owned(), claim.nonce.to_owned()), now) {
            None => Ok(()),
            Some(_) => Err(NONCE_USED.into()),
        }
    }
}
