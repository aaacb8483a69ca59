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

/// What the name of a list begins with.
pub(super) const LIST: &str = "@";

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
    if body.starts_with('~') {
        return Err(SelectError::NotSupported { term: text.to_owned() });
    }
    let (name, subscript) = match body.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        Some((name, inside)) => subscript(inside).map_or((body, None), |found| (name, Some(found))),
        None => (body, None),
    };
    if name.is_empty() || name == LIST {
        return Err(unreadable(
            "a host, a group, all, a glob or a list such as @failed on each side of : and ,",
        ));
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

#[cfg(test)]
mod tests {
    use super::*;

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
