//! One line to a keyword and its arguments: white space or one `=` after the keyword, quotes, comments.

/// The keyword and its arguments; `None` for an empty line or a comment.
///
/// # Errors
/// A phrase that says what is wrong.
pub(super) fn split(line: &str) -> Result<Option<(String, Vec<String>)>, &'static str> {
    let line = line.trim_matches([' ', '\t', '\r', '\n', '\x0c']);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (keyword, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or("a quote is not closed")?,
        None => line.split_at(line.find([' ', '\t', '=', '"']).unwrap_or(line.len())),
    };
    let rest = rest.trim_start_matches([' ', '\t']);
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    Ok(Some((keyword.to_owned(), arguments(rest)?)))
}

/// White space parts arguments; quotes of either kind keep it, a backslash keeps a quote or itself. A `#` that begins an
/// argument begins a comment.
fn arguments(text: &str) -> Result<Vec<String>, &'static str> {
    let mut all = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        match chars.peek() {
            None | Some('#') => return Ok(all),
            Some(_) => {}
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(&c) = chars.peek() {
            match (c, quote) {
                (' ' | '\t', None) => break,
                ('\\', _) => {
                    chars.next();
                    let kept = chars.next_if(|&next| {
                        matches!(next, '"' | '\'' | '\\') || (quote.is_none() && next == ' ')
                    });
                    word.push(kept.unwrap_or('\\'));
                    continue;
                }
                (c, Some(open)) if c == open => quote = None,
                ('"' | '\'', None) => quote = Some(c),
                (c, _) => word.push(c),
            }
            chars.next();
        }
        if quote.is_some() {
            return Err("a quote is not closed");
        }
        all.push(word);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_split_as_openssh_splits_them() {
        type Line<'a> = (&'a str, &'a [&'a str]);
        let table: &[(&str, Option<Line<'_>>)] = &[
            ("", None),
            ("  \t", None),
            ("# Port 1", None),
            ("  # Port 1", None),
            ("Port 22", Some(("Port", &["22"]))),
            ("\tPort\t22\t\r", Some(("Port", &["22"]))),
            ("Port=22", Some(("Port", &["22"]))),
            ("Port = 22", Some(("Port", &["22"]))),
            ("Port =22", Some(("Port", &["22"]))),
            ("Port", Some(("Port", &[]))),
            ("\"Port\" 22", Some(("Port", &["22"]))),
            ("Host a b  c", Some(("Host", &["a", "b", "c"]))),
            ("Host a # b", Some(("Host", &["a"]))),
            ("Host a#b", Some(("Host", &["a#b"]))),
            ("IdentityFile \"a b\" c", Some(("IdentityFile", &["a b", "c"]))),
            ("IdentityFile 'a \"b'", Some(("IdentityFile", &["a \"b"]))),
            ("IdentityFile a\\ b", Some(("IdentityFile", &["a b"]))),
            ("IdentityFile a\\\\b\\n", Some(("IdentityFile", &["a\\b\\n"]))),
            ("IdentityFile \"a\\\"b\"", Some(("IdentityFile", &["a\"b"]))),
            ("IdentityFile a\"b c\"d", Some(("IdentityFile", &["ab cd"]))),
            ("IdentityFile \"\"", Some(("IdentityFile", &[""]))),
        ];
        for (line, expected) in table {
            let expected = expected.map(|(keyword, arguments)| {
                (keyword.to_owned(), arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>())
            });
            assert_eq!(split(line), Ok(expected), "{line:?}");
        }
        for line in ["IdentityFile \"a", "IdentityFile 'a", "\"Port 22", "Host a\"b"] {
            assert!(split(line).is_err(), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in any::<String>()) {
            let _ = split(&line);
        }

        #[test]
        fn plain_words_come_back(words in proptest::collection::vec("[a-zA-Z0-9.~/%]{1,9}", 1..6)) {
            prop_assert_eq!(split(&format!("Host {}", words.join(" "))), Ok(Some(("Host".to_owned(), words))));
        }
    }
}
