//! The older RPC signature, HMAC-SHA1 over all parameters, which the vendor's older SDKs still send.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::super::errors::{ApiError, INCOMPLETE_SIGNATURE, SIGNATURE_MISMATCH};
use super::super::wire::{Pairs, Request};
use super::{Claim, canonical};
use crate::core::model::Secret;

/// A request with its claimed signature.
pub(super) struct Signed<'a> {
    method: &'a str,
    pairs: Pairs,
    signature: String,
}

impl<'a> Signed<'a> {
    /// Gathers the parameters and refuses a request without the scheme's own.
    pub(super) fn parse(request: &'a Request) -> Result<Self, ApiError> {
        let all = request.query.iter().chain(&request.form).cloned();
        let (signatures, pairs): (Pairs, Pairs) = all.partition(|(key, _)| key == "Signature");
        let [(_, signature)] = signatures.as_slice() else { return Err(INCOMPLETE_SIGNATURE.into()) };
        let signed = Self { method: &request.method, signature: signature.clone(), pairs };
        let fixed = [("SignatureMethod", "HMAC-SHA1"), ("SignatureVersion", "1.0")];
        let fixed = fixed.into_iter().all(|(key, value)| signed.get(key) == value);
        let given = ["AccessKeyId", "Timestamp", "SignatureNonce", "Action", "Version"];
        if fixed && given.into_iter().all(|key| !signed.get(key).is_empty()) && request.path == "/" {
            Ok(signed)
        } else {
            Err(INCOMPLETE_SIGNATURE.into())
        }
    }

    fn get(&self, key: &str) -> &str {
        self.pairs.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value.as_str())
    }

    pub(super) fn claim(&self) -> Claim<'_> {
        Claim {
            key_id: self.get("AccessKeyId"),
            token: Some(self.get("SecurityToken")).filter(|token| !token.is_empty()),
            date: self.get("Timestamp"),
            nonce: self.get("SignatureNonce"),
        }
    }

    pub(super) fn check(&self, secret: &Secret<String>) -> Result<(), ApiError> {
        let query = canonical::query(self.pairs.iter());
        let text = format!("{}&%2F&{}", self.method, canonical::encode(&query));
        let key = Secret::new(format!("{}&", secret.expose()));
        let mac = Hmac::<Sha1>::new_from_slice(key.expose().as_bytes())
            .map_err(|_| ApiError::from(SIGNATURE_MISMATCH))?
            .chain_update(text);
        let given = STANDARD.decode(&self.signature).ok();
        given.and_then(|given| mac.verify_slice(&given).ok()).ok_or_else(|| SIGNATURE_MISMATCH.into())
    }
}
