//! Where the lab keeps its state, as seen from inside the lab: a tmpfs on `/run` that dies with the lab's mount namespace.
//!
//! Must never name a place outside that tmpfs.

use std::path::PathBuf;

/// The lab's state directory.
pub const STATE: &str = "/run/egressctl-lab";
/// Where `ip netns` keeps its handles of network namespaces.
pub const NETNS: &str = "/run/netns";
/// Name of the bastion's network namespace, and its hostname.
pub const BASTION: &str = "bastion";
/// Name of the network namespace that plays the internet.
pub const INTERNET: &str = "internet";

/// A file in the state directory.
#[must_use]
pub fn state(name: &str) -> PathBuf {
    PathBuf::from(STATE).join(name)
}

/// The blueprint, as JSON.
#[must_use]
pub fn spec() -> PathBuf {
    state("lab.json")
}

/// The control socket.
#[must_use]
pub fn control() -> PathBuf {
    state("control")
}

/// The inventory of the lab's hosts.
#[must_use]
pub fn inventory() -> PathBuf {
    state("inventory.yaml")
}

/// The private key that opens all hosts.
#[must_use]
pub fn key() -> PathBuf {
    state("key")
}

/// The hosts' keys under their private addresses.
#[must_use]
pub fn known_hosts() -> PathBuf {
    state("known_hosts")
}

/// What a host keeps over reboots: its `etc`, `root`, `var` and `boot.json`.
#[must_use]
pub fn host(name: &str) -> PathBuf {
    state("hosts").join(name)
}

/// The handle of a network namespace.
#[must_use]
pub fn netns(name: &str) -> PathBuf {
    PathBuf::from(NETNS).join(name)
}
