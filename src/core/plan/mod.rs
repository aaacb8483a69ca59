//! What to do about the difference between desired and observed: a plan that says why, and a person can review.
//!
//! Pure and deterministic. Must never guess a value that only applying can tell; such values are "known after apply".

mod address;
mod attach;
mod build;
mod calls;
mod charge;
mod code;
pub mod compat;
mod egress;
mod eni;
mod finding;
mod fleet;
mod group;
mod host;
mod notes;
mod numbers;
mod op;
pub mod owner;
pub mod rc_local;
pub mod route;
pub mod shim;
mod show;
mod stale;
mod subnet;
mod targets;

pub use build::{Observed, Policy, Reach, plan};
pub use calls::{Calls, calls, is_write};
pub use charge::needs_change;
pub use code::Code;
pub use egress::expected_egress;
pub use finding::{Finding, Severity};
pub use op::{Known, KnownEip, KnownEni, OWNER_TAG, Op, Other, StepKind};
pub use route::{RouteForm, RouteTarget};
pub use show::{Detail, hosts, plan_json, plan_text};
pub use stale::differences;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::core::model::{HostName, InstanceId};

/// What to do for every host, in the order of the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// One entry per selected host.
    pub hosts: Vec<HostPlan>,
}

/// What to do for one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPlan {
    /// The host.
    pub host: HostName,
    /// Its instance.
    pub instance: InstanceId,
    /// What will happen.
    pub verdict: Verdict,
    /// The steps in order; empty unless the verdict is [`Verdict::Change`].
    pub steps: Vec<Step>,
    /// What was found on the way: refusals, warnings, notes.
    pub findings: Vec<Finding>,
    /// Identifiers and addresses known before the first step.
    pub known: Known,
    /// The addresses the host's own traffic must leave from afterwards.
    pub egress: Vec<Ipv4Addr>,
}

/// What will happen to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is as desired.
    Unchanged,
    /// Its steps will be run.
    Change,
    /// Nothing, for a reason that a refusal among the findings gives.
    Refused,
    /// Nothing, because it could not be looked at.
    Unreachable,
    /// Nothing, because it is not as it was when the plan was reviewed.
    Stale,
}

/// One step of a host's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub op: Op,
    /// Why it is needed.
    pub why: String,
    /// What it changes, as lines that begin with `+`, `-` or a space.
    pub diff: Vec<String>,
}

impl HostPlan {
    /// It has a step of this kind.
    #[must_use]
    pub fn has(&self, kind: StepKind) -> bool {
        self.steps.iter().any(|step| step.op.kind() == kind)
    }

    /// Why nothing is done: the weightiest finding and its fix; empty if there is none.
    #[must_use]
    pub fn reason(&self) -> String {
        let first = self.findings.iter().min_by_key(|finding| finding.severity);
        first.map_or_else(String::new, |finding| match finding.fix.as_str() {
            "" => finding.what.clone(),
            fix => format!("{}; fix: {fix}", finding.what),
        })
    }
}

impl Plan {
    /// Nothing would be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hosts.iter().all(|host| host.steps.is_empty())
    }

    /// API writes by action. Reads are shared by all hosts and depend on how long the cloud takes, so they are not planned.
    #[must_use]
    pub fn writes(&self) -> BTreeMap<&'static str, usize> {
        let mut writes = BTreeMap::new();
        for action in
            self.hosts.iter().flat_map(|host| &host.steps).filter_map(|step| step.op.kind().action())
        {
            *writes.entry(action).or_default() += 1;
        }
        writes
    }

    /// How many hosts have this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.hosts.iter().filter(|host| host.verdict == verdict).count()
    }
}
