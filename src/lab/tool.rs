//! Calls of the two programs that build networks, `ip` and `nft`, with their scripts on standard input.
//!
//! Must never be given text that came from outside the lab's blueprint, and never runs a shell.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where programs are looked for if `PATH` does not have them: an ordinary user's `PATH` often lacks `sbin`.
pub(super) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The program's file, from `PATH` or the usual system directories.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(std::env::split_paths(SYSTEM_PATH))
        .map(|folder| folder.join(program))
        .find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The program's file, or its bare name so that the attempt to start it tells what is missing.
pub(super) fn program(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| PathBuf::from(name))
}

/// Runs lines of `ip`, in the network namespace `netns` or this thread's own.
pub(super) fn ip_batch(netns: Option<&str>, script: &str) -> Result<(), String> {
    let mut command = Command::new(program("ip"));
    if let Some(netns) = netns {
        command.args(["-n", netns]);
    }
    feed(command.args(["-batch", "-"]), script).map(drop)
}

/// Runs an nft script as one transaction.
pub(super) fn nft(script: &str) -> Result<(), String> {
    feed(Command::new(program("nft")).args(["-f", "-"]), script).map(drop)
}

/// What `ip` prints for these arguments.
pub(super) fn ip_output(args: &[&str]) -> Result<String, String> {
    feed(Command::new(program("ip")).args(args), "")
}

fn feed(command: &mut Command, script: &str) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |why: &dyn std::fmt::Display| format!("{name}: {why}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    if let Some(mut input) = child.stdin.take() {
        // A program that stops reading has an error message, which says more than the broken pipe.
        let _ = input.write_all(script.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| failed(&error))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(&String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// Writes a whole file with these permissions.
pub(super) fn write(path: &Path, mode: u32, text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).map_err(failed)
}
