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
use crate::ports::Exec;

/// How long ending a command may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Lets the host take note of the closed channel first.
const SETTLE: Duration = Duration::from_millis(100);
const SCRIPT: &str = include_str!("reap.sh");

/// Ends the command if dropped before it is told that there is nothing to end.
pub(super) struct Reaper {
    link: Option<Arc<Link>>,
    sudo: bool,
}

impl Reaper {
    pub(super) fn new(link: &Arc<Link>, sudo: bool) -> Self {
        Self { link: Some(Arc::clone(link)), sudo }
    }

    /// The command is over.
    pub(super) fn disarm(mut self) {
        self.link = None;
    }

    /// Ends it now.
    pub(super) async fn reap(mut self) {
        if let Some(link) = self.link.take() {
            reap(&link, self.sudo).await;
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        if let (Some(link), Ok(runtime)) = (self.link.take(), tokio::runtime::Handle::try_current()) {
            let sudo = self.sudo;
            runtime.spawn(async move { reap(&link, sudo).await });
        }
    }
}

async fn reap(link: &Arc<Link>, sudo: bool) {
    // Another login's commands got the signal, and its shell may not look at sshd.
    if !link.is_root && !sudo {
        return;
    }
    sleep(SETTLE).await;
    let exec = Exec { script: SCRIPT.to_owned(), sudo, wall: PATIENCE, max_output: 1024 };
    // What it could not end stays; the caller already knows that the outcome is unknown.
    let _ = on_channel(link, &exec).await;
}
