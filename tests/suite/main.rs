//! The one integration-test binary.
//!
//! Modules are declared for tests only, so that the lints for tests hold in their helpers too.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod cloud_fleet;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod enumeration;
#[cfg(test)]
mod fuzz_corpus;
#[cfg(test)]
mod host_scripts;
#[cfg(test)]
mod inventories;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod lab_end;
#[cfg(test)]
mod lab_fabric;
#[cfg(test)]
mod lab_net;
#[cfg(test)]
mod lab_verbs;
#[cfg(test)]
mod main_job;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod preflight;
#[cfg(test)]
mod sdk_interop;
#[cfg(test)]
#[path = "../simulation/mod.rs"]
mod sim;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod ssh_config;
#[cfg(test)]
mod ssh_live;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tidy;
