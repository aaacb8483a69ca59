//! The policy route a host should have, and what is missing for it.

mod after;
mod changes;
mod diff;
mod form;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::Finding;
use crate::core::model::{MacAddr, Owner};

pub use after::after;
pub use changes::host_changes;
pub use diff::unified_diff;
pub use form::{Documented, MainRoute, RouteForm};

/// The policy route a host should have: an address on the secondary interface, one `onlink` default route in a table of its
/// own, one rule that sends packets from that address there. The primary interface stays as it is, and so does the main
/// table, unless the form says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "TargetForm", into = "TargetForm")]
pub struct RouteTarget {
    /// Hardware address of the secondary interface; `None` is "known after apply".
    pub mac: Option<MacAddr>,
    /// Primary private address of the secondary interface; `None` is "known after apply".
    pub address: Option<Ipv4Addr>,
    /// Gateway of the secondary interface's vSwitch.
    pub gateway: Ipv4Addr,
    /// Primary private address of the instance.
    pub primary_ip: Ipv4Addr,
    /// Routing table.
    pub table: u32,
    /// Rule priority.
    pub priority: u32,
    /// What keeps it over a reboot; `None` is nothing.
    pub owner: Option<Owner>,
    /// The compatibility shim belongs to it.
    pub shim: bool,
    /// How the interface stands in the main table.
    pub form: RouteForm,
}

/// A target as journals and saved plans have it: the first version knew `rc.local` alone.
#[derive(Clone, Serialize, Deserialize)]
struct TargetForm {
    mac: Option<MacAddr>,
    address: Option<Ipv4Addr>,
    gateway: Ipv4Addr,
    primary_ip: Ipv4Addr,
    table: u32,
    priority: u32,
    rc_local: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<Owner>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    shim: bool,
    #[serde(default, skip_serializing_if = "RouteForm::is_slash32")]
    form: RouteForm,
}

impl From<TargetForm> for RouteTarget {
    fn from(form: TargetForm) -> Self {
        let TargetForm { mac, address, gateway, primary_ip, table, priority, rc_local, owner, shim, form } =
            form;
        let owner = if rc_local { Some(Owner::RcLocal) } else { owner };
        Self { mac, address, gateway, primary_ip, table, priority, owner, shim, form }
    }
}

impl From<RouteTarget> for TargetForm {
    fn from(target: RouteTarget) -> Self {
        let RouteTarget { mac, address, gateway, primary_ip, table, priority, owner, shim, form } = target;
        let rc_local = owner == Some(Owner::RcLocal);
        let owner = owner.filter(|_| !rc_local);
        Self { mac, address, gateway, primary_ip, table, priority, rc_local, owner, shim, form }
    }
}

/// What has to change on a host for a [`RouteTarget`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostChanges {
    /// Changes of the running network, one command each. For people; the apply script finds its own way to the same state.
    pub routes: Vec<RouteChange>,
    /// The changes of files, in the order in which they are made: what keeps the route over a reboot, and what an older
    /// way of keeping it has left. A preview, not to be applied, as long as the target has unknown values.
    pub files: Vec<FileChange>,
    /// Who has to hear of the files.
    pub reload: Vec<Owner>,
    /// What a person should know and that stops nothing.
    pub warnings: Vec<Finding>,
}

impl HostChanges {
    /// The host has exactly what it should have.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.files.is_empty()
    }
}

/// One change of the running network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteChange {
    /// What it is about.
    pub part: RoutePart,
    /// The command, with `+ ` or `- ` in front.
    pub line: String,
}

/// The parts of a host's running network that a policy route is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutePart {
    /// The primary interface's default route in the main table.
    Primary,
    /// Routes of the main table that lead through the secondary interface.
    Main,
    /// The secondary interface's device.
    Device,
    /// Its addresses.
    Address,
    /// The route in the table of its own.
    Table,
    /// The rule that leads there.
    Rule,
    /// The compatibility shim: its table of nft and its rule.
    Shim,
}

/// The change of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// The file itself, links resolved.
    pub path: String,
    /// Its content before; `None` if there is no file.
    pub before: Option<String>,
    /// Its content after; `None` if it is removed.
    pub after: Option<String>,
    /// Permission bits before; 0 if there is no file.
    pub mode_before: u32,
    /// Permission bits after; 0 if it is removed.
    pub mode_after: u32,
}

impl FileChange {
    /// The change as a unified diff, a change of mode included.
    #[must_use]
    pub fn diff(&self) -> String {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let text = unified_diff(&text(&self.before), &text(&self.after), &self.path);
        if self.mode_before == self.mode_after {
            return text;
        }
        format!("# mode {:04o} -> {:04o}\n{text}", self.mode_before, self.mode_after)
    }
}

/// A reason why a host's part must not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostObstacle {
    /// A word for machines.
    pub code: String,
    /// What is in the way.
    pub what: String,
    /// Why that matters.
    pub why: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for HostObstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}; {}", self.what, self.why, self.fix)
    }
}

pub(super) fn obstacle(code: &str, what: impl Into<String>, why: &str, fix: &str) -> HostObstacle {
    HostObstacle { code: code.to_owned(), what: what.into(), why: why.to_owned(), fix: fix.to_owned() }
}
