//! One target's attempts: begun on time, judged in the order they were begun.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::record::{Measured, Recorder};

/// An attempt that has not seen the banner by then has failed. Shorter than the kernel's first retransmission (1 s), so an
/// attempt says something about its own moment only.
const TIMEOUT: Duration = Duration::from_millis(150);
/// What every SSH server says first (RFC 4253, section 4.2).
const BANNER: &[u8; 4] = b"SSH-";

struct Attempt {
    begun: Duration,
    /// When the banner was there; `None` if it never was.
    work: JoinHandle<Option<Instant>>,
}

/// Measures `target` until the other end of `stopped` is dropped.
pub(super) async fn watch(
    target: SocketAddr,
    interval: Duration,
    mut stopped: watch::Receiver<()>,
) -> Measured {
    let start = Instant::now();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut recorder = Recorder::new(target);
    // At most TIMEOUT / interval of them, rounded up.
    let mut open: VecDeque<Attempt> = VecDeque::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            _ = ticks.tick() => open.push_back(Attempt { begun: start.elapsed(), work: tokio::spawn(attempt(target)) }),
            answered = oldest(&mut open), if !open.is_empty() => note(&mut recorder, &mut open, answered, start),
        }
    }
    while !open.is_empty() {
        let answered = oldest(&mut open).await;
        note(&mut recorder, &mut open, answered, start);
    }
    recorder.finish(start.elapsed())
}

/// Waits for the oldest attempt, which stays in its place until it is noted.
async fn oldest(open: &mut VecDeque<Attempt>) -> Option<Instant> {
    match open.front_mut() {
        // An attempt cannot panic; if it did, it has not succeeded.
        Some(attempt) => (&mut attempt.work).await.unwrap_or(None),
        None => std::future::pending().await,
    }
}

fn note(recorder: &mut Recorder, open: &mut VecDeque<Attempt>, answered: Option<Instant>, start: Instant) {
    if let Some(attempt) = open.pop_front() {
        recorder.add(attempt.begun, answered.map(|at| at.duration_since(start)));
    }
}

async fn attempt(target: SocketAddr) -> Option<Instant> {
    let seen = async {
        let mut banner = [0; BANNER.len()];
        TcpStream::connect(target).await?.read_exact(&mut banner).await?;
        io::Result::Ok(banner)
    };
    match tokio::time::timeout(TIMEOUT, seen).await {
        Ok(Ok(banner)) if banner == *BANNER => Some(Instant::now()),
        _ => None,
    }
}
