//! The lease of a host, as far as the script is told of it.

use serde::Serialize;

use crate::core::model::{Operator, RunId};

/// What to do with a host's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseVerb {
    /// Take it if nobody holds it, if it has expired, or if the same run holds it.
    Acquire,
    /// Hold it for the full time again.
    Renew,
    /// Give it back, by its nonce.
    Release,
    /// Only tell who holds it.
    Show,
}

/// Values of the lease script.
#[derive(Debug, Clone, Serialize)]
pub struct LeaseParams<'a> {
    /// What to do.
    pub verb: LeaseVerb,
    /// For which run.
    pub run: &'a RunId,
    /// Whose run.
    pub owner: &'a Operator,
    /// Tells this lease from every other one: 16 hexadecimal digits.
    pub nonce: &'a str,
    /// How long it holds unless it is renewed, in seconds.
    pub seconds: u32,
}
