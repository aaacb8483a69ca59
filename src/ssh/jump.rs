//! Jump hosts: one connection each, shared by all targets behind it, remade when it is dead.
//!
//! Must never try a refused login twice: a jump host that counts failures would lock the whole fleet out.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::ChannelOpenFailure;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::cache::lock;
use super::closer::opened;
use super::failure::{failure, no_answer};
use super::link::Link;
use super::tunnel::Tunnel;
use crate::core::text::clean_line;
use crate::ports::{Jump, SshError, SshErrorKind};

/// How long an unreachable jump host is left alone; all who ask meanwhile get the same answer.
const PAUSE: Duration = Duration::from_secs(5);

/// One connection attempt and what came of it.
type Attempt = OnceCell<(Instant, Result<Arc<Link>, SshError>)>;

/// Jump hosts in use.
pub(super) struct Pool {
    gates: Mutex<Vec<(Jump, Arc<Gate>)>>,
    handshakes: usize,
}

impl Pool {
    /// A pool that lets `handshakes` logins at a time go through each jump host.
    pub(super) fn new(handshakes: usize) -> Self {
        Self { gates: Mutex::new(Vec::new()), handshakes: handshakes.max(1) }
    }

    /// The gate of a jump host.
    pub(super) fn gate(&self, jump: &Jump) -> Arc<Gate> {
        let mut gates = lock(&self.gates);
        if let Some((_, gate)) = gates.iter().find(|(known, _)| known == jump) {
            return Arc::clone(gate);
        }
        let gate = Arc::new(Gate {
            attempt: Mutex::new(Arc::default()),
            turns: Arc::new(Semaphore::new(self.handshakes)),
        });
        gates.push((jump.clone(), Arc::clone(&gate)));
        gate
    }
}

/// One jump host.
pub(super) struct Gate {
    attempt: Mutex<Arc<Attempt>>,
    turns: Arc<Semaphore>,
}

impl Gate {
    /// Waits for a turn to shake hands with a target.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, SshError> {
        let closed = |_| failure(SshErrorKind::Local, "the jump host is not in use any more");
        Arc::clone(&self.turns).acquire_owned().await.map_err(closed)
    }

    /// The shared connection, made by `connect` if there is none that lives. All who wait share one attempt.
    pub(super) async fn link(
        &self,
        connect: impl AsyncFnOnce() -> Result<Link, SshError>,
    ) -> Result<Arc<Link>, SshError> {
        let attempt = self.current();
        let (_, result) = attempt.get_or_init(async || (Instant::now(), connect().await.map(Arc::new))).await;
        result.clone()
    }

    fn current(&self) -> Arc<Attempt> {
        let mut attempt = lock(&self.attempt);
        let stale = match attempt.get() {
            None => false,
            Some((_, Ok(link))) => link.is_dead(),
            Some((at, Err(error))) => is_passing(error.kind) && at.elapsed() > PAUSE,
        };
        if stale {
            *attempt = Arc::default();
        }
        Arc::clone(&attempt)
    }
}

/// Whether the same attempt may go better later. A refused login or host key stays refused for this run.
const fn is_passing(kind: SshErrorKind) -> bool {
    matches!(
        kind,
        SshErrorKind::Unreachable | SshErrorKind::Lost | SshErrorKind::Timeout | SshErrorKind::Protocol
    )
}

/// Opens a stream to `address:port` as seen from the jump host.
pub(super) async fn open(
    link: &Arc<Link>,
    address: &str,
    port: u16,
    (deadline, within): (Instant, Duration),
) -> Result<Tunnel, SshError> {
    let at = format!("{address} port {port} through {}", link.at);
    let (through, host) = (Arc::clone(link), address.to_owned());
    let opening = opened(async move {
        through.handle.channel_open_direct_tcpip(host, u32::from(port), "127.0.0.1", 0).await
    });
    match timeout_at(deadline, opening).await {
        Ok(Ok(channel)) => Ok(Tunnel::new(channel, Arc::clone(link))),
        Ok(Err(russh::Error::ChannelOpenFailure(why))) => {
            let message = match why {
                ChannelOpenFailure::ConnectFailed => format!(
                    "{at}: the jump host gets no connection to it; is the host up, and does its security group admit the \
                     jump host?"
                ),
                ChannelOpenFailure::AdministrativelyProhibited => format!(
                    "{at}: the jump host does not forward there; allow it in its sshd_config (AllowTcpForwarding, PermitOpen)"
                ),
                other => format!(
                    "{at}: the jump host refused: {}",
                    clean_line(other.description().as_bytes(), 100)
                ),
            };
            Err(failure(SshErrorKind::Unreachable, message))
        }
        Ok(Err(_)) => Err(link.lost("it was to forward a connection")),
        Err(_) => Err(no_answer(&at, within)),
    }
}
