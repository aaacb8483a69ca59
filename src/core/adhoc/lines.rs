//! Lines out of pieces: what comes in anyhow goes out line by line, harmless to look at.
//!
//! Must never hold more of an unfinished line than its limit.

use crate::core::text::clean;

/// Bytes of a line beyond which it is cut into several.
const LONGEST: usize = 8 * 1024;

/// An unfinished line.
#[derive(Debug, Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// Takes a piece; gives the lines that are complete by it, escaped and without their ends.
    pub fn take(&mut self, piece: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            for part in part.chunks(LONGEST) {
                if self.0.len() + part.len() > LONGEST {
                    lines.extend(self.rest());
                }
                self.0.extend_from_slice(part);
                if part.ends_with(b"\n") {
                    self.0.pop();
                    lines.push(shown(&self.0));
                    self.0.clear();
                }
            }
        }
        lines
    }

    /// What is left when nothing more comes.
    pub fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.0);
        (!rest.is_empty()).then(|| shown(&rest))
    }
}

/// A line, escaped; the carriage return of a foreign line end is not part of it.
pub(super) fn shown(line: &[u8]) -> String {
    clean(line.strip_suffix(b"\r").unwrap_or(line), usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_put_together_and_escaped() {
        let mut lines = Lines::default();
        assert!(lines.take(b"a").is_empty());
        assert_eq!(lines.take(b"b\r\n\nc\x1b[2J\nd"), ["ab", "", "c\\u{1b}[2J"]);
        assert_eq!((lines.rest(), lines.rest()), (Some("d".to_owned()), None));
        let long = lines.take(&[b'x'; LONGEST * 2 + 10]);
        assert_eq!(long.iter().map(String::len).collect::<Vec<_>>(), [LONGEST, LONGEST]);
        assert!(lines.0.len() <= LONGEST);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in "[a-c\n]{0,80}", cuts in prop::collection::vec(0usize..80, 0..8)) {
            let mut whole = Lines::default();
            let mut expected = whole.take(text.as_bytes());
            expected.extend(whole.rest());
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut lines = Lines::default();
            let mut got: Vec<String> =
                cuts.windows(2).flat_map(|cut| lines.take(&text.as_bytes()[cut[0]..cut[1]])).collect();
            got.extend(lines.rest());
            prop_assert_eq!(got, expected);
        }
    }
}
