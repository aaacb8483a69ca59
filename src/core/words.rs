//! A line as words: quotes, backslashes and comments as a POSIX shell has them, and nothing else of a shell.

/// The words of a line up to an unquoted `comment`, each with its column in characters from 1.
///
/// # Errors
/// A phrase that says what is wrong.
pub(crate) fn words(line: &str, comment: Option<char>) -> Result<Vec<(usize, String)>, String> {
    let mut words = Vec::new();
    let mut word: Option<(usize, String)> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars().enumerate();
    while let Some((index, c)) = chars.next() {
        let current = || (index + 1, String::new());
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"') | None, '\\') => {
                let Some((_, next)) = chars.next() else {
                    return Err("a backslash ends the line".to_owned());
                };
                let text = &mut word.get_or_insert_with(current).1;
                if quote.is_some() && !matches!(next, '"' | '\\') {
                    text.push('\\');
                }
                text.push(next);
            }
            (Some(_), c) => word.get_or_insert_with(current).1.push(c),
            (None, '\'' | '"') => {
                word.get_or_insert_with(current);
                quote = Some(c);
            }
            (None, c) if comment == Some(c) => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_with(current).1.push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("a {open} is not closed"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_a_shells() {
        let only =
            |line| words(line, Some('#')).unwrap().into_iter().map(|(_, word)| word).collect::<Vec<_>>();
        assert_eq!(only("web1  a=1 b='x y' # c"), ["web1", "a=1", "b=x y"]);
        assert_eq!(only(r#"w a="say \"x\" \n" b=c\ d"#), ["w", r#"a=say "x" \n"#, "b=c d"]);
        assert_eq!(only("a#b c"), ["a"]);
        assert_eq!(only("''"), [""]);
        assert_eq!(words("  é x", None).unwrap(), [(3, "é".to_owned()), (5, "x".to_owned())]);
        assert_eq!(words("a#b", None).unwrap(), [(1, "a#b".to_owned())]);
        for wrong in ["a='b", "a\\"] {
            assert!(words(wrong, None).is_err(), "{wrong}");
        }
    }
}
