//! What runs a host and who has its network in hand, as typed values.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::core::model::{IfName, Owner};

/// The system around the network. Empty texts and lists mean that it could not be told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct System {
    /// `ID` of `/etc/os-release`, such as `debian`.
    pub id: String,
    /// `VERSION_ID` of `/etc/os-release`, such as `12`.
    pub version: String,
    /// The address that the login comes from, where the session says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<IpAddr>,
    /// The name of process 1, such as `systemd`.
    pub init: String,
    /// The version of systemd(1), where there is one.
    pub systemd: Option<u32>,
    /// The version of NetworkManager, where there is one: major and minor.
    pub network_manager: Option<(u32, u32)>,
    /// What `cloud-init --version` says.
    pub cloud_init: String,
    /// Services that own the network or change it, by name without `.service`; only those that are installed.
    pub services: BTreeMap<String, Service>,
    /// Who says that a device is theirs.
    pub claims: Vec<Claim>,
    /// Which of the commands that we may need are there.
    pub tools: BTreeSet<String>,
    /// `net.ipv4.*` by name, such as `conf.all.rp_filter`.
    pub sysctls: BTreeMap<String, u32>,
    /// Sockets that wait for others: TCP in LISTEN, UDP without a peer.
    pub sockets: Vec<Socket>,
    /// firewalld's zones with the devices that are in them.
    pub zones: BTreeMap<String, Vec<String>>,
    /// Lines of the packet filter that name a device, an address or a translation, as printed.
    pub filter: Vec<String>,
    /// Tables of nft that are shims of ours, by the routing table in their names, as listed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub shims: BTreeMap<u32, String>,
    /// Lines of the packet filter, ours left out, that name marks, as printed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<String>,
    /// Mount points among `/`, `/etc` and `/var` that are read-only.
    pub read_only: Vec<String>,
    /// Of the folders that we may have to write in, those that are there.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub folders: BTreeSet<String>,
    /// Of these, those that are immutable or append only.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub locked: BTreeSet<String>,
    /// What is left where `/etc` is: KiB and inodes. A file system without inodes says nothing of them.
    pub space: Option<Space>,
    /// `enforcing`, `permissive`, `disabled`, or empty.
    pub selinux: String,
    /// Default routes of IPv6, as printed.
    pub routes6: Vec<String>,
    /// Entries of the connection tracker and how many it may have.
    pub conntrack: Option<(u64, u64)>,
    /// Files that make rc.local run: its unit or its generator.
    pub rc_local_runners: Vec<String>,
}

/// A service's state, as systemd has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// It runs.
    pub active: bool,
    /// `enabled`, `disabled`, `masked`, `static`, `generated`, or empty.
    pub enabled: String,
}

/// A manager that has a device in hand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claim {
    /// Which one.
    pub owner: Owner,
    /// The device.
    pub dev: IfName,
    /// Its own word for the state, such as `configured`.
    pub state: String,
}

/// A socket that waits for others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Socket {
    /// It is UDP, otherwise TCP.
    pub udp: bool,
    /// The local address; `None` is any.
    pub address: Option<IpAddr>,
    /// The local port.
    pub port: u16,
    /// The process, where that could be told.
    pub process: String,
}

/// What is left on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// In KiB.
    pub kib: u64,
    /// Inodes; `None` where the file system does not count them.
    pub inodes: Option<u64>,
}

/// A configuration file of the network, as it is on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFile {
    /// Its content; `None` if it could not be, or is not, given.
    pub content: Option<String>,
    /// Permission bits.
    pub mode: u32,
    /// Why its content is not given, or why it must not be replaced.
    pub obstacle: Option<String>,
}

impl System {
    /// The service runs.
    #[must_use]
    pub fn is_active(&self, service: &str) -> bool {
        self.services.get(service).is_some_and(|service| service.active)
    }

    /// The service runs, or will at the next boot.
    #[must_use]
    pub fn is_wanted(&self, service: &str) -> bool {
        self.services
            .get(service)
            .is_some_and(|service| service.active || service.enabled.starts_with("enabled"))
    }

    /// The value in force for a device: the larger one of `all` and the device's own.
    #[must_use]
    pub fn effective(&self, name: &str, dev: &str) -> Option<u32> {
        let value = |dev: &str| self.sysctls.get(&format!("conf.{dev}.{name}")).copied();
        value("all").max(value(dev))
    }
}
