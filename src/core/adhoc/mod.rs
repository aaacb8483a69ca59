//! What hosts answered to one question put to all of them (`run`, `ping`, `facts`, `push`), and how it is shown.
//!
//! Pure: strings go out, nothing is shown from here. What a host said is escaped for people and exact for machines.

mod fold;
mod json;
mod lines;
mod push;

use crate::core::event::HostOutcome;
use crate::core::model::HostName;

pub use fold::{Block, block, fold, outcome_words};
pub use json::to_json;
pub use lines::Lines;
pub use push::{Destination, difference, push_block, push_fields};

/// What became of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// The host.
    pub host: HostName,
    /// How it went.
    pub outcome: HostOutcome,
    /// The connection was lost after the login, so what came of the command is not known.
    pub is_lost: bool,
    /// How long it took, the connection included, milliseconds.
    pub ms: u64,
    /// What it answered, if it did; a command that failed has answered.
    pub value: Option<T>,
}

impl<T> Answer<Option<T>> {
    /// The same answer; none inside is none.
    #[must_use]
    pub fn flatten(self) -> Answer<T> {
        Answer {
            host: self.host,
            outcome: self.outcome,
            is_lost: self.is_lost,
            ms: self.ms,
            value: self.value.flatten(),
        }
    }
}

/// What a command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Standard output, raw.
    pub stdout: Vec<u8>,
    /// Standard error, raw.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub exit: Exit,
    /// Output over the limit was dropped.
    pub truncated: bool,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// With this code.
    Code(u32),
    /// By this signal, named without `SIG`.
    Signal(String),
}

impl Exit {
    /// How the host's part went: any end but code 0 is a failure.
    #[must_use]
    pub fn outcome(&self) -> HostOutcome {
        match self {
            Self::Code(0) => HostOutcome::Ok,
            Self::Code(code) => HostOutcome::Failed(format!("exit code {code}")),
            Self::Signal(name) => HostOutcome::Failed(format!("ended by signal {name}")),
        }
    }
}
