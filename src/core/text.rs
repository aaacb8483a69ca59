//! Text that came from elsewhere, made harmless to look at.
//!
//! Must never let through a byte that a terminal acts on, or a character that reorders or hides others.

use std::fmt::Write as _;

/// `text` for people: control characters (all but `\n` and `\t`), invalid UTF-8, bidirectional controls and invisible
/// characters are shown escaped, and at most `max` characters are kept, followed by `…` if there were more.
///
/// An escape sequence of a terminal loses its ESC and stays readable as text. An escape is never cut in half.
#[must_use]
pub fn clean(text: &[u8], max: usize) -> String {
    let mut shown = String::new();
    let mut room = max;
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid().chars().map(shown_char);
        let invalid = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        for piece in valid.chain(invalid) {
            let size = piece.chars().count();
            if size > room {
                shown.push('…');
                return shown;
            }
            room -= size;
            shown.push_str(&piece);
        }
    }
    shown
}

/// A span of time with its unit, such as `500ms`, `10s`, `5m` or `2h`, in milliseconds; `None` for anything else.
#[must_use]
pub fn milliseconds(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// [`clean`] on one line: line ends and tabs become spaces, and outer white space goes.
#[must_use]
pub fn clean_line(text: &[u8], max: usize) -> String {
    clean(text.trim_ascii(), max).replace(['\n', '\t'], " ")
}

/// Whether a terminal would act on `c`, or it has no picture of its own but changes how its neighbours are seen. Line ends and
/// tabs are not harmful.
#[must_use]
pub fn is_harmful(c: char) -> bool {
    c != '\n' && c != '\t' && (c.is_control() || is_invisible(c))
}

fn shown_char(c: char) -> String {
    let mut piece = String::new();
    if !is_harmful(c) {
        piece.push(c);
    } else if c == '\r' {
        piece.push_str("\\r");
    } else {
        // Writing to a string cannot fail.
        let _ = write!(piece, "\\u{{{:x}}}", u32::from(c));
    }
    piece
}

/// Characters that have no picture of their own but change how their neighbours are seen (Unicode 16: bidirectional
/// controls, zero-width characters, line separators, interlinear annotations, variation selectors and tags).
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        let table: [(&[u8], &str); 10] = [
            (b"plain text", "plain text"),
            (b"two\nlines\tand a tab", "two\nlines\tand a tab"),
            (b"\x1b[31mred\x1b[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            (b"\x1b]0;title\x07", "\\u{1b}]0;title\\u{7}"),
            (b"over\rwritten", "over\\rwritten"),
            (b"nul\0 del\x7f", "nul\\u{0} del\\u{7f}"),
            ("c1 \u{9b}31m".as_bytes(), "c1 \\u{9b}31m"),
            ("rtl \u{202e}gpj.exe".as_bytes(), "rtl \\u{202e}gpj.exe"),
            ("a\u{200b}b\u{feff}".as_bytes(), "a\\u{200b}b\\u{feff}"),
            (b"latin \xe9 end", "latin \\xe9 end"),
        ];
        for (raw, expected) in table {
            assert_eq!(clean(raw, 1000), expected);
        }
    }

    #[test]
    fn ordinary_letters_of_any_script_stay() {
        assert_eq!(clean("grüße 你好 שלום".as_bytes(), 100), "grüße 你好 שלום");
    }

    #[test]
    fn the_limit_counts_characters_and_never_cuts_an_escape() {
        assert_eq!(clean(b"abcdef", 6), "abcdef");
        assert_eq!(clean(b"abcdef", 5), "abcde…");
        assert_eq!(clean(b"abc\x1b", 5), "abc…");
        assert_eq!(clean(b"", 0), "");
    }

    #[test]
    fn one_line_stays_one_line() {
        assert_eq!(clean_line(b"\r\n a\nb\tc \n", 100), "a b c");
    }

    proptest! {
        #[test]
        fn nothing_dangerous_survives(raw in proptest::collection::vec(any::<u8>(), 0..300), max in 0usize..200) {
            let shown = clean(&raw, max);
            prop_assert!(shown.chars().count() <= max + 1);
            prop_assert!(shown.chars().all(|c| c == '\n' || c == '\t' || !(c.is_control() || is_invisible(c))));
        }
    }
}
