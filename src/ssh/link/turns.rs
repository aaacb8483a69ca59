//! How often a command waits for the far end, from the first byte to its last: counted behind a delay line in virtual
//! time, where nothing else takes any. What a real sshd and its TCP add to that is in `docs/performance.md`.

use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep_until};

use super::super::exec;
use super::tests::{key, open};
use super::*;
use crate::ports::{Command, Exec};

/// There and back.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// Lets a key in and says 0 to every command that has read its input.
struct Obliging;

impl server::Handler for Obliging {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(id)
    }

    async fn channel_eof(&mut self, id: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        session.exit_status_request(id, 0)?;
        session.eof(id)?;
        session.close(id)
    }
}

/// Carries bytes one way and delivers them half a round trip later.
fn carry(mut from: ReadHalf<DuplexStream>, mut to: WriteHalf<DuplexStream>) {
    let (sender, mut under_way) = unbounded_channel();
    tokio::spawn(async move {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut bytes).await {
            let _ = sender.send((Instant::now() + ROUND_TRIP / 2, bytes[..length].to_vec()));
        }
    });
    tokio::spawn(async move {
        while let Some((due, bytes)) = under_way.recv().await {
            sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
    });
}

/// A stream to a host that is far away.
fn far_away() -> DuplexStream {
    let (ours, near) = duplex(1 << 16);
    let (far, theirs) = duplex(1 << 16);
    let (near_in, near_out) = split(near);
    let (far_in, far_out) = split(far);
    carry(near_in, far_out);
    carry(far_in, near_out);
    let config = server::Config { keys: vec![key()], ..server::Config::default() };
    tokio::spawn(async move {
        if let Ok(running) = server::run_stream(Arc::new(config), theirs, Obliging).await {
            let _ = running.await;
        }
    });
    ours
}

/// Whole round trips since then. Half of one is more than all else takes, which is nothing.
fn round_trips(since: Instant) -> usize {
    let count = since.elapsed().as_secs_f64() / ROUND_TRIP.as_secs_f64();
    (0_u8..).find(|whole| f64::from(*whole) > count - 0.5).unwrap().into()
}

/// Algorithms, keys, service, "would you take this key?", signature; the last three in one flight where russh can do that.
const LOGIN: usize = if cfg!(russh_pipelined) { 3 } else { 5 };
/// Channel, then request, input and result; the first channel comes with the login where russh can do that.
const FIRST: usize = if cfg!(russh_pipelined) { 1 } else { 2 };
const NEXT: usize = 2;

/// The handshake of TCP comes before all this, and is one more.
#[tokio::test(start_paused = true)]
async fn a_login_and_a_command_wait_no_more_often_than_they_must() {
    let begun = Instant::now();
    let link = Arc::new(open(far_away()).await.ok().unwrap());
    assert_eq!(round_trips(begun), LOGIN);
    run(&link, Command::Script("true\n".to_owned())).await;
    assert_eq!(round_trips(begun), LOGIN + FIRST);
    run(&link, Command::Argv(vec!["true".to_owned()])).await;
    assert_eq!(round_trips(begun), LOGIN + FIRST + NEXT);
    link.close().await;
    assert_eq!(round_trips(begun), LOGIN + FIRST + NEXT);
}

async fn run(link: &Arc<Link>, command: Command) {
    exec::run(link, &Exec::new(command, Duration::from_secs(60), 10)).await.unwrap();
}
