//! The current signature, ACS3-HMAC-SHA256: in the `Authorization` header, over the headers it lists.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::super::errors::{ApiError, INCOMPLETE_SIGNATURE, SIGNATURE_MISMATCH};
use super::super::wire::Request;
use super::{Claim, canonical};
use crate::core::model::Secret;

const SCHEME: &str = "ACS3-HMAC-SHA256";

/// Without these a request says too little to be believed.
const MANDATORY: [&str; 6] =
    ["host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"];

/// A request with its claimed signature.
pub(super) struct Signed<'a> {
    request: &'a Request,
    key_id: &'a str,
    headers: BTreeSet<&'a str>,
    signature: &'a str,
}

fn incomplete(why: impl Into<String>) -> ApiError {
    INCOMPLETE_SIGNATURE.because(why)
}

impl<'a> Signed<'a> {
    /// Reads `Credential=…,SignedHeaders=…,Signature=…` and refuses what leaves out a header that must be signed.
    pub(super) fn parse(request: &'a Request, authorization: &'a str) -> Result<Self, ApiError> {
        let fields =
            authorization.trim().strip_prefix(SCHEME).and_then(|rest| rest.strip_prefix(' ')).ok_or_else(
                || incomplete("The Authorization header does not begin with ACS3-HMAC-SHA256."),
            )?;
        let (mut key_id, mut headers, mut signature) = (None, None, None);
        for field in fields.split(',') {
            let slot = match field.trim().split_once('=') {
                Some(("Credential", value)) => (&mut key_id, value),
                Some(("SignedHeaders", value)) => (&mut headers, value),
                Some(("Signature", value)) => (&mut signature, value),
                _ => return Err(incomplete("The Authorization header has an unknown field.")),
            };
            if slot.0.replace(slot.1).is_some() {
                return Err(incomplete("The Authorization header has a field twice."));
            }
        }
        let (Some(key_id), Some(headers), Some(signature)) = (key_id, headers, signature) else {
            return Err(incomplete("The Authorization header lacks a field."));
        };
        let signed = Self { request, key_id, headers: headers.split(';').collect(), signature };
        signed.check_headers(headers)?;
        Ok(signed)
    }

    fn check_headers(&self, listed: &str) -> Result<(), ApiError> {
        if self.headers.len() != listed.split(';').count() {
            return Err(incomplete("SignedHeaders names a header twice."));
        }
        for name in &self.headers {
            let sent = self.request.headers.contains_key(*name) && *name != "authorization";
            if !sent {
                return Err(incomplete(format!("SignedHeaders names {name:?}, which was not sent.")));
            }
        }
        let must = |name: &str| name == "host" || name == "content-type" || name.starts_with("x-acs-");
        if let Some(name) =
            self.request.headers.keys().find(|name| must(name) && !self.headers.contains(name.as_str()))
        {
            return Err(incomplete(format!("The header {name} is not signed.")));
        }
        for name in MANDATORY {
            if self.header(name).is_empty() {
                return Err(incomplete(format!("The header {name} is missing.")));
            }
        }
        let named = self.header("x-acs-accesskey-id");
        if !named.is_empty() && named != self.key_id {
            return Err(incomplete("x-acs-accesskey-id and Credential differ."));
        }
        Ok(())
    }

    fn header(&self, name: &str) -> &'a str {
        self.request.header(name).unwrap_or_default().trim()
    }

    pub(super) fn claim(&self) -> Claim<'a> {
        Claim {
            key_id: self.key_id,
            token: Some(self.header("x-acs-security-token")).filter(|token| !token.is_empty()),
            date: self.header("x-acs-date"),
            nonce: self.header("x-acs-signature-nonce"),
        }
    }

    /// Recomputes the signature from what was really received, the body included.
    pub(super) fn check(&self, secret: &Secret<String>) -> Result<(), ApiError> {
        let digest = canonical::hex(&Sha256::digest(&self.request.body));
        if self.header("x-acs-content-sha256") != digest {
            return Err(
                SIGNATURE_MISMATCH.because("x-acs-content-sha256 is not the hash of the body received.")
            );
        }
        let text = format!("{SCHEME}\n{}", canonical::hex(&Sha256::digest(self.canonical(&digest))));
        let mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
            .map_err(|_| ApiError::from(SIGNATURE_MISMATCH))?
            .chain_update(&text);
        canonical::unhex(self.signature).and_then(|given| mac.verify_slice(&given).ok()).ok_or_else(|| {
            SIGNATURE_MISMATCH.because(format!(
                "Specified signature is not matched with our calculation. server string to sign is:{text}"
            ))
        })
    }

    fn canonical(&self, digest: &str) -> String {
        let query = canonical::query(self.request.query.iter());
        let names: Vec<&str> = self.headers.iter().copied().collect();
        let headers: String = names.iter().map(|name| format!("{name}:{}\n", self.values(name))).collect();
        let Request { method, path, .. } = self.request;
        format!("{method}\n{path}\n{query}\n{headers}\n{}\n{digest}", names.join(";"))
    }

    fn values(&self, name: &str) -> String {
        let mut values: Vec<&str> =
            self.request.headers.get(name).into_iter().flatten().map(|value| value.trim()).collect();
        values.sort_unstable();
        values.join(",")
    }
}
