//! The way to a host: straight, or over jump hosts, and the login at its end.
//!
//! Must never bother a jump host with what fails on our side.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;

use super::dial::dial;
use super::failure::local;
use super::jump::{self, Connecting, Lease};
use super::link::{Link, Login};
use super::patience::Patience;
use super::retry::{Setback, Tries};
use super::{Russh, shown};
use crate::ports::{Hop, Jump, Keepalive, SshError, Target};

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// Where to go, and over which hops.
struct Destination<'a> {
    hops: &'a [Hop],
    /// As people know it.
    end: &'a str,
    host: &'a str,
    port: u16,
}

/// A stream to an sshd.
struct Way {
    /// As people know it, with the jump hosts.
    at: String,
    stream: Box<dyn Duplex>,
    /// Held until the handshake is done.
    _turn: Option<OwnedSemaphorePermit>,
}

impl Russh {
    /// A connection to the target.
    pub(super) async fn reach(&self, target: &Target) -> Result<Link, SshError> {
        let who = Arc::new(self.custody.prepare(&target.user, None, &target.auth).await?);
        let trust = self.books.open(&target.host_key).await?;
        let turn = self.pacing.turn(target).await?;
        let patience = Arc::new(Patience::new(target.connect_within));
        let end = shown(target.address, target.port);
        let host = target.address.to_string();
        let keepalive = target.keepalive;
        let to = Destination { hops: &target.jumps, end: &end, host: &host, port: target.port };
        let algorithms = &target.algorithms;
        let login = Login { who: &who, trust: &trust, patience: &patience, keepalive, algorithms };
        let result = self.log_in(&to, &login).await;
        turn.ended(&result);
        result
    }

    async fn log_in(&self, to: &Destination<'_>, login: &Login<'_>) -> Result<Link, SshError> {
        let mut tries = Tries::default();
        loop {
            let opened = match self.way(to, login.patience, login.keepalive).await {
                Ok(way) => Link::open(way.at, way.stream, login, &self.settings).await,
                Err(setback) => Err(setback),
            };
            match opened {
                Ok(link) => return Ok(link),
                Err(setback) => tries.again(setback, login.patience).await?,
            }
        }
    }

    async fn way(
        &self,
        &Destination { hops, end, host, port }: &Destination<'_>,
        patience: &Patience,
        keepalive: Keepalive,
    ) -> Result<Way, Setback> {
        let Some((last, before)) = hops.split_last() else {
            let stream = Box::new(dial(end, (host, port), patience).await?);
            return Ok(Way { at: end.to_owned(), stream, _turn: None });
        };
        // The jump host's login has its own time, and so has waiting for a turn.
        let (lease, turn) = patience.without(self.jump(before, last, patience.within(), keepalive)).await?;
        let at = format!("{end} through {}", lease.link.at);
        let stream = Box::new(jump::open(lease, (host, port), patience).await?);
        Ok(Way { at, stream, _turn: turn })
    }

    /// A place on a connection to one of the jump hosts of `hop`, and a turn to shake hands through it. In a box, because a
    /// jump host may be behind another.
    #[expect(clippy::type_complexity, reason = "said once, and a name would say no more")]
    fn jump<'a>(
        &'a self,
        before: &'a [Hop],
        hop: &'a Hop,
        within: Duration,
        keepalive: Keepalive,
    ) -> Pin<Box<dyn Future<Output = Result<(Lease, Option<OwnedSemaphorePermit>), SshError>> + Send + 'a>>
    {
        Box::pin(async move {
            let mut first = None;
            for (jump, gate) in self.jumps.gates(before, hop) {
                let connect =
                    || -> Connecting<'_> { Box::pin(self.to_jump(before, jump, within, keepalive)) };
                match gate.lease(connect).await {
                    Ok(lease) => return Ok((lease, gate.turn().await)),
                    Err(error) => _ = first.get_or_insert(error),
                }
            }
            Err(first.unwrap_or_else(|| local("a hop without a jump host was given")))
        })
    }

    async fn to_jump(
        &self,
        before: &[Hop],
        jump: &Jump,
        within: Duration,
        keepalive: Keepalive,
    ) -> Result<Link, SshError> {
        let name = format!("{}:{}", jump.host, jump.port);
        let who = Arc::new(self.custody.prepare(&jump.user, Some(name.clone()), &jump.auth).await?);
        let trust = self.books.open(&jump.host_key).await?;
        let patience = Arc::new(Patience::new(within));
        let end = format!("jump host {name}");
        let to = Destination { hops: before, end: &end, host: &jump.host, port: jump.port };
        let algorithms = &jump.algorithms;
        let login = Login { who: &who, trust: &trust, patience: &patience, keepalive, algorithms };
        self.log_in(&to, &login).await
    }
}
