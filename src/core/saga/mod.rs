//! One host's run as a record of intents and outcomes; replaying the records gives the state back.
//!
//! Pure: it decides what comes next and never does it.

mod record;

pub use record::{Effect, End, Record};
