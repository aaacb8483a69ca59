//! A whole cloud on one Linux machine: network namespaces, an ECS/VPC API emulator, hosts with SSH, "the internet".
//!
//! Invariant: nothing in here ever touches the machine's own network, routes, firewall or files outside its own temporary
//! mounts; everything happens in namespaces without an uplink, and ends with the process that started it.

pub mod emulator;
pub mod fabric;
pub mod spec;
