//! One script on one channel: fed by stdin, its output collected within limits, its end told exactly.
//!
//! Must never put anything of the caller's on the command line, and never take a lost connection for a failed command.

use std::sync::Arc;
use std::time::Duration;

use russh::{ChannelMsg, ChannelOpenFailure, Sig};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::FOREVER;
use super::closer::{Closer, opened};
use super::failure::{failure, seconds};
use super::link::Link;
use super::reap::Reaper;
use crate::core::text::clean_line;
use crate::ports::{Exec, ExitStatus, Output, SshError, SshErrorKind};

/// The whole command line, for root's login. `exec`, so that the login's own shell does not turn a signal into a status.
const SHELL: &str = "exec /bin/sh -s";
/// The whole command line, for others.
const SUDO_SHELL: &str = "exec sudo -n /bin/sh -s";
/// A command that writes more than this many times its limit is cut off instead of drained.
const FLOOD: usize = 64;
/// Once the exit status is known: how long silence may last before we stop waiting for the end of output that a process
/// left in the background holds open.
const LINGER: Duration = Duration::from_secs(2);
/// What has come in so far.
struct Collected {
    output: Output,
    cap: usize,
    received: usize,
    status: Option<ExitStatus>,
    eof: bool,
    refused: bool,
}

/// Why reading stopped.
enum Stop {
    Closed,
    ConnectionGone,
    Lingered,
    Deadline,
    Flood,
}

/// Runs a script and waits for its end. A command that is cut off, or whose caller walks away, is ended on the host too.
pub(super) async fn run(link: &Arc<Link>, exec: &Exec) -> Result<Output, SshError> {
    let reaper = Reaper::new(link, exec.sudo);
    let result = on_channel(link, exec).await;
    match &result {
        Err(Cut::Off(_)) => reaper.reap().await,
        Ok(_) | Err(Cut::Told(_)) => reaper.disarm(),
    }
    result.map_err(|(Cut::Off(error) | Cut::Told(error))| error)
}

/// Why there is no output.
pub(super) enum Cut {
    /// We stopped a command that may still run.
    Off(SshError),
    /// Anything else.
    Told(SshError),
}

/// Runs a script on a channel of its own.
pub(super) async fn on_channel(link: &Arc<Link>, exec: &Exec) -> Result<Output, Cut> {
    let deadline = Instant::now() + exec.wall.min(FOREVER);
    let through = Arc::clone(link);
    let opening = opened(async move { through.handle.channel_open_session().await });
    let channel = match timeout_at(deadline, opening).await {
        Ok(Ok(channel)) => channel,
        Ok(Err(russh::Error::ChannelOpenFailure(why))) => return Err(Cut::Told(not_opened(link, &why))),
        Ok(Err(_)) => return Err(Cut::Told(link.lost("a command was being started"))),
        Err(_) => return Err(Cut::Told(too_long(link, exec.wall))),
    };
    let (mut read, write) = channel.split();
    let write = Arc::new(write);
    let closer = Closer::new(Arc::clone(&write), true);
    let feed = async {
        // A reply is asked for, to tell a refusal, but not waited for: the script goes out behind the request.
        write.exec(true, if exec.sudo { SUDO_SHELL } else { SHELL }).await?;
        write.data_bytes(exec.script.clone()).await?;
        write.eof().await
    };
    tokio::pin!(feed);
    let mut fed = false;
    let mut got = Collected::new(exec.max_output);
    let mut patience = deadline;
    let stop = loop {
        tokio::select! {
            // A command may end without reading its input, and then feeding fails; what matters is what it says.
            _ = &mut feed, if !fed => fed = true,
            message = read.wait() => match message {
                Some(ChannelMsg::Close) => break Stop::Closed,
                Some(message) => {
                    if !got.take(message) {
                        break Stop::Flood;
                    }
                    if got.status.is_some() {
                        patience = deadline.min(Instant::now() + LINGER);
                    }
                }
                None => break Stop::ConnectionGone,
            },
            () = sleep_until(patience) => {
                break if got.status.is_some() && patience < deadline { Stop::Lingered } else { Stop::Deadline };
            }
        }
    };
    match stop {
        Stop::Closed => closer.disarm(),
        Stop::ConnectionGone if got.status.is_some() && got.eof => closer.disarm(),
        Stop::ConnectionGone => {
            closer.disarm();
            return Err(Cut::Told(link.lost("a command ran; its outcome is unknown")));
        }
        // Not killed: the command itself is done, and what it left behind was left on purpose.
        Stop::Lingered => closer.without_killing().close().await,
        Stop::Deadline => {
            closer.close().await;
            return Err(Cut::Off(too_long(link, exec.wall)));
        }
        Stop::Flood => {
            closer.close().await;
            return Err(Cut::Off(failure(
                SshErrorKind::Protocol,
                format!(
                    "{}: a command wrote more than {} bytes, {FLOOD} times its limit, and was cut off; its outcome is unknown",
                    link.at,
                    exec.max_output.saturating_mul(FLOOD)
                ),
            )));
        }
    }
    got.finish(&link.at).map_err(Cut::Told)
}

impl Collected {
    fn new(cap: usize) -> Self {
        let output = Output { stdout: vec![], stderr: vec![], status: ExitStatus::Code(0), truncated: false };
        Self { output, cap, received: 0, status: None, eof: false, refused: false }
    }

    /// Takes one message in. False if the peer writes without end.
    fn take(&mut self, message: ChannelMsg) -> bool {
        match message {
            ChannelMsg::Data { data } => return self.keep(&data, false),
            // 1 is SSH_EXTENDED_DATA_STDERR, the only kind there is.
            ChannelMsg::ExtendedData { data, .. } => return self.keep(&data, true),
            ChannelMsg::Eof => self.eof = true,
            ChannelMsg::Failure => self.refused = true,
            ChannelMsg::ExitStatus { exit_status } => self.status = Some(ExitStatus::Code(exit_status)),
            ChannelMsg::ExitSignal { signal_name, .. } => {
                self.status = Some(ExitStatus::Signal(signal_text(&signal_name)));
            }
            _ => {}
        }
        true
    }

    fn keep(&mut self, data: &[u8], is_stderr: bool) -> bool {
        self.received = self.received.saturating_add(data.len());
        let to = if is_stderr { &mut self.output.stderr } else { &mut self.output.stdout };
        let room = self.cap.saturating_sub(to.len());
        self.output.truncated |= data.len() > room;
        to.extend_from_slice(data.get(..room).unwrap_or(data));
        self.received <= self.cap.saturating_mul(FLOOD)
    }

    fn finish(self, at: &str) -> Result<Output, SshError> {
        match self.status {
            Some(status) => Ok(Output { status, ..self.output }),
            None if self.refused => Err(failure(
                SshErrorKind::Protocol,
                format!(
                    "{at}: the host refuses to run commands for this login (a forced command, or no shell?)"
                ),
            )),
            None => Err(failure(
                SshErrorKind::Protocol,
                format!("{at}: a command ended without an exit status; its outcome is unknown"),
            )),
        }
    }
}

fn too_long(link: &Link, wall: Duration) -> SshError {
    failure(
        SshErrorKind::Timeout,
        format!(
            "{}: a command did not end within {} and was cut off; its outcome is unknown",
            link.at,
            seconds(wall)
        ),
    )
}

fn not_opened(link: &Link, why: &ChannelOpenFailure) -> SshError {
    let why = clean_line(why.description().as_bytes(), 100);
    let hint = "too many commands at once on one connection (MaxSessions), or no sessions for this login?";
    failure(SshErrorKind::Protocol, format!("{}: the host opened no session: {why}; {hint}", link.at))
}

fn signal_text(signal: &Sig) -> String {
    match signal {
        Sig::ABRT => "ABRT",
        Sig::ALRM => "ALRM",
        Sig::FPE => "FPE",
        Sig::HUP => "HUP",
        Sig::ILL => "ILL",
        Sig::INT => "INT",
        Sig::KILL => "KILL",
        Sig::PIPE => "PIPE",
        Sig::QUIT => "QUIT",
        Sig::SEGV => "SEGV",
        Sig::TERM => "TERM",
        Sig::USR1 => "USR1",
        Sig::Custom(name) => return clean_line(name.as_bytes(), 32),
    }
    .to_owned()
}
