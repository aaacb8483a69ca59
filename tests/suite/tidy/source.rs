//! A Rust file without its comments, texts and tests, and the paths that are left in it.
//!
//! This is no Rust parser: it knows just enough of the language not to be fooled by texts and comments.

/// A file of `src`.
pub(super) struct Source {
    /// Relative to the root.
    pub(super) path: String,
    /// As it is.
    pub(super) text: String,
    /// With comments, texts and everything under `#[cfg(test)]` blanked; lines stay where they are.
    pub(super) code: String,
    /// The whole file belongs to tests.
    pub(super) is_test: bool,
}

/// A path such as `crate::core::model`, groups of `use` resolved.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UsePath {
    pub(super) line: usize,
    pub(super) segments: Vec<String>,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let code = without_tests(&without_texts(text)).0;
        Self { path: path.to_owned(), text: text.to_owned(), code, is_test: false }
    }

    /// Lines of code, counted from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The folder or file under `src` that it belongs to: `core`, `main`.
    pub(super) fn layer(&self) -> &str {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs")
    }

    /// The modules it is in: `src/core/plan/mod.rs` and `src/core/plan.rs` are `core`, `plan`.
    fn modules(&self) -> Vec<&str> {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path).trim_end_matches(".rs");
        inner.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")).collect()
    }

    /// All paths in the code; those from `super` and `self` are told from the crate's root.
    pub(super) fn paths(&self) -> Vec<UsePath> {
        let mut found = Vec::new();
        let bytes = self.code.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let mut end = at + 1;
            if is_word(bytes[at]) && begins_path(bytes, at) {
                end = at;
                tree(&self.code, &mut end, &mut Vec::new(), &mut found);
            }
            at = end;
        }
        for path in &mut found {
            self.absolute(&mut path.segments);
        }
        found
    }

    fn absolute(&self, segments: &mut Vec<String>) {
        let ups = segments.iter().take_while(|segment| *segment == "super").count();
        if ups > 0 {
            let modules = self.modules();
            let base = modules[..modules.len().saturating_sub(ups)].iter().map(|part| (*part).to_owned());
            segments.splice(..ups, std::iter::once("crate".to_owned()).chain(base));
        }
        if segments.first().is_some_and(|first| first == "egressctl") {
            "crate".clone_into(&mut segments[0]);
        }
    }
}

/// A word begins a path unless it is inside a word or follows a path's `::`; a leading `::` belongs to no path before it.
fn begins_path(bytes: &[u8], at: usize) -> bool {
    match &bytes[..at] {
        [.., before, b':', b':'] => !is_word(*before) && !b">}]".contains(before),
        [.., before] => !is_word(*before),
        [] => true,
    }
}

/// Reads one path or one tree of paths that begins at `at`.
fn tree(code: &str, at: &mut usize, prefix: &mut Vec<String>, found: &mut Vec<UsePath>) {
    let depth = prefix.len();
    let bytes = code.as_bytes();
    let begin = *at;
    loop {
        let start = *at;
        while *at < bytes.len() && is_word(bytes[*at]) {
            *at += 1;
        }
        if *at > start {
            prefix.push(code[start..*at].to_owned());
        }
        if !code[*at..].starts_with("::") {
            break;
        }
        *at += 2;
        if bytes.get(*at) == Some(&b'{') {
            group(code, at, prefix, found);
            prefix.truncate(depth);
            return;
        }
    }
    if prefix.len() > 1 {
        found.push(UsePath { line: line_of(code, begin), segments: prefix.clone() });
    }
    prefix.truncate(depth);
}

fn group(code: &str, at: &mut usize, prefix: &mut Vec<String>, found: &mut Vec<UsePath>) {
    let bytes = code.as_bytes();
    *at += 1;
    while *at < bytes.len() && bytes[*at] != b'}' {
        if is_word(bytes[*at]) {
            tree(code, at, prefix, found);
            // An alias is no path.
            while *at < bytes.len() && !matches!(bytes[*at], b',' | b'}') {
                *at += 1;
            }
        } else {
            *at += 1;
        }
    }
    *at += 1;
}

pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// Reads files and marks those that only exist for tests.
pub(super) fn read_all(files: impl Iterator<Item = (String, String)>) -> Vec<Source> {
    let mut sources: Vec<Source> = files.map(|(path, text)| Source::new(&path, &text)).collect();
    let mut roots = Vec::new();
    for source in &sources {
        let folder = match source.path.rsplit_once('/') {
            Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder.to_owned(),
            _ => source.path.trim_end_matches(".rs").to_owned(),
        };
        let modules = without_tests(&without_texts(&source.text)).1;
        roots.extend(modules.into_iter().map(|module| format!("{folder}/{module}")));
    }
    for source in &mut sources {
        source.is_test = roots
            .iter()
            .any(|root| source.path == format!("{root}.rs") || source.path.starts_with(&format!("{root}/")));
    }
    sources
}

/// Blanks comments, strings and characters.
fn without_texts(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = text_end(text, at).unwrap_or(at);
        if end == at {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8(out).unwrap()
}

/// Where the comment, string or character that begins at `at` ends.
fn text_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let rest = bytes.get(at..)?;
    let word_before = at > 0 && is_word(bytes[at - 1]);
    let find = |from: usize, what: &str| {
        bytes[from..].windows(what.len()).position(|w| w == what.as_bytes()).map_or(bytes.len(), |n| from + n)
    };
    match rest {
        [b'/', b'/', ..] => Some(find(at, "\n")),
        [b'/', b'*', ..] => Some((find(at + 2, "*/") + 2).min(bytes.len())),
        [b'r', next, ..] if !word_before && matches!(next, b'"' | b'#') => raw_end(bytes, at + 1),
        [b'b', b'r', next, ..] if !word_before && matches!(next, b'"' | b'#') => raw_end(bytes, at + 2),
        [b'"', ..] => {
            let mut end = at + 1;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            Some((end + 1).min(bytes.len()))
        }
        [b'\'', b'\\', ..] => Some((find(at + 3, "'") + 1).min(bytes.len())),
        // A character, and not a lifetime: one character, then a quote.
        [b'\'', ..] => {
            let width = text[at + 1..].chars().next()?.len_utf8();
            (bytes.get(at + 1 + width) == Some(&b'\'')).then_some(at + 2 + width)
        }
        _ => None,
    }
}

fn raw_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at..].iter().take_while(|byte| **byte == b'#').count();
    if bytes.get(at + hashes) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let from = at + hashes + 1;
    let length = bytes[from..].windows(close.len()).position(|window| window == close)?;
    Some(from + length + close.len())
}

/// Blanks what follows each `#[cfg(test)]`; also returns the names of the test modules in files of their own.
fn without_tests(code: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let (mut out, mut modules) = (code.to_owned(), Vec::new());
    while let Some(start) = out.find(MARK) {
        let mut at = start + MARK.len();
        while out[at..].trim_start().starts_with("#[") {
            at += out[at..].find(']').unwrap() + 1;
        }
        let end = at + out[at..].find(['{', ';']).map_or(out.len() - at, |n| n);
        let head = out[at..end].trim();
        let close =
            if out[end..].starts_with('{') { end + closing(&out[end..]) } else { (end + 1).min(out.len()) };
        if out[end..].starts_with(';') {
            modules.extend(head.rsplit_once("mod ").map(|(_, name)| name.trim().to_owned()));
        }
        let blank: String = out[start..close].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..close, &blank);
    }
    (out, modules)
}

/// Length up to and with the brace that closes the first one.
fn closing(code: &str) -> usize {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

#[test]
fn texts_comments_and_tests_are_no_code() {
    let text = "let a = \"x // \\\" y\"; // z\nlet b = r#\"q \" q\"#; let c = '\"'; let d: &'static str; /* w\n*/ e('\\'');\n\
        #[cfg(test)]\n#[expect(x)]\nmod tests { fn f() { g(); } }\nfn after() {}\n#[cfg(test)]\nmod more;\n";
    let source = Source::new("src/x.rs", text);
    let words: Vec<&str> = source.code.split_whitespace().collect();
    assert_eq!(words.join(" "), "let a = ; let b = ; let c = ; let d: &'static str; e( ); fn after() {}");
    assert_eq!(source.lines().find(|(_, line)| line.contains("after")).unwrap().0, 7);
}

#[test]
fn paths_come_out_of_groups_and_from_super() {
    let source = Source::new(
        "src/core/plan/op.rs",
        "use crate::{cloud, core::{event::Event as E, model::{A, B}}};\nuse super::super::super::ssh::X;\nlet x = ::std::fs::read(); Vec::<std::io::Error>::new()",
    );
    let paths: Vec<(usize, String)> =
        source.paths().iter().map(|path| (path.line, path.segments.join("::"))).collect();
    let expected = [
        (1, "crate::cloud"),
        (1, "crate::core::event::Event"),
        (1, "crate::core::model::A"),
        (1, "crate::core::model::B"),
        (2, "crate::ssh::X"),
        (3, "std::fs::read"),
        (3, "std::io::Error"),
    ];
    assert_eq!(paths, expected.map(|(line, path)| (line, path.to_owned())));
}

#[test]
fn files_that_only_tests_include_are_tests() {
    let files = [
        ("src/a/mod.rs", "#[cfg(test)]\nmod tests;\nmod b;"),
        ("src/a/tests.rs", ""),
        ("src/a/tests/x.rs", ""),
        ("src/a/b.rs", "#[cfg(test)]\nmod double;"),
        ("src/a/b/double.rs", ""),
        ("src/a/double.rs", ""),
    ];
    let sources = read_all(files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())));
    let tests: Vec<&str> = sources.iter().filter(|s| s.is_test).map(|s| s.path.as_str()).collect();
    assert_eq!(tests, ["src/a/tests.rs", "src/a/tests/x.rs", "src/a/b/double.rs"]);
}
