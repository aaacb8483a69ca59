//! SSH by russh, behind the ports [`Transport`] and [`Session`].
//!
//! One TCP connection (or one `direct-tcpip` channel of a shared jump connection), one checked host key, one login, and then
//! one channel per script. Getting in is tried again where the cause may pass (`retry`); nothing is once we are in.
//!
//! Must never accept a host key that is not on record, try another credential after a refusal, put anything of a caller on
//! a remote command line, or show what a host says in raw form.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::auth::Custody;
use self::jump::Pool;
use self::link::Link;
use self::pacing::Pacing;
use self::trust::Books;
use crate::ports::{Asker, Clock, Exec, HostKey, Output, Session, SshError, Target, Transport};

mod acked;
mod auth;
mod cache;
mod closer;
mod cord;
mod dial;
pub mod double;
mod exec;
mod failure;
mod guard;
mod jump;
pub mod known_hosts;
mod link;
mod pacing;
mod patience;
mod reap;
mod retry;
mod route;
#[cfg(test)]
mod sizes;
mod trust;
mod tunnel;
mod vitals;

/// Longer than any deadline that makes sense, shorter than what the clock can hold.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What may be tuned. The defaults fit a fleet behind one ordinary sshd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a host may take no data before the connection is lost.
    pub stall: Duration,
    /// Logins at a time through one jump host. Waiting for a turn does not count against a target's time to connect.
    pub jump_handshakes: usize,
    /// Targets on one connection to a jump host before there is another connection.
    pub jump_tunnels: usize,
    /// Logins at a time to one address, below what makes an sshd drop connections (`MaxStartups 10:30:100`).
    pub handshakes_per_address: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(20),
            jump_handshakes: 32,
            jump_tunnels: 100,
            handshakes_per_address: 8,
        }
    }
}

/// The SSH client of one run: files are read once, questions asked once, jump connections shared.
pub struct Russh {
    settings: Settings,
    custody: Custody,
    books: Books,
    jumps: Pool,
    pacing: Pacing,
}

impl Russh {
    /// A client with nothing open and nothing read yet, which asks `asker` what no file holds.
    #[must_use]
    pub fn new(settings: Settings, asker: Arc<dyn Asker>) -> Self {
        let jumps = Pool::new(settings.jump_handshakes, settings.jump_tunnels);
        let pacing = Pacing::new(settings.handshakes_per_address);
        Self { settings, custody: Custody::new(asker), books: Books::new(), jumps, pacing }
    }

    /// The same client with a clock, by which it judges certificates of hosts; without one it accepts none.
    #[must_use]
    pub fn by_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.books.set_clock(clock);
        self
    }

    /// Lines of `known_hosts` files that could not be read, as `file:line: why`; each is told once.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<String> {
        self.books.take_warnings()
    }
}

#[async_trait]
impl Transport for Russh {
    async fn connect(&self, target: &Target) -> Result<Box<dyn Session>, SshError> {
        Ok(Box::new(RusshSession(Arc::new(self.reach(target).await?))))
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
