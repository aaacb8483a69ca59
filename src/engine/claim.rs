//! Beginning a host's part: take its lease, look at it again, and begin only if it is still what was approved.
//!
//! Changes nothing on the host besides the lease, and nothing in the cloud.

use std::sync::Arc;

use tokio::time::Instant;

use super::lease::Lease;
use super::ops::HostTask;
use super::relook::{Desk, Look};
use super::{discover, probe, script, target};
use crate::core::event::HostOutcome;
use crate::core::model::{Operator, RunId};
use crate::core::observed::facts::parse_facts;
use crate::core::observed::{Facts, Observation, ProbeReport};
use crate::core::plan::{HostPlan, Observed, differences, plan};
use crate::core::report::Egress;
use crate::ports::{HostKey, Session};

/// In whose name hosts are claimed, and where looks at the cloud wait for each other.
#[derive(Clone)]
pub struct Claims {
    /// Told to whoever finds a host claimed.
    pub operator: Operator,
    desk: Arc<Desk>,
}

impl Claims {
    /// Claims in this name.
    #[must_use]
    pub fn new(operator: Operator) -> Self {
        Self { operator, desk: Arc::default() }
    }
}

/// A host that is ours, as it is now.
pub(super) struct Claimed {
    /// The host's task, with what was seen of it now.
    pub(super) task: HostTask,
    /// What was seen of the host and of its records.
    pub(super) observed: Observed,
    /// Where the host's own traffic leaves from now.
    pub(super) egress: Vec<Egress>,
    lease: Lease,
}

/// Takes the host's lease, looks at the host over the same connection, and at its records once the lease is ours.
pub(super) async fn claim(task: &HostTask, run: &RunId) -> Result<Claimed, HostOutcome> {
    let unreachable = |reason: String| HostOutcome::Unreachable(format!("{reason}; nothing was changed"));
    let target = target::managed(&task.host, task.address).map_err(|error| unreachable(error.to_string()))?;
    let session = task.world.transport.connect(&target).await;
    let session = session.map_err(|error| unreachable(error.to_string()))?;
    let key = session.host_key().clone();
    let lease = Lease::acquire(task, run, session.as_ref()).await;
    let seen = match &lease {
        Ok(_) => seen(task, session.as_ref()).await,
        Err(_) => Err(String::new()),
    };
    session.close().await;
    let lease = lease?;
    let claimed = match seen {
        Ok((facts, report)) => records(task, &key, facts, report, &lease).await,
        Err(reason) => Err(unreachable(reason)),
    };
    match claimed {
        Ok((task, observed, egress)) => Ok(Claimed { task, observed, egress, lease }),
        Err(outcome) => {
            lease.release().await;
            Err(outcome)
        }
    }
}

/// The host's facts, and what the echo services say, if they can be asked.
async fn seen(task: &HostTask, session: &dyn Session) -> Result<(Facts, Option<ProbeReport>), String> {
    let text = task.world.templates.facts_script().map_err(|error| error.to_string())?;
    let answer = script::run(&task.world, &task.host, session, "facts", text).await?;
    let facts = parse_facts(&answer).map_err(|error| error.to_string())?;
    Ok((facts, probe::ask_on(task, session, None).await.ok()))
}

async fn records(
    task: &HostTask,
    key: &HostKey,
    facts: Facts,
    report: Option<ProbeReport>,
    lease: &Lease,
) -> Result<(HostTask, Observed, Vec<Egress>), HostOutcome> {
    let look = at_rest(task).await;
    let look = look.map_err(|reason| HostOutcome::Failed(format!("{reason}; nothing was changed")))?;
    let (cloud, former) = (*look).clone();
    let seen = Observation::Seen(facts.clone());
    let observed = Observed { cloud, facts: [(task.host.name.clone(), seen)].into(), former };
    let facts = Some(Arc::new(facts));
    let task = HostTask { facts, key: Some(key.clone()), lease: Some(lease.hold()), ..task.clone() };
    Ok((task, observed, report.as_ref().map(probe::answered).unwrap_or_default()))
}

/// The host's records, once no change of them is under way any more, or after a while.
async fn at_rest(task: &HostTask) -> Result<Look, String> {
    let (world, instance) = (&task.world, &task.host.instance);
    let end = Instant::now() + discover::TRANSITION;
    loop {
        let look = world.claims.desk.look(world, &task.host).await?;
        let moving = discover::in_transition(&look.0, instance, look.1.get(instance));
        if !moving || Instant::now() + discover::PAUSE >= end {
            return Ok(look);
        }
        tokio::time::sleep(discover::PAUSE).await;
    }
}

impl Claimed {
    /// Why the host is not what was approved; `None` if it is.
    pub(super) fn stale(&self, approved: &HostPlan) -> Option<HostOutcome> {
        let world = &self.task.world;
        let policy = world.policy();
        let now = plan(&[&self.task.host], &self.observed, &world.templates, &policy);
        let what = differences(approved, now.hosts.first()?)?;
        Some(HostOutcome::Stale(format!("{what}; nothing was changed: plan again")))
    }

    /// Gives the host back, and tells what people should know about the lease.
    pub(super) async fn release(self) -> Vec<String> {
        self.lease.release().await
    }
}
