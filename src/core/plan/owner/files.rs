//! From an owner's files to changes of files: what is missing or different, and what an older owner of ours has left.
//!
//! A file that somebody else has made in a place that must be ours is replaced, and its text is kept in ours, line by line
//! behind a mark, so that taking ours away gives the old bytes also to somebody who knows nothing but the file.

use std::net::Ipv4Addr;

use super::{UNKNOWN, Wanted, head, locked, obstacles, own_files};
use crate::core::model::Owner;
use crate::core::observed::Facts;
use crate::core::observed::facts::{ConfigFile, RcLocal};
use crate::core::plan::rc_local::{self, Whose};
use crate::core::plan::route::{FileChange, HostObstacle, obstacle};
use crate::core::plan::{Finding, RouteTarget};
use crate::core::template::Templates;

/// How the first line of a file of ours begins.
const HEAD: &str = "# egressctl, table ";
/// In front of every line of a text that was replaced.
const KEPT: &str = "#| ";
/// Behind such lines if the last one had no new line.
const NO_NEWLINE: &str = "#|no newline at the end";

/// What has to happen to files, and who has to hear of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileChanges {
    /// In the order in which they are made: what is left of others first.
    pub files: Vec<FileChange>,
    /// The owners of these files.
    pub reload: Vec<Owner>,
    /// What a person should know.
    pub findings: Vec<Finding>,
}

/// What has to change for the target's owner to keep the route, and nobody else of ours.
///
/// # Errors
/// Everything that is in the way, never an empty list.
pub fn file_changes(
    facts: &Facts,
    target: &RouteTarget,
    templates: &Templates,
) -> Result<FileChanges, Vec<HostObstacle>> {
    let wanted = Wanted::new(facts, target);
    let (mut changes, mut wrong) = (FileChanges::default(), Vec::new());
    let unrendered = |error: crate::core::template::TemplateError| {
        vec![obstacle("template", error.to_string(), "nothing can be written", "see there")]
    };
    let files = match target.owner {
        Some(owner) => {
            wrong.extend(obstacles(owner, &wanted));
            own_files(owner, &wanted, templates).map_err(unrendered)?
        }
        None => Vec::new(),
    };
    // Where nothing is to be kept, what there is stays as it is.
    if target.owner.is_some() {
        leftovers(&wanted, |path| files.iter().any(|file| file.path == path), &mut changes);
    }
    match target.owner {
        Some(Owner::RcLocal) => match in_rc_local(facts, target, templates).map_err(unrendered)? {
            Ok((change, findings)) => {
                changes.findings.extend(findings);
                changes.reload.extend(change.iter().map(|_| Owner::RcLocal));
                changes.files.extend(change);
            }
            Err(obstacle) => wrong.push(obstacle),
        },
        _ => {
            if let Some(change) =
                out_of_rc_local(&facts.rc_local, target, &mut wrong).filter(|_| target.owner.is_some())
            {
                changes.files.insert(0, change);
                changes.reload.insert(0, Owner::RcLocal);
            }
        }
    }
    let before = changes.files.len();
    for file in files {
        let there = facts.files.get(&file.path);
        if let Some(why) = there.and_then(|there| there.obstacle.as_ref()) {
            let what = format!("{} cannot be written: {why}", file.path);
            wrong.push(obstacle("file", what, "the route has to be kept there", "repair it by hand"));
            continue;
        }
        let old = there.and_then(|there| there.content.as_deref());
        let text = match old {
            Some(old) if is_ours(old, target.table) => {
                [file.text.as_str(), &kept_lines(old).unwrap_or_default()].concat()
            }
            Some(old) => {
                changes.findings.push(Finding::warning(
                    format!("{} was made by somebody else and is replaced", file.path),
                    "two configurations of one device would both be brought up; its text is kept in ours",
                    "see to it that what has made it does not make it again",
                ));
                [file.text.as_str(), &kept(old)].concat()
            }
            None => file.text.clone(),
        };
        let mode = there.map_or(0, |there| there.mode);
        if old != Some(&text) || mode != file.mode {
            changes.files.push(FileChange {
                path: file.path,
                before: old.map(str::to_owned),
                after: Some(text),
                mode_before: mode,
                mode_after: file.mode,
            });
        }
    }
    let mut reload: Vec<Owner> = Vec::new();
    let written = changes.files.get(before..).unwrap_or_default();
    for file in written {
        // The shim's unit stands beside another owner's files.
        let unit = owner_of(&file.path).filter(|owner| *owner == Owner::Unit);
        reload.extend(unit.or(target.owner).filter(|owner| !changes.reload.contains(owner)));
    }
    reload.dedup();
    changes.reload.extend(reload);
    wrong.extend(locked::obstacles(facts, target.owner, &changes.files));
    if wrong.is_empty() { Ok(changes) } else { Err(wrong) }
}

/// The changes that take everything of ours for this table away, whoever was its owner: what a step of unknown outcome may
/// have written.
///
/// # Errors
/// Lines of ours that cannot be told from others.
pub fn without_ours(facts: &Facts, target: &RouteTarget) -> Result<FileChanges, String> {
    let wanted = Wanted::new(facts, target);
    let (mut changes, mut wrong) = (FileChanges::default(), Vec::new());
    leftovers(&wanted, |_| false, &mut changes);
    if let Some(change) = out_of_rc_local(&facts.rc_local, target, &mut wrong) {
        changes.files.push(change);
        changes.reload.push(Owner::RcLocal);
    }
    match wrong.into_iter().next() {
        Some(obstacle) => Err(obstacle.what),
        None => Ok(changes),
    }
}

/// Some file of the host has something of ours.
#[must_use]
pub fn is_kept(facts: &Facts) -> bool {
    let files = facts.files.values().filter_map(|file| file.content.as_deref());
    let block = facts.rc_local.content.as_deref().is_some_and(|text| !rc_local::tables(text).is_empty());
    block || files.into_iter().any(|text| text.starts_with(HEAD))
}

/// Who keeps routes of ours over a reboot, by the host's files, and of which table; `None` where the file does not tell that.
#[must_use]
pub fn keepers(facts: &Facts) -> Vec<(Owner, Option<u32>)> {
    let head = |(path, file): (&String, &ConfigFile)| {
        let rest = file.content.as_deref()?.strip_prefix(HEAD)?;
        Some((owner_of(path)?, table_of(rest)))
    };
    let mut found: Vec<(Owner, Option<u32>)> = facts.files.iter().filter_map(head).collect();
    let text = facts.rc_local.content.as_deref().unwrap_or_default();
    found.extend(rc_local::tables(text).into_iter().map(|table| (Owner::RcLocal, table)));
    found.sort();
    found.dedup();
    found
}

/// The tables whose files of ours speak of this address.
#[must_use]
pub fn tables_of(facts: &Facts, address: Ipv4Addr) -> Vec<u32> {
    let address = address.to_string();
    let is_other = |c: char| !c.is_ascii_digit() && c != '.';
    let speaks = |text: &str| text.split(is_other).any(|word| word == address);
    let texts = facts.files.values().filter_map(|file| file.content.as_deref());
    let ours = texts.filter(|text| speaks(text)).filter_map(|text| table_of(text.strip_prefix(HEAD)?));
    let block = facts.rc_local.content.as_deref().map(rc_local::tables_and_texts).unwrap_or_default();
    let block = block.into_iter().filter(|(_, text)| speaks(text)).filter_map(|(table, _)| table);
    ours.chain(block).collect()
}

fn table_of(text: &str) -> Option<u32> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Some of it only applying can tell.
#[must_use]
pub fn is_preview(files: &[FileChange]) -> bool {
    let unknown = |text: &str| text.contains(UNKNOWN);
    files.iter().any(|file| unknown(&file.path) || file.after.as_deref().is_some_and(unknown))
}

fn is_ours(text: &str, table: u32) -> bool {
    text.starts_with(&head(table))
}

/// Files of ours that nobody needs any more.
fn leftovers(wanted: &Wanted<'_>, is_needed: impl Fn(&str) -> bool, changes: &mut FileChanges) {
    let ours = wanted.facts.files.iter().filter_map(|(path, ConfigFile { content, mode, obstacle })| {
        let text = content.as_deref().filter(|text| is_ours(text, wanted.target.table))?;
        (obstacle.is_none() && !is_needed(path)).then_some((path, text, *mode))
    });
    for (path, text, mode) in ours {
        let after = before_ours(text);
        changes.files.push(FileChange {
            path: path.clone(),
            before: Some(text.to_owned()),
            mode_before: mode,
            mode_after: if after.is_some() { mode } else { 0 },
            after,
        });
        if let Some(owner) = owner_of(path).filter(|owner| !changes.reload.contains(owner)) {
            changes.reload.push(owner);
        }
    }
}

fn owner_of(path: &str) -> Option<Owner> {
    let folders = [
        ("/etc/systemd/network/", Owner::Networkd),
        ("/etc/netplan/", Owner::Netplan),
        ("/etc/NetworkManager/", Owner::NetworkManager),
        ("/etc/sysconfig/network-scripts/", Owner::Ifcfg),
        ("/etc/sysconfig/network/", Owner::Wicked),
        ("/etc/network/", Owner::Ifupdown),
        ("/etc/systemd/system/", Owner::Unit),
        ("/etc/egressctl/", Owner::Unit),
    ];
    folders.iter().find(|(folder, _)| path.starts_with(folder)).map(|(_, owner)| *owner)
}

type InRcLocal = Result<(Option<FileChange>, Vec<Finding>), HostObstacle>;

fn in_rc_local(
    facts: &Facts,
    target: &RouteTarget,
    templates: &Templates,
) -> Result<InRcLocal, crate::core::template::TemplateError> {
    let current = &facts.rc_local;
    if let Some(obstacle) = rc_local::never_run(facts) {
        return Ok(Err(obstacle));
    }
    let block = templates.rc_local_block(target)?;
    Ok(rc_local::with_block(current, &block, Whose::of(target)).map(|after| {
        let mode_after = if current.content.is_some() { current.mode | 0o111 } else { 0o755 };
        let same = current.content.as_deref() == Some(after.as_str()) && current.mode == mode_after;
        let change = (!same).then(|| FileChange {
            path: current.path.clone(),
            before: current.content.clone(),
            after: Some(after),
            mode_before: current.mode,
            mode_after,
        });
        (change, rc_local::findings(current, target))
    }))
}

fn out_of_rc_local(
    current: &RcLocal,
    target: &RouteTarget,
    wrong: &mut Vec<HostObstacle>,
) -> Option<FileChange> {
    let text = current.content.as_deref().filter(|text| !rc_local::tables(text).is_empty())?;
    match rc_local::without_block(current, Whose::of(target)) {
        // All of them are of other tables.
        Ok(after) if after == text => None,
        Ok(after) => {
            // An empty text is a file that we made.
            let after = Some(after).filter(|after| !after.is_empty());
            let mode_after = if after.is_some() { current.mode } else { 0 };
            let before = Some(text.to_owned());
            Some(FileChange {
                path: current.path.clone(),
                before,
                after,
                mode_before: current.mode,
                mode_after,
            })
        }
        Err(obstacle) => {
            wrong.push(obstacle);
            None
        }
    }
}

/// A text as lines that stand in ours.
fn kept(old: &str) -> String {
    let mut lines: String = old.split_inclusive('\n').map(|line| format!("{KEPT}{line}")).collect();
    if !old.ends_with('\n') {
        // Of an empty file this line is all there is to keep.
        let end = if old.is_empty() { "" } else { "\n" };
        lines.push_str(&format!("{end}{NO_NEWLINE}\n"));
    }
    lines
}

/// The lines of a text of ours in which it keeps what was there before.
fn kept_lines(text: &str) -> Option<String> {
    let lines: String = text
        .split_inclusive('\n')
        .filter(|line| line.starts_with(KEPT) || line.starts_with(NO_NEWLINE))
        .collect();
    (!lines.is_empty()).then_some(lines)
}

/// What was there before a text of ours; `None` if there was nothing.
fn before_ours(text: &str) -> Option<String> {
    let lines = kept_lines(text)?;
    let old: String = lines.split_inclusive('\n').filter_map(|line| line.strip_prefix(KEPT)).collect();
    let cut = lines.lines().any(|line| line == NO_NEWLINE);
    Some(if cut { old.trim_end_matches('\n').to_owned() } else { old })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_there_comes_back_to_the_byte(old in "([a-z#| ]{0,6}\n){0,5}[a-z]{0,5}\n?") {
            let text = format!("{}DEVICE=eth1\n{}", head(101), kept(&old));
            prop_assert_eq!(before_ours(&text), Some(old.clone()));
            prop_assert_eq!(kept_lines(&text), Some(kept(&old)));
        }
    }
}
