//! What `known_hosts` files say about a key, as a pure function over their text.
//!
//! Must never answer "known" for a key that is revoked, recorded for another name, or recorded only as an authority, and
//! must never let a line it cannot read hide the other lines. The format is described in sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.

use std::collections::HashMap;
use std::sync::Arc;

use data_encoding::{BASE64, BASE64_NOPAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::ssh_key;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

pub use crate::core::ssh_config::lookup_name;
use crate::core::ssh_config::{Place, glob_matches};

pub(super) mod certificate;
pub(super) mod record;
#[cfg(test)]
mod tests;

/// A public key in the wire form that `known_hosts` holds in base64.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyBlob {
    /// The key type, such as `ssh-ed25519`.
    pub algorithm: String,
    /// The encoded key, which begins with its type.
    pub blob: Vec<u8>,
}

impl KeyBlob {
    /// Reads the two fields of the text form, `ssh-ed25519 AAAA…`.
    ///
    /// # Errors
    /// A phrase that says what is wrong with it.
    pub fn parse(algorithm: &str, base64: &str) -> Result<Self, &'static str> {
        use ssh_key::Algorithm as Alg;
        let blob = BASE64.decode(base64.as_bytes()).map_err(|_| "the key is not base64")?;
        let named = blob
            .split_first_chunk::<4>()
            .and_then(|(size, rest)| rest.get(..usize::try_from(u32::from_be_bytes(*size)).ok()?));
        if named != Some(algorithm.as_bytes()) {
            return Err("the key is not of the type that the line names");
        }
        // A type that the library does not know is kept: the name is on record, with a key we cannot use.
        let is_usable = matches!(Alg::new(algorithm), Ok(Alg::Ed25519 | Alg::Ecdsa { .. } | Alg::Rsa { .. }));
        if is_usable && ssh_key::PublicKey::from_bytes(&blob).is_err() {
            return Err("the key is damaged");
        }
        Ok(Self { algorithm: algorithm.to_owned(), blob })
    }

    /// `SHA256:…` as OpenSSH shows it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", BASE64_NOPAD.encode(&Sha256::digest(&self.blob)))
    }

    /// The text form, `ssh-ed25519 AAAA…`.
    #[must_use]
    pub fn openssh(&self) -> String {
        format!("{} {}", self.algorithm, BASE64.encode(&self.blob))
    }
}

/// A key on record and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The key.
    pub key: KeyBlob,
    /// Where.
    pub place: Place,
}

/// What the files say about an offered key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is recorded for the host.
    Known(Place),
    /// No key is recorded for the host. If an authority is, its first line is given: it vouches for no plain key.
    Unknown {
        /// First `@cert-authority` line that covers one of the names.
        authority: Option<Place>,
    },
    /// Other keys are recorded for the host, and not this one, be it of the same type or not.
    Changed {
        /// All keys recorded for the name that decided.
        recorded: Vec<Record>,
    },
    /// The key is marked as revoked for one of the names.
    Revoked(Place),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    None,
    Revoked,
    Authority,
}

#[derive(Debug)]
enum Names {
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
    Patterns(Vec<Pattern>),
}

#[derive(Debug)]
struct Pattern {
    negated: bool,
    glob: String,
}

#[derive(Debug)]
struct Entry {
    marker: Marker,
    names: Names,
    record: Record,
}

/// One file, parsed.
#[derive(Debug)]
pub struct KnownHosts {
    entries: Vec<Entry>,
    /// Entries that have nothing but plain names, by name: the usual case, and it must stay fast for large fleets.
    exact: HashMap<String, Vec<usize>>,
    /// Entries that must be tried against every name.
    tried: Vec<usize>,
    malformed: Vec<String>,
}

impl KnownHosts {
    /// Reads the text of a file; `file` is only used to say where something is written.
    #[must_use]
    pub fn parse(file: &str, text: &str) -> Self {
        let mut all = Self { entries: vec![], exact: HashMap::new(), tried: vec![], malformed: vec![] };
        for (index, line) in text.lines().enumerate() {
            let place = Place { file: file.to_owned(), line: index + 1 };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match parse_line(line, &place) {
                Ok(entry) => all.add(entry),
                Err(why) => all.malformed.push(format!("{place}: line ignored, {why}")),
            }
        }
        all
    }

    /// Lines that could not be read, each as `file:line: why`.
    #[must_use]
    pub fn malformed(&self) -> &[String] {
        &self.malformed
    }

    fn add(&mut self, entry: Entry) {
        let index = self.entries.len();
        match &entry.names {
            Names::Patterns(patterns) if patterns.iter().all(Pattern::is_plain) => {
                for pattern in patterns {
                    self.exact.entry(pattern.glob.clone()).or_default().push(index);
                }
            }
            Names::Hashed { .. } | Names::Patterns(_) => self.tried.push(index),
        }
        self.entries.push(entry);
    }

    fn lookup<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Entry> {
        let exact = self.exact.get(name).into_iter().flatten();
        let tried = self.tried.iter().filter(move |index| self.entries[**index].names.cover(name));
        exact.chain(tried).map(|index| &self.entries[*index])
    }
}

/// All that files have on record about one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Keys of the first name that has any.
    pub recorded: Vec<Record>,
    /// Keys marked as revoked, under any name.
    pub revoked: Vec<Record>,
    /// Keys of authorities that speak for any name.
    pub authorities: Vec<Record>,
}

impl Findings {
    /// Looks `names` (most specific first) up in all `files`. The first name that has any key on record decides, so that a
    /// key that some file still holds under a less specific name (an address that once was another host's) is not accepted.
    /// A revocation counts under every name.
    #[must_use]
    pub fn look_up(files: &[Arc<KnownHosts>], names: &[String]) -> Self {
        let mut found = Self { recorded: vec![], revoked: vec![], authorities: vec![] };
        for name in names {
            let name = name.to_lowercase();
            let mut recorded = Vec::new();
            for entry in files.iter().flat_map(|file| file.lookup(&name)) {
                match entry.marker {
                    Marker::None => recorded.push(entry.record.clone()),
                    Marker::Revoked => found.revoked.push(entry.record.clone()),
                    Marker::Authority => found.authorities.push(entry.record.clone()),
                }
            }
            if found.recorded.is_empty() {
                found.recorded = recorded;
            }
        }
        found
    }

    /// Judges an offered key.
    #[must_use]
    pub fn judge(&self, offered: &KeyBlob) -> Verdict {
        if let Some(place) = place_of(&self.revoked, offered) {
            Verdict::Revoked(place)
        } else if let Some(place) = place_of(&self.recorded, offered) {
            Verdict::Known(place)
        } else if self.recorded.is_empty() {
            Verdict::Unknown { authority: self.authorities.first().map(|record| record.place.clone()) }
        } else {
            Verdict::Changed { recorded: self.recorded.clone() }
        }
    }
}

/// Where a key is among records.
fn place_of(records: &[Record], key: &KeyBlob) -> Option<Place> {
    records.iter().find(|record| record.key.blob == key.blob).map(|record| record.place.clone())
}

/// Judges an offered key by all files, looked up under all names. See [`Findings::look_up`].
#[must_use]
pub fn judge(files: &[Arc<KnownHosts>], names: &[String], offered: &KeyBlob) -> Verdict {
    Findings::look_up(files, names).judge(offered)
}

fn parse_line(line: &str, place: &Place) -> Result<Entry, &'static str> {
    let mut fields = line.split_ascii_whitespace().peekable();
    let marker = match fields.next_if(|field| field.starts_with('@')) {
        None => Marker::None,
        Some("@revoked") => Marker::Revoked,
        Some("@cert-authority") => Marker::Authority,
        Some(_) => return Err("its marker is unknown"),
    };
    let names = parse_names(fields.next().ok_or("it names no host")?)?;
    let algorithm = fields.next().ok_or("it has no key type")?;
    let base64 = fields.next().ok_or("it has no key")?;
    let key = KeyBlob::parse(algorithm, base64)?;
    Ok(Entry { marker, names, record: Record { key, place: place.clone() } })
}

fn parse_names(field: &str) -> Result<Names, &'static str> {
    if let Some(rest) = field.strip_prefix('|') {
        let hashed = rest.strip_prefix("1|").and_then(|rest| rest.split_once('|'));
        let (salt, hash) = hashed.ok_or("its hashed name is not of the form |1|salt|hash")?;
        let decode = |part: &str| BASE64.decode(part.as_bytes()).ok().filter(|bytes| bytes.len() == 20);
        let (Some(salt), Some(hash)) = (decode(salt), decode(hash)) else {
            return Err("its hashed name is not twice 20 bytes in base64");
        };
        return Ok(Names::Hashed { salt, hash });
    }
    let mut patterns = Vec::new();
    for part in field.split(',').filter(|part| !part.is_empty()) {
        let glob = part.strip_prefix('!');
        let negated = glob.is_some();
        let glob = glob.unwrap_or(part).to_lowercase();
        if glob.is_empty() {
            return Err("it negates nothing");
        }
        patterns.push(Pattern { negated, glob });
    }
    if patterns.is_empty() { Err("it names no host") } else { Ok(Names::Patterns(patterns)) }
}

impl Names {
    /// Whether a lower-case name is meant. A negated pattern that matches beats all others, as in OpenSSH.
    fn cover(&self, name: &str) -> bool {
        match self {
            Self::Hashed { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
                .is_ok_and(|mac| mac.chain_update(name.as_bytes()).verify_slice(hash).is_ok()),
            Self::Patterns(patterns) => {
                let mut hits = patterns.iter().filter(|p| glob_matches(&p.glob, name)).peekable();
                hits.peek().is_some() && hits.all(|p| !p.negated)
            }
        }
    }
}

impl Pattern {
    fn is_plain(&self) -> bool {
        !self.negated && !self.glob.contains(['*', '?'])
    }
}
