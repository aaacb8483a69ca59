//! One command on one channel: its input fed, its output collected within limits, its end told exactly.
//!
//! Must never put a script or a secret on the command line, and never take a lost connection for a failed command.

mod collected;
mod feed;
mod gate;
mod line;

pub(super) use self::gate::Begun;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelOpenFailure};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use self::collected::{Collected, FLOOD};
use self::feed::Activity;
use super::FOREVER;
use super::closer::{Closer, NotOpened, OPENING, opened};
use super::failure::{failure, local, seconds};
use super::link::Link;
use super::reap::Reaper;
use crate::core::text::clean_line;
use crate::ports::{Exec, Output, SshError, SshErrorKind};

/// Once the exit status is known: how long silence may last before we stop waiting for the end of output that a process
/// left in the background holds open.
const LINGER: Duration = Duration::from_secs(2);

/// How soon a channel is asked for again that was refused because of one that has just been closed.
const AGAIN: Duration = Duration::from_millis(20);

/// Why reading stopped.
enum Stop {
    Closed,
    ConnectionGone,
    Lingered,
    Wall,
    Idle(Duration),
    Flood,
    Cancelled,
    Unreadable(std::io::Error),
}

/// Runs a command and waits for its end. A command that is cut off, or whose caller walks away, is ended on the host too.
pub(super) async fn run(link: &Arc<Link>, exec: &Exec) -> Result<Output, SshError> {
    let reaper = Reaper::new(link, exec.privilege.clone());
    let result = on_channel(link, exec, Room::AfterReaps, Some(reaper.begun())).await;
    match &result {
        Err(Cut::Off(_)) => reaper.reap().await,
        Ok(_) | Err(Cut::Refused(_) | Cut::Told(_)) => reaper.disarm(),
    }
    result.map_err(|(Cut::Off(error) | Cut::Refused(error) | Cut::Told(error))| error)
}

/// Why there is no output.
pub(super) enum Cut {
    /// We stopped a command that may still run.
    Off(SshError),
    /// The host opened no channel, so nothing ran.
    Refused(SshError),
    /// Anything else.
    Told(SshError),
}

/// What a refused channel means.
#[derive(Clone, Copy)]
pub(super) enum Room {
    /// There is none now.
    Now,
    /// There may be some once what we have cut off has ended.
    AfterReaps,
}

/// Runs a command on a channel of its own.
///
/// `begun` is told when a command that needs a privilege has got it.
pub(super) async fn on_channel(
    link: &Arc<Link>,
    exec: &Exec,
    room: Room,
    begun: Option<&OnceLock<Begun>>,
) -> Result<Output, Cut> {
    let wall = Instant::now() + exec.wall.min(FOREVER);
    let (feed, gate) = line::prepare(exec).map_err(|why| Cut::Told(local(format!("{}: {why}", link.at))))?;
    let cancelled = cancelled(exec.cancel.clone());
    tokio::pin!(cancelled);
    let channel = tokio::select! {
        opened = open(link, room) => opened?,
        () = &mut cancelled => return Err(Cut::Told(not_begun(link, SshErrorKind::Cancelled, "it was cancelled"))),
        () = sleep_until(wall) => return Err(Cut::Told(late(link, exec.wall))),
    };
    let (mut read, write) = channel.split();
    let write = Arc::new(write);
    // A signal would end sudo alone, and what it began could not be found any more.
    let closer = Closer::new(Arc::clone(&write), exec.privilege.is_none());
    let activity = Activity::new();
    let feeding = feed.send(&write, &activity);
    tokio::pin!(feeding);
    let mut fed = false;
    let mut got = Collected::new(exec, gate);
    let stop = loop {
        let silence = match (&got.status, exec.idle) {
            (Some(_), _) => Some(LINGER),
            (None, idle) => idle,
        };
        let patience = silence.map_or(wall, |silence| wall.min(activity.last() + silence.min(FOREVER)));
        tokio::select! {
            result = &mut feeding, if !fed => match result {
                Ok(()) => fed = true,
                Err(error) => break Stop::Unreadable(error),
            },
            message = read.wait() => match message {
                Some(ChannelMsg::Close) => break Stop::Closed,
                Some(message) => {
                    activity.note();
                    let fits = got.take(message);
                    if let (Some(told), Some(begun)) = (begun, got.begun()) {
                        // It begins once.
                        let _ = told.set(begun);
                    }
                    if !fits {
                        break Stop::Flood;
                    }
                }
                None => break Stop::ConnectionGone,
            },
            // Its status is known: it is not the command that is cut off.
            () = &mut cancelled => break if got.status.is_some() { Stop::Lingered } else { Stop::Cancelled },
            () = sleep_until(patience) => match silence {
                _ if patience >= wall && got.status.is_some() => break Stop::Lingered,
                _ if patience >= wall => break Stop::Wall,
                // The input may have moved since.
                Some(silence) if activity.last() + silence.min(FOREVER) > patience => {}
                Some(_) if got.status.is_some() => break Stop::Lingered,
                Some(silence) => break Stop::Idle(silence),
                None => break Stop::Wall,
            },
        }
    };
    link.note_end();
    let why = match stop {
        Stop::Closed => {
            closer.disarm();
            return got.finish(&link.at).map_err(Cut::Told);
        }
        Stop::ConnectionGone => {
            closer.disarm();
            if got.status.is_some() && got.eof {
                return got.finish(&link.at).map_err(Cut::Told);
            }
            return Err(Cut::Told(link.lost("a command ran; its outcome is unknown")));
        }
        // Not killed: the command itself is done, and what it left behind was left on purpose.
        Stop::Lingered => {
            closer.without_killing().close().await;
            return got.finish(&link.at).map_err(Cut::Told);
        }
        Stop::Wall => cut_off(link, &format!("did not end within {}", seconds(exec.wall))),
        Stop::Idle(silence) => cut_off(link, &format!("was silent for {}", seconds(silence))),
        Stop::Flood => failure(
            SshErrorKind::Protocol,
            format!(
                "{}: a command wrote more than {} bytes, {FLOOD} times its limit, and was cut off; its outcome is unknown",
                link.at,
                exec.max_output.saturating_mul(FLOOD)
            ),
        ),
        Stop::Cancelled => failure(
            SshErrorKind::Cancelled,
            format!("{}: a command was cut off as asked; its outcome is unknown", link.at),
        ),
        Stop::Unreadable(error) => local(format!(
            "{}: the input cannot be read ({error}), and the command was cut off; its outcome is unknown",
            link.at
        )),
    };
    closer.close().await;
    Err(Cut::Off(why))
}

async fn open(link: &Arc<Link>, room: Room) -> Result<Channel<Msg>, Cut> {
    loop {
        let was_reaping = link.reaps.is_any();
        let through = Arc::clone(link);
        match opened(async move { through.handle.channel_open_session().await }).await {
            Ok(channel) => return Ok(channel),
            Err(NotOpened::Refused(why)) => match room {
                Room::AfterReaps if was_reaping || link.reaps.is_any() => link.reaps.over().await,
                Room::AfterReaps if link.has_just_ended_one() => sleep(AGAIN).await,
                Room::AfterReaps | Room::Now => return Err(Cut::Refused(not_opened(link, &why))),
            },
            Err(NotOpened::Late) => return Err(Cut::Told(late(link, OPENING))),
            Err(NotOpened::Gone) => return Err(Cut::Told(link.lost("a command was being started"))),
        }
    }
}

async fn cancelled(wish: Option<watch::Receiver<bool>>) {
    if let Some(mut wish) = wish
        && wish.wait_for(|wished| *wished).await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

fn cut_off(link: &Link, why: &str) -> SshError {
    failure(
        SshErrorKind::Timeout,
        format!("{}: a command {why} and was cut off; its outcome is unknown", link.at),
    )
}

fn late(link: &Link, waited: Duration) -> SshError {
    let why = format!("the host opened no session within {}", seconds(waited));
    not_begun(link, SshErrorKind::Timeout, &why)
}

fn not_begun(link: &Link, kind: SshErrorKind, why: &str) -> SshError {
    failure(kind, format!("{}: a command was not begun: {why}", link.at))
}

fn not_opened(link: &Link, why: &ChannelOpenFailure) -> SshError {
    let why = clean_line(why.description().as_bytes(), 100);
    let hint = "too many commands at once on one connection (MaxSessions), or no sessions for this login?";
    failure(SshErrorKind::Protocol, format!("{}: the host opened no session: {why}; {hint}", link.at))
}
