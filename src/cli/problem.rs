//! Why a verb ends early, with the exit code that says so.

use std::process::ExitCode;

use crate::engine::EngineError;
use crate::ports::JournalError;

/// A message for people and an exit code.
#[derive(Debug)]
pub(super) struct Problem {
    message: String,
    code: u8,
}

impl Problem {
    /// An ordinary failure, exit code 1.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// Another run holds what this one needs, exit code 5.
    pub(super) fn locked(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 5 }
    }

    /// A mistake on the command line, exit code 64.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: super::USAGE }
    }

    /// A plan that must not be followed any more, exit code 6.
    pub(super) fn stale(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 6 }
    }

    /// The journal does not do it, exit code 1.
    #[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
    pub(super) fn journal(error: JournalError) -> Self {
        Self::failed(error.to_string())
    }

    /// The message alone.
    pub(super) fn into_message(self) -> String {
        self.message
    }

    /// Says it on standard error.
    pub(super) fn report(self) -> ExitCode {
        crate::ui::complain(&self.message);
        ExitCode::from(self.code)
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        Self::failed(error.to_string())
    }
}
