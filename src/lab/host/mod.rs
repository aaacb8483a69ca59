//! A host of the lab: the files it keeps over reboots, and its PID 1 that mounts, boots and serves SSH.
//!
//! Everything but [`prepare`] runs inside the host's own namespaces. Must never be run outside a lab: it mounts over `/etc`.

mod boot;
mod files;
mod image;
mod mounts;
mod owner;
mod ssh;

use std::net::Ipv4Addr;
use std::path::Path;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::paths;
use super::spec::{Flavour, HostSpec, Sshd};

pub(super) use boot::PATH as BOOT_PATH;
pub(super) use files::shipped_rc_local;
pub use files::{Keys, prepare};
pub(super) use image::lay_out as lay_out_minimal_image;
pub(super) use ssh::sshd_config;
pub use ssh::{keypair, serve_builtin};

/// Under which name the boot record lies among what the host keeps.
pub const BOOT_RECORD: &str = "boot.json";

/// What PID 1 of a host must know before it hides the lab's state from itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// The host.
    pub host: HostSpec,
    /// Its SSH server.
    pub sshd: Sshd,
    /// Its interfaces, the primary one first: what a DHCP server would answer.
    pub nics: Vec<Nic>,
}

/// An interface as a DHCP server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// The device.
    pub device: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// The subnet.
    pub cidr: Ipv4Net,
}

impl Boot {
    /// Leaves the record for the next boot.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self) -> Result<(), String> {
        let path = paths::host(self.host.name.as_str()).join(BOOT_RECORD);
        let text = serde_json::to_string(self).map_err(|error| error.to_string())?;
        super::tool::write(&path, 0o600, &text)
    }

    fn load(name: &str) -> Result<Self, String> {
        let path = paths::host(name).join(BOOT_RECORD);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// PID 1 of a host: boots it, starts its SSH server and keeps it running. Returns only if the boot failed.
///
/// # Errors
/// A text for the lab's log.
pub fn init(name: &str) -> Result<(), String> {
    let boot = Boot::load(name)?;
    // The kernel would show the name of the link that this program was started by.
    rustix::thread::set_name(c"init").map_err(|error| error.to_string())?;
    rustix::system::sethostname(boot.host.name.as_str().as_bytes()).map_err(|error| error.to_string())?;
    mounts::prepare(&boot)?;
    boot::run(&boot)?;
    ssh::keep_running(boot.sshd)
}

/// Where the boot scripts of this flavour are looked for.
pub(super) fn rc_local(flavour: Flavour) -> &'static Path {
    Path::new(match flavour {
        Flavour::Rhel => "/etc/rc.d/rc.local",
        Flavour::Debian | Flavour::Minimal => "/etc/rc.local",
    })
}
