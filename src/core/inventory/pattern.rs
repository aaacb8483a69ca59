//! The language of `--limit`: terms, their signs, globs and subscripts. Text in, data out; knows no hosts.

use super::SelectError;

/// What a term does to the selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Adds its hosts.
    Union,
    /// `&`: keeps only its hosts.
    Intersection,
    /// `!`: takes its hosts away.
    Exclusion,
}

/// One part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term<'p> {
    /// As written, for messages.
    pub(super) text: &'p str,
    pub(super) sign: Sign,
    /// Without sign and subscript.
    pub(super) name: &'p str,
    pub(super) subscript: Option<Subscript<'p>>,
}

/// `[…]` at the end of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subscript<'p> {
    /// `[n]`, from the end if negative.
    One(i64),
    /// `[a:b]`, both included, or `[a:]`; the texts keep leading zeros.
    Range { first: &'p str, last: Option<&'p str> },
}

/// Splits a pattern at `:` and `,` outside of brackets.
pub(super) fn terms(pattern: &str) -> Result<Vec<Term<'_>>, SelectError> {
    let mut depth = 0_usize;
    let parts = pattern.split(|c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (c == ':' || c == ',')
    });
    parts.map(|part| term(part.trim())).collect()
}

fn term(text: &str) -> Result<Term<'_>, SelectError> {
    let unreadable = |expected| SelectError::Unreadable { term: text.to_owned(), expected };
    let (sign, body) = match text.chars().next() {
        Some('!') => (Sign::Exclusion, &text[1..]),
        Some('&') => (Sign::Intersection, &text[1..]),
        _ => (Sign::Union, text),
    };
    if body.starts_with(['@', '~']) {
        return Err(SelectError::NotSupported { term: text.to_owned() });
    }
    let (name, subscript) = match body.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        Some((name, inside)) => subscript(inside).map_or((body, None), |found| (name, Some(found))),
        None => (body, None),
    };
    if name.is_empty() {
        return Err(unreadable("a host, a group, all or a glob on each side of : and ,"));
    }
    if let Some(Subscript::Range { first, last: Some(last) }) = subscript
        && first.parse::<u64>().ok() > last.parse::<u64>().ok()
    {
        return Err(unreadable("a range whose end is not before its start"));
    }
    Ok(Term { text, sign, name, subscript })
}

/// `None` for anything else in brackets, which is then a set of characters of a glob.
fn subscript(inside: &str) -> Option<Subscript<'_>> {
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u64>().is_ok();
    match inside.split_once(':') {
        Some((first, "")) if number(first) => Some(Subscript::Range { first, last: None }),
        Some((first, last)) if number(first) && number(last) => {
            Some(Subscript::Range { first, last: Some(last) })
        }
        Some(_) => None,
        None if number(inside.strip_prefix('-').unwrap_or(inside)) => inside.parse().ok().map(Subscript::One),
        None => None,
    }
}

/// Whether a name is a glob.
pub(super) fn is_glob(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

enum Piece {
    Any,
    One,
    Literal(char),
    Set { negated: bool, ranges: Vec<(char, char)> },
}

/// Whether `text` matches the whole `glob`: `*`, `?`, `[abc]`, `[a-z]`, `[!a]`.
pub(super) fn glob_matches(glob: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // reach[i]: the pieces so far can match the first i characters.
    let mut reach = vec![false; text.len() + 1];
    reach[0] = true;
    for piece in pieces(glob) {
        let mut next = vec![false; text.len() + 1];
        for i in 0..=text.len() {
            next[i] = match &piece {
                Piece::Any => reach[i] || (i > 0 && next[i - 1]),
                _ if i == 0 || !reach[i - 1] => false,
                Piece::One => true,
                Piece::Literal(c) => text[i - 1] == *c,
                Piece::Set { negated, ranges } => {
                    ranges.iter().any(|(from, to)| (*from..=*to).contains(&text[i - 1])) != *negated
                }
            };
        }
        reach = next;
    }
    reach[text.len()]
}

fn pieces(glob: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = glob;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        pieces.push(match c {
            '*' => Piece::Any,
            '?' => Piece::One,
            '[' => match rest.split_once(']') {
                Some((set, after)) if !set.is_empty() => {
                    rest = after;
                    set_of(set)
                }
                _ => Piece::Literal('['),
            },
            c => Piece::Literal(c),
        });
    }
    pieces
}

fn set_of(set: &str) -> Piece {
    let (negated, set) = set.strip_prefix('!').map_or((false, set), |rest| (true, rest));
    let mut ranges = Vec::new();
    let mut chars = set.chars();
    while let Some(from) = chars.next() {
        let mut ahead = chars.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(to)) => {
                ranges.push((from, to));
                chars = ahead;
            }
            _ => ranges.push((from, from)),
        }
    }
    Piece::Set { negated, ranges }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        for (glob, text) in [
            ("*", ""),
            ("web*", "web-1"),
            ("*-1", "web-1"),
            ("w?b-[0-3]", "web-2"),
            ("[!d]*", "web"),
            ("a**b", "ab"),
        ] {
            assert!(glob_matches(glob, text), "{glob} {text}");
        }
        for (glob, text) in [("web", "web-1"), ("?", ""), ("[!w]*", "web"), ("*-2", "web-1"), ("[", "w")] {
            assert!(!glob_matches(glob, text), "{glob} {text}");
        }
    }

    #[test]
    fn a_glob_full_of_stars_is_quick() {
        assert!(!glob_matches(&"*a".repeat(200), &"a".repeat(199)));
    }

    #[test]
    fn colons_in_brackets_do_not_split() {
        let found = terms("web[1:3]:!db,&x[-1]:y[ab]:z[2:]").unwrap();
        let short: Vec<_> = found.iter().map(|t| (t.sign, t.name, t.subscript)).collect();
        assert_eq!(
            short,
            [
                (Sign::Union, "web", Some(Subscript::Range { first: "1", last: Some("3") })),
                (Sign::Exclusion, "db", None),
                (Sign::Intersection, "x", Some(Subscript::One(-1))),
                (Sign::Union, "y[ab]", None),
                (Sign::Union, "z", Some(Subscript::Range { first: "2", last: None })),
            ]
        );
    }
}
