//! The part of PID 1 that every namespace of processes needs: bury the dead until the one child that matters is gone.
//!
//! Must never run in a process that waits for children elsewhere: it takes every status there is.

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};

/// Reaps children, own and inherited ones, until `main` has ended; its status, or `None` if there is no such child.
#[must_use]
pub fn reap_until(main: u32) -> Option<WaitStatus> {
    let main = i32::try_from(main).ok().and_then(Pid::from_raw)?;
    loop {
        match waitpid(None, WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == main => return Some(status),
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}
