//! `--limit`: which hosts of an inventory a command is about, in the pattern language of Ansible.
//!
//! Must never select a host by a misspelt pattern: every term has to match something, exclusions too.

use std::collections::{BTreeMap, BTreeSet};

use super::glob::{glob_matches, is_glob};
use super::pattern::{LIST, Sign, Subscript, Term, terms};
use super::{HostDesired, HostLogin};
use crate::core::model::HostName;
use crate::core::near::nearest;

/// Hosts by the name of the list they are on, without `@`.
pub type Lists = BTreeMap<String, BTreeSet<HostName>>;

/// What patterns are about.
pub trait Named {
    /// The host's name.
    fn name(&self) -> &HostName;
    /// Its groups.
    fn groups(&self) -> &[String];
}

impl Named for HostDesired {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn groups(&self) -> &[String] {
        &self.groups
    }
}

impl Named for HostLogin {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn groups(&self) -> &[String] {
        &self.groups
    }
}

/// Why a pattern selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// A term that is not in the language.
    #[error("--limit: {term:?} cannot be read; expected {expected}")]
    Unreadable {
        /// The term as written.
        term: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A term of Ansible's language that is not supported.
    #[error(
        "--limit: {term:?} is not supported; expected hosts, groups, all, globs such as web*, ranges such as web[1:3], or lists such as @failed"
    )]
    NotSupported {
        /// The term as written.
        term: String,
    },
    /// A term that no host and no group matches.
    #[error("--limit: {term:?} matches no host and no group; {}", meant(.near))]
    NoMatch {
        /// The term as written.
        term: String,
        /// Names that may have been meant, the likeliest first.
        near: Vec<String>,
    },
    /// A list without any host of this inventory.
    #[error("--limit: {term:?} holds no host of this inventory; expected at least one")]
    EmptyList {
        /// The term as written.
        term: String,
    },
    /// Every term matches something, but together they leave no host.
    #[error("--limit: {pattern:?} leaves no host; expected at least one")]
    Nobody {
        /// The whole pattern.
        pattern: String,
    },
}

fn meant(near: &[String]) -> String {
    if near.is_empty() {
        "expected a name of this inventory, all, or a glob".to_owned()
    } else {
        format!("did you mean {}?", near.join(", "))
    }
}

/// The hosts that `pattern` selects, in the order of the inventory.
///
/// Terms are separated by `:` or `,`: a host, a group, `all` or a glob adds hosts, `&x` keeps only those of `x`, `!x`
/// removes those of `x`; additions are made first, then intersections, then exclusions, wherever they stand. Without an
/// addition all hosts are there to begin with. `x[0]`, `x[-1]`, `x[1:3]` and `x[1:]` take positions, from 0 and both ends
/// included, of what `x` matches; where no host and no group is called `x`, `x[1:3]` stands for the hosts x1, x2 and x3.
///
/// `@x` stands for the hosts of the list called `x`, of which those count that are in the inventory.
///
/// # Errors
/// The first term that cannot be read or matches nothing, or that no host is left.
pub fn select<'a, H: Named>(hosts: &'a [H], pattern: &str, lists: &Lists) -> Result<Vec<&'a H>, SelectError> {
    selected(hosts, pattern, lists, false)
}

/// The same, but nobody is an answer too: a list may be empty, and all terms together may leave no host. Where some host is
/// left, each name still has to match something: a misspelt exclusion must not select what it was to keep out.
///
/// # Errors
/// The pattern cannot be read, or the first name that matches nothing although hosts are left.
pub fn select_any<'a, H: Named>(
    hosts: &'a [H],
    pattern: &str,
    lists: &Lists,
) -> Result<Vec<&'a H>, SelectError> {
    selected(hosts, pattern, lists, true)
}

fn selected<'a, H: Named>(
    hosts: &'a [H],
    pattern: &str,
    lists: &Lists,
    may_be_none: bool,
) -> Result<Vec<&'a H>, SelectError> {
    let terms = terms(pattern)?;
    let mut chosen = BTreeSet::new();
    let mut misspelt = None;
    if !terms.iter().any(|term| term.sign == Sign::Union) {
        chosen.extend(0..hosts.len());
    }
    for sign in [Sign::Union, Sign::Intersection, Sign::Exclusion] {
        for term in terms.iter().filter(|term| term.sign == sign) {
            let matched = match term.name.strip_prefix(LIST) {
                Some(list) => match listed(hosts, term, lists.get(list)) {
                    Err(SelectError::EmptyList { .. }) if may_be_none => Vec::new(),
                    listed => listed?,
                },
                None => {
                    let matched = matches(hosts, term);
                    if matched.is_empty() && misspelt.is_none() {
                        misspelt = Some(no_match(hosts, term));
                    }
                    matched
                }
            };
            if !may_be_none && let Some(error) = misspelt {
                return Err(error);
            }
            match sign {
                Sign::Union => chosen.extend(matched),
                Sign::Intersection => chosen.retain(|index| matched.contains(index)),
                Sign::Exclusion => chosen.retain(|index| !matched.contains(index)),
            }
        }
    }
    match misspelt {
        Some(error) if !chosen.is_empty() => return Err(error),
        None if chosen.is_empty() && !may_be_none => {
            return Err(SelectError::Nobody { pattern: pattern.to_owned() });
        }
        Some(_) | None => {}
    }
    Ok(chosen.into_iter().filter_map(|index| hosts.get(index)).collect())
}

/// The names of the lists that a pattern is about, each once.
///
/// # Errors
/// A term that cannot be read.
pub fn lists(pattern: &str) -> Result<BTreeSet<String>, SelectError> {
    let terms = terms(pattern)?;
    Ok(terms.iter().filter_map(|term| term.name.strip_prefix(LIST)).map(str::to_owned).collect())
}

/// Positions of the hosts of a list, ascending.
fn listed<H: Named>(
    hosts: &[H],
    term: &Term<'_>,
    list: Option<&BTreeSet<HostName>>,
) -> Result<Vec<usize>, SelectError> {
    let text = || term.text.to_owned();
    let list = list.ok_or_else(|| SelectError::NotSupported { term: text() })?;
    let named = hosts.iter().enumerate().filter(|(_, host)| list.contains(host.name()));
    let named: Vec<usize> = named.map(|(index, _)| index).collect();
    let chosen = term.subscript.map_or_else(|| named.clone(), |subscript| positions(&named, subscript));
    if chosen.is_empty() { Err(SelectError::EmptyList { term: text() }) } else { Ok(chosen) }
}

/// Positions of the hosts that a term is about, ascending.
fn matches<H: Named>(hosts: &[H], term: &Term<'_>) -> Vec<usize> {
    let glob = is_glob(term.name);
    let is_it = |name: &str| if glob { glob_matches(term.name, name) } else { name == term.name };
    let named: Vec<usize> = hosts
        .iter()
        .enumerate()
        .filter(|(_, host)| {
            term.name == "all"
                || is_it(host.name().as_str())
                || host.groups().iter().any(|group| is_it(group))
        })
        .map(|(index, _)| index)
        .collect();
    match term.subscript {
        None => named,
        Some(Subscript::Range { first, last: Some(last) }) if named.is_empty() && !glob => {
            numbered(hosts, term.name, first, last)
        }
        Some(subscript) => positions(&named, subscript),
    }
}

/// The part of `named` that a subscript takes.
fn positions(named: &[usize], subscript: Subscript<'_>) -> Vec<usize> {
    let (first, last) = match subscript {
        Subscript::One(index) => {
            let found = usize::try_from(index.unsigned_abs())
                .ok()
                .and_then(|size| if index < 0 { named.len().checked_sub(size) } else { Some(size) });
            return found.and_then(|index| named.get(index)).into_iter().copied().collect();
        }
        Subscript::Range { first, last } => (first.parse(), last.map_or(Ok(usize::MAX), str::parse)),
    };
    match (first, last) {
        (Ok(first), Ok(last)) => {
            let many = usize::saturating_sub(last, first).saturating_add(1);
            named.iter().copied().skip(first).take(many).collect()
        }
        _ => Vec::new(),
    }
}

/// The hosts called `prefix` + a number of the range; a range that starts with zeros wants numbers of that width.
fn numbered<H: Named>(hosts: &[H], prefix: &str, first: &str, last: &str) -> Vec<usize> {
    let (Ok(from), Ok(to)) = (first.parse::<u64>(), last.parse::<u64>()) else { return Vec::new() };
    let width = if first.starts_with('0') { first.len() } else { 0 };
    let is_it = |name: &str| {
        name.strip_prefix(prefix).is_some_and(|digits| {
            digits
                .parse::<u64>()
                .is_ok_and(|number| (from..=to).contains(&number) && format!("{number:0width$}") == digits)
        })
    };
    hosts.iter().enumerate().filter(|(_, host)| is_it(host.name().as_str())).map(|(index, _)| index).collect()
}

fn no_match<H: Named>(hosts: &[H], term: &Term<'_>) -> SelectError {
    let groups: BTreeSet<&str> =
        hosts.iter().flat_map(|host| host.groups().iter().map(String::as_str)).collect();
    let names = groups.into_iter().chain(hosts.iter().map(|host| host.name().as_str()));
    let mut near: Vec<String> = nearest(term.name, names).into_iter().take(3).map(str::to_owned).collect();
    if near.first().is_some_and(|name| name == term.name) {
        // The name is right and its subscript is not.
        near.truncate(1);
    }
    SelectError::NoMatch { term: term.text.to_owned(), near }
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
