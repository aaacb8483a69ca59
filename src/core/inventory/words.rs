//! Words for messages: quoting what a user wrote, and saying what was expected instead.
//!
//! Must never let control characters through.

use crate::core::near::nearest;

/// A quoted, escaped and shortened form of what a user wrote, without the credentials that a URL may hold.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let masked = text.split_once("://").and_then(|(scheme, rest)| {
        let (_, host) = rest.rsplit_once('@')?;
        Some(format!("{scheme}://***@{host}"))
    });
    let text = masked.as_deref().unwrap_or(text);
    if text.chars().count() <= MOST {
        format!("{text:?}")
    } else {
        let head: String = text.chars().take(MOST - 3).collect();
        format!("{:?}", head + "...")
    }
}

/// "did you mean" if one of the known words is close, else the list of them.
pub(super) fn suggest<'k>(unknown: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if known.is_empty() {
        return "none is defined".to_owned();
    }
    match nearest(unknown, known.iter().copied()).first() {
        Some(word) => format!("did you mean {word:?}?"),
        None => format!("expected one of: {}", few(&known)),
    }
}

/// The first words of a list that may be long.
pub(super) fn few(words: &[&str]) -> String {
    const MOST: usize = 12;
    let head = words.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    match words.len().saturating_sub(MOST) {
        0 => head,
        more => format!("{head} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_strange_text_is_cut_and_escaped() {
        assert_eq!(shown("a\u{1b}[0m\n"), r#""a\u{1b}[0m\n""#);
        assert_eq!(shown(&"x".repeat(500)).len(), 62);
        assert_eq!(shown("https://me:secret@echo/x"), r#""https://***@echo/x""#);
    }
}
