//! Making text harmless for where it goes. The only place that does it.
//!
//! Must never let a control character through to a terminal, nor a markup character to a page.

/// The text for a terminal: line breaks and tabs become spaces; every other control character, and every character that
/// reorders or hides text, becomes `\u{…}`.
#[must_use]
pub fn for_terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            '\r' => {}
            c if c.is_control() || is_invisible(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// The text for HTML, as an element's content or inside a quoted attribute; for a person it reads as on a terminal.
#[must_use]
pub fn for_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in for_terminal(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Characters without a picture of their own: direction marks, joiners, separators, byte order mark, tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_terminal_gets_no_sequence_it_would_obey() {
        assert_eq!(for_terminal("a\x1b[2Jb\r\n\tc\u{9b}d\u{202e}e"), "a\\u{1b}[2Jb  c\\u{9b}d\\u{202e}e");
        assert_eq!(for_terminal("Zürich 東京 ✓"), "Zürich 東京 ✓");
    }

    #[test]
    fn a_page_gets_no_markup() {
        assert_eq!(for_html("<b a='\"'>&amp;"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;amp;");
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left(text in any::<String>()) {
            prop_assert!(!for_terminal(&text).chars().any(|c| c.is_control() || is_invisible(c)));
            prop_assert!(!for_html(&text).contains(['<', '>', '"', '\'']));
        }
    }
}
