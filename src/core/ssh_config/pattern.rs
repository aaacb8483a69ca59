//! Patterns of names as OpenSSH has them: `*`, `?`, and `!` in lists.

/// `*` for any run of characters, `?` for one. Linear memory, no recursion: only the last star is ever tried again.
pub(crate) fn glob_matches(glob: &str, name: &str) -> bool {
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    let (mut g, mut n) = (0, 0);
    let mut retry = None;
    while n < name.len() {
        match glob.get(g) {
            Some('*') => {
                retry = Some((g + 1, n));
                g += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                g += 1;
                n += 1;
            }
            _ => {
                let Some((after, from)) = retry else { return false };
                retry = Some((after, from + 1));
                g = after;
                n = from + 1;
            }
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

/// Whether one of the patterns matches and none that is negated does.
pub(super) fn list_matches<'p>(patterns: impl IntoIterator<Item = &'p str>, name: &str) -> bool {
    let mut matched = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(negated) if glob_matches(negated, name) => return false,
            Some(_) => {}
            None => matched |= glob_matches(pattern, name),
        }
    }
    matched
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The plain definition, to check the fast one by.
    fn glob_by_definition(glob: &[u8], name: &[u8]) -> bool {
        match (glob.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                glob_by_definition(rest, name)
                    || name.split_first().is_some_and(|(_, tail)| glob_by_definition(glob, tail))
            }
            (Some((g, rest)), Some((n, tail))) => (*g == b'?' || g == n) && glob_by_definition(rest, tail),
            _ => false,
        }
    }

    #[test]
    fn a_negated_match_beats_all_others() {
        for (list, name, expected) in [
            (&["web*"][..], "web-1", true),
            (&["web*", "!web-1"], "web-1", false),
            (&["!web-1", "web*"], "web-1", false),
            (&["!web-1", "web*"], "web-2", true),
            (&["!web-1"], "web-2", false),
            (&[], "web-2", false),
        ] {
            assert_eq!(list_matches(list.iter().copied(), name), expected, "{list:?} {name}");
        }
    }

    proptest! {
        #[test]
        fn globs_match_as_defined(glob in "[ab*?]{0,8}", name in "[ab]{0,8}") {
            prop_assert_eq!(glob_matches(&glob, &name), glob_by_definition(glob.as_bytes(), name.as_bytes()));
        }
    }
}
