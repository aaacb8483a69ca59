//! A whole cloud on one Linux machine: network namespaces, an ECS/VPC API emulator, hosts with SSH, "the internet".
//!
//! Invariant: nothing in here ever touches the machine's own network, routes, firewall or files outside its own temporary
//! mounts; everything happens in namespaces without an uplink, and ends with the process that started it.
//!
//! Who is who: the *parent* is what a person starts (`lab run`). It starts the *supervisor* in namespaces of its own, whose
//! network namespace is the VPC's edge router. The supervisor starts the *hosts*, each with an init of its own, and keeps
//! the lab until the parent's end of a pipe, the *lifeline*, is closed.

pub mod client;
pub mod control;
pub mod emulator;
pub mod enter;
pub mod fabric;
pub mod host;
pub mod init;
pub mod network;
pub mod parent;
pub mod paths;
pub mod services;
pub mod spec;
pub mod supervisor;
mod tool;

/// Why a lab command ended without doing its work, and the exit code to end with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct LabError {
    /// For the shell.
    pub code: u8,
    /// For people.
    pub text: String,
}

impl From<String> for LabError {
    fn from(text: String) -> Self {
        Self { code: 1, text }
    }
}
