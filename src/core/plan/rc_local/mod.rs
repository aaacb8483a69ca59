//! The marked block in `rc.local`: where it goes, what the file becomes, and how it is taken out again.
//!
//! Where it goes: before the first `exit` (or `exec COMMAND`) that ends the file for sure, which is one at top level: not
//! in a function, an `if`, a loop, a `case`, braces, parentheses, quotes or a here-document, and not behind `||` or `&&`.
//! Without one it goes to the end. Where a line that fails ends the script (`sh -e`), it goes right below the first line. If the text cannot be followed with certainty (what is opened is not closed), it goes
//! right below the first line, which is always reached. What is outside of the markers is never changed, except that a
//! missing first line `#!/bin/sh` is added; the BEGIN line remembers that, so taking the block out gives the old bytes.
//! Each routing table has a block of its own; a second one goes right behind the first.

mod blocks;
mod scan;
#[cfg(test)]
mod tests;

use super::route::HostObstacle;
use super::{Finding, RouteTarget, route};
use crate::core::observed::Facts;
use crate::core::observed::facts::RcLocal;

use blocks::{Block, Flags, blocks, marked};
pub use blocks::{Whose, is_mark, mark_of, tables, tables_and_texts};

/// How the line in front of a file's first block begins.
pub const BEGIN: &str = "# BEGIN egressctl";

const BEGIN_NOTE: &str = " policy route of the secondary interface; edits up to END are lost";
/// Since this version systemd does not run it any more.
const REMOVED: u32 = 260;
const SHEBANG: &str = "#!/bin/sh\n";

/// What the file becomes with these lines as the block that is meant, whether it has one already or not.
///
/// # Errors
/// Why the file cannot be edited safely, and what to do about it.
pub fn with_block(current: &RcLocal, block: &str, whose: Whose) -> Result<String, HostObstacle> {
    let text = checked(current)?;
    let all = blocks(text)?;
    // Only lines that tell their table are known again by it.
    let tells = blocks::table_in(block) == Some(whose.table);
    let label = |is_first: bool| (!is_first || !tells).then_some(whose.table);
    match blocks::of(text, &all, whose) {
        Some(own) if !scan::ends_before(text, own.range.start) => {
            let (before, after) = (text.get(..own.range.start), text.get(own.range.end..));
            let new = marked(block, label(own.label.is_none()), own.flags(text));
            Ok([before.unwrap_or_default(), &new, after.unwrap_or_default()].concat())
        }
        own => {
            let text = own.map_or_else(|| text.to_owned(), |own| cut(text, own, &all));
            let left = blocks(&text)?;
            Ok(insert(&text, &left, block, label(left.is_empty())))
        }
    }
}

/// What the file becomes without the block that is meant; the same text if it has none. An empty text may be a file that we
/// created.
///
/// # Errors
/// Why the file cannot be edited safely, and what to do about it.
pub fn without_block(current: &RcLocal, whose: Whose) -> Result<String, HostObstacle> {
    let mut text = checked(current)?.to_owned();
    loop {
        let all = blocks(&text)?;
        let Some(own) = blocks::of(&text, &all, whose) else { return Ok(text) };
        text = cut(&text, own, &all);
    }
}

/// The text without any block of ours; the empty one if they cannot be told from other lines.
fn without_ours(text: &str) -> String {
    let mut text = text.to_owned();
    while let Ok(all) = blocks(&text) {
        let Some(own) = all.first() else { return text };
        text = cut(&text, own, &all);
    }
    String::new()
}

/// What in a file needs a person's attention although it can be edited: hand-made lines for the same address, exits that
/// may come first, lines that begin to run because the file becomes executable.
#[must_use]
pub fn findings(current: &RcLocal, target: &RouteTarget) -> Vec<Finding> {
    let path = &current.path;
    let text = current.content.as_deref().map(without_ours).unwrap_or_default();
    let mut found = Vec::new();
    let code = || text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())).filter(is_code);
    for (number, line) in code() {
        let shown: String = line.chars().take(100).collect();
        let words: Vec<&str> = line.split_whitespace().collect();
        let has = |word: &str| words.contains(&word);
        let of_address = target.address.is_some_and(|address| {
            let address = address.to_string();
            words.iter().any(|word| *word == address || word.strip_suffix("/32") == Some(&address))
        });
        let of_table = words
            .windows(2)
            .any(|pair| ["table", "lookup"].contains(&pair[0]) && pair[1] == target.table.to_string());
        if has("ip") && ((has("rule") && of_address) || (has("route") && of_table)) {
            found.push(Finding::warning(
                format!("{path}, line {number} is a hand-made line for the same route: {shown:?}"),
                "our block has the last word, so it is harmless, and nobody needs it any more",
                format!("remove the line from {path}"),
            ));
        }
    }
    if scan::may_end_early(&text) {
        found.push(Finding::warning(
            format!("{path} has an exit under a condition that may come before our block"),
            "if it is taken, the route is missing after a reboot",
            format!("move the exit behind our block in {path}, or make sure that it is never taken at boot"),
        ));
    }
    let never_ran = current.mode & 0o111 == 0 || !text.starts_with("#!");
    if never_ran && code().next().is_some() {
        found.push(Finding::warning(
            format!("{path} has not been run at boot until now"),
            "its other lines begin to run at boot together with our block",
            format!("read {path}, and remove what should not run"),
        ));
    }
    found
}

/// Why the file would never be run at boot, whatever is in it.
#[must_use]
pub fn never_run(facts: &Facts) -> Option<HostObstacle> {
    let system = &facts.system;
    if system.init != "systemd" {
        return None;
    }
    let path = &facts.rc_local.path;
    let fix = "let route.persist be auto or unit";
    if system.services.get("rc-local").is_some_and(|service| service.enabled.starts_with("masked")) {
        return Some(obstacle(path, "is never run: rc-local.service is masked", fix));
    }
    if !system.rc_local_runners.is_empty() {
        return None;
    }
    let removed = system.systemd.is_some_and(|version| version >= REMOVED);
    let problem = if removed {
        format!("is never run: systemd runs it no more since version {REMOVED}")
    } else {
        "is never run: there is no rc-local.service and nothing that would make one".to_owned()
    };
    Some(obstacle(path, &problem, fix))
}

fn is_code((_, line): &(usize, &str)) -> bool {
    !line.is_empty() && !line.starts_with('#') && !scan::is_exit(line)
}

fn obstacle(path: &str, problem: &str, fix: &str) -> HostObstacle {
    route::obstacle("rc-local", format!("{path} {problem}"), "the route has to be kept there", fix)
}

/// The text, if a POSIX shell runs it and we may edit it.
fn checked(current: &RcLocal) -> Result<&str, HostObstacle> {
    let refuse = |problem: &str, fix: &str| Err(obstacle(&current.path, problem, fix));
    if let Some(reason) = &current.obstacle {
        return refuse(
            &format!("cannot be edited: {reason}"),
            "repair it by hand, or set route.persist to none",
        );
    }
    let text = current.content.as_deref().unwrap_or_default();
    if text.contains('\r') {
        return refuse(
            "has Windows line endings, so no shell can run it",
            "convert it: sed -i 's/\\r$//' FILE",
        );
    }
    if text.contains('\0') {
        return refuse("has NUL bytes", "repair it by hand");
    }
    if text.starts_with('\u{feff}') {
        return refuse(
            "begins with a byte order mark, so the kernel does not run it",
            "remove its first three bytes",
        );
    }
    if let Some(line) = text.strip_prefix("#!") {
        let line = line.lines().next().unwrap_or_default();
        let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or_default());
        let interpreter = words.find(|word| !["env", "-S", "busybox"].contains(word)).unwrap_or_default();
        if !["sh", "bash", "dash", "ash", "ksh", "mksh"].contains(&interpreter) {
            let fix = "let it be a shell script, or set route.persist to none";
            return refuse(&format!("is run by {interpreter:?}, not by a POSIX shell"), fix);
        }
    }
    Ok(text)
}

/// The text with one more block: behind the others that are reached, else where one is reached.
fn insert(text: &str, others: &[Block], block: &str, label: Option<u32>) -> String {
    let behind = others.iter().rfind(|other| !scan::ends_before(text, other.range.start));
    let behind = behind.map(|other| other.range.end).filter(|_| text.starts_with("#!"));
    let shebang = !text.starts_with("#!");
    let text = if shebang { [SHEBANG, text].concat() } else { text.to_owned() };
    let place = behind.unwrap_or_else(|| scan::place(&text));
    let (before, after) = text.split_at_checked(place).unwrap_or((&text, ""));
    let newline = !before.ends_with('\n');
    let gap = if newline { "\n" } else { "" };
    [before, gap, &marked(block, label, Flags { shebang, newline }), after].concat()
}

/// The text without this block. What it has added stays as long as another one of ours needs it, which remembers it then.
fn cut(text: &str, own: &Block, all: &[Block]) -> String {
    let flags = own.flags(text);
    let before = text.get(..own.range.start).unwrap_or_default();
    let after = text.get(own.range.end..).unwrap_or_default();
    if let Some(heir) = all.iter().find(|other| *other != own) {
        let mut of_heir = heir.flags(text);
        of_heir.shebang |= flags.shebang;
        of_heir.newline |= flags.newline && heir.range.start == own.range.end;
        if of_heir == heir.flags(text) {
            return [before, after].concat();
        }
        let line = heir.text(text).split_inclusive('\n').next().unwrap_or_default();
        let rest = text.get(heir.range.start + line.len()..).unwrap_or_default();
        let heading = blocks::begin_line(heir.label, of_heir);
        return if heir.range.start < own.range.start {
            let head = text.get(..heir.range.start).unwrap_or_default();
            let between = rest.get(..own.range.start - heir.range.start - line.len()).unwrap_or_default();
            [head, &heading, between, after].concat()
        } else {
            let between = text.get(own.range.end..heir.range.start).unwrap_or_default();
            [before, between, &heading, rest].concat()
        };
    }
    // A new line that we added is ours only as long as nothing was appended behind the block.
    let before =
        if flags.newline && after.is_empty() { before.strip_suffix('\n').unwrap_or(before) } else { before };
    let before = if flags.shebang { before.strip_prefix(SHEBANG).unwrap_or(before) } else { before };
    [before, after].concat()
}
