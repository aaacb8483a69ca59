//! A command of a session: `/bin/sh -c COMMAND` in a process group of its own, with sshd's environment.
//!
//! While its leader lives, a command never outlives its session: dropping a [`Job`] kills the whole group. What a finished
//! command left in the background is left alone, as OpenSSH leaves it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use russh::server::{Handle, Msg};
use russh::{ChannelWriteHalf, Sig};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::guest::Ends;
use super::inbox::Outlet;
use super::tunnel::pump;

/// Extended data of this type is standard error (RFC 4254, section 5.2).
const STDERR: u32 = 1;
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The signals that have a name on the wire (RFC 4254, section 6.10), with it.
const NAMED: [(Signal, Sig); 12] = [
    (Signal::ABORT, Sig::ABRT),
    (Signal::ALARM, Sig::ALRM),
    (Signal::FPE, Sig::FPE),
    (Signal::HUP, Sig::HUP),
    (Signal::ILL, Sig::ILL),
    (Signal::INT, Sig::INT),
    (Signal::KILL, Sig::KILL),
    (Signal::PIPE, Sig::PIPE),
    (Signal::QUIT, Sig::QUIT),
    (Signal::SEGV, Sig::SEGV),
    (Signal::TERM, Sig::TERM),
    (Signal::USR1, Sig::USR1),
];

/// A running command; dropped, its process group is killed unless the leader has ended.
pub(super) struct Job(Child);

impl Job {
    /// Starts `command`, or a shell that reads its commands from standard input.
    pub(super) fn start(command: Option<&[u8]>, user: &str, ends: &Ends) -> io::Result<Self> {
        // With the dot it is a directory only for those who may enter it: in a user namespace it can be somebody else's.
        let home = if Path::new("/root/.").is_dir() { "/root" } else { "/" };
        let (client, host) = (ends.client, ends.host);
        let mut shell = Command::new("/bin/sh");
        if let Some(command) = command {
            shell.arg("-c").arg(OsStr::from_bytes(command));
        }
        shell
            .env_clear()
            .env("HOME", home)
            .env("USER", user)
            .env("LOGNAME", user)
            .env("SHELL", "/bin/sh")
            .env("PATH", PATH)
            .env("SSH_CLIENT", format!("{} {} {}", client.ip(), client.port(), host.port()))
            .env("SSH_CONNECTION", format!("{} {} {} {}", client.ip(), client.port(), host.ip(), host.port()))
            .current_dir(home)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map(Self)
    }

    /// Sends a signal to the whole group, if the leader has not been waited for: its number may be another's then.
    fn signal(&self, signal: Signal) {
        let leader = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(leader) = leader {
            // The only possible error is that all of it has ended by itself.
            let _ = kill_process_group(leader, signal);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// What a command talks to.
pub(super) struct Wires {
    /// Its session's channel.
    pub(super) channel: ChannelWriteHalf<Msg>,
    /// The connection, which alone can send an exit signal.
    pub(super) connection: Handle,
    /// Standard input.
    pub(super) outlet: Outlet,
    /// Signals the client sends.
    pub(super) signals: mpsc::Receiver<Sig>,
    /// The session's place among those allowed.
    pub(super) place: OwnedSemaphorePermit,
}

/// Sees a command to its end: status as soon as it has one, then, when nobody holds its output any more, EOF and CLOSE.
pub(super) async fn attend(mut job: Job, wires: Wires) {
    let Wires { channel, connection, outlet, mut signals, place } = wires;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (job.0.stdin.take(), job.0.stdout.take(), job.0.stderr.take())
    else {
        return;
    };
    let life = async {
        let status = loop {
            tokio::select! {
                status = job.0.wait() => break status,
                Some(wanted) = signals.recv() => {
                    if let Some((signal, _)) = NAMED.iter().find(|(_, named)| same(named, &wanted)) {
                        job.signal(*signal);
                    }
                }
            }
        };
        report(status, &channel, &connection).await;
    };
    let output = outlet.output();
    let work = async {
        tokio::join!(
            pump(stdout, &channel, None, &output),
            pump(stderr, &channel, Some(STDERR), &output),
            life
        )
    };
    // Input is not waited for: a command may end without reading it.
    let input = async {
        outlet.pour_into(stdin).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = work => {}
        () = input => {}
    }
    // Before CLOSE, so that a client which has seen it finds the place free.
    drop(place);
    // Errors mean that the connection has ended, and this task with it.
    let _ = channel.eof().await;
    let _ = channel.close().await;
}

async fn report(status: io::Result<ExitStatus>, channel: &ChannelWriteHalf<Msg>, connection: &Handle) {
    // A status that cannot be had is none: the client sees CLOSE without one, which it must not take for success.
    let Ok(status) = status else { return };
    // If the client has gone there is nobody to report to.
    if let Some(code) = status.code().and_then(|code| u32::try_from(code).ok()) {
        let _ = channel.exit_status(code).await;
    } else if let Some(number) = status.signal() {
        let name = NAMED
            .into_iter()
            .find_map(|(signal, name)| (signal.as_raw() == number).then_some(name))
            .unwrap_or_else(|| Sig::Custom("SIG@openssh.com".to_owned()));
        let _ = connection
            .exit_signal_request(channel.id(), name, status.core_dumped(), String::new(), String::new())
            .await;
    }
}

fn same(a: &Sig, b: &Sig) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}
