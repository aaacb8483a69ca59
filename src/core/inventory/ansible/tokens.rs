//! A line of an INI inventory as words: quotes, backslashes and comments as a POSIX shell has them.

/// The words of a line up to an unquoted `#`, each with its column in characters from 1; the error says what is wrong.
pub(super) fn words(line: &str) -> Result<Vec<(usize, String)>, String> {
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
            (None, '#') => break,
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
        let only = |line| words(line).unwrap().into_iter().map(|(_, word)| word).collect::<Vec<_>>();
        assert_eq!(only("web1  a=1 b='x y' # c"), ["web1", "a=1", "b=x y"]);
        assert_eq!(only(r#"w a="say \"x\" \n" b=c\ d"#), ["w", r#"a=say "x" \n"#, "b=c d"]);
        assert_eq!(only("a#b c"), ["a"]);
        assert_eq!(only("''"), [""]);
        assert_eq!(words("  é x").unwrap(), [(3, "é".to_owned()), (5, "x".to_owned())]);
        assert!(words("a='b").is_err() && words("a\\").is_err());
    }
}
