//! The pure half: what is wanted, what was seen, what to do about it, and how it went.
//!
//! Nothing in here may do I/O, read a clock, draw a random number or be async. Same inputs, same bytes.

pub mod adhoc;
pub mod audit;
pub mod checkup;
pub mod contact;
pub mod event;
pub mod explain;
pub mod inventory;
pub mod model;
pub(crate) mod near;
pub mod observed;
pub mod permissions;
pub mod plan;
pub mod preflight;
pub mod report;
pub mod rescue;
pub mod rollout;
pub mod run;
pub mod saga;
pub mod saved;
pub mod ssh_config;
pub mod status;
pub mod template;
pub mod text;
pub mod verify;
pub(crate) mod words;
