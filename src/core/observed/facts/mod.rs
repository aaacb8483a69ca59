//! What a host says of itself, as typed values.
//!
//! Everything in here was printed by the host and is therefore data: it is compared and shown escaped, and never becomes
//! part of a command or a template.

mod lines;
mod parse;
mod surroundings;
mod system;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

pub use parse::parse_facts;
pub use system::{Claim, ConfigFile, Service, Socket, Space, System};

/// Facts that cannot be read.
pub type FactsError = crate::core::observed::HostTextError;

use crate::core::model::{IfName, InstanceId, MacAddr};

/// One host's network as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Effective user id of the session that looked.
    pub uid: u32,
    /// `PRETTY_NAME` of `/etc/os-release`, or its `ID`, or empty.
    pub os: String,
    /// `uname -r`.
    pub kernel: String,
    /// Version line of `ip -V`.
    pub iproute: String,
    /// An HTTP client is on the host: `curl`, else `wget`.
    pub http_client: Option<HttpClient>,
    /// The instance id by the metadata service, or by cloud-init's record of it.
    pub instance: Option<InstanceId>,
    /// Network devices with an Ethernet address that are not stacked upon another one (as a VLAN is).
    pub links: Vec<Link>,
    /// IPv4 addresses except those of `lo`.
    pub addresses: Vec<Address>,
    /// `ip -4 rule`, in order.
    pub rules: Vec<Rule>,
    /// `ip -4 route show table all` without the `local` table's routes.
    pub routes: Vec<Route>,
    /// What `ip -4 route get` says of a public destination.
    pub internet_route: Option<RouteChoice>,
    /// `rc.local` as it is.
    pub rc_local: RcLocal,
    /// The system around the network.
    #[serde(default)]
    pub system: System,
    /// Configuration files of the network's owners, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, ConfigFile>,
}

/// Which HTTP client a host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpClient {
    /// curl(1)
    Curl,
    /// GNU or BusyBox wget(1)
    Wget,
}

/// A network device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its name.
    pub name: IfName,
    /// Its hardware address.
    pub mac: MacAddr,
    /// It is administratively up.
    pub up: bool,
    /// Its MTU in bytes.
    pub mtu: u32,
}

/// An IPv4 address on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The device.
    pub dev: IfName,
    /// Address and prefix length.
    pub net: Ipv4Net,
}

/// A policy routing rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its priority (`pref`).
    pub priority: u32,
    /// Its source selector; `None` for `from all`.
    pub from: Option<Ipv4Net>,
    /// The table it looks up, where it does and the table is numeric or one of local, main, default.
    pub table: Option<u32>,
    /// It has selectors or actions besides `from` and `lookup`.
    pub more: bool,
    /// The line as printed.
    pub text: String,
}

/// The number of the main routing table.
pub const MAIN_TABLE: u32 = 254;

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Table number.
    pub table: u32,
    /// Destination; 0.0.0.0/0 for `default`.
    pub destination: Ipv4Net,
    /// Next hop.
    pub via: Option<Ipv4Addr>,
    /// Device.
    pub dev: Option<IfName>,
    /// Metric, 0 if none is printed.
    pub metric: u32,
    /// It has the `onlink` flag.
    pub onlink: bool,
    /// The line as printed, without its table.
    pub text: String,
}

/// The kernel's answer to `ip route get`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteChoice {
    /// Device chosen.
    pub dev: IfName,
    /// Source address chosen.
    pub source: Ipv4Addr,
}

/// `rc.local` as it is on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RcLocal {
    /// The file itself, after following `/etc/rc.local` if that is a link; where it would be created if absent.
    pub path: String,
    /// Its content; `None` if there is no file.
    pub content: Option<String>,
    /// Permission bits, e.g. 0o755; 0 if there is no file.
    pub mode: u32,
    /// A reason why it cannot be edited safely (not text, too large, a dangling or foreign link), if there is one.
    pub obstacle: Option<String>,
}
