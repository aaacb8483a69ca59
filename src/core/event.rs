//! The one language every front end reads: bars, lines and machines fold the same stream.
//!
//! Producers say what happened and never how to show it.

use serde::{Deserialize, Serialize};

use crate::core::model::{HostName, RunId};
use crate::core::plan::StepKind;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A stage of the whole command began.
    StageStarted {
        /// Which.
        stage: Stage,
        /// How many hosts take part.
        hosts: usize,
    },
    /// A stage is over for one host.
    HostDone {
        /// Which stage.
        stage: Stage,
        /// Which host.
        host: HostName,
        /// How it went.
        outcome: HostOutcome,
    },
    /// A stage is over.
    StageFinished {
        /// Which.
        stage: Stage,
    },
    /// A command said a line while it runs.
    HostSaid {
        /// Which host.
        host: HostName,
        /// It came by standard error.
        stderr: bool,
        /// The line, escaped.
        line: String,
    },
    /// A run with a journal began.
    RunStarted {
        /// Its id.
        run: RunId,
    },
    /// A wave began.
    WaveStarted {
        /// Its number, from 1.
        wave: usize,
        /// How many waves there are.
        of: usize,
        /// How many hosts are in it.
        hosts: usize,
    },
    /// A wave no longer keeps the next one from beginning.
    WaveFinished {
        /// Its number.
        wave: usize,
        /// How many waves there are.
        of: usize,
        /// Hosts of this and earlier waves that are still at work; the failure budget holds even if all of them fail.
        at_work: usize,
    },
    /// The next wave waits for the soak time.
    Soaking {
        /// The wave that waits.
        wave: usize,
        /// How long, milliseconds.
        ms: u64,
    },
    /// The next wave waits for an approval.
    Waiting {
        /// The wave that waits.
        wave: usize,
    },
    /// Somebody approved a wave.
    Approved {
        /// The wave.
        wave: usize,
        /// Who, as `user@bastion`.
        by: String,
    },
    /// Hosts that have not begun will not begin any more.
    Stopped {
        /// Why.
        reason: String,
    },
    /// Too many changes in the cloud failed for good: no host is put at risk any more, and those that are are finished.
    BreakerOpened {
        /// How many, and the last of them.
        reason: String,
    },
    /// A step began on a host.
    StepStarted {
        /// Which host.
        host: HostName,
        /// Which step.
        step: StepKind,
        /// It is being undone.
        undo: bool,
    },
    /// A step is over.
    StepFinished {
        /// Which host.
        host: HostName,
        /// Which step.
        step: StepKind,
        /// It was being undone.
        undo: bool,
        /// Why it failed, if it did.
        error: Option<String>,
    },
}

/// The stages of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading the cloud and the hosts.
    Discover,
    /// Applying the plan.
    Apply,
    /// Probing.
    Verify,
    /// Taking a run back.
    Rollback,
    /// Running a command.
    Run,
    /// Logging in and nothing else.
    Ping,
    /// Reading facts.
    Facts,
    /// Writing a file.
    Push,
    /// Asking hosts how they stand.
    Status,
    /// Confirming what waits on hosts.
    Confirm,
}

/// How a stage went for one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome", content = "reason")]
pub enum HostOutcome {
    /// Nothing was wrong, nothing was done.
    Ok,
    /// It was changed, and the probes hold.
    Changed,
    /// It was changed, a step failed, and it was taken back.
    Reverted(String),
    /// It failed; nothing was left half done.
    Failed(String),
    /// It could not be reached; nothing was changed. Of ad-hoc verbs also: the connection was lost after the login, and what came
    /// of the command is not known (decision 25).
    Unreachable(String),
    /// It was refused before anything was changed.
    Refused(String),
    /// It was not begun, because the run was stopped before: by its failure budget, a missing approval, an interrupt, or an
    /// account that is refused. Nothing was changed.
    Skipped(String),
    /// It is not any more as it was when the plan was made. Nothing was changed.
    Stale(String),
    /// Another run holds it; the text tells whose and until when. Nothing was changed.
    Locked(String),
    /// A human is needed.
    Unknown(String),
}

impl HostOutcome {
    /// Why it did not go well; `None` if it did.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Ok | Self::Changed => None,
            Self::Reverted(reason)
            | Self::Failed(reason)
            | Self::Unreachable(reason)
            | Self::Refused(reason)
            | Self::Skipped(reason)
            | Self::Stale(reason)
            | Self::Locked(reason)
            | Self::Unknown(reason) => Some(reason),
        }
    }
}
