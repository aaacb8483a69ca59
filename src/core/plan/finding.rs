//! Something a person should know before anything is changed.

use serde::{Deserialize, Serialize};

use super::Code;

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

impl Severity {
    /// One word for people.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Refusal => "refused",
            Self::Unreachable => "unreachable",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What was found, why it matters, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What kind of thing it is.
    #[serde(default)]
    pub code: Code,
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
        Self::new(Severity::Refusal, what.into(), why.into(), fix.into())
    }

    /// Something to look at.
    pub fn warning(what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Severity::Warning, what.into(), why.into(), fix.into())
    }

    /// For information.
    pub fn note(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Severity::Note, what.into(), why.into(), String::new())
    }

    /// The host could not be looked at.
    pub fn unreachable(what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Severity::Unreachable, what.into(), why.into(), fix.into())
    }

    const fn new(severity: Severity, what: String, why: String, fix: String) -> Self {
        Self { severity, code: Code::Other, what, why, fix }
    }

    /// How much it matters, and its code if it has one.
    #[must_use]
    pub fn label(&self) -> String {
        match self.code {
            Code::Other => self.severity.label().to_owned(),
            code => format!("{} [{code}]", self.severity.label()),
        }
    }

    /// The same with its code.
    #[must_use]
    pub fn coded(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// The same, with a code for what the host itself showed if it has none.
    #[must_use]
    pub fn of_host(self) -> Self {
        let code = match (self.code, self.severity) {
            (Code::Other, Severity::Refusal | Severity::Unreachable) => Code::HostObstacle,
            (Code::Other, Severity::Warning | Severity::Note) => Code::HostRemark,
            (code, _) => code,
        };
        self.coded(code)
    }
}
