//! One value, one shell word.

/// `text` as one word for a POSIX shell: single-quoted, each single quote inside as `'\''`. Holds for every text without
/// a NUL, which no shell can represent.
#[must_use]
pub fn sh_quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        if c == '\'' {
            quoted.push_str("'\\''");
        } else {
            quoted.push(c);
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    /// Lets a real shell take the quoted texts apart again.
    fn through(shell: &[&str], texts: &[String]) -> Vec<u8> {
        let mut script = String::from("printf '%s\\000'");
        for text in texts {
            script.push(' ');
            script.push_str(&sh_quote(text));
        }
        let mut child = Command::new(shell[0])
            .args(&shell[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{shell:?} is needed by this test: {error}"));
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        child.wait_with_output().unwrap().stdout
    }

    fn check(texts: &[String]) {
        let expected: Vec<u8> = texts.iter().flat_map(|text| text.bytes().chain([0])).collect();
        for shell in [&["sh", "-s"][..], &["dash", "-s"], &["bash", "-s"], &["busybox", "sh", "-s"]] {
            assert_eq!(through(shell, texts), expected, "{shell:?} {texts:?}");
        }
    }

    #[test]
    fn the_classics() {
        let texts = [
            "",
            "'",
            "''",
            "$(id)",
            "`id`",
            "a\nb",
            "\\",
            "\"",
            "-n",
            "!x",
            "~",
            "*",
            "ä\u{7f}\u{1b}[2J",
            "%s",
        ];
        check(&texts.map(str::to_owned));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_text_survives_every_shell(
            texts in prop::collection::vec("[^\0]{0,40}|['\"\\\\$`\n ;&|<>(){}*?#~!-]{0,20}", 400)
        ) {
            check(&texts);
        }
    }
}
