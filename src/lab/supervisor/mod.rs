//! The lab's supervisor: PID 1 of the lab mounts its state and starts the supervisor proper, which builds everything,
//! reports, answers commands, and ends when the parent's end of the lifeline is closed.
//!
//! Everything dies with PID 1: there is nothing to clean up, and nothing that could be forgotten.

mod book;
mod hosts;
mod papers;
mod server;
mod services;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use serde::{Deserialize, Serialize};

use super::init::reap_until;
use super::network::Network;
use super::spec::LabSpec;
use super::{paths, tool};

pub use hosts::Hosts;

/// What the supervisor tells the parent, once, as one line of JSON on standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ready {
    /// The lab is there; variables for commands in it.
    Up(BTreeMap<String, String>),
    /// It could not be built; a text for people.
    Failed(String),
}

/// PID 1 of the lab. Standard input is the lifeline, standard output takes [`Ready`].
///
/// # Errors
/// If the lab's file systems cannot be mounted or the supervisor proper cannot be started.
pub fn init(spec: &LabSpec) -> Result<(), String> {
    let result = mounts().and_then(|()| {
        rustix::system::sethostname(paths::BASTION.as_bytes()).map_err(|error| error.to_string())?;
        let text = serde_json::to_string(spec).map_err(|error| error.to_string())?;
        tool::write(&paths::spec(), 0o600, &text)?;
        let child = Command::new("/proc/self/exe").arg0("egressctl").args(["lab", "supervisor"]).spawn();
        child.map_err(|error| format!("supervisor: {error}"))
    });
    match result {
        Ok(child) => {
            let _ = reap_until(child.id());
            Ok(())
        }
        Err(text) => {
            report(&Ready::Failed(text.clone()));
            Err(text)
        }
    }
}

/// A private `/run`, and with it the lab's state; a `/sys` that shows the lab's devices and not the machine's.
fn mounts() -> Result<(), String> {
    let failed = |what: &str, error: rustix::io::Errno| format!("cannot mount {what}: {error}");
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(|error| failed("/ privately", error))?;
    mount("tmpfs", "/run", "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"mode=755"))
        .map_err(|error| failed("/run", error))?;
    mount("sysfs", "/sys", "sysfs", MountFlags::empty(), None).map_err(|error| failed("/sys", error))?;
    for folder in [paths::STATE, paths::NETNS, "/run/lock"] {
        std::fs::create_dir_all(folder).map_err(|error| format!("{folder}: {error}"))?;
    }
    std::fs::create_dir_all(paths::state("state")).map_err(|error| error.to_string())
}

/// The supervisor proper, a child of PID 1. Returns when the lifeline is closed or the lab could not be built.
///
/// # Errors
/// The reason, which has been reported to the parent as well.
pub fn run() -> Result<(), String> {
    let (ended, wait) = mpsc::channel();
    let lifeline = ended.clone();
    std::thread::spawn(move || {
        // The parent never writes; whatever ends the reading, the parent is gone.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = lifeline.send(Ok(()));
    });
    std::thread::spawn(move || match build() {
        Ok((variables, server)) => {
            report(&Ready::Up(variables));
            server.serve();
        }
        Err(text) => {
            report(&Ready::Failed(text.clone()));
            let _ = ended.send(Err(text));
        }
    });
    wait.recv().unwrap_or(Ok(()))
}

fn build() -> Result<(BTreeMap<String, String>, server::Server), String> {
    let text = std::fs::read_to_string(paths::spec()).map_err(|error| error.to_string())?;
    let spec: LabSpec = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let access = papers::Access::new()?;
    let network = Network::build(spec)?;
    let emulator = services::start(&network, &access)?;
    let hosts = Hosts::start(&network)?;
    papers::write(network.spec(), &hosts.public_keys())?;
    let hosts = Arc::new(hosts);
    let server = server::Server::listen(hosts, emulator)?;
    Ok((papers::variables(&access), server))
}

fn report(ready: &Ready) {
    if let Ok(text) = serde_json::to_string(ready) {
        // Without a parent there is nobody to tell.
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}
