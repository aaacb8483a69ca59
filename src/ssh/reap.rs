//! Ends what a cut-off command left running. Closing a channel ends nothing on the host, and sshd ignores the `signal`
//! request where there is no privilege separation (for root's login, or if sshd is not root's), so a second channel of the
//! same connection looks for the process that lost its channel. Where the login may not look at sshd, the signal has done.
//!
//! Until that is done the host counts the session as open. So who is refused a channel meanwhile waits for it.
//!
//! Must never kill what belongs to another channel or another connection: only sessions begun by this connection's sshd
//! process whose standard streams lead nowhere any more, and only if our own stream can be seen to lead there; or the one
//! session of that sshd in which the command is that said its own number.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::exec::{Begun, Cut, Room, on_channel};
use super::link::Link;
use crate::ports::{Command, Exec, Privilege};

/// How long the caller of a command that was cut off waits for its end. Behind its back the work goes on.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long ending a command may take in all.
const WORK: Duration = Duration::from_secs(30);
/// How long a goodbye waits for it.
const FAREWELL: Duration = Duration::from_secs(2);
/// Lets the host take note of the closed channel first.
const SETTLE: Duration = Duration::from_millis(100);
const SCRIPT: &str = include_str!("reap.sh");

/// The commands that are being ended on a connection.
#[derive(Default)]
pub(super) struct Reaps {
    pending: watch::Sender<usize>,
    /// Those of them that look for something to kill.
    kills: watch::Sender<usize>,
    given_up: watch::Sender<bool>,
}

impl Reaps {
    pub(super) fn is_any(&self) -> bool {
        *self.pending.borrow() > 0
    }

    /// Waits until there is none.
    pub(super) async fn over(&self) {
        // The sender is ours, so it is there.
        let _ = self.pending.subscribe().wait_for(|pending| *pending == 0).await;
    }

    /// Lets what is being killed be killed, for a moment, and then ends nothing any more: a connection that is being closed must
    /// not be held open.
    pub(super) async fn give_up(&self) {
        let killed = async { self.kills.subscribe().wait_for(|kills| *kills == 0).await.map(drop) };
        let _ = timeout(FAREWELL, killed).await;
        self.given_up.send_replace(true);
    }

    async fn given_up(&self) {
        let _ = self.given_up.subscribe().wait_for(|given_up| *given_up).await;
    }
}

/// One command that is being ended.
struct Reap {
    link: Arc<Link>,
    privilege: Option<Privilege>,
    kill: Option<String>,
}

impl Reap {
    /// Counts from now on.
    fn new(link: Arc<Link>, privilege: Option<Privilege>, begun: Option<Begun>) -> Self {
        let kill = kill(link.is_root, privilege.as_ref(), begun);
        let privilege = privilege.filter(|_| begun.is_some() && !link.is_root);
        link.reaps.pending.send_modify(|pending| *pending += 1);
        link.reaps.kills.send_modify(|count| *count += usize::from(kill.is_some()));
        Self { link, privilege, kill }
    }

    async fn run(self) {
        tokio::select! {
            () = self.end() => {}
            () = self.link.reaps.given_up() => {}
        }
    }

    async fn end(&self) {
        let until = Instant::now() + WORK;
        let script = Command::Script(self.kill.clone().unwrap_or_else(|| ":".to_owned()));
        let exec = Exec { privilege: self.privilege.clone(), ..Exec::new(script, WORK, 1024) };
        loop {
            sleep(SETTLE).await;
            match on_channel(&self.link, &exec, Room::Now, None).await {
                // Others may have all the sessions that the host grants, for now.
                Err(Cut::Refused(_)) if Instant::now() < until => {}
                // What it could not end stays; the caller already knows that the outcome is unknown.
                _ => return,
            }
        }
    }
}

/// What ends a command. Where a privilege was not given, nothing runs, and it is not asked for again: the password may be
/// wrong. That there is room for a session again must do then. Who is neither root nor the login itself may not look at sshd,
/// and ends the one process that said its number.
fn kill(is_root: bool, privilege: Option<&Privilege>, begun: Option<Begun>) -> Option<String> {
    let process = match (privilege, begun) {
        (None, _) => None,
        (Some(_), None) => return None,
        (Some(privilege), Some(_)) if is_root || privilege.user == "root" => None,
        (Some(_), Some(begun)) => Some(begun.process?),
    };
    Some(process.map_or_else(|| SCRIPT.to_owned(), |process| format!("wanted={process}\n{SCRIPT}")))
}

impl Drop for Reap {
    fn drop(&mut self) {
        self.link.reaps.kills.send_modify(|count| *count -= usize::from(self.kill.is_some()));
        self.link.reaps.pending.send_modify(|pending| *pending -= 1);
    }
}

/// Ends the command if dropped before it is told that there is nothing to end.
pub(super) struct Reaper {
    link: Option<Arc<Link>>,
    privilege: Option<Privilege>,
    begun: OnceLock<Begun>,
}

impl Reaper {
    pub(super) fn new(link: &Arc<Link>, privilege: Option<Privilege>) -> Self {
        Self { link: Some(Arc::clone(link)), privilege, begun: OnceLock::new() }
    }

    /// The command, to be set once a privilege that it needs is given.
    pub(super) fn begun(&self) -> &OnceLock<Begun> {
        &self.begun
    }

    /// The command is over.
    pub(super) fn disarm(mut self) {
        self.link = None;
    }

    /// Ends it now.
    pub(super) async fn reap(mut self) {
        if let Some(reap) = self.begin() {
            // In a task, so that a caller who walks away does not stop it.
            let _ = timeout(PATIENCE, tokio::spawn(reap.run())).await;
        }
    }

    fn begin(&mut self) -> Option<Reap> {
        Some(Reap::new(self.link.take()?, self.privilege.take(), self.begun.get().copied()))
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && let Some(reap) = self.begin()
        {
            runtime.spawn(reap.run());
        }
    }
}
