//! What every host says of itself now: its policy routes, its guards, its lease. Three scripts that only look, over one connection.

use std::time::Duration;

use async_trait::async_trait;

use super::facts::looked;
use super::{Field, Guest, Visit, Work, everywhere};
use crate::core::adhoc::Answer;
use crate::core::event::{HostOutcome, Stage};
use crate::core::model::{Operator, RunId};
use crate::core::observed::facts::parse_facts;
use crate::core::observed::guards::parse_guards;
use crate::core::observed::lease::parse_lease;
use crate::core::observed::{HostTextError, LeaseEnd};
use crate::core::status::HostStatus;
use crate::core::template::{LeaseVerb, TemplateError, Templates};
use crate::engine::lease::params;
use crate::ports::{Privilege, SshError};

/// What is asked of every host.
#[derive(Debug, Clone)]
pub struct StatusOrder {
    facts: String,
    guards: String,
    lease: String,
    privilege: Option<Privilege>,
    wall: Duration,
}

impl StatusOrder {
    /// By these templates, as root: by `privilege`, or by sudo where the login is another; each script within `wall`.
    ///
    /// # Errors
    /// A template that cannot be rendered.
    pub fn new(
        templates: &Templates,
        privilege: Option<Privilege>,
        wall: Duration,
    ) -> Result<Self, TemplateError> {
        // Nobody is shown to the host as the one who asks: who only looks at a lease has no name in it.
        let nobody = ("nobody".parse::<RunId>(), "nobody@nowhere".parse::<Operator>());
        let lease = match nobody {
            (Ok(run), Ok(owner)) => templates.lease_script(&params(LeaseVerb::Show, &run, &owner, ""))?,
            _ => String::new(),
        };
        Ok(Self {
            facts: templates.facts_script()?,
            guards: templates.guards_script()?,
            lease,
            privilege,
            wall,
        })
    }

    async fn look(&self, guest: &Guest<'_>) -> Result<HostStatus, Cut> {
        let look = async |script: &str, name| {
            let text = looked(guest, script, name, self.privilege.as_ref(), self.wall).await;
            text.map_err(Cut::Lost)?.map_err(Cut::Ended)
        };
        // The guard first: it is what runs out.
        let guards = parse_guards(&look(&self.guards, "guards").await?)?;
        let lease = parse_lease(&look(&self.lease, "lease").await?)?;
        if let LeaseEnd::Refused(why) = lease.end {
            return Err(Cut::Ended(HostOutcome::Failed(format!("its lease cannot be read: {why}"))));
        }
        let facts = parse_facts(&look(&self.facts, "facts").await?)?;
        Ok(HostStatus::new(&facts, guards, lease.holder))
    }
}

/// Why there is no answer.
enum Cut {
    Lost(SshError),
    Ended(HostOutcome),
}

impl From<HostTextError> for Cut {
    fn from(error: HostTextError) -> Self {
        Self::Ended(HostOutcome::Failed(error.to_string()))
    }
}

/// Asks all hosts.
pub async fn status(field: &Field, visits: Vec<Visit>, order: StatusOrder) -> Vec<Answer<HostStatus>> {
    let answers = everywhere(field, visits, order).await;
    answers.into_iter().map(Answer::flatten).collect()
}

#[async_trait]
impl Work for StatusOrder {
    type Value = Option<HostStatus>;
    const STAGE: Stage = Stage::Status;

    async fn on(&self, guest: &Guest<'_>) -> Result<(HostOutcome, Option<HostStatus>), SshError> {
        match self.look(guest).await {
            Ok(status) => Ok((status.outcome(), Some(status))),
            Err(Cut::Ended(outcome)) => Ok((outcome, None)),
            Err(Cut::Lost(error)) => Err(error),
        }
    }
}
