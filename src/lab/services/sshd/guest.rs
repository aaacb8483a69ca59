//! One client's connection: who it is, which channels it has, what each of them runs.
//!
//! Nothing in here may wait for a command or a target: these callbacks run in the connection's only loop. Every channel's
//! work is a task, aborted when the channel or the connection ends.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use russh::keys::{Algorithm, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, ChannelWriteHalf, Error, Pty, Sig};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::inbox::{Inbox, inbox};
use super::job::{self, Job, Wires};
use super::{SshdConfig, authorized, tunnel};

/// Sessions of one connection (OpenSSH: `MaxSessions`).
const MAX_SESSIONS: usize = 10;
/// Channels of any kind of one connection; OpenSSH has no such limit, a lab host's descriptors have.
const MAX_CHANNELS: usize = 400;
/// Signals waiting for a command; more are dropped.
const SIGNALS: usize = 8;

/// Both ends of the TCP connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) client: SocketAddr,
    pub(super) host: SocketAddr,
}

/// A task that does not survive its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A session without a command yet.
struct Idle {
    channel: ChannelWriteHalf<Msg>,
    place: OwnedSemaphorePermit,
}

/// A channel at work.
struct Busy {
    inbox: Inbox,
    signals: Option<mpsc::Sender<Sig>>,
    task: Task,
}

enum Seat {
    Idle(Idle),
    Busy(Busy),
}

/// The server's side of one connection.
pub(super) struct Guest {
    config: Arc<SshdConfig>,
    ends: Ends,
    entered: Option<oneshot::Sender<()>>,
    places: Arc<Semaphore>,
    seats: HashMap<ChannelId, Seat>,
}

impl Guest {
    /// A client that has just connected; `entered` is told when it has authenticated.
    pub(super) fn new(config: Arc<SshdConfig>, ends: Ends, entered: oneshot::Sender<()>) -> Self {
        let places = Arc::new(Semaphore::new(MAX_SESSIONS));
        Self { config, ends, entered: Some(entered), places, seats: HashMap::new() }
    }

    async fn judge(&self, user: &str, key: &PublicKey, algorithm: &Algorithm) -> Auth {
        let sha1 = matches!(algorithm, Algorithm::Rsa { hash: None });
        let known = || authorized::lists(&self.config.authorized_keys, key);
        if user == self.config.user && !sha1 && known().await { Auth::Accept } else { Auth::reject() }
    }

    /// Forgets channels whose work has ended: the library does not tell when the client answers our own CLOSE.
    fn has_room(&mut self) -> bool {
        self.seats.retain(|_, seat| match seat {
            Seat::Idle(_) => true,
            Seat::Busy(busy) => !busy.task.0.is_finished(),
        });
        self.seats.len() < MAX_CHANNELS
    }

    /// Runs a command (`None`: a shell) in an idle session; `false` if there is none or it cannot be started.
    fn run(&mut self, id: ChannelId, command: Option<&[u8]>, session: &Session) -> bool {
        let Some(Seat::Idle(_)) = self.seats.get(&id) else {
            return false;
        };
        let Ok(job) = Job::start(command, &self.config.user, &self.ends) else {
            return false;
        };
        let Some(Seat::Idle(Idle { channel, place })) = self.seats.remove(&id) else {
            return false;
        };
        let (inbox, outlet) = inbox();
        let (sender, signals) = mpsc::channel(SIGNALS);
        let wires = Wires { channel, connection: session.handle(), outlet, signals, place };
        let task = Task(tokio::spawn(job::attend(job, wires)));
        self.seats.insert(id, Seat::Busy(Busy { inbox, signals: Some(sender), task }));
        true
    }
}

fn answer(done: bool, id: ChannelId, session: &mut Session) -> Result<(), Error> {
    if done { session.channel_success(id) } else { session.channel_failure(id) }
}

impl Handler for Guest {
    type Error = Error;

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Error> {
        Ok(self.judge(user, offer.public_key, offer.algorithm).await)
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        Ok(self.judge(user, key.public_key, key.algorithm).await)
    }

    async fn auth_succeeded(&mut self, _session: &mut Session) -> Result<(), Error> {
        if let Some(entered) = self.entered.take() {
            // Nobody listens if the connection is being closed.
            let _ = entered.send(());
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        let room = self.has_room();
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) if room => {
                let (_, channel) = channel.split();
                self.seats.insert(channel.id(), Seat::Idle(Idle { channel, place }));
                reply.accept().await;
            }
            // The reason OpenSSH gives beyond MaxSessions.
            _ => reply.reject(ChannelOpenFailure::ConnectFailed).await,
        }
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host_to_connect: &str,
        port_to_connect: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        let (true, Ok(port)) = (self.has_room(), u16::try_from(port_to_connect)) else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        let id = channel.id();
        let (inbox, outlet) = inbox();
        let work = tunnel::carry(channel, reply, (host_to_connect.to_owned(), port), outlet);
        let task = Task(tokio::spawn(work));
        self.seats.insert(id, Seat::Busy(Busy { inbox, signals: None, task }));
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Error> {
        answer(self.run(id, Some(command), session), id, session)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Error> {
        answer(self.run(id, None, session), id, session)
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Error> {
        if let Some(Seat::Busy(busy)) = self.seats.get(&id)
            && busy.inbox.push(data).await.is_err()
        {
            self.seats.remove(&id);
            session.close(id)?;
        }
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), Error> {
        if let Some(Seat::Busy(busy)) = self.seats.get_mut(&id) {
            busy.inbox.finish();
        }
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), Error> {
        self.seats.remove(&id);
        Ok(())
    }

    async fn signal(&mut self, id: ChannelId, signal: Sig, _session: &mut Session) -> Result<(), Error> {
        if let Some(Seat::Busy(Busy { signals: Some(signals), .. })) = self.seats.get(&id) {
            // The command has ended, or is being flooded: either way this one is lost, as the protocol allows.
            let _ = signals.try_send(signal);
        }
        Ok(())
    }

    // What follows is not offered. The library leaves these requests unanswered unless told to refuse.

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_failure(id)
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_failure(id)
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_failure(id)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_failure(id)
    }

    async fn window_change_request(
        &mut self,
        id: ChannelId,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_failure(id)
    }
}
