//! What keeps the route over a reboot: which manager does, and the files it needs to do so.
//!
//! Pure: facts and target in, files and findings out. There is one owner at a time; what an older one of ours has left is
//! taken away in the same change. Must never write a file that somebody else has made without keeping its text.

mod choose;
mod files;
mod ifcfg;
mod ifupdown;
mod locked;
mod netplan;
mod network_manager;
mod networkd;
mod shim;
#[cfg(test)]
mod tests;
mod unit;
mod wicked;

use super::RouteTarget;
use super::route::{HostObstacle, obstacle};
use super::shim::Shim;
use crate::core::model::Owner;
use crate::core::observed::Facts;
use crate::core::template::{TemplateError, Templates};

pub use choose::{Choice, choose};
pub use files::{FileChanges, file_changes, is_kept, is_preview, keepers, tables_of, without_ours};

/// What stands for a value that only applying can tell.
pub(super) const UNKNOWN: &str = "(known after apply)";

/// A file that an owner needs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OwnFile {
    path: String,
    text: String,
    mode: u32,
}

impl OwnFile {
    fn new(path: impl Into<String>, text: String, mode: u32) -> Self {
        Self { path: path.into(), text, mode }
    }
}

/// A target as words, for files.
struct Wanted<'a> {
    facts: &'a Facts,
    target: &'a RouteTarget,
    /// The device's name; not known as long as the interface is not attached.
    dev: String,
    mac: String,
    address: String,
}

impl<'a> Wanted<'a> {
    fn new(facts: &'a Facts, target: &'a RouteTarget) -> Self {
        let link = facts.links.iter().find(|link| Some(link.mac) == target.mac);
        let unknown = || UNKNOWN.to_owned();
        Self {
            facts,
            target,
            dev: link.map_or_else(unknown, |link| link.name.to_string()),
            mac: target.mac.map_or_else(unknown, |mac| mac.to_string()),
            address: target.address.map_or_else(unknown, |address| address.to_string()),
        }
    }

    /// The first line of every file of ours: by it they are known again.
    fn head(&self) -> String {
        head(self.target.table)
    }

    /// The shim's mark and the priority of its rule, if there is to be one: where the route's rule is, there this one is, too.
    fn mark_rule(&self) -> Option<(String, u32)> {
        let Shim { mark, priority, .. } = Shim::of(self.target);
        self.target.shim.then(|| (format!("{mark:#x}"), priority))
    }

    /// What a file's name has of us: one for each interface that we look after.
    fn name(&self) -> String {
        format!("egressctl-{}", self.target.table)
    }
}

fn head(table: u32) -> String {
    format!("# egressctl, table {table}: policy route of the secondary interface; edits are lost\n")
}

/// The files of one owner, `rc.local` excepted, which is not ours alone.
fn own_files(
    owner: Owner,
    wanted: &Wanted<'_>,
    templates: &Templates,
) -> Result<Vec<OwnFile>, TemplateError> {
    let mut files = match owner {
        Owner::Networkd => networkd::files(wanted),
        Owner::Netplan => netplan::files(wanted),
        Owner::NetworkManager => network_manager::files(wanted),
        Owner::Ifcfg => ifcfg::files(wanted),
        Owner::Ifupdown => ifupdown::files(wanted),
        Owner::Wicked => wicked::files(wanted),
        Owner::Unit => unit::files(wanted, templates)?,
        Owner::RcLocal => Vec::new(),
    };
    files.extend(shim::files(owner, wanted, templates)?);
    Ok(files)
}

/// What is in the way of an owner besides its files.
fn obstacles(owner: Owner, wanted: &Wanted<'_>) -> Vec<HostObstacle> {
    match owner {
        Owner::Networkd | Owner::Netplan => networkd::obstacles(wanted),
        Owner::Ifupdown => ifupdown::obstacles(wanted),
        Owner::NetworkManager => network_manager::obstacles(wanted),
        Owner::Unit => unit::obstacles(wanted),
        Owner::Ifcfg | Owner::Wicked | Owner::RcLocal => Vec::new(),
    }
}
