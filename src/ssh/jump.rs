//! Jump hosts: few connections each, shared by all targets behind them, made one at a time and remade when dead.
//!
//! Must never try a refused login twice: a jump host that counts failures would lock the whole fleet out.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::ChannelOpenFailure;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::cache::lock;
use super::closer::{NotOpened, OPENING, opened};
use super::failure::{failure, no_answer};
use super::link::Link;
use super::patience::Patience;
use super::retry::{Passing, Setback};
use super::tunnel::Tunnel;
use crate::core::text::clean_line;
use crate::ports::{Hop, Jump, SshError, SshErrorKind};

/// How long an unreachable jump host is left alone; all who ask meanwhile get the same answer.
const PAUSE: Duration = Duration::from_secs(5);
/// Connections to one jump host. They are few: each is a login, and an sshd process there.
const CONNECTIONS: usize = 8;

/// A jump host as reached over certain hops.
struct Known {
    before: Vec<Hop>,
    jump: Jump,
    gate: Arc<Gate>,
}

/// Jump hosts in use.
pub(super) struct Pool {
    gates: Mutex<Vec<Known>>,
    handshakes: usize,
    tunnels: usize,
}

impl Pool {
    /// A pool that lets `handshakes` logins at a time go through each jump host, and puts `tunnels` on a connection before
    /// it makes another.
    pub(super) fn new(handshakes: usize, tunnels: usize) -> Self {
        Self { gates: Mutex::default(), handshakes: handshakes.max(1), tunnels: tunnels.max(1) }
    }

    /// The gates of a hop behind others, the best one first: one that works, and of those the one with the least to do.
    pub(super) fn gates<'a>(&self, before: &[Hop], hop: &'a Hop) -> Vec<(&'a Jump, Arc<Gate>)> {
        let mut gates: Vec<_> = hop.any_of.iter().map(|jump| (jump, self.gate(before, jump))).collect();
        gates.sort_by_key(|(_, gate)| (gate.failure().is_some(), gate.load()));
        gates
    }

    fn gate(&self, before: &[Hop], jump: &Jump) -> Arc<Gate> {
        let mut gates = lock(&self.gates);
        if let Some(known) = gates.iter().find(|known| known.before == before && known.jump == *jump) {
            return Arc::clone(&known.gate);
        }
        let gate = Arc::new(Gate {
            connections: Mutex::default(),
            failure: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            turns: Arc::new(Semaphore::new(self.handshakes)),
            tunnels: self.tunnels,
        });
        gates.push(Known { before: before.to_vec(), jump: jump.clone(), gate: Arc::clone(&gate) });
        gate
    }
}

/// A connection to a jump host that is being made. In a box, made by whoever connects: the others wait without room for it.
pub(super) type Connecting<'a> = Pin<Box<dyn Future<Output = Result<Link, SshError>> + Send + 'a>>;

/// One jump host.
pub(super) struct Gate {
    connections: Mutex<Vec<Arc<Connection>>>,
    /// Why the last attempt failed, until one succeeds.
    failure: Mutex<Option<(Instant, SshError)>>,
    connecting: tokio::sync::Mutex<()>,
    turns: Arc<Semaphore>,
    tunnels: usize,
}

/// A connection that is there, is being made, or failed.
#[derive(Default)]
struct Connection {
    link: OnceCell<Result<Arc<Link>, SshError>>,
    seats: AtomicUsize,
}

/// A place on a shared connection.
pub(super) struct Lease {
    pub(super) link: Arc<Link>,
    _seat: Seat,
}

struct Seat(Arc<Connection>);

impl Seat {
    fn on(connection: &Arc<Connection>) -> Self {
        connection.seats.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connection))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.seats.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    fn seats(&self) -> usize {
        self.seats.load(Ordering::Relaxed)
    }

    fn live(&self) -> Option<&Arc<Link>> {
        self.link.get()?.as_ref().ok().filter(|link| !link.is_dead())
    }
}

impl Gate {
    /// Waits for a turn to shake hands with a target.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }

    /// A place on a shared connection, made by `connect` if it is needed. All who wait for it share one attempt.
    pub(super) async fn lease<'a>(
        &self,
        connect: impl FnOnce() -> Connecting<'a>,
    ) -> Result<Lease, SshError> {
        let seat = self.seat();
        let made = seat.0.link.get_or_init(|| async {
            let _one = self.connecting.lock().await;
            if let Some(error) = self.failure() {
                return Err(error);
            }
            if let Some(link) = self.personal() {
                return Ok(link);
            }
            let result = connect().await.map(Arc::new);
            *lock(&self.failure) = result.as_ref().err().map(|error| (Instant::now(), error.clone()));
            result
        });
        match made.await.clone() {
            Ok(link) => Ok(Lease { link, _seat: seat }),
            // Rather a crowded connection than none.
            Err(error) => self.crowded().ok_or(error),
        }
    }

    fn seat(&self) -> Seat {
        let mut connections = lock(&self.connections);
        connections.retain(|it| it.link.get().is_none() || it.live().is_some());
        let emptiest = connections.iter().min_by_key(|it| it.seats());
        match emptiest {
            Some(it) if it.seats() < self.tunnels || connections.len() >= CONNECTIONS => Seat::on(it),
            _ => {
                let fresh = Arc::default();
                let seat = Seat::on(&fresh);
                connections.push(fresh);
                seat
            }
        }
    }

    fn crowded(&self) -> Option<Lease> {
        let connections = lock(&self.connections);
        let (it, link) = connections.iter().find_map(|it| Some((it, it.live()?)))?;
        Some(Lease { link: Arc::clone(link), _seat: Seat::on(it) })
    }

    /// A connection for which a person was asked: nobody is asked for a second one while it lives.
    fn personal(&self) -> Option<Arc<Link>> {
        let connections = lock(&self.connections);
        connections.iter().find_map(|it| it.live().filter(|link| link.is_personal)).cloned()
    }

    /// The failure that still stands. A refused login or host key stands for the whole run.
    fn failure(&self) -> Option<SshError> {
        let failure = lock(&self.failure);
        let (at, error) = failure.as_ref()?;
        (!is_passing(error.kind) || at.elapsed() <= PAUSE).then(|| error.clone())
    }

    fn load(&self) -> usize {
        lock(&self.connections).iter().map(|it| it.seats()).sum()
    }
}

/// Whether the same attempt may go better later.
const fn is_passing(kind: SshErrorKind) -> bool {
    matches!(
        kind,
        SshErrorKind::Unreachable | SshErrorKind::Lost | SshErrorKind::Timeout | SshErrorKind::Protocol
    )
}

/// Opens a stream to `host:port` as seen from the jump host.
pub(super) async fn open(
    lease: Lease,
    (host, port): (&str, u16),
    patience: &Patience,
) -> Result<Tunnel, Setback> {
    let link = &lease.link;
    let at = format!("{host} port {port} through {}", link.at);
    let (through, host) = (Arc::clone(link), host.to_owned());
    let opening = opened(async move {
        through.handle.channel_open_direct_tcpip(host, u32::from(port), "127.0.0.1", 0).await
    });
    match patience.for_work(opening).await {
        Some(Ok(channel)) => Ok(Tunnel::new(channel, lease)),
        Some(Err(NotOpened::Refused(ChannelOpenFailure::ConnectFailed))) => {
            let text = format!(
                "{at}: the jump host gets no connection to it; is the host up, and does its security group admit the jump \
                 host?"
            );
            Err(Setback::passing(Passing::BehindJump, failure(SshErrorKind::Unreachable, text)))
        }
        Some(Err(NotOpened::Refused(why))) => {
            let message = match why {
                ChannelOpenFailure::AdministrativelyProhibited => format!(
                    "{at}: the jump host does not forward there; allow it in its sshd_config (AllowTcpForwarding, PermitOpen)"
                ),
                other => format!(
                    "{at}: the jump host refused: {}",
                    clean_line(other.description().as_bytes(), 100)
                ),
            };
            Err(failure(SshErrorKind::Unreachable, message).into())
        }
        Some(Err(NotOpened::Gone)) => {
            Err(Setback::passing(Passing::JumpLost, link.lost("it was to forward a connection")))
        }
        Some(Err(NotOpened::Late)) => Err(no_answer(&at, OPENING).into()),
        None => Err(no_answer(&at, patience.within()).into()),
    }
}
