//! Lists of algorithms: exactly these, or the usual ones with some added, removed or put first.

use super::pattern::{glob_matches, list_matches};

/// Restrictions of what is negotiated; absent for the usual. What is not safe cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Algorithms {
    /// `HostKeyAlgorithms`
    pub host_key: Option<AlgorithmList>,
    /// `Ciphers`
    pub ciphers: Option<AlgorithmList>,
    /// `KexAlgorithms`
    pub kex: Option<AlgorithmList>,
    /// `MACs`
    pub macs: Option<AlgorithmList>,
}

/// A list as written. What it comes to depends on what is there: see [`AlgorithmList::choose`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AlgorithmList {
    how: How,
    names: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum How {
    Only,
    Append,
    Remove,
    Prepend,
}

impl AlgorithmList {
    /// Reads `a,b`, `+a,b`, `-a*` or `^a`; `None` if it names nothing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (how, names) = match text.chars().next()? {
            '+' => (How::Append, &text[1..]),
            '-' => (How::Remove, &text[1..]),
            '^' => (How::Prepend, &text[1..]),
            _ => (How::Only, text),
        };
        let names: Vec<String> = names.split(',').map(str::to_owned).collect();
        let fine = |name: &String| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@*?".contains(c))
        };
        names.iter().all(fine).then_some(Self { how, names })
    }

    /// The algorithms meant, in order, of those that are there: `usual` are offered if nothing is asked for, `all` can be.
    /// Names that are not there are left out, so the result may be empty.
    #[must_use]
    pub fn choose<'a>(&'a self, usual: &[&'a str], all: &[&'a str]) -> Vec<&'a str> {
        let own = self.names.iter().map(String::as_str);
        let wanted: Vec<&str> = match self.how {
            How::Remove => {
                let kept = usual.iter().filter(|name| !list_matches(own.clone(), name));
                return kept.copied().collect();
            }
            How::Only => own.collect(),
            How::Append => usual.iter().copied().chain(own).collect(),
            How::Prepend => own.chain(usual.iter().copied()).collect(),
        };
        let mut chosen = Vec::new();
        for pattern in wanted {
            for name in all.iter().filter(|name| glob_matches(pattern, name)) {
                if !chosen.contains(name) {
                    chosen.push(*name);
                }
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_choose_among_what_is_there() {
        let (usual, all) = (["b", "c", "aa"], ["aa", "ab", "b", "c", "d"]);
        for (text, expected) in [
            ("c,b", &["c", "b"][..]),
            ("c,x,b,c", &["c", "b"]),
            ("x", &[]),
            ("+d", &["b", "c", "aa", "d"]),
            ("+b", &["b", "c", "aa"]),
            ("^d,c", &["d", "c", "b", "aa"]),
            ("-c,x", &["b", "aa"]),
            ("-?", &["aa"]),
            ("a*", &["aa", "ab"]),
        ] {
            assert_eq!(AlgorithmList::parse(text).unwrap().choose(&usual, &all), expected, "{text}");
        }
        for text in ["", "+", "a,,b", "a b", "!a", ","] {
            assert_eq!(AlgorithmList::parse(text), None, "{text:?}");
        }
    }
}
