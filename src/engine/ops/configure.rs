//! The step on the host: one connection, one script, typed answer.

use super::{Answer, HostTask};
use crate::core::plan::route::RouteTarget;
use crate::core::saga::Effect;
use crate::core::template::{ApplyParams, RevertParams};
use crate::engine::{MAX_OUTPUT, target};
use crate::ports::{Exec, Output, SshError, SshErrorKind};
use crate::core::observed::facts::{parse_apply, parse_revert};

impl HostTask {
    /// Runs a script that changes the host, over a connection of its own.
    async fn change(&self, script: String) -> Result<Output, SshError> {
        let target = target::managed(&self.host, self.address)?;
        let session = self.world.transport.connect(&target).await?;
        let exec = Exec {
            script,
            sudo: self.host.ssh.user != "root",
            wall: self.world.settings.change,
            max_output: MAX_OUTPUT,
        };
        let output = session.exec(&exec).await;
        session.close().await;
        output
    }

    /// Brings the host to the target. What it has is read again, because between planning and now the interface was
    /// plugged in and the system may have reacted; `rc.local` must still be as it was planned on.
    pub(super) async fn configure(&self, route: &RouteTarget) -> Answer {
        todo!()
    }

    pub(super) async fn revert(&self, route: &RouteTarget, effect: &Effect) -> Result<Option<String>, String> {
        todo!()
    }
}
