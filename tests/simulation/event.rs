//! What happens in a simulation, as far as the invariants look at it.

use std::fmt;

use tokio::time::Instant;

use super::region::{Change, Request};

/// Something that happened, as far as the invariants look at it.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A controller sent a request; the host it is about.
    Sent { life: u64, host: usize, request: Request },
    /// A request has its effect now.
    CarriedOut { host: usize, request: Request },
    /// What a request began has come to its end.
    Finished { host: usize, change: Change },
    /// A controller sent a script that changes a host.
    Script { life: u64, host: usize, text: String },
    /// A host has changed: by a script, by its owner, by its power.
    Host { host: usize, what: &'static str },
    /// A record is durable.
    Append { host: usize, json: String },
    /// A text leaves the program: an event, a line about a run.
    Told { text: String },
    /// A controller came to the end of its verb. For every host: it was said that a human is needed.
    Ended { told: Vec<bool> },
    /// Nothing goes wrong any more, and everything that can be finished is.
    Rest,
    /// A finished fleet was planned and applied once more: requests that had an effect, changes of hosts.
    Again { writes: u64, changes: u64 },
    /// A controller was killed.
    Killed,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { life, host, request } => write!(f, "host {host}: life {life} sends {request:?}"),
            Self::CarriedOut { host, request } => write!(f, "host {host}: carried out {}", request.action()),
            Self::Finished { host, change } => write!(f, "host {host}: {change:?}"),
            Self::Script { life, host, text } => {
                let kind = text.rsplit_once("echo egressctl-").and_then(|(_, rest)| rest.split(' ').next());
                write!(f, "host {host}: life {life} runs {}", kind.unwrap_or("?"))
            }
            Self::Host { host, what } => write!(f, "host {host}: {what}"),
            Self::Append { host, json } => {
                write!(f, "host {host}: journal {}", json.chars().take(150).collect::<String>())
            }
            Self::Told { text } => write!(f, "told {}", text.chars().take(150).collect::<String>()),
            Self::Ended { .. } => f.write_str("the verb has ended"),
            Self::Rest => f.write_str("at rest"),
            Self::Again { writes, changes } => write!(f, "again: {writes} writes, {changes} changes"),
            Self::Killed => f.write_str("KILLED"),
        }
    }
}

/// How long a host's EIP has been bound to nothing, and whose doing that is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) since: Instant,
    pub(crate) life: u64,
    /// Something went wrong meanwhile, so that no limit holds.
    pub(crate) excused: bool,
}
