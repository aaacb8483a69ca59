//! Something a person should know before anything is changed.

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The host is not touched.
    Refusal,
    /// The host is not touched, because it could not be looked at.
    Unreachable,
    /// The host is changed, and somebody should look at this.
    Warning,
    /// For information.
    Note,
}

/// What was found, why it matters, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What was found.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// What to do about it.
    pub fix: String,
}

impl Finding {
    /// A reason not to touch the host.
    pub fn refusal(what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Refusal, what: what.into(), why: why.into(), fix: fix.into() }
    }

    /// Something to look at.
    pub fn warning(what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, what: what.into(), why: why.into(), fix: fix.into() }
    }

    /// For information.
    pub fn note(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { severity: Severity::Note, what: what.into(), why: why.into(), fix: String::new() }
    }
}
