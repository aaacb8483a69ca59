//! One host's run as a record of intents and outcomes; replaying the records gives the state back.
//!
//! Sans-IO: it says what comes next ([`Saga::next`]) and is told what happened ([`Saga::record`]). It never does anything,
//! and it refuses a record that cannot follow what it knows.

mod machine;
mod record;
#[cfg(test)]
mod tests;

pub use machine::{Illegal, Next, Saga};
pub use record::{Began, Effect, End, Record};
