//! The simulation: the real engine with its plans, scripts and records, against a cloud, hosts and journals that go wrong in
//! every way that a seed draws, in virtual time. The ten invariants are looked at after every event.
//!
//! Everything is drawn from one seed, so a seed is a test case. Used by the suite and by the bench of the same name.

mod broken;
mod calm;
mod cloud;
mod event;
mod faults;
pub(crate) mod host;
mod invariants;
mod journal;
mod judge;
pub(crate) mod operator;
mod region;
mod request;
mod scenario;
pub(crate) mod script;
pub(crate) mod tally;
mod transport;
mod universe;

pub(crate) use calm::fleet;
pub(crate) use scenario::{one, seeds};
pub(crate) use tally::Tally;
