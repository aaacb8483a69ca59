//! One value, one shell word.

/// `text` as one word for a POSIX shell: single-quoted, each single quote inside as `'\''`. Holds for every text without
/// a NUL, which no shell can represent.
#[must_use]
pub fn sh_quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
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

    /// The pieces that a text is made of: what means something to some shell, and what does not.
    const PIECES: [&str; 40] = [
        "'",
        "\"",
        "\\",
        "$",
        "`",
        "$(",
        ")",
        "${",
        "}",
        "(",
        "{",
        "[",
        "]",
        "*",
        "?",
        "#",
        "~",
        "!",
        "-",
        "=",
        "%",
        "&",
        "|",
        ";",
        "<",
        ">",
        "\n",
        "\t",
        "\r",
        " ",
        "\u{1b}",
        "\u{7f}",
        "\u{1}",
        "a",
        "0",
        "ä",
        "\u{202e}",
        "\u{1f600}",
        "EOF",
        "$'",
    ];

    /// A shell on one thread each, a million texts by a fixed sequence of numbers.
    #[test]
    fn a_million_texts_survive_every_shell() {
        const BATCHES: u64 = 250;
        const TEXTS: u64 = 4_000;
        let text = |number: u64| {
            // SplitMix64: every number gives another text, the same on every machine.
            let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut next = || {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                usize::try_from((mixed ^ (mixed >> 27)) >> 33).unwrap()
            };
            let pieces = 1 + next() % 8;
            (0..pieces).map(|_| PIECES[next() % PIECES.len()]).collect::<String>()
        };
        std::thread::scope(|scope| {
            for shell in [&["dash", "-s"][..], &["bash", "-s"], &["busybox", "sh", "-s"]] {
                scope.spawn(move || {
                    for batch in 0..BATCHES {
                        let texts: Vec<String> = (0..TEXTS).map(|n| text(batch * TEXTS + n)).collect();
                        let expected: Vec<u8> =
                            texts.iter().flat_map(|text| text.bytes().chain([0])).collect();
                        assert!(through(shell, &texts) == expected, "{shell:?}, batch {batch}");
                    }
                });
            }
        });
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
