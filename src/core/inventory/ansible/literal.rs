//! A value in an INI inventory: a Python literal where it is one, else the text as it stands.

use super::Given;

/// What the text stands for. Lists, mappings and the like are not looked into.
pub(super) fn value(text: &str) -> Given {
    let text = text.trim();
    match text {
        "None" => return Given::Nothing,
        "True" | "False" => return Given::Text(text.to_lowercase()),
        _ => {}
    }
    match text.chars().next() {
        Some(quote @ ('\'' | '"')) => {
            quoted(text, quote).map_or_else(|| Given::Text(text.to_owned()), Given::Text)
        }
        Some('[' | '(') if text.ends_with([']', ')']) => Given::Compound,
        Some('{') if text.ends_with('}') && !text.starts_with("{{") => Given::Compound,
        _ => Given::Text(text.to_owned()),
    }
}

/// The inside of a quoted text that ends the line or is followed by a comment.
fn quoted(text: &str, quote: char) -> Option<String> {
    let mut inside = String::new();
    let mut chars = text[1..].chars();
    loop {
        match chars.next()? {
            '\\' => match chars.next()? {
                'n' => inside.push('\n'),
                't' => inside.push('\t'),
                c @ ('\\' | '\'' | '"') => inside.push(c),
                c => inside.extend(['\\', c]),
            },
            c if c == quote => break,
            c => inside.push(c),
        }
    }
    let rest = chars.as_str().trim_start();
    (rest.is_empty() || rest.starts_with('#')).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_pythons() {
        let text = |text: &str| Given::Text(text.to_owned());
        let cases = [
            ("22", text("22")),
            ("0022", text("0022")),
            ("admin", text("admin")),
            ("'a b'", text("a b")),
            (r#""a # b" # c"#, text("a # b")),
            ("a # b", text("a # b")),
            ("'a' b", text("'a' b")),
            ("True", text("true")),
            ("true", text("true")),
            ("None", Given::Nothing),
            ("[1, 2]", Given::Compound),
            ("{'a': 1}", Given::Compound),
            ("{{ x }}", text("{{ x }}")),
        ];
        for (written, value_of) in cases {
            assert_eq!(value(written), value_of, "{written}");
        }
    }
}
