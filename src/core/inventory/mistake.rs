//! What is wrong with an inventory: every mistake has a place in the text, says what it is and what was expected.
//!
//! Must never show what it quotes unescaped: the text of an inventory may come from anywhere.

use std::collections::HashSet;
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

    /// How the caller names the text.
    pub(super) const fn file(&self) -> &'t str {
        self.file
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

    /// Records the one mistake that makes all others doubtful: the text cannot be parsed.
    pub(super) fn only(&mut self, at: Pos, message: String, expected: &str) {
        self.in_file.clear();
        self.add(at, message, expected);
    }

    /// Records a mistake in the value of an environment variable.
    pub(super) fn add_variable(&mut self, name: &str, message: String, expected: String) {
        self.in_variables.push(Mistake { file: name.to_owned(), line: 1, column: 1, message, expected });
    }

    /// Takes over what was found in another file.
    pub(super) fn take_over(&mut self, other: Collector<'_>) {
        self.in_variables.extend(other.finish().into_iter().flat_map(|mistakes| mistakes.0));
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
        // What several hosts get from one wrong place is wrong once.
        let mut seen = HashSet::new();
        self.in_file.retain(|mistake| seen.insert((mistake.line, mistake.column, mistake.message.clone())));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_moved_into_the_text_and_sorted() {
        let mut collector = Collector::new("f", "ab\r\ncd\re");
        collector.add(Pos { line: 9, column: 9 }, "late", "x");
        collector.add(Pos { line: 1, column: 9 }, "early", "x");
        let mistakes = collector.finish().unwrap();
        assert_eq!(mistakes.to_string(), "f:1:3: early; x\nf:3:2: late; x");
    }
}
