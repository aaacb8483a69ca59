//! The signature `ACS3-HMAC-SHA256` as a pure function of a request.
//!
//! Must never see a clock, a nonce source or a socket: what it signs is exactly what it is given.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::core::model::Secret;

/// The algorithm's name as it appears in `Authorization`.
pub(super) const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// What a signature covers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signable<'a> {
    /// Upper case.
    pub(super) method: &'a str,
    /// `/` for every RPC-style product.
    pub(super) path: &'a str,
    /// Decoded query parameters.
    pub(super) params: &'a BTreeMap<String, String>,
    /// The headers to sign: lower-case name, value.
    pub(super) headers: &'a BTreeMap<String, String>,
    /// The body, empty for every call this client makes.
    pub(super) body: &'a [u8],
}

/// Whether the public rule wants this header (lower case) signed.
pub(super) fn is_signed(header: &str) -> bool {
    header.starts_with("x-acs-") || header == "host" || header == "content-type"
}

/// Percent-encoding of RFC 3986 on UTF-8 bytes, upper-case hex, nothing but the unreserved set left as it is.
pub(super) fn pct(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The canonical query, which is also a valid query to send.
pub(super) fn query(params: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> =
        params.iter().map(|(key, value)| format!("{}={}", pct(key), pct(value))).collect();
    pairs.join("&")
}

/// Lower-case hex of the SHA-256 of `bytes`.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

impl Signable<'_> {
    fn signed_headers(&self) -> String {
        self.headers.keys().map(String::as_str).collect::<Vec<_>>().join(";")
    }

    /// The request in the one spelling both sides hash.
    pub(super) fn canonical(&self) -> String {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            self.method,
            self.path,
            query(self.params),
            self.signed_headers(),
            sha256_hex(self.body)
        )
    }

    /// What the key signs.
    pub(super) fn string_to_sign(&self) -> String {
        format!("{ALGORITHM}\n{}", sha256_hex(self.canonical().as_bytes()))
    }

    /// The value of the `Authorization` header.
    pub(super) fn authorization(&self, key_id: &str, secret: &Secret<String>) -> String {
        // HMAC takes keys of any length, so the empty signature of the error case, which the server would refuse, is
        // never seen.
        let signature = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
            .map(|mut mac| {
                mac.update(self.string_to_sign().as_bytes());
                hex(&mac.finalize().into_bytes())
            })
            .unwrap_or_default();
        format!(
            "{ALGORITHM} Credential={key_id},SignedHeaders={},Signature={signature}",
            self.signed_headers()
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn map(value: &Value) -> BTreeMap<String, String> {
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        value.as_object().unwrap().iter().map(|(k, v)| (k.clone(), text(v))).collect()
    }

    fn check(vector: &Value, want: &Value, headers: &BTreeMap<String, String>) {
        let text = |key: &str| vector[key].as_str().unwrap();
        let params = map(&vector["query"]);
        let body = vector["body"].as_str().unwrap_or_default();
        let signable = Signable {
            method: text("method"),
            path: text("path"),
            params: &params,
            headers,
            body: body.as_bytes(),
        };
        let secret = Secret::new(text("accessKeySecret").to_owned());
        let id = text("id");
        assert_eq!(sha256_hex(body.as_bytes()), text("hashedPayload"), "{id}");
        assert_eq!(query(&params), text("canonicalQuery"), "{id}");
        assert_eq!(signable.signed_headers(), want["signedHeaders"], "{id}");
        assert_eq!(signable.canonical(), want["canonicalRequest"], "{id}");
        assert_eq!(signable.string_to_sign(), want["stringToSign"], "{id}");
        assert_eq!(signable.authorization(text("accessKeyId"), &secret), want["authorization"], "{id}");
    }

    #[test]
    fn every_vector_of_the_official_signers_is_reproduced() {
        let file: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/signature-vectors.json")).unwrap();
        let (acs3, others): (Vec<&Value>, Vec<&Value>) =
            file["vectors"].as_array().unwrap().iter().partition(|v| v["scheme"] == ALGORITHM);
        for vector in &acs3 {
            let all = map(&vector["headers"]);
            let subset = all.clone().into_iter().filter(|(name, _)| is_signed(name)).collect();
            check(vector, vector, &all);
            check(vector, &vector["documentedSubset"], &subset);
        }
        assert_eq!(acs3.len(), 15);
        // The discontinued HMAC-SHA1 scheme: this client does not speak it.
        assert_eq!(others.len(), 5);
        assert!(others.iter().all(|v| v["scheme"].as_str().unwrap().contains("SHA1")));
    }
}
