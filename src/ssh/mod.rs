//! SSH by russh, behind the ports [`Transport`] and [`Session`].
//!
//! One TCP connection (or one `direct-tcpip` channel of a shared jump connection), one checked host key, one public key, and
//! then one channel per script. Nothing is retried here, except that a jump connection found dead is made again.
//!
//! Must never accept a host key that is not on record, offer more than the one key it was given, put anything of a caller on
//! a remote command line, or show what a host says in raw form.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use self::cache::PathCache;
use self::failure::{failure, local, no_answer, tcp};
use self::jump::Pool;
use self::keys::LoginKey;
use self::link::{Link, Login};
use self::trust::Books;
use crate::ports::{
    AuthMethod, Exec, HostKey, Jump, Output, Session, SshError, SshErrorKind, Target, Transport,
};

mod cache;
mod closer;
mod cord;
pub mod double;
mod exec;
mod failure;
mod guard;
mod jump;
mod keys;
pub mod known_hosts;
mod link;
mod reap;
mod trust;
mod tunnel;
mod vitals;

/// Longer than any deadline that makes sense, shorter than what the clock can hold.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long the next address of a name waits for the one before it (RFC 8305 calls it the connection attempt delay).
const STAGGER: Duration = Duration::from_millis(250);

/// What may be tuned. The defaults fit a fleet behind one ordinary sshd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a host may take no data before the connection is lost.
    pub stall: Duration,
    /// Logins at a time through one jump host. Waiting for a turn does not count against a target's time to connect.
    pub jump_handshakes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { stall: Duration::from_secs(20), jump_handshakes: 8 }
    }
}

/// The SSH client of one run: keys and `known_hosts` files are read once, jump connections are shared.
pub struct Russh {
    settings: Settings,
    keys: PathCache<LoginKey>,
    books: Books,
    jumps: Pool,
}

impl Russh {
    /// A client with nothing open and nothing read yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let jumps = Pool::new(settings.jump_handshakes);
        Self { settings, keys: PathCache::new(), books: Books::new(), jumps }
    }

    /// Lines of `known_hosts` files that could not be read, as `file:line: why`; each is told once.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<String> {
        self.books.take_warnings()
    }

    async fn login_key(&self, auth: &[AuthMethod]) -> Result<Arc<LoginKey>, SshError> {
        match auth {
            [AuthMethod::Key { file }] => self.keys.get(file, || keys::load(file)).await,
            _ => Err(local("exactly one private key file is needed to log in")),
        }
    }

    async fn through(&self, target: &Target, jump: &Jump) -> Result<Link, SshError> {
        // What can fail on our side fails before the jump host is bothered.
        let (key, trust) = (self.login_key(&target.auth).await?, self.books.open(&target.host_key).await?);
        let gate = self.jumps.gate(jump);
        let connect = async || self.to_jump(jump, target).await;
        let mut link = gate.link(connect).await?;
        let _turn = gate.turn().await?;
        let within = target.connect_within.min(FOREVER);
        let deadline = Instant::now() + within;
        let address = target.address.to_string();
        let mut opened = jump::open(&link, &address, target.port, (deadline, within)).await;
        if opened.is_err() && link.is_dead() {
            link = gate.link(connect).await?;
            opened = jump::open(&link, &address, target.port, (deadline, within)).await;
        }
        let at = format!("{} through {}", shown(target.address, target.port), link.at);
        let login = Login {
            at,
            user: target.user.clone(),
            key,
            trust,
            deadline,
            within,
            keepalive: target.keepalive,
        };
        Link::open(opened?, login, &self.settings).await
    }

    async fn to_jump(&self, jump: &Jump, target: &Target) -> Result<Link, SshError> {
        let within = target.connect_within.min(FOREVER);
        let (key, trust) = (self.login_key(&jump.auth).await?, self.books.open(&jump.host_key).await?);
        let at = format!("jump host {}:{}", jump.host, jump.port);
        let deadline = Instant::now() + within;
        let found = timeout_at(deadline, tokio::net::lookup_host((jump.host.as_str(), jump.port))).await;
        let addresses: Vec<SocketAddr> = match found {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(e)) => {
                return Err(failure(SshErrorKind::Unreachable, format!("{at}: its name is not known: {e}")));
            }
            Err(_) => {
                return Err(failure(
                    SshErrorKind::Unreachable,
                    format!("{at}: no answer to its name in time"),
                ));
            }
        };
        let stream = dial(&at, &addresses, deadline, within).await?;
        let login =
            Login { at, user: jump.user.clone(), key, trust, deadline, within, keepalive: target.keepalive };
        Link::open(stream, login, &self.settings).await
    }

    async fn direct(&self, target: &Target) -> Result<Link, SshError> {
        let (key, trust) = (self.login_key(&target.auth).await?, self.books.open(&target.host_key).await?);
        let within = target.connect_within.min(FOREVER);
        let deadline = Instant::now() + within;
        let at = shown(target.address, target.port);
        let stream = dial(&at, &[(target.address, target.port).into()], deadline, within).await?;
        let login = Login {
            at,
            user: target.user.clone(),
            key,
            trust,
            deadline,
            within,
            keepalive: target.keepalive,
        };
        Link::open(stream, login, &self.settings).await
    }
}

#[async_trait]
impl Transport for Russh {
    async fn connect(&self, target: &Target) -> Result<Box<dyn Session>, SshError> {
        let jumps: Vec<_> = target.jumps.iter().flat_map(|hop| &hop.any_of).collect();
        let link = match &*jumps {
            [] => self.direct(target).await?,
            [jump] => self.through(target, jump).await?,
            _ => return Err(local("only one jump host on the way is possible")),
        };
        Ok(Box::new(RusshSession(Arc::new(link))))
    }
}

struct RusshSession(Arc<Link>);

#[async_trait]
impl Session for RusshSession {
    fn host_key(&self) -> &HostKey {
        &self.0.host_key
    }

    async fn exec(&self, exec: &Exec) -> Result<Output, SshError> {
        exec::run(&self.0, exec).await
    }

    async fn close(self: Box<Self>) {
        self.0.close().await;
    }
}

/// `address:port`, with brackets where they are needed.
fn shown(address: IpAddr, port: u16) -> String {
    SocketAddr::from((address, port)).to_string()
}

/// The first of the addresses that takes a TCP connection; each starts a little after the one before it.
async fn dial(
    at: &str,
    addresses: &[SocketAddr],
    deadline: Instant,
    within: Duration,
) -> Result<TcpStream, SshError> {
    let begun = Instant::now();
    let mut attempts = JoinSet::new();
    for (delay, address) in (0u32..).map(|n| STAGGER * n).zip(addresses.iter().copied()) {
        attempts.spawn(async move {
            sleep(delay).await;
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(stream)
        });
    }
    let mut last = None;
    loop {
        match timeout_at(deadline, attempts.join_next()).await {
            Err(_) => return Err(no_answer(at, within)),
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => last = Some(tcp(at, &error, begun.elapsed())),
            Ok(Some(Err(_))) => {}
            Ok(None) => {
                let none = || failure(SshErrorKind::Unreachable, format!("{at}: it has no address"));
                return Err(last.unwrap_or_else(none));
            }
        }
    }
}
