//! Keys with an end, how the sources write them, and what can be wrong with getting them.
//!
//! Must never put anything of an answer into a message but the names of its fields.

use std::sync::Arc;

use serde_json::Value;

use super::{Keys, error};
use crate::core::model::Secret;
use crate::ports::CloudError;

/// Session keys are renewed when less than this remains, milliseconds.
pub(super) const MARGIN_MS: i64 = 15 * 60 * 1000;

/// Keys, and until when.
pub(super) struct Session {
    pub(super) keys: Arc<Keys>,
    /// Milliseconds since the epoch; no end is known without it.
    pub(super) expires_ms: Option<i64>,
    /// After this moment they are renewed.
    pub(super) renew_ms: i64,
}

/// What the failure of a source means for the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The source is not there.
    Absent,
    /// It says nothing, as what is not there does; it may only be slow.
    Silent,
    /// It may answer the next time.
    Passing,
    /// It is there and will not give keys.
    Broken,
}

/// A source without keys.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) error: CloudError,
    pub(super) why: Why,
}

impl Trouble {
    pub(super) fn broken(message: impl Into<String>) -> Self {
        Self { error: error(message), why: Why::Broken }
    }

    pub(super) fn passing(message: impl Into<String>) -> Self {
        Self { error: error(message), why: Why::Passing }
    }
}

impl Session {
    /// Keys without an end that is known.
    pub(super) fn lasting(keys: Arc<Keys>) -> Self {
        Self { keys, expires_ms: None, renew_ms: i64::MAX }
    }

    /// Keys that end. They are renewed `margin_ms` before, or after half of their time if that is later: the shortest
    /// sessions last no longer than the margin.
    ///
    /// # Errors
    /// They have ended already.
    pub(super) fn ending(keys: Keys, expires_ms: i64, margin_ms: i64, now_ms: i64) -> Result<Self, String> {
        let left = expires_ms.saturating_sub(now_ms);
        if left <= 0 {
            return Err("keys that have already ended; look at this machine's clock".to_owned());
        }
        let renew_ms = expires_ms - margin_ms.min(left / 2);
        Ok(Self { keys: Arc::new(keys), expires_ms: Some(expires_ms), renew_ms })
    }
}

/// The session in `AccessKeyId`, `AccessKeySecret`, `SecurityToken` and `Expiration` of an object.
///
/// # Errors
/// A phrase that completes "… gives".
pub(super) fn session(object: &Value, now_ms: i64) -> Result<Session, String> {
    let field = |name: &str| {
        let text = object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| format!("an answer without {name}"))
    };
    let expires = time(&field("Expiration")?).ok_or("an Expiration that is not a time")?;
    let keys = Keys {
        id: field("AccessKeyId")?,
        secret: Secret::new(field("AccessKeySecret")?),
        token: Some(Secret::new(field("SecurityToken")?)),
    };
    check(&keys)?;
    Session::ending(keys, expires, MARGIN_MS, now_ms)
}

/// A time of the wire, in milliseconds since the epoch.
pub(super) fn time(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// Keys travel in headers: what cannot is a slip of copying, told here and not by a refused call.
///
/// # Errors
/// A phrase that names the field and does not show it.
pub(super) fn check(keys: &Keys) -> Result<(), String> {
    let token = keys.token.as_ref().map(|token| ("the security token", token.expose()));
    let fields = [("the access key id", &keys.id), ("the access key secret", keys.secret.expose())];
    match fields.into_iter().chain(token).find(|(_, text)| !text.bytes().all(|b| b.is_ascii_graphic())) {
        Some((name, _)) => Err(format!("{name} with white space or other characters that no key has")),
        None => Ok(()),
    }
}
