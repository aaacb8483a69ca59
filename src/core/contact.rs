//! First contact: hosts of which nothing is on record, as a list that a person reviews once.
//!
//! Must never approve a host by a fingerprint that was given for another.

use std::collections::BTreeMap;

/// A host that nothing is on record about, and the key that it has proven to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newcomer {
    /// Its name, or that of the jump host that it is.
    pub name: String,
    /// Where it answered.
    pub at: String,
    /// The key's type, such as `ssh-ed25519`.
    pub algorithm: String,
    /// `SHA256:…`
    pub fingerprint: String,
}

/// Fingerprints that were got where nobody can stand between, by host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fingerprints(BTreeMap<String, Vec<String>>);

/// What the list says about a newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opinion {
    /// It has this key.
    Approved,
    /// It has other keys.
    Contradicted,
    /// It is not in the list.
    Missing,
}

impl Fingerprints {
    /// Reads lines of `name SHA256:…`; a host may have several, `#` begins a comment.
    ///
    /// # Errors
    /// The first line that is neither, as `file:line: what`.
    pub fn parse(file: &str, text: &str) -> Result<Self, String> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [name, fingerprint] if is_fingerprint(fingerprint) => {
                    all.entry((*name).to_owned()).or_default().push((*fingerprint).to_owned());
                }
                _ => {
                    return Err(format!(
                        "{file}:{}: expected a host and the fingerprint of its key, such as web-1 SHA256:...",
                        index + 1
                    ));
                }
            }
        }
        Ok(Self(all))
    }

    /// What is to be thought of a newcomer.
    #[must_use]
    pub fn opinion(&self, newcomer: &Newcomer) -> Opinion {
        match self.0.get(&newcomer.name) {
            Some(all) if all.contains(&newcomer.fingerprint) => Opinion::Approved,
            Some(_) => Opinion::Contradicted,
            None => Opinion::Missing,
        }
    }
}

/// 32 bytes in base64, without padding.
fn is_fingerprint(text: &str) -> bool {
    let digest = text.strip_prefix("SHA256:");
    digest
        .and_then(|digest| data_encoding::BASE64_NOPAD.decode(digest.as_bytes()).ok())
        .is_some_and(|d| d.len() == 32)
}

/// Newcomers that hold one and the same key: copies of one image, or one host under several names.
#[must_use]
pub fn twins(newcomers: &[Newcomer]) -> Vec<Vec<&str>> {
    let mut by_key: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for newcomer in newcomers {
        by_key.entry(&newcomer.fingerprint).or_default().push(&newcomer.name);
    }
    by_key.into_values().filter(|names| names.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: &str = "SHA256:VKXMihlkRr+AUetZ7ctBueAElV1WHlAovQWAhUD0o1I";
    const TWO: &str = "SHA256:AKXMihlkRr+AUetZ7ctBueAElV1WHlAovQWAhUD0o1I";

    fn newcomer(name: &str, fingerprint: &str) -> Newcomer {
        let (algorithm, at) = ("ssh-ed25519".to_owned(), "10.0.0.1:22".to_owned());
        Newcomer { name: name.to_owned(), at, algorithm, fingerprint: fingerprint.to_owned() }
    }

    #[test]
    fn a_fingerprint_speaks_for_its_own_host_alone() {
        let text = format!("# from the console\nweb-1 {ONE}\n\nweb-2\t{ONE} # a clone\nweb-2 {TWO}\r\n");
        let list = Fingerprints::parse("f", &text).unwrap();
        for (name, key, expected) in [
            ("web-1", ONE, Opinion::Approved),
            ("web-1", TWO, Opinion::Contradicted),
            ("web-2", ONE, Opinion::Approved),
            ("web-2", TWO, Opinion::Approved),
            ("web-3", ONE, Opinion::Missing),
            ("WEB-1", ONE, Opinion::Missing),
        ] {
            assert_eq!(list.opinion(&newcomer(name, key)), expected, "{name} {key}");
        }
    }

    #[test]
    fn a_list_that_cannot_be_read_approves_nobody() {
        let cut = &ONE[..40];
        for line in [ONE, "web-1", &format!("web-1 {cut}"), "web-1 MD5:aa", &format!("web-1 {ONE} x")] {
            let error = Fingerprints::parse("list", &format!("# x\n{line}")).unwrap_err();
            assert!(error.starts_with("list:2: expected a host and the fingerprint"), "{error}");
        }
    }

    #[test]
    fn hosts_that_share_a_key_are_seen() {
        let list = [newcomer("a", ONE), newcomer("b", TWO), newcomer("c", ONE)];
        assert_eq!(twins(&list), [["a", "c"]]);
        assert!(twins(&list[..2]).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = Fingerprints::parse("f", &text);
        }
    }
}
