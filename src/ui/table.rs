//! Plain tables for terminals: columns as wide as their widest cell on the screen, two spaces between them.

use std::fmt::Write;

use console::measure_text_width;

/// A table with its headers, lines ending with `\n`. Cells may be coloured; they must not hold line breaks. A row that is
/// too short ends early; one that is too long keeps its cells under no header.
#[must_use]
pub fn render(headers: &[String], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    let lines = || std::iter::once(headers).chain(rows.iter().map(Vec::as_slice));
    for line in lines() {
        for (column, cell) in line.iter().enumerate() {
            let width = measure_text_width(cell);
            match widths.get_mut(column) {
                Some(widest) => *widest = (*widest).max(width),
                None => widths.push(width),
            }
        }
    }
    let mut out = String::new();
    for line in lines() {
        for (column, cell) in line.iter().enumerate() {
            let last = column + 1 == line.len();
            let missing = if last { 0 } else { widths[column] - measure_text_width(cell) + 2 };
            // Writing to a String cannot fail.
            let _ = write!(out, "{cell}{:missing$}", "");
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn columns_line_up_by_what_is_seen() {
        let rows = [row(&["東京", "1", "x"]), row(&["\u{1b}[32mweb-1\u{1b}[0m", "22", "y"]), row(&["é"])];
        assert_eq!(
            render(&row(&["host", "n", "end"]), &rows),
            "host   n   end\n東京   1   x\n\u{1b}[32mweb-1\u{1b}[0m  22  y\né\n"
        );
    }

    #[test]
    fn a_table_without_rows_is_its_headers() {
        assert_eq!(render(&row(&["a", "b"]), &[]), "a  b\n");
        assert_eq!(render(&[], &[]), "\n");
    }
}
