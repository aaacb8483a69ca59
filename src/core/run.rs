//! What is written down about a run as a whole, beside the records of its hosts: what was planned and approved, wave by wave,
//! and how each host ended. The serialised form is the journal's format: additive changes only.

use serde::{Deserialize, Serialize};

use crate::core::event::HostOutcome;
use crate::core::model::HostName;
use crate::core::plan::Plan;
use crate::core::rollout::Rollout;

/// One line about a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunNote {
    /// What was planned and approved, before the first effect: resuming begins the remaining hosts from it.
    Planned(Box<Planned>),
    /// A wave begins.
    Wave {
        /// Its number, from 1.
        number: usize,
        /// How many waves there are.
        of: usize,
        /// Its hosts.
        hosts: Vec<HostName>,
    },
    /// The waves from this one on wait for an approval.
    Waiting {
        /// The wave that does not begin without.
        wave: usize,
    },
    /// Somebody approved that this wave begins.
    Approved {
        /// The wave.
        wave: usize,
        /// Who, as `user@bastion`.
        by: String,
    },
    /// Nothing new begins any more in this process, for this reason.
    Stopped(String),
    /// A host's part is over, or never began.
    HostEnded {
        /// The host.
        host: HostName,
        /// How.
        outcome: HostOutcome,
    },
    /// The process of the run died, and its watchdog told these EIPs where to go.
    Watchdog {
        /// Hosts whose EIP is bound.
        bound: Vec<HostName>,
        /// Hosts for which that was not to be found out.
        failed: Vec<HostName>,
    },
    /// A process went on with the run.
    Resumed {
        /// Who, as `user@bastion`.
        by: String,
    },
}

/// A run as approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The plan of every selected host, refused ones too.
    pub plan: Plan,
    /// The hash of the saved plan that it came from, if it came from one: a saved plan is applied once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved: Option<String>,
    /// Who, as `user@bastion`.
    pub by: String,
    /// How the run goes over its hosts.
    #[serde(default)]
    pub rollout: Rollout,
}
