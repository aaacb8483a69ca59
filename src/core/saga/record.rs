//! What is written down about one host's run. The serialised form is the journal's format: additive changes only.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::core::model::{AllocationId, EniId, InstanceId, MacAddr, Owner};
use crate::core::observed::facts::RcLocal;
use crate::core::plan::route::FileChange;
use crate::core::plan::{Known, Op, StepKind};

/// One line of a host's run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The host's part of the run, as planned.
    Began(Box<Began>),
    /// About to do this. Durable before the effect.
    Intent(Op),
    /// It was done, or found done, and this is what it brought.
    Done(StepKind, Effect),
    /// It was refused: it had no effect and will not have one.
    Refused(StepKind, String),
    /// Whether it had an effect could not be found out.
    Unknown(StepKind, String),
    /// Somebody asked to take everything back.
    TurnedBack(String),
    /// Somebody asked to try again what a human was needed for.
    Retried,
    /// About to undo it. Durable before the effect.
    UndoIntent(StepKind),
    /// It was undone, or there was nothing left to undo; the text says what cannot be taken back.
    Undone(StepKind, Option<String>),
    /// Undoing failed.
    UndoFailed(StepKind, String),
    /// The end of this host's run.
    Ended(End),
}

/// A host's plan as the journal keeps it: all that resuming or taking back needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Began {
    /// The instance.
    pub instance: InstanceId,
    /// What was known before the first step.
    pub known: Known,
    /// The steps in order.
    pub ops: Vec<Op>,
}

/// What a step brought: values that later steps and the undo need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing that anybody needs later.
    Nothing,
    /// The instance's EIP.
    Converted {
        /// Its allocation.
        allocation: AllocationId,
        /// Its address.
        address: Ipv4Addr,
    },
    /// The interface.
    EniCreated {
        /// Its id.
        eni: EniId,
        /// Its hardware address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mac: Option<MacAddr>,
        /// Its primary private address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<Ipv4Addr>,
    },
    /// The interface as attached.
    EniAttached {
        /// Its id.
        eni: EniId,
        /// Its hardware address.
        mac: MacAddr,
        /// Its primary private address.
        address: Ipv4Addr,
    },
    /// The host's part: the files that were changed, each with what it was before.
    Persisted {
        /// In the order in which they were changed.
        files: Vec<FileChange>,
        /// Who was told of them.
        reload: Vec<Owner>,
        /// The interface's link was up before. Not known, and so `false`, where an earlier version or an earlier try of the
        /// step wrote it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        link_was_up: bool,
    },
    /// The same as the first version wrote it, which knew `rc.local` alone. Read for ever, written no more.
    Configured {
        /// Before.
        before: RcLocal,
        /// The content written; `None` if it was left alone.
        after: Option<String>,
    },
}

impl Effect {
    /// The files that the host's part has changed, and who was told of them; `None` of any other step.
    #[must_use]
    pub fn files(&self) -> Option<(Vec<FileChange>, Vec<Owner>)> {
        match self {
            Self::Persisted { files, reload, .. } => Some((files.clone(), reload.clone())),
            Self::Configured { before, after } => {
                let change = |after: &String| FileChange {
                    path: before.path.clone(),
                    before: before.content.clone(),
                    after: Some(after.clone()),
                    mode_before: before.mode,
                    mode_after: before.mode | 0o111,
                };
                Some((after.iter().map(change).collect(), vec![Owner::RcLocal]))
            }
            _ => None,
        }
    }
}

/// How a host's run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Everything is done and verified.
    Committed,
    /// Everything that was done was taken back; the reason.
    Unwound(String),
    /// A human is needed; the reason.
    Stuck(String),
}
