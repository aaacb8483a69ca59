//! Which host key is accepted: a policy with its files read, asked once per connection.
//!
//! Must never accept a key that is not on record, unless the policy says to record it; there is no way to switch it off.

use std::sync::Arc;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKeyOrCertificate};

use self::books::Shared;
use super::failure::{failure, local, quoted};
use super::known_hosts::certificate::{Standing, key_blob, standing};
use super::known_hosts::record::Addition;
use super::known_hosts::{Findings, KeyBlob, Record, Verdict};
use crate::core::ssh_config::Place;
use crate::ports::{HostKey, SshError, SshErrorKind, Stranger};

mod books;
mod words;

pub(super) use self::books::Books;

/// A policy ready to be asked.
#[derive(Debug, Clone)]
pub(super) enum Trust {
    /// What files have on record.
    Recorded(Arc<Recorded>),
    /// These keys.
    Pinned(Vec<KeyBlob>),
}

/// What files have on record about a host.
#[derive(Debug)]
pub(super) struct Recorded {
    rule: Rule,
    found: Findings,
    names: Vec<String>,
    /// What was looked up where, for messages.
    searched: String,
    /// How the host would be recorded, without its key.
    place: (std::path::PathBuf, Vec<String>),
    /// Seconds since 1970, if there is a clock.
    now: Option<u64>,
    shared: Arc<Shared>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// What is on record.
    Strict,
    /// The same, and an unknown key is recorded.
    Learn { hashed: bool },
    /// Certificates only.
    Authority,
}

/// Host-key algorithms we can check, strongest first. SHA-1 signatures are not among them.
const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

impl Trust {
    /// The algorithms to offer: those of the keys on record, so that the host shows the key that we can check. All of them
    /// if there is none (to say what the host holds) or none that we know (to say that it holds another).
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        let recorded = self.on_record();
        let usable = ALGORITHMS.iter().filter(|algorithm| {
            recorded.iter().any(|key| match algorithm {
                Algorithm::Rsa { .. } => key.algorithm == "ssh-rsa",
                other => key.algorithm == other.as_str(),
            })
        });
        let usable: Vec<_> = usable.cloned().collect();
        if usable.is_empty() { ALGORITHMS.to_vec() } else { usable }
    }

    /// The algorithms of which to ask for a certificate first: none, unless an authority is on record.
    pub(super) fn certificate_algorithms(&self) -> Vec<Algorithm> {
        match self {
            Self::Recorded(recorded) if !recorded.found.authorities.is_empty() => ALGORITHMS.to_vec(),
            Self::Recorded(_) | Self::Pinned(_) => Vec::new(),
        }
    }

    /// Accepts what the host at `at` has shown and proven to hold, or says why not.
    pub(super) async fn check(&self, at: &str, shown: &PublicKeyOrCertificate) -> Result<HostKey, SshError> {
        let unreadable = |_| failure(SshErrorKind::Protocol, format!("{at}: its host key cannot be read"));
        let offered = key_blob(shown.public_key().key_data()).map_err(unreadable)?;
        match self {
            Self::Pinned(keys) if keys.iter().any(|key| key.blob == offered.blob) => {}
            Self::Pinned(_) => return Err(self.changed(at, &format!("it shows {}", words::shown(&offered)))),
            Self::Recorded(recorded) => recorded.check(self, at, shown, &offered).await?,
        }
        Ok(words::host_key(&offered))
    }

    /// The host holds no key of any type on record; `theirs` are the types it has.
    pub(super) fn no_common(&self, at: &str, theirs: &[String]) -> SshError {
        self.changed(at, &format!("it only has keys of type {}", quoted(theirs.join(", ").as_bytes())))
    }

    fn changed(&self, at: &str, shown: &str) -> SshError {
        let recorded = match self {
            Self::Pinned(keys) => {
                let keys: Vec<_> = keys.iter().map(words::shown).collect();
                format!("pinned is {}", keys.join(", "))
            }
            Self::Recorded(recorded) => {
                let of = |r: &Record| format!("{} ({})", words::shown(&r.key), r.place);
                format!(
                    "on record is {}",
                    recorded.found.recorded.iter().take(4).map(of).collect::<Vec<_>>().join(", ")
                )
            }
        };
        words::changed(at, shown, &recorded)
    }

    fn on_record(&self) -> Vec<&KeyBlob> {
        match self {
            Self::Pinned(keys) => keys.iter().collect(),
            Self::Recorded(recorded) => recorded.found.recorded.iter().map(|record| &record.key).collect(),
        }
    }
}

impl Recorded {
    async fn check(
        &self,
        trust: &Trust,
        at: &str,
        shown: &PublicKeyOrCertificate,
        offered: &KeyBlob,
    ) -> Result<(), SshError> {
        let void = match shown.certificate() {
            None => None,
            Some(certificate) => match standing(certificate, &self.found, &self.names, self.now) {
                Standing::Vouched(_) => return Ok(()),
                Standing::Revoked(place) => return Err(words::revoked(at, offered, &place)),
                Standing::Void(why) => Some(why),
            },
        };
        if self.rule == Rule::Authority {
            let why = void.unwrap_or_else(|| match self.found.authorities.first() {
                Some(record) => format!("it shows no certificate, and {} asks for one", record.place),
                None => format!("no authority for it is on record: {}", self.searched),
            });
            return Err(words::no_certificate(at, offered, &why));
        }
        match self.found.judge(offered) {
            Verdict::Known(_) => Ok(()),
            Verdict::Changed { .. } => Err(trust.changed(at, &format!("it shows {}", words::shown(offered)))),
            Verdict::Revoked(place) => Err(words::revoked(at, offered, &place)),
            Verdict::Unknown { authority } => {
                self.unknown(trust, at, offered, void, authority.as_ref()).await
            }
        }
    }

    async fn unknown(
        &self,
        trust: &Trust,
        at: &str,
        offered: &KeyBlob,
        void: Option<String>,
        authority: Option<&Place>,
    ) -> Result<(), SshError> {
        match self.rule {
            // Where an authority speaks for a host, a key that it does not vouch for is nothing to learn.
            Rule::Learn { hashed } if authority.is_none() => {
                let (file, names) = &self.place;
                let addition = Addition { names: names.clone(), key: offered.clone() };
                match self.shared.learn(file, vec![addition], hashed).await {
                    Ok(()) => Ok(()),
                    Err(books::NotLearned::Other(error)) => Err(error),
                    Err(books::NotLearned::Contradicted(_, Verdict::Revoked(place))) => {
                        Err(words::revoked(at, offered, &place))
                    }
                    Err(books::NotLearned::Contradicted(..)) => {
                        Err(trust.changed(at, &format!("it shows {}", words::shown(offered))))
                    }
                }
            }
            Rule::Strict | Rule::Learn { .. } | Rule::Authority => {
                if authority.is_none() {
                    let (file, names) = self.place.clone();
                    let key = words::host_key(offered);
                    self.shared.met(Stranger { at: at.to_owned(), file, names, key });
                }
                Err(words::unknown(at, offered, &self.searched, void.as_deref(), authority))
            }
        }
    }
}

/// Reads a pinned key.
fn pinned(key: &HostKey) -> Result<KeyBlob, SshError> {
    let (algorithm, base64) = key.openssh.split_once(' ').unwrap_or((&key.openssh, ""));
    let base64 = base64.split_ascii_whitespace().next().unwrap_or_default();
    KeyBlob::parse(algorithm, base64)
        .map_err(|why| local(format!("the pinned host key cannot be used: {why}")))
}
