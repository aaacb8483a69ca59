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
    /// The address with its prefix length.
    net: String,
    /// What the main table has of the interface; nothing in the `/32` form.
    beside: Option<Beside>,
}

/// The documented form's part of the main table, as files say it.
struct Beside {
    /// Metric of the default route.
    metric: u32,
    /// Metric of the route to the vSwitch; `None` as the kernel makes it.
    connected: Option<u32>,
}

impl<'a> Wanted<'a> {
    fn new(facts: &'a Facts, target: &'a RouteTarget) -> Self {
        let link = facts.links.iter().find(|link| Some(link.mac) == target.mac);
        let unknown = || UNKNOWN.to_owned();
        let address = target.address.map_or_else(unknown, |address| address.to_string());
        Self {
            facts,
            target,
            dev: link.map_or_else(unknown, |link| link.name.to_string()),
            mac: target.mac.map_or_else(unknown, |mac| mac.to_string()),
            net: format!("{address}/{}", target.prefix()),
            address,
            beside: target.form.documented().map(|form| Beside {
                metric: form.metric,
                connected: Some(form.connected).filter(|metric| *metric > 0),
            }),
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

/// Whether an owner can make the route to the interface's subnet a worse one than the primary's.
#[must_use]
pub fn gives_metric(owner: Owner) -> bool {
    match owner {
        Owner::NetworkManager | Owner::Ifupdown | Owner::Unit | Owner::RcLocal => true,
        // networkd 252 keeps RouteMetric= and AddPrefixRoute= from some addresses that were there before.
        Owner::Networkd | Owner::Netplan | Owner::Ifcfg | Owner::Wicked => false,
    }
}

/// The documented form must not lead the primary's answers to its own subnet by the interface.
fn without_metric(owner: Owner, wanted: &Wanted<'_>) -> Option<HostObstacle> {
    wanted.beside.as_ref().filter(|beside| beside.connected.is_none())?;
    let fix = "let route.form be slash32";
    let what = |why| {
        format!("{} cannot give the route to the interface's subnet a metric, and {why}", owner.label())
    };
    match wanted.target.primary_metric(wanted.facts) {
        Some(metric) if metric > 0 => Some(obstacle(
            "owner-without-metric",
            what("the primary's own has one"),
            "ours would be the better one, and answers of the primary to its subnet would leave by the interface",
            fix,
        )),
        // It configures links as they appear, in no order.
        Some(_) if matches!(owner, Owner::Networkd | Owner::Netplan) => Some(obstacle(
            "owner-without-metric",
            what("systemd-networkd may make it before the primary's at a boot"),
            "then answers of the primary to its subnet would leave by the interface",
            fix,
        )),
        _ => None,
    }
}

/// What is in the way of an owner besides its files.
fn obstacles(owner: Owner, wanted: &Wanted<'_>) -> Vec<HostObstacle> {
    if let Some(obstacle) = without_metric(owner, wanted) {
        return vec![obstacle];
    }
    match owner {
        Owner::Networkd | Owner::Netplan => networkd::obstacles(wanted),
        Owner::Ifupdown => ifupdown::obstacles(wanted),
        Owner::NetworkManager => network_manager::obstacles(wanted),
        Owner::Unit => unit::obstacles(wanted),
        Owner::Ifcfg | Owner::Wicked | Owner::RcLocal => Vec::new(),
    }
}
