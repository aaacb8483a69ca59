//! The syntax of the SDKs' INI file: sections of `key = value`, `#` and `;` comments.
//!
//! Must never put a value into a message: it may be a key.

use std::collections::BTreeMap;

use crate::core::model::Secret;

/// One section.
#[derive(Debug)]
pub(super) struct Section {
    /// The line it begins at, counted from 1.
    pub(super) line: usize,
    values: BTreeMap<String, (usize, Secret<String>)>,
}

impl Section {
    /// A value that is there and not empty, with its line.
    pub(super) fn get(&self, key: &str) -> Option<(usize, &str)> {
        let (line, value) = self.values.get(key)?;
        let text = value.expose().as_str();
        (!text.is_empty()).then_some((*line, text))
    }
}

/// The sections by name.
///
/// # Errors
/// The line and what is wrong with it.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, Section>, (usize, String)> {
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    let mut current: Option<String> = None;
    for (index, line) in text.lines().enumerate() {
        let at = index + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let line = uncommented(line);
        if let Some(rest) = line.strip_prefix('[') {
            let name =
                rest.strip_suffix(']').map(str::trim).filter(|name| !name.is_empty() && !name.contains(']'));
            let name = name.ok_or((at, "a section is [name]".to_owned()))?.to_owned();
            if let Some(first) = sections.get(&name) {
                return Err((
                    at,
                    format!("the section [{name}] is there twice, first at line {}", first.line),
                ));
            }
            sections.insert(name.clone(), Section { line: at, values: BTreeMap::new() });
            current = Some(name);
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']) else {
            return Err((at, "expected key = value".to_owned()));
        };
        let Some(section) = current.as_ref().and_then(|name| sections.get_mut(name)) else {
            return Err((at, "this is in no section; begin with [default]".to_owned()));
        };
        let key = key.trim().to_ascii_lowercase();
        if let Some((first, _)) = section.values.get(&key) {
            return Err((at, format!("{key:.40?} is there twice, first at line {first}")));
        }
        section.values.insert(key, (at, Secret::new(value.trim().to_owned())));
    }
    Ok(sections)
}

/// A comment begins with a `#` after white space: keys may hold one.
fn uncommented(line: &str) -> &str {
    let mut after_space = false;
    for (at, c) in line.char_indices() {
        if c == '#' && after_space {
            return line[..at].trim_end();
        }
        after_space = c.is_whitespace() || (c == '=' && !line[..at].contains('='));
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]a-c#;:= \n\u{e9}]{0,60}") {
            match parse(&text) {
                Ok(sections) => prop_assert!(sections.values().all(|section| section.line <= text.lines().count())),
                Err((line, _)) => prop_assert!((1..=text.lines().count()).contains(&line)),
            }
        }
    }

    #[test]
    fn sections_comments_and_values() {
        let text = "# head\r\n; old\n[default]   # mine\n  Type = access_key # inline\naccess_key_id=a#b\n\
                    access_key_secret = s=t;u\nempty =\nnone =# all\n\n[p q]\ntype: ecs_ram_role\n";
        let sections = parse(text).unwrap();
        let get = |name: &str, key: &str| sections[name].get(key).map(|(at, text)| (at, text.to_owned()));
        assert_eq!(get("default", "type"), Some((4, "access_key".to_owned())));
        assert_eq!(get("default", "access_key_id"), Some((5, "a#b".to_owned())));
        assert_eq!(get("default", "access_key_secret"), Some((6, "s=t;u".to_owned())));
        assert_eq!((get("default", "empty"), get("default", "none")), (None, None));
        assert_eq!(get("p q", "type"), Some((11, "ecs_ram_role".to_owned())));
        assert_eq!(sections["p q"].line, 10);
        assert!(!format!("{sections:?}").contains("s=t"));
    }

    #[test]
    fn what_is_wrong_has_its_line_and_no_value() {
        for (text, at, wanted) in [
            ("type = canary\n", 1, "in no section"),
            ("[default\n", 1, "[name]"),
            ("[a]\n[]\n", 2, "[name]"),
            ("[a]\ncanary\n", 2, "key = value"),
            ("[a]\nk = 1\nk = canary\n", 3, "first at line 2"),
            ("[a]\n[b]\n[a]\n", 3, "first at line 1"),
        ] {
            let (line, what) = parse(text).unwrap_err();
            assert_eq!(line, at, "{text}");
            assert!(what.contains(wanted) && !what.contains("canary"), "{text}: {what}");
        }
    }
}
