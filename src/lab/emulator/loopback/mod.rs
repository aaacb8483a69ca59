//! The whole emulator over HTTP on the loopback interface, with a fabric that only remembers.

mod client;
mod fabric;
mod faults;
mod groups;
mod procedure;
mod reading;
mod refusals;
mod tokens;
