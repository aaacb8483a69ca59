//! Running a command inside namespaces of the lab, as a well-behaved stand-in for it: signals and exit status pass through.
//!
//! [`Doors`] must be used while the process has one thread, because the kernel lets only such a process change its mount
//! and user namespaces; so it is the first thing that a process of its own does.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType as Kind, move_into_link_name_space};
use tokio::signal::unix::{SignalKind, signal};

use super::{LabError, paths};

/// Which namespaces to enter.
#[derive(Debug, Clone)]
pub enum Doors {
    /// The lab from outside, then the network of its bastion. `unshare` is the pid of the lab's `unshare`.
    Lab {
        /// As seen by this process.
        unshare: u32,
        /// The lab has a user namespace of its own.
        user: bool,
    },
    /// Everything of a host, from inside the lab. `unshare` is the pid of the host's `unshare`.
    Host {
        /// As seen inside the lab.
        unshare: u32,
    },
    /// Only a named network, from inside the lab.
    Network(String),
}

impl Doors {
    /// Moves this process in. Its future children are in the process namespace, too.
    ///
    /// # Errors
    /// A text that names the namespace that could not be entered.
    pub fn enter(&self) -> Result<(), String> {
        match self {
            Self::Lab { unshare, user } => {
                let mut kinds = vec![
                    ("mnt", Kind::Mount),
                    ("uts", Kind::HostNameAndNISDomainName),
                    ("ipc", Kind::InterProcessCommunication),
                    ("pid_for_children", Kind::ProcessID),
                ];
                if *user {
                    // First, because it gives the right to enter the others.
                    kinds.insert(0, ("user", Kind::User));
                }
                pass_all(*unshare, &kinds)?;
                pass_network(paths::BASTION)
            }
            Self::Host { unshare } => pass_all(
                *unshare,
                &[
                    ("net", Kind::Network),
                    ("mnt", Kind::Mount),
                    ("uts", Kind::HostNameAndNISDomainName),
                    ("pid_for_children", Kind::ProcessID),
                ],
            ),
            Self::Network(name) => pass_network(name),
        }
    }
}

fn pass_network(name: &str) -> Result<(), String> {
    pass(&open(&paths::netns(name))?, Kind::Network, name)
}

/// Opens all handles before using the first: afterwards `/proc` shows other processes.
fn pass_all(pid: u32, kinds: &[(&str, Kind)]) -> Result<(), String> {
    let handles = kinds
        .iter()
        .map(|(name, kind)| Ok((open(&PathBuf::from(format!("/proc/{pid}/ns/{name}")))?, *kind, *name)))
        .collect::<Result<Vec<_>, String>>()?;
    handles.iter().try_for_each(|(file, kind, name)| pass(file, *kind, name))
}

fn open(path: &Path) -> Result<File, String> {
    File::open(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn pass(file: &File, kind: Kind, name: &str) -> Result<(), String> {
    move_into_link_name_space(file.as_fd(), Some(kind))
        .map_err(|error| format!("cannot enter the namespace {name}: {error}"))
}

/// Moves only the calling thread into a named network; sockets it makes belong there for ever.
pub(super) fn move_thread_into(network: &str) -> Result<(), String> {
    pass_network(network)
}

/// Runs `command` in the foreground: Ctrl-C and Ctrl-\ reach it from the terminal and leave this process alone, SIGTERM and
/// SIGHUP are passed on. Exits like the command: its status, or 128 and the signal's number, 127 if there is no such
/// command, 126 if it cannot be executed.
///
/// # Errors
/// If the command cannot be started (with a shell's code for that), or signals cannot be handled.
pub fn attend(command: Command) -> Result<ExitCode, LabError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(attend_inner(command))
}

async fn attend_inner(command: Command) -> Result<ExitCode, LabError> {
    let listen = |kind| signal(kind).map_err(|error| format!("cannot handle signals: {error}"));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut quit = listen(SignalKind::quit())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = tokio::process::Command::from(command).spawn().map_err(|error| LabError {
        code: if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 },
        text: format!("{name}: {error}"),
    })?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let pass_on = |what: Signal| {
        if let Some(pid) = pid {
            // The command may have ended meanwhile.
            let _ = kill_process(pid, what);
        }
    };
    loop {
        tokio::select! {
            status = child.wait() => {
                let status = status.map_err(|error| format!("{name}: {error}"))?;
                return Ok(ExitCode::from(code_of(status)));
            }
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
            _ = terminate.recv() => pass_on(Signal::TERM),
            _ = hangup.recv() => pass_on(Signal::HUP),
        }
    }
}

/// The exit code a shell would show for this status.
fn code_of(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|number| 128 + number));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(code_of(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(code_of(ExitStatus::from_raw(0)), 0);
        assert_eq!(code_of(ExitStatus::from_raw(15)), 143);
    }

    #[test]
    fn a_missing_namespace_is_named() {
        let error = Doors::Network("no-such-network".into()).enter().unwrap_err();
        assert!(error.contains("no-such-network"), "{error}");
    }
}
