//! OpenSSH's client configuration: text to blocks, blocks to what holds for one host.
//!
//! Must never read files (the caller does, also for `Include`), never run anything (`Match exec` never matches), and never
//! take a value that weakens the check of host keys or lends out the agent: those are told and not obeyed. What is accepted
//! and how lines are split is described in ssh_config(5); `ssh -G` is the referee of the tests.

mod algorithms;
mod criteria;
mod keyword;
mod parse;
mod pattern;
mod resolve;
mod settings;
#[cfg(test)]
mod tests;
mod token;
mod value;
mod words;

use std::fmt;

use crate::core::text::clean_line;

pub use algorithms::{AlgorithmList, Algorithms};
pub use parse::{Included, SshConfig};
pub(crate) use pattern::glob_matches;
pub use resolve::{Query, Resolved, resolve};
pub use settings::{Proxy, Settings, Strictness};
pub use token::Tokens;
pub use value::{JumpSpec, jump_chain};

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's name as given.
    pub file: String,
    /// Line number, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", clean_line(self.file.as_bytes(), 300), self.line)
    }
}

/// What is wrong with a line, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// What is wrong and how to mend it, in one line; whatever it quotes is escaped.
    pub message: String,
}

impl ConfigError {
    fn new(place: Place, message: &str) -> Self {
        Self { place, message: clean_line(message.as_bytes(), 400) }
    }
}

/// Something that was read and is not obeyed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// What it is, such as `ForwardAgent`.
    pub what: String,
    /// Where it stands.
    pub place: Place,
}

/// The name under which OpenSSH records a host: the plain name for port 22, else `[host]:port`.
#[must_use]
pub fn lookup_name(host: &str, port: u16) -> String {
    if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") }
}

/// Such a name without its port: `[web]:2222` is `web`.
#[must_use]
pub fn bare_name(name: &str) -> &str {
    name.strip_prefix('[').and_then(|rest| rest.rsplit_once("]:")).map_or(name, |(host, _)| host)
}
