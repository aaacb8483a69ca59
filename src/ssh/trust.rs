//! Which host key is accepted: a policy with its files read, asked once per connection.
//!
//! Must never accept a key that is not on record; there is no way to switch it off.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};

use super::cache::{PathCache, lock};
use super::failure::{failure, local, quoted};
use super::known_hosts::{Findings, KeyBlob, KnownHosts, Record, Verdict};
use crate::ports::{HostKey, HostKeyPolicy, SshError, SshErrorKind};

/// Parsed `known_hosts` files, and what was wrong with lines of them.
pub(super) struct Books {
    files: PathCache<KnownHosts>,
    warnings: Mutex<Vec<String>>,
}

impl Books {
    pub(super) fn new() -> Self {
        Self { files: PathCache::new(), warnings: Mutex::new(Vec::new()) }
    }

    /// Lines that could not be read, since the last call.
    pub(super) fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.warnings))
    }

    /// Makes a policy ready to be asked.
    pub(super) async fn open(&self, policy: &HostKeyPolicy) -> Result<Trust, SshError> {
        match policy {
            HostKeyPolicy::Pinned(key) => {
                let (algorithm, base64) = key.openssh.split_once(' ').unwrap_or((&key.openssh, ""));
                let base64 = base64.split_ascii_whitespace().next().unwrap_or_default();
                let blob = KeyBlob::parse(algorithm, base64)
                    .map_err(|why| local(format!("the pinned host key cannot be used: {why}")))?;
                Ok(Trust::Pinned(blob))
            }
            HostKeyPolicy::KnownHosts { files, names } => {
                if files.is_empty() || names.is_empty() {
                    return Err(local("no known_hosts file, or no name to look up in it, was given"));
                }
                let mut read = Vec::with_capacity(files.len());
                for path in files {
                    read.push(self.files.get(path, || self.read(path)).await?);
                }
                let found = Findings::look_up(&read, names);
                Ok(Trust::Recorded { found, searched: searched(files, names, &read) })
            }
        }
    }

    async fn read(&self, path: &PathBuf) -> Result<KnownHosts, SshError> {
        let name = path.display().to_string();
        let bytes = tokio::fs::read(path).await.map_err(|e| {
            local(format!(
                "host keys cannot be checked: {name}: {e}; create it, or name another known_hosts file"
            ))
        })?;
        let parsed = KnownHosts::parse(&name, &String::from_utf8_lossy(&bytes));
        lock(&self.warnings).extend_from_slice(parsed.malformed());
        Ok(parsed)
    }
}

/// A policy ready to be asked.
#[derive(Debug, Clone)]
pub(super) enum Trust {
    /// What files have on record.
    Recorded {
        /// What they say about the host.
        found: Findings,
        /// What was looked up where, for messages.
        searched: String,
    },
    /// One key.
    Pinned(KeyBlob),
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

    /// Accepts the key that the host at `at` has shown, or says why not.
    pub(super) fn check(&self, at: &str, offered: &KeyBlob) -> Result<HostKey, SshError> {
        let shown = format!("{} {}", offered.algorithm, offered.fingerprint());
        match self {
            Self::Pinned(pinned) if pinned.blob == offered.blob => {}
            Self::Pinned(_) => return Err(self.changed(at, &format!("it shows {shown}"))),
            Self::Recorded { found, searched } => match found.judge(offered) {
                Verdict::Known(_) => {}
                Verdict::Changed { .. } => return Err(self.changed(at, &format!("it shows {shown}"))),
                Verdict::Revoked(place) => {
                    return Err(failure(
                        SshErrorKind::HostKeyChanged,
                        format!(
                            "{at}: its host key {shown} is revoked at {place}; somebody may hold a stolen key. \
                             Give the host a new key before connecting"
                        ),
                    ));
                }
                Verdict::Unknown { authority } => {
                    let hint = match authority {
                        Some(place) => format!(
                            "{place} names a certificate authority for it, but host certificates are not supported yet; \
                             record the host's own key"
                        ),
                        None => "read the host's key where nobody can stand between (console, cloud assistant), compare \
                             the fingerprint, and record it"
                            .to_owned(),
                    };
                    return Err(failure(
                        SshErrorKind::HostKeyUnknown,
                        format!("{at}: its host key {shown} is not on record: {searched}; {hint}"),
                    ));
                }
            },
        }
        Ok(HostKey { openssh: offered.openssh(), fingerprint: offered.fingerprint() })
    }

    /// The host holds no key of any type on record; `theirs` are the types it has.
    pub(super) fn no_common(&self, at: &str, theirs: &[String]) -> SshError {
        self.changed(at, &format!("it only has keys of type {}", quoted(theirs.join(", ").as_bytes())))
    }

    fn changed(&self, at: &str, shown: &str) -> SshError {
        let recorded = match self {
            Self::Pinned(key) => format!("pinned is {} {}", key.algorithm, key.fingerprint()),
            Self::Recorded { found, .. } => {
                let of = |r: &Record| format!("{} {} ({})", r.key.algorithm, r.key.fingerprint(), r.place);
                format!(
                    "on record is {}",
                    found.recorded.iter().take(4).map(of).collect::<Vec<_>>().join(", ")
                )
            }
        };
        failure(
            SshErrorKind::HostKeyChanged,
            format!(
                "{at}: its host key is not the one on record: {shown}, {recorded}. Another host has this address, or \
                 somebody stands between; find out which before the record is changed"
            ),
        )
    }

    fn on_record(&self) -> Vec<&KeyBlob> {
        match self {
            Self::Pinned(key) => vec![key],
            Self::Recorded { found, .. } => found.recorded.iter().map(|record| &record.key).collect(),
        }
    }
}

fn searched(paths: &[PathBuf], names: &[String], files: &[Arc<KnownHosts>]) -> String {
    let paths = paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
    let broken: Vec<_> = files.iter().flat_map(|file| file.malformed()).collect();
    let broken = match broken.first() {
        Some(first) => format!(" ({} lines could not be read, the first: {first})", broken.len()),
        None => String::new(),
    };
    format!("looked up {} in {paths}{broken}", names.join(", "))
}
