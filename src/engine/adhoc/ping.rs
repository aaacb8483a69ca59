//! A greeting: log in, with everything that is checked on the way, and run nothing but `true`.

use std::time::Duration;

use async_trait::async_trait;

use super::run::said;
use super::{Field, Guest, Visit, Work, everywhere};
use crate::core::adhoc::Answer;
use crate::core::event::{HostOutcome, Stage};
use crate::ports::{Command, Exec, HostKey, Privilege, SshError};

/// More output than this is noise of a login's start-up files.
const MAX_OUTPUT: usize = 64 * 1024;

/// A host's answer to a greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pong {
    /// The key it has proven to hold.
    pub key: HostKey,
}

/// Greets all hosts; with a privilege, that is tried as well.
pub async fn ping(
    field: &Field,
    visits: Vec<Visit>,
    privilege: Option<Privilege>,
    wall: Duration,
) -> Vec<Answer<Pong>> {
    everywhere(field, visits, Greeting { privilege, wall }).await
}

struct Greeting {
    privilege: Option<Privilege>,
    wall: Duration,
}

#[async_trait]
impl Work for Greeting {
    type Value = Pong;
    const STAGE: Stage = Stage::Ping;

    async fn on(&self, guest: &Guest<'_>) -> Result<(HostOutcome, Pong), SshError> {
        let command = Command::Argv(vec!["true".to_owned()]);
        let privilege = self.privilege.clone();
        let output = guest.exec(Exec { privilege, ..Exec::new(command, self.wall, MAX_OUTPUT) }).await?;
        Ok((said(output).exit.outcome(), Pong { key: guest.session.host_key().clone() }))
    }
}
