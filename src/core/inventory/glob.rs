//! Globs over names: `*`, `?` and sets of characters, in time proportional to the lengths.

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
pub(crate) fn glob_matches(glob: &str, text: &str) -> bool {
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
}
