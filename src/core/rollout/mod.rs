//! How a run goes over its hosts: in which waves, how much may go wrong, what is waited for in between, and where it has come to.
//!
//! Pure: time passes and people answer elsewhere. Must never let a host begin twice or leave one out.

mod breaker;
mod budget;
mod ledger;
mod policy;
mod progress;
mod show;
mod waves;

#[cfg(test)]
mod tests;

pub use breaker::{Breaker, BreakerPolicy};
pub use budget::Budget;
pub use ledger::Ledger;
pub use policy::{Approve, Rollout};
pub use progress::Progress;
pub use show::waves_text;
pub use waves::{Kind, Waves, waves};
