//! What commands inside the lab and its supervisor say to each other: one JSON line each way, over a socket that only
//! exists inside the lab.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::emulator::Summary;
use super::spec::{Flavour, Sshd};
use crate::core::model::{HostName, InstanceId, MacAddr};

/// A wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// How the lab is.
    Status,
    /// Kill this host, take its network state, boot it. Answered when its SSH server accepts connections.
    Reboot(HostName),
    /// What the lab's cloud was called for.
    Calls,
    /// From now on the lab's cloud goes wrong as this fault file says; an empty one ends all faults.
    Faults(String),
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Status),
    /// To [`Request::Calls`].
    Calls(Box<Summary>),
    /// It is done.
    Done,
    /// It did not work; a text for people.
    Failed(String),
}

/// A lab as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its seed.
    pub seed: u64,
    /// SSH server of its hosts.
    pub sshd: Sshd,
    /// Its hosts.
    pub hosts: Vec<HostStatus>,
    /// Public addresses and the private ones they are bound to.
    pub bindings: BTreeMap<Ipv4Addr, Ipv4Addr>,
}

/// A host as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStatus {
    /// Its name.
    pub name: HostName,
    /// Its instance.
    pub instance: InstanceId,
    /// Its kind.
    pub flavour: Flavour,
    /// Pid of the `unshare` that holds its namespaces, as seen inside the lab.
    pub unshare: u32,
    /// Pid of its init, as seen inside the lab.
    pub init: u32,
    /// Its interfaces, the primary one first.
    pub ports: Vec<PortStatus>,
}

/// An interface as it is plugged now; how the host configured it is the host's affair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortStatus {
    /// The device on the host when it was plugged.
    pub device: String,
    /// Its hardware address.
    pub mac: MacAddr,
    /// Its address in the cloud.
    pub address: Ipv4Addr,
    /// The public address bound to that.
    pub public: Option<Ipv4Addr>,
}
