//! The conditions of `Host` and `Match`.

use super::pattern::list_matches;

/// What a block depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// Patterns over the name.
    Host(Vec<String>),
    /// All of these.
    Match(Vec<Criterion>),
}

/// One criterion of `Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Criterion {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    All,
    /// `final`, and `canonical`, which here is the same but asks for no second pass.
    Final,
    Host(String),
    OriginalHost(String),
    User(String),
    LocalUser(String),
    /// What is not supported never matches, negated or not.
    Unsupported,
}

/// Against what conditions are held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// What `Host` compares: the name asked for, in the second pass what it came to.
    pub(super) name: &'a str,
    /// What `Match host` compares: what the name has come to so far.
    pub(super) host: &'a str,
    pub(super) original: &'a str,
    pub(super) user: &'a str,
    pub(super) local_user: &'a str,
    pub(super) is_final: bool,
}

/// The criteria of a `Match` line.
#[derive(Debug)]
pub(super) struct Criteria {
    pub(super) all: Vec<Criterion>,
    /// It asks for a second pass.
    pub(super) wants_final: bool,
    /// Criteria that are not supported.
    pub(super) unsupported: Vec<&'static str>,
}

/// Criteria that OpenSSH has and we have not: one runs commands, the others are about things that do not exist here.
const UNSUPPORTED: [&str; 6] = ["exec", "localnetwork", "tagged", "command", "version", "sessiontype"];

/// Reads the arguments of `Match`.
pub(super) fn criteria(words: &[String]) -> Result<Criteria, String> {
    let mut found = Criteria { all: Vec::new(), wants_final: false, unsupported: Vec::new() };
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let (negated, word) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let name = name.to_ascii_lowercase();
        let test = match name.as_str() {
            "all" => {
                if negated || words.peek().is_some() || found.all.iter().any(|c| c.test != Test::Final) {
                    return Err("Match all stands alone, or after final or canonical".to_owned());
                }
                Test::All
            }
            "final" | "canonical" => {
                found.wants_final |= name == "final";
                Test::Final
            }
            _ => {
                let mut value = || value.or_else(|| words.next()).map(str::to_owned);
                let mut needed = || value().ok_or_else(|| format!("Match {name} needs a value"));
                match name.as_str() {
                    "host" => Test::Host(needed()?),
                    "originalhost" => Test::OriginalHost(needed()?),
                    "user" => Test::User(needed()?),
                    "localuser" => Test::LocalUser(needed()?),
                    _ => {
                        let known = UNSUPPORTED.iter().find(|known| **known == name);
                        found.unsupported.push(known.ok_or_else(|| {
                            format!(
                                "Match has no criterion \"{}\"; expected all, final, host, originalhost, user or localuser",
                                name.escape_debug()
                            )
                        })?);
                        needed()?;
                        Test::Unsupported
                    }
                }
            }
        };
        found.all.push(Criterion { negated, test });
    }
    if found.all.is_empty() {
        Err("Match needs a criterion, such as all or host".to_owned())
    } else {
        Ok(found)
    }
}

impl Condition {
    /// Whether the block applies.
    pub(super) fn holds(&self, facts: Facts<'_>) -> bool {
        match self {
            Self::Host(patterns) => list_matches(patterns.iter().map(String::as_str), facts.name),
            Self::Match(criteria) => criteria.iter().all(|criterion| criterion.holds(facts)),
        }
    }
}

impl Criterion {
    fn holds(&self, facts: Facts<'_>) -> bool {
        let names = |patterns: &str, name: &str| {
            list_matches(patterns.to_lowercase().split(','), &name.to_lowercase())
        };
        let holds = match &self.test {
            Test::All => true,
            Test::Final => facts.is_final,
            Test::Host(patterns) => names(patterns, facts.host),
            Test::OriginalHost(patterns) => names(patterns, facts.original),
            Test::User(patterns) => list_matches(patterns.split(','), facts.user),
            Test::LocalUser(patterns) => list_matches(patterns.split(','), facts.local_user),
            Test::Unsupported => return false,
        };
        holds != self.negated
    }
}
