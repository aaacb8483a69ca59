//! One authenticated connection over any byte stream: banner, key exchange, host key, login.
//!
//! Must never let a panic of the SSH library out.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::Disconnect;
use russh::client::{self, Handle};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::Settings;
use super::auth::{Credentials, Ending, log_in};
use super::cache::lock;
use super::cord::{Cord, Grip};
use super::failure::{failure, quoted};
use super::guard::{Broken, Guard};
use super::patience::Patience;
use super::reap::Reaps;
use super::retry::Setback;
use super::trust::Trust;
use super::vitals::{End, Vitals};
use crate::core::ssh_config::Algorithms;
use crate::ports::{HostKey, Keepalive, SshError, SshErrorKind};

mod negotiation;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod turns;
mod why;

/// How long a goodbye may take to be written.
const GOODBYE: Duration = Duration::from_millis(500);
/// How long after its end a session may count at the host.
const LETTING_GO: Duration = Duration::from_millis(500);

/// Who logs in where.
pub(super) struct Login<'a> {
    /// Who, and how.
    pub(super) who: &'a Arc<Credentials>,
    /// Which host key is accepted.
    pub(super) trust: &'a Trust,
    /// How long it may take.
    pub(super) patience: &'a Arc<Patience>,
    /// How silence is found out afterwards.
    pub(super) keepalive: Keepalive,
    /// Restrictions of what is negotiated.
    pub(super) algorithms: &'a Algorithms,
}

/// A connection that is logged in. Dropping it cuts it.
pub(super) struct Link {
    pub(super) handle: Handle<Guard>,
    pub(super) host_key: HostKey,
    pub(super) at: String,
    /// Whether it is root's login.
    pub(super) is_root: bool,
    /// Whether a person had to answer, whose answers may be good for one login only.
    pub(super) is_personal: bool,
    /// The commands that were cut off and still run.
    pub(super) reaps: Reaps,
    /// When a command's channel was closed last.
    ended: Mutex<Option<Instant>>,
    vitals: Arc<Vitals>,
    _grip: Grip,
}

impl Link {
    /// Shakes hands over `stream` and logs in. `at` is the peer as people know it, `address:port`, with its jump hosts.
    pub(super) async fn open<S>(
        at: String,
        stream: S,
        login: &Login<'_>,
        settings: &Settings,
    ) -> Result<Self, Setback>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let vitals = Arc::new(Vitals::default());
        let (cord, grip) = Cord::new(stream, settings.stall, Arc::clone(&vitals));
        let guard = Guard { at: at.clone(), trust: login.trust.clone(), vitals: Arc::clone(&vitals) };
        let config = Arc::new(config(login)?);
        let (who, patience) = (Arc::clone(login.who), Arc::clone(login.patience));
        // In a task of its own: a panic in there becomes an error here, and dropping the set ends it.
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut handle = client::connect_stream(config, cord, guard).await?;
            let ending = log_in(&mut handle, &who, &patience).await?;
            Ok::<_, Broken>((handle, ending))
        });
        let (handle, ending) = match login.patience.for_work(task.join_next()).await {
            None => return Err(why::late(&at, login, &vitals).into()),
            Some(Some(Ok(Ok(result)))) => result,
            Some(Some(Ok(Err(broken)))) => return Err(why::broken_off(&at, login, &vitals, broken)),
            Some(Some(Err(_)) | None) => return Err(why::panicked(&at).into()),
        };
        match (ending, vitals.host_key()) {
            (Ending::In, Some(host_key)) => Ok(Self {
                handle,
                host_key,
                at,
                is_root: login.who.user == "root",
                is_personal: login.who.is_personal(),
                reaps: Reaps::default(),
                ended: Mutex::default(),
                vitals,
                _grip: grip,
            }),
            (Ending::In, None) => Err(why::unproven(&at).into()),
            (Ending::Refused(refusal), _) => {
                Err(why::refused(&at, login, &vitals, handle.is_closed(), &refusal).into())
            }
        }
    }

    /// A command's channel has just been closed.
    pub(super) fn note_end(&self) {
        *lock(&self.ended) = Some(Instant::now());
    }

    /// Whether the host may count a session that is over: sshd lets go of it only after it has looked at what came together with
    /// our word that the channel is closed.
    pub(super) fn has_just_ended_one(&self) -> bool {
        lock(&self.ended).is_some_and(|at| at.elapsed() < LETTING_GO)
    }

    /// Whether nothing can be asked of it any more.
    pub(super) fn is_dead(&self) -> bool {
        self.handle.is_closed() || self.vitals.end().is_some()
    }

    /// Why it ended while `what` was under way.
    pub(super) fn lost(&self, what: &str) -> SshError {
        let at = &self.at;
        match self.vitals.end() {
            Some(End::Panic) => why::panicked(at),
            Some(End::Violation(why)) => {
                failure(SshErrorKind::Protocol, format!("{at}: connection given up while {what}: {why}"))
            }
            Some(End::Goodbye(words)) => failure(
                SshErrorKind::Lost,
                format!("{at}: the host ended the connection while {what}: {}", quoted(words.as_bytes())),
            ),
            Some(End::Lost(why)) => {
                failure(SshErrorKind::Lost, format!("{at}: connection lost while {what}: {why}"))
            }
            None => failure(SshErrorKind::Lost, format!("{at}: connection lost while {what}")),
        }
    }

    /// Says goodbye. Waits until that is written, not for an answer.
    pub(super) async fn close(&self) {
        self.reaps.give_up().await;
        let bye = async {
            if self.handle.disconnect(Disconnect::ByApplication, "", "").await.is_ok() {
                self.vitals.left().await;
            }
        };
        // Whatever is left is cut when the link is dropped.
        let _ = timeout(GOODBYE, bye).await;
    }
}

fn config(login: &Login<'_>) -> Result<client::Config, SshError> {
    Ok(client::Config {
        preferred: negotiation::preferred(login.trust, login.algorithms)?,
        keepalive_interval: Some(login.keepalive.every),
        keepalive_max: login.keepalive.misses,
        nodelay: true,
        // Only russh as `scripts/patched` patches it knows this.
        #[cfg(russh_pipelined)]
        pipelined: true,
        ..client::Config::default()
    })
}
