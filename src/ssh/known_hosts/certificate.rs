//! Whether a host certificate proves who the host is: signed by an authority on record for the host, for a host, for this
//! one, and now. See PROTOCOL.certkeys of OpenSSH.
//!
//! Must never look at what a certificate says before it is known who signed it.

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{self, Certificate, HashAlg};
use russh::keys::{Algorithm, PublicKey};

use super::{Findings, KeyBlob, place_of};
use crate::core::ssh_config::{Place, bare_name};
use crate::core::text::clean_line;

/// What is to be thought of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) enum Standing {
    /// The authority written here vouches for the host.
    Vouched(Place),
    /// It does not count, and why; the key in it may still be on record by itself.
    Void(String),
    /// The authority's key or the host's is marked as revoked.
    Revoked(Place),
}

/// A key as `known_hosts` has it.
pub(in crate::ssh) fn key_blob(key: &KeyData) -> Result<KeyBlob, ssh_key::Error> {
    let blob = PublicKey::from(key.clone()).to_bytes()?;
    Ok(KeyBlob { algorithm: key.algorithm().as_str().to_owned(), blob })
}

/// Judges a certificate that the host has shown and whose key it has proven to hold. `names` are the host's, `now` is in
/// seconds since 1970; whoever does not know the time accepts none.
pub(in crate::ssh) fn standing(
    certificate: &Certificate,
    found: &Findings,
    names: &[String],
    now: Option<u64>,
) -> Standing {
    let (Ok(authority), Ok(own)) =
        (key_blob(certificate.signature_key()), key_blob(certificate.public_key()))
    else {
        return Standing::Void("its host certificate holds a key that cannot be read".to_owned());
    };
    if let Some(place) = place_of(&found.revoked, &authority).or_else(|| place_of(&found.revoked, &own)) {
        return Standing::Revoked(place);
    }
    let Some(place) = place_of(&found.authorities, &authority) else {
        return Standing::Void(format!(
            "its host certificate is signed by {}, which is no authority for it on record",
            authority.fingerprint()
        ));
    };
    let flaw = match now {
        Some(now) => flaw(certificate, names, now),
        None => Some("cannot be judged without a clock".to_owned()),
    };
    match flaw {
        None => Standing::Vouched(place),
        Some(why) => Standing::Void(format!("its host certificate (authority {place}) {why}")),
    }
}

fn flaw(certificate: &Certificate, names: &[String], now: u64) -> Option<String> {
    // SHA-1 can be forged, also by who asks an authority for a harmless signature.
    if matches!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None }) {
        return Some("is signed with SHA-1, which is not safe".to_owned());
    }
    if certificate.cert_type() != CertType::Host {
        return Some("is one for users".to_owned());
    }
    if now < certificate.valid_after() {
        return Some("is not valid yet; is this machine's clock right?".to_owned());
    }
    if now >= certificate.valid_before() {
        return Some("is not valid any more; sign the host's key again".to_owned());
    }
    if certificate.critical_options().iter().next().is_some() {
        return Some("has critical options that are not known here".to_owned());
    }
    let principals = certificate.valid_principals();
    let named = names.iter().map(|name| bare_name(name).to_lowercase());
    // Names only, no patterns: OpenSSH's client takes none here either.
    let covers = |name: &String| principals.iter().any(|principal| principal.to_lowercase() == *name);
    // One without names would be good for every host of the fleet: whoever has one host has all.
    if !named.clone().any(|name| covers(&name)) {
        let own = clean_line(principals.join(", ").as_bytes(), 100);
        let named = named.collect::<Vec<_>>().join(", ");
        return Some(format!("is for \"{own}\" and not for {named}"));
    }
    let authority = certificate.signature_key().fingerprint(HashAlg::Sha256);
    let signed = certificate.validate_at(now, [&authority]).is_ok();
    (!signed).then(|| "has a wrong signature".to_owned())
}
