//! Commands that run inside a lab: ask the supervisor, or step into a host, the bastion or the internet.
//!
//! Outside a lab each says so and does nothing.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};

use super::control::{Answer, Request, Status};
use super::emulator::Summary;
use super::enter::{Doors, attend};
use super::tool::SYSTEM_PATH;
use super::{LabError, paths};
use crate::core::model::HostName;

/// Asks the supervisor.
///
/// # Errors
/// If this is not inside a lab, or the supervisor could not do it.
pub fn ask(request: &Request) -> Result<Answer, LabError> {
    let socket = UnixStream::connect(paths::control()).map_err(|error| LabError {
        code: 1,
        text: format!(
            "not inside a lab ({}: {error}); start one with: egressctl lab run -- COMMAND",
            paths::control().display()
        ),
    })?;
    let failed = |error: &dyn std::fmt::Display| format!("the lab's supervisor: {error}");
    let mut line = serde_json::to_string(request).map_err(|error| failed(&error))?;
    line.push('\n');
    (&socket).write_all(line.as_bytes()).map_err(|error| failed(&error))?;
    let mut answer = String::new();
    BufReader::new(&socket).read_line(&mut answer).map_err(|error| failed(&error))?;
    match serde_json::from_str(&answer).map_err(|error| failed(&error))? {
        Answer::Failed(text) => Err(text.into()),
        answer => Ok(answer),
    }
}

/// The lab as it is now.
///
/// # Errors
/// As [`ask`].
pub fn status() -> Result<Status, LabError> {
    match ask(&Request::Status)? {
        Answer::Status(status) => Ok(status),
        _ => Err(LabError::from("the lab's supervisor answered something else".to_owned())),
    }
}

/// What the lab's cloud was called for since the lab began.
///
/// # Errors
/// As [`ask`].
pub fn calls() -> Result<Summary, LabError> {
    match ask(&Request::Calls)? {
        Answer::Calls(summary) => Ok(*summary),
        _ => Err(LabError::from("the lab's supervisor answered something else".to_owned())),
    }
}

/// Lets the lab's cloud go wrong as this fault file says, and in no other way.
///
/// # Errors
/// As [`ask`].
pub fn faults(text: String) -> Result<(), LabError> {
    ask(&Request::Faults(text)).map(drop)
}

/// Reboots a host and waits until its SSH server is there again.
///
/// # Errors
/// As [`ask`]; also if there is no such host or it does not come up.
pub fn reboot(host: &HostName) -> Result<(), LabError> {
    ask(&Request::Reboot(host.clone())).map(drop)
}

/// Runs a command on a host, not by SSH but by stepping into it; `bastion` is a host, too.
///
/// # Errors
/// As [`ask`]; also if there is no such host, or the command cannot be started.
pub fn exec(host: &HostName, command: &[OsString]) -> Result<ExitCode, LabError> {
    let status = status()?;
    if host.as_str() == paths::BASTION {
        return inside(&Doors::Network(paths::BASTION.to_owned()), false, command);
    }
    let found = status.hosts.iter().find(|found| found.name == *host);
    let found = found.ok_or_else(|| {
        let names: Vec<_> = status.hosts.iter().map(|host| host.name.as_str()).collect();
        format!("the lab has no host {host}; it has bastion, {}", names.join(", "))
    })?;
    inside(&Doors::Host { unshare: found.unshare }, true, command)
}

/// Runs a command from the internet's point of view; its address there is the client's.
///
/// # Errors
/// As [`exec`].
pub fn internet(command: &[OsString]) -> Result<ExitCode, LabError> {
    status()?;
    inside(&Doors::Network(paths::INTERNET.to_owned()), false, command)
}

fn inside(doors: &Doors, host: bool, words: &[OsString]) -> Result<ExitCode, LabError> {
    let (program, args) = words.split_first().ok_or_else(|| "no command given".to_owned())?;
    doors.enter()?;
    let mut command = Command::new(program);
    command.args(args);
    if host {
        // A login on the host would start like this; the bastion's folders are not there.
        command.current_dir("/root").env("HOME", "/root").env("USER", "root").env("PATH", SYSTEM_PATH);
        command.env_remove("XDG_STATE_HOME");
    }
    attend(command)
}
