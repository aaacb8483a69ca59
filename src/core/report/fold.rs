//! Many hosts in few words: `web-[1-3]`, and one entry for one cause.

use std::collections::BTreeMap;

use super::data::{HostReport, OutcomeKind};

/// Shortens host names that differ in their last number only: `web-[1-3,7] db-1`. Order follows the first of each.
#[must_use]
pub fn shorten<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut families: Vec<((&str, &str), Vec<&str>)> = Vec::new();
    for name in names {
        let (prefix, digits, suffix) = split(name);
        match families.iter_mut().find(|(key, _)| *key == (prefix, suffix) && !digits.is_empty()) {
            Some((_, numbers)) => numbers.push(digits),
            None => families.push(((prefix, suffix), vec![digits])),
        }
    }
    let mut out = Vec::new();
    for ((prefix, suffix), numbers) in families {
        let padded = numbers.iter().any(|digits| digits.len() > 1 && digits.starts_with('0'));
        // Names of fixed width fold among themselves only: host-01 and host-1 are two hosts.
        let mut widths: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for digits in &numbers {
            match digits.parse() {
                Ok(number) => widths.entry(if padded { digits.len() } else { 0 }).or_default().push(number),
                Err(_) => out.push(format!("{prefix}{digits}{suffix}")),
            }
        }
        for (width, mut numbers) in widths {
            numbers.sort_unstable();
            numbers.dedup();
            out.push(match ranges(&numbers, width) {
                list if numbers.len() == 1 => format!("{prefix}{list}{suffix}"),
                list => format!("{prefix}[{list}]{suffix}"),
            });
        }
    }
    out
}

/// Around the last run of digits; without digits the whole name is the prefix.
fn split(name: &str) -> (&str, &str, &str) {
    let digit = |c: char| c.is_ascii_digit();
    let end = name.rfind(digit).map_or(name.len(), |last| last + 1);
    let start = name[..end].trim_end_matches(digit).len();
    (&name[..start], &name[start..end], &name[end..])
}

fn ranges(sorted: &[u64], width: usize) -> String {
    let runs = sorted.chunk_by(|a, b| a.checked_add(1) == Some(*b)).map(|run| match run {
        [first, .., last] => format!("{first:0width$}-{last:0width$}"),
        _ => run.iter().map(|only| format!("{only:0width$}")).collect(),
    });
    runs.collect::<Vec<_>>().join(",")
}

/// Hosts that ended alike for one cause.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cause<'a> {
    /// How they ended.
    pub(super) kind: OutcomeKind,
    /// Why, without what is only of one host.
    pub(super) reason: String,
    /// The hosts.
    pub(super) hosts: Vec<&'a str>,
}

/// Folds what did not go well by cause: the worst kind first, then the most hosts.
pub(super) fn causes(hosts: &[HostReport]) -> Vec<Cause<'_>> {
    let mut causes: Vec<Cause<'_>> = Vec::new();
    for host in hosts {
        let Some(reason) = host.reason() else { continue };
        let (kind, reason) = (OutcomeKind::of(&host.outcome), general(host, reason));
        match causes.iter_mut().find(|cause| cause.kind == kind && cause.reason == reason) {
            Some(cause) => cause.hosts.push(host.name.as_str()),
            None => causes.push(Cause { kind, reason, hosts: vec![host.name.as_str()] }),
        }
    }
    causes.sort_by_key(|cause| (std::cmp::Reverse(cause.kind), std::cmp::Reverse(cause.hosts.len())));
    causes
}

/// A reason without the host's own name, ids and address, and without request ids, so that equal causes read equal.
fn general(host: &HostReport, reason: &str) -> String {
    let mut text = replace_word(reason, host.name.as_str(), "<host>");
    text = replace_word(&text, host.instance.as_str(), "<instance>");
    if let Some(address) = host.inbound {
        text = replace_word(&text, &address.to_string(), "<address>");
    }
    while let Some(start) = text.find(" (request ") {
        let Some(length) = text[start..].find(')') else { break };
        text.replace_range(start..=start + length, "");
    }
    text
}

fn replace_word(text: &str, word: &str, by: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let inside = before.chars().next_back().or_else(|| out.chars().next_back()).is_some_and(is_part)
            || after.starts_with(is_part);
        out.push_str(before);
        out.push_str(if inside { word } else { by });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(names: &[&str]) -> String {
        shorten(names.iter().copied()).join(" ")
    }

    #[test]
    fn names_fold_by_their_last_number() {
        assert_eq!(short(&["web-1", "web-2", "web-3", "db"]), "web-[1-3] db");
        assert_eq!(short(&["web-7", "db-1", "web-1", "web-2"]), "web-[1-2,7] db-1");
        assert_eq!(short(&["web-1.example.com", "web-2.example.com"]), "web-[1-2].example.com");
        assert_eq!(short(&["10.0.0.9", "10.0.0.10"]), "10.0.0.[9-10]");
        assert_eq!(short(&["db", "db2"]), "db db2");
        assert_eq!(short(&[]), "");
    }

    #[test]
    fn padding_is_kept_and_never_mixed() {
        assert_eq!(short(&["host-008", "host-009", "host-010", "host-100"]), "host-[008-010,100]");
        assert_eq!(short(&["h01", "h1", "h02"]), "h1 h[01-02]");
    }

    #[test]
    fn numbers_too_long_for_counting_stay_as_they_are() {
        let long = "i99999999999999999999999";
        assert_eq!(
            short(&[long, "i18446744073709551615", "i18446744073709551614"]),
            format!("{long} i[18446744073709551614-18446744073709551615]")
        );
    }

    #[test]
    fn words_are_replaced_whole() {
        assert_eq!(replace_word("web-1: web-11 and web-1", "web-1", "<host>"), "<host>: web-11 and <host>");
        assert_eq!(replace_word("webweb web", "web", "<host>"), "webweb <host>");
    }
}
