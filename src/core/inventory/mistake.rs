//! What is wrong with an inventory: every mistake has a place in the text, says what it is and what was expected.
//!
//! Must never show what it quotes unescaped: the text of an inventory may come from anywhere.

use std::fmt;

/// A place in a text. Lines and columns count from 1; columns count characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pos {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Pos {
    /// The first character of a text.
    pub(super) const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Pos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file as named by the caller, or the name of an environment variable.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What was expected, or the likely cure.
    pub expected: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}; {}", self.file, self.line, self.column, self.message, self.expected)
    }
}

/// All that is wrong with an inventory, in the order of the text; never empty. Shown as one line per mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

/// Collects mistakes while the reading goes on.
#[derive(Debug)]
pub(super) struct Collector<'t> {
    file: &'t str,
    text: &'t str,
    in_file: Vec<Mistake>,
    in_variables: Vec<Mistake>,
}

impl<'t> Collector<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, in_file: Vec::new(), in_variables: Vec::new() }
    }

    /// Records a mistake in the inventory's text.
    pub(super) fn add(&mut self, at: Pos, message: impl Into<String>, expected: impl Into<String>) {
        self.in_file.push(Mistake {
            file: self.file.to_owned(),
            line: at.line,
            column: at.column,
            message: message.into(),
            expected: expected.into(),
        });
    }

    /// Records a mistake in the value of an environment variable.
    pub(super) fn add_variable(&mut self, name: &str, message: String, expected: String) {
        self.in_variables.push(Mistake { file: name.to_owned(), line: 1, column: 1, message, expected });
    }

    /// The mistakes, sorted, those of the file first; `None` if there are none.
    pub(super) fn finish(mut self) -> Option<Mistakes> {
        if !self.in_file.is_empty() {
            let lengths = line_lengths(self.text);
            for mistake in &mut self.in_file {
                // A parser may put the end of a text behind its last line.
                mistake.line = mistake.line.clamp(1, lengths.len());
                let length = lengths.get(mistake.line - 1).copied().unwrap_or_default();
                mistake.column = mistake.column.clamp(1, length + 1);
            }
        }
        // By place only, and stable: mistakes of one place stay in the order in which they were found.
        self.in_file.sort_by_key(|mistake| (mistake.line, mistake.column));
        self.in_file.dedup();
        self.in_file.append(&mut self.in_variables);
        (!self.in_file.is_empty()).then_some(Mistakes(self.in_file))
    }
}

/// Length of each line in characters; a line ends with CR LF, LF or CR, as YAML has it.
fn line_lengths(text: &str) -> Vec<usize> {
    let mut lengths = vec![0];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\n' || (c == '\r' && chars.peek() != Some(&'\n')) {
            lengths.push(0);
        } else if c != '\r'
            && let Some(last) = lengths.last_mut()
        {
            *last += 1;
        }
    }
    lengths
}

/// A quoted, escaped and shortened form of what a user wrote.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        format!("{text:?}")
    } else {
        let head: String = text.chars().take(MOST - 3).collect();
        format!("{:?}", head + "...")
    }
}

/// "did you mean" if one of the known words is close, else the list of them.
pub(super) fn suggest<'k>(unknown: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if known.is_empty() {
        return "none is defined".to_owned();
    }
    match nearest(unknown, known.iter().copied()).first() {
        Some(word) => format!("did you mean {word:?}?"),
        None => format!("expected one of: {}", few(&known)),
    }
}

/// The first words of a list that may be long.
pub(super) fn few(words: &[&str]) -> String {
    const MOST: usize = 12;
    let head = words.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    match words.len().saturating_sub(MOST) {
        0 => head,
        more => format!("{head} and {more} more"),
    }
}

/// The words close enough to be meant, the closest first: at most a third of the letters differ.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Vec<&'k str> {
    let word = word.to_lowercase();
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|candidate| {
            let longer = word.chars().count().max(candidate.chars().count());
            // Nothing that long is a slip of the fingers, and the distance costs time by the product of the lengths.
            let limit = if longer > 300 { return None } else { longer.div_ceil(3).min(3) };
            let distance = edit_distance(&word, &candidate.to_lowercase());
            (distance <= limit && distance < longer).then_some((distance, candidate))
        })
        .collect();
    near.sort_unstable();
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("prot", ["user", "port", "key"]), ["port"]);
        assert_eq!(nearest("Hosts", ["hosts", "host"]), ["hosts", "host"]);
        assert!(nearest("colour", ["user", "port", "key"]).is_empty());
        assert!(nearest("a", ["b"]).is_empty());
    }

    #[test]
    fn a_swap_counts_once() {
        assert_eq!(edit_distance("prot", "port"), 1);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }

    #[test]
    fn long_and_strange_text_is_cut_and_escaped() {
        assert_eq!(shown("a\u{1b}[0m\n"), r#""a\u{1b}[0m\n""#);
        assert_eq!(shown(&"x".repeat(500)).len(), 62);
    }

    #[test]
    fn places_are_moved_into_the_text_and_sorted() {
        let mut collector = Collector::new("f", "ab\r\ncd\re");
        collector.add(Pos { line: 9, column: 9 }, "late", "x");
        collector.add(Pos { line: 1, column: 9 }, "early", "x");
        let mistakes = collector.finish().unwrap();
        assert_eq!(mistakes.to_string(), "f:1:3: early; x\nf:3:2: late; x");
    }
}
