//! egressctl gives a fleet of cloud hosts one shared egress address without losing anybody's inbound address.
//!
//! The straight line, which is also the order of the modules:
//!
//! ```text
//! inventory -> Desired --+
//! cloud + hosts -> Observed --> core::plan -> Plan -> engine::apply -> Outcome -> engine::verify -> Report
//! ```
//!
//! Imports go down only: `cli -> {engine, ui, lab} -> ports -> core`; the adapters `cloud`, `ssh` and `journal` know
//! `ports` and `core`, never each other or the engine. `tests/suite/tidy.rs` enforces this table.

pub mod cli;
pub mod cloud;
pub mod core;
pub mod engine;
pub mod journal;
pub mod lab;
pub mod ports;
pub mod ssh;
pub mod ui;
