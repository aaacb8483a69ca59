//! Ends what a cut-off command left running. Closing a channel ends nothing on the host, and sshd ignores the `signal`
//! request for root's login (it needs privilege separation, which root's sessions do not have), so a second channel of the
//! same connection looks for the process that lost its channel.
//!
//! Must never kill what belongs to another channel or another connection: only sessions begun by this connection's sshd
//! process whose standard streams lead nowhere any more, and only if our own stream can be seen to lead there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::exec::on_channel;
use super::link::Link;
use crate::ports::{Command, Exec, Privilege};

/// How long ending a command may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Lets the host take note of the closed channel first.
const SETTLE: Duration = Duration::from_millis(100);
const SCRIPT: &str = include_str!("reap.sh");

/// Ends the command if dropped before it is told that there is nothing to end.
pub(super) struct Reaper {
    link: Option<Arc<Link>>,
    privilege: Option<Privilege>,
}

impl Reaper {
    pub(super) fn new(link: &Arc<Link>, privilege: Option<Privilege>) -> Self {
        Self { link: Some(Arc::clone(link)), privilege }
    }

    /// The command is over.
    pub(super) fn disarm(mut self) {
        self.link = None;
    }

    /// Ends it now.
    pub(super) async fn reap(mut self) {
        if let Some(link) = self.link.take() {
            reap(&link, self.privilege.take()).await;
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        if let (Some(link), Ok(runtime)) = (self.link.take(), tokio::runtime::Handle::try_current()) {
            let privilege = self.privilege.take();
            runtime.spawn(async move { reap(&link, privilege).await });
        }
    }
}

async fn reap(link: &Arc<Link>, privilege: Option<Privilege>) {
    // Another login's commands got the signal, and its shell may not look at sshd.
    if !link.is_root && privilege.is_none() {
        return;
    }
    sleep(SETTLE).await;
    let exec = Exec { privilege, ..Exec::new(Command::Script(SCRIPT.to_owned()), PATIENCE, 1024) };
    // What it could not end stays; the caller already knows that the outcome is unknown.
    let _ = on_channel(link, &exec).await;
}
