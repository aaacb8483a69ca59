//! The marked blocks of ours in `rc.local`: one for each routing table, told apart by their marks and by what they say.
//!
//! The first one of a file has marks without a table, as when there could be only one. Must never take a block of another
//! table for the one that is asked for.

use std::net::Ipv4Addr;
use std::ops::Range;

use super::{BEGIN_NOTE, HostObstacle, RouteTarget, route};

/// Behind the name of the table in the marks of a block that is not a file's first.
const OF: &str = " of egressctl";
const ADDED_SHEBANG: &str = " [+first line]";
const ADDED_NEWLINE: &str = " [+newline]";

/// Whose block it is: of this table, or else of this address, whose table was another one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose {
    /// The routing table.
    pub table: u32,
    /// The interface's address, if it is known.
    pub address: Option<Ipv4Addr>,
}

impl Whose {
    /// The block that keeps this route.
    #[must_use]
    pub const fn of(target: &RouteTarget) -> Self {
        Self { table: target.table, address: target.address }
    }
}

/// A block, marks included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// The table that its marks name.
    pub(super) label: Option<u32>,
    pub(super) range: Range<usize>,
}

/// What the BEGIN line remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags {
    pub(super) shebang: bool,
    pub(super) newline: bool,
}

impl Block {
    pub(super) fn text<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.range.clone()).unwrap_or_default()
    }

    /// The table that it is about, if marks or lines tell.
    pub(super) fn table(&self, text: &str) -> Option<u32> {
        self.label.or_else(|| table_in(self.text(text)))
    }

    pub(super) fn flags(&self, text: &str) -> Flags {
        let line = self.text(text).lines().next().unwrap_or_default();
        Flags { shebang: line.contains(ADDED_SHEBANG), newline: line.contains(ADDED_NEWLINE) }
    }
}

/// The table that the lines of a block are about.
pub(super) fn table_in(block: &str) -> Option<u32> {
    value_in(block, "table='")
}

fn value_in<T: std::str::FromStr>(block: &str, name: &str) -> Option<T> {
    let value = |line: &str| line.trim().strip_prefix(name)?.strip_suffix('\'')?.parse().ok();
    block.lines().find_map(value)
}

/// The block of ours that is meant, if it is there.
pub(super) fn of<'b>(text: &str, blocks: &'b [Block], whose: Whose) -> Option<&'b Block> {
    let of_table = |block: &&Block| block.table(text) == Some(whose.table);
    let of_address = |block: &&Block| {
        let address: Option<Ipv4Addr> = value_in(block.text(text), "address='");
        block.table(text).is_none() || (address.is_some() && address == whose.address)
    };
    blocks.iter().find(of_table).or_else(|| blocks.iter().find(of_address))
}

/// The first line of a block.
pub(super) fn begin_line(label: Option<u32>, flags: Flags) -> String {
    let shebang = if flags.shebang { ADDED_SHEBANG } else { "" };
    let newline = if flags.newline { ADDED_NEWLINE } else { "" };
    format!("# BEGIN {}{shebang}{newline}{BEGIN_NOTE}\n", name(label))
}

/// The last one.
pub(super) fn end_line(label: Option<u32>) -> String {
    format!("# END {}\n", name(label))
}

/// How marks call a block.
fn name(label: Option<u32>) -> String {
    label.map_or_else(|| "egressctl".to_owned(), |table| format!("table {table}{OF}"))
}

/// The mark that a line is: the table that it names, if it names one.
fn mark(line: &str, word: &str) -> Option<Option<u32>> {
    let rest = line.strip_prefix(word)?;
    if rest.starts_with("egressctl") {
        return Some(None);
    }
    let (table, _) = rest.strip_prefix("table ")?.split_once(OF)?;
    table.parse().ok().map(Some)
}

/// The line is a mark of ours.
#[must_use]
pub fn is_mark(line: &str) -> bool {
    mark(line, "# BEGIN ").or_else(|| mark(line, "# END ")).is_some()
}

/// How the marks call the block of this table in a text that has one.
#[must_use]
pub fn mark_of(text: &str, table: u32) -> String {
    let named = format!("# BEGIN {}", name(Some(table)));
    name(text.lines().any(|line| line.starts_with(&named)).then_some(table))
}

/// The tables of the blocks that begin in a text, whole or not; `None` where nothing tells which.
#[must_use]
pub fn tables(text: &str) -> Vec<Option<u32>> {
    tables_and_texts(text).into_iter().map(|(table, _)| table).collect()
}

/// The same, each with the lines that follow up to the next mark.
#[must_use]
pub fn tables_and_texts(text: &str) -> Vec<(Option<u32>, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(line) = rest.split_inclusive('\n').next() {
        rest = rest.get(line.len()..).unwrap_or_default();
        if let Some(label) = mark(line, "# BEGIN ") {
            let lines: String = rest.split_inclusive('\n').take_while(|line| !is_mark(line)).collect();
            found.push((label.or_else(|| table_in(&lines)), lines));
        }
    }
    found
}

/// All blocks of a text, in order.
///
/// # Errors
/// Marks that are no pairs, or two blocks of one name.
pub(super) fn blocks(text: &str) -> Result<Vec<Block>, HostObstacle> {
    let (mut found, mut open, mut at) = (Vec::<Block>::new(), None, 0);
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        if let Some(label) = mark(line, "# BEGIN ") {
            if open.is_some() || found.iter().any(|block| block.label == label) {
                return Err(not_one_pair(label));
            }
            open = Some((start, label));
        } else if let Some(label) = mark(line, "# END ") {
            match open.take() {
                Some((begin, begun)) if begun == label => found.push(Block { label, range: begin..at }),
                _ => return Err(not_one_pair(label)),
            }
        }
    }
    match open {
        Some((_, label)) => Err(not_one_pair(label)),
        None => Ok(found),
    }
}

fn not_one_pair(label: Option<u32>) -> HostObstacle {
    let name = name(label);
    route::obstacle(
        "rc-local",
        format!("the lines \"# BEGIN {name}\" and \"# END {name}\" in rc.local are not one pair"),
        "our lines cannot be told from others",
        "remove both and what is between them by hand",
    )
}

/// A marked block of these lines.
pub(super) fn marked(block: &str, label: Option<u32>, flags: Flags) -> String {
    [begin_line(label, flags).as_str(), block, &end_line(label)].concat()
}
