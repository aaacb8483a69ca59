//! The parent: what a person starts. Builds a lab around one command, and takes it down with it.
//!
//! Holds the lifeline. However the parent ends, the lab ends: the kernel closes the pipe, the supervisor sees it.

mod environment;
mod preflight;

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use super::enter::{Doors, attend};
use super::spec::LabSpec;
use super::supervisor::Ready;
use super::{LabError, tool};

use preflight::Way;

/// How long the lab may take to disappear after the lifeline is closed, before it is killed.
const END_LIMIT: Duration = Duration::from_secs(10);

/// A lab, from outside. Dropping it ends the lab.
#[derive(Debug)]
struct Lab {
    unshare: Child,
    lifeline: Option<ChildStdin>,
}

/// Builds a lab, runs `words` in its bastion with the lab's variables, takes the lab down, and exits like the command.
///
/// # Errors
/// If something is missing on this machine, the lab cannot be built, or the command cannot be started.
pub fn run(spec: &LabSpec, words: &[OsString]) -> Result<ExitCode, LabError> {
    let way = preflight::check(spec.sshd)?;
    let program = std::env::current_exe().map_err(|error| format!("cannot find myself: {error}"))?;
    let folder = std::env::current_dir().map_err(|error| format!("the working directory: {error}"))?;
    let lab = Lab::start(spec, way, &program);
    let (lab, variables) = lab?;
    let mut command = Command::new(&program);
    command.args(["lab", "enter", "--unshare", &lab.unshare.id().to_string()]);
    if way == Way::UserNamespace {
        command.arg("--user");
    }
    command.arg("--folder").arg(&folder).arg("--").args(words);
    environment::prepare(&mut command, &variables, std::env::vars_os());
    let result = attend(command);
    lab.end()?;
    result
}

/// The other side of [`run`]: a process of its own that steps into the lab and runs the command there.
///
/// # Errors
/// If the lab cannot be entered or the command cannot be started.
pub fn enter(unshare: u32, user: bool, folder: &PathBuf, words: &[OsString]) -> Result<ExitCode, LabError> {
    let (program, args) = words.split_first().ok_or_else(|| "no command given".to_owned())?;
    Doors::Lab { unshare, user }.enter()?;
    std::env::set_current_dir(folder)
        .map_err(|error| format!("{} is not reachable inside the lab: {error}", folder.display()))?;
    let mut command = Command::new(program);
    command.args(args);
    attend(command)
}

impl Lab {
    fn start(
        spec: &LabSpec,
        way: Way,
        program: &PathBuf,
    ) -> Result<(Self, std::collections::BTreeMap<String, String>), LabError> {
        let mut command = Command::new(tool::program("unshare"));
        if way == Way::UserNamespace {
            command.args(["--user", "--map-root-user"]);
        }
        let spec = serde_json::to_string(spec).map_err(|error| error.to_string())?;
        command
            .args(["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"])
            .arg("--")
            .arg(program)
            .args(["lab", "supervise", &spec])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A terminal's Ctrl-C is for the command in the lab, not for the lab.
            .process_group(0);
        let mut unshare = command.spawn().map_err(|error| format!("unshare: {error}"))?;
        let lifeline = unshare.stdin.take();
        let output = unshare.stdout.take();
        let lab = Self { unshare, lifeline };
        let mut line = String::new();
        if let Some(output) = output {
            BufReader::new(output).read_line(&mut line).map_err(|error| format!("the lab: {error}"))?;
        }
        match serde_json::from_str(&line) {
            Ok(Ready::Up(variables)) => Ok((lab, variables)),
            Ok(Ready::Failed(text)) => Err(format!("the lab could not be built: {text}").into()),
            Err(_) => Err("the lab ended before it was built".to_owned().into()),
        }
    }

    /// Takes the lab down and waits until it is gone.
    fn end(mut self) -> Result<(), LabError> {
        self.take_down().map_err(|error| format!("the lab did not end: {error}").into())
    }

    fn take_down(&mut self) -> Result<(), std::io::Error> {
        drop(self.lifeline.take());
        let deadline = Instant::now() + END_LIMIT;
        while self.unshare.try_wait()?.is_none() {
            if Instant::now() > deadline {
                // Its child, the lab's PID 1, is killed with it.
                self.unshare.kill()?;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // A lab that was ended is gone already; one that was not has nobody left to tell.
        let _ = self.take_down();
    }
}
