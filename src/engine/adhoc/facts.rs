//! The facts of every host, as the main job sees them.

use std::time::Duration;

use async_trait::async_trait;

use super::run::said;
use super::{Field, Guest, Visit, Work, everywhere};
use crate::core::adhoc::{Answer, Exit};
use crate::core::event::{HostOutcome, Stage};
use crate::core::observed::Facts;
use crate::core::observed::facts::parse_facts;
use crate::engine::MAX_OUTPUT;
use crate::ports::{Exec, Privilege, SshError};

/// Looks at all hosts by this script, as root: by `privilege`, or by sudo where the login is another.
pub async fn facts(
    field: &Field,
    visits: Vec<Visit>,
    script: String,
    privilege: Option<Privilege>,
    wall: Duration,
) -> Vec<Answer<Facts>> {
    let answers = everywhere(field, visits, Look { script, privilege, wall }).await;
    answers.into_iter().map(Answer::flatten).collect()
}

struct Look {
    script: String,
    privilege: Option<Privilege>,
    wall: Duration,
}

#[async_trait]
impl Work for Look {
    type Value = Option<Facts>;
    const STAGE: Stage = Stage::Facts;

    async fn on(&self, guest: &Guest<'_>) -> Result<(HostOutcome, Option<Facts>), SshError> {
        Ok(match looked(guest, &self.script, "facts", self.privilege.as_ref(), self.wall).await? {
            Ok(text) => match parse_facts(&text) {
                Ok(facts) => (HostOutcome::Ok, Some(facts)),
                Err(error) => (HostOutcome::Failed(error.to_string()), None),
            },
            Err(outcome) => (outcome, None),
        })
    }
}

/// All that a script which only looks has printed, run as root by `privilege`, or by sudo where the login is another; else how
/// the host's part went. `name` is for messages.
pub(super) async fn looked(
    guest: &Guest<'_>,
    script: &str,
    name: &str,
    privilege: Option<&Privilege>,
    wall: Duration,
) -> Result<Result<Vec<u8>, HostOutcome>, SshError> {
    let mut exec = Exec::script_as_root(script.to_owned(), &guest.visit.host.ssh.user, wall, MAX_OUTPUT);
    exec.privilege = privilege.cloned().or(exec.privilege);
    let said = said(guest.exec(exec).await?);
    Ok(match said.exit {
        Exit::Code(0) if said.truncated => {
            Err(HostOutcome::Failed(format!("the {name} script printed more than {MAX_OUTPUT} bytes")))
        }
        Exit::Code(0) => Ok(said.stdout),
        exit => Err(exit.outcome()),
    })
}
