//! The lock of a state folder: one run that changes anything at a time. The kernel lets go of it when its process ends, however
//! that ends, so a lock that is held has a living holder.
//!
//! Must never be broken by anybody but its holder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Who holds the lock, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOwner {
    /// As `user@bastion`.
    pub who: String,
    /// The process.
    pub pid: u32,
    /// What it does: a verb of the command line.
    pub verb: String,
    /// Since when, milliseconds since 1970-01-01T00:00:00Z.
    pub since_ms: i64,
}

/// The lock, until it is dropped.
#[derive(Debug)]
pub struct RunLock(File);

/// Why the lock is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody holds it; who that is may not be written down yet.
    #[error("another run holds the lock")]
    Held(Option<LockOwner>),
    /// The file cannot be used.
    #[error("lock {path}: {error}; it must be a file that you can write, on a local disk")]
    File {
        /// The file.
        path: String,
        /// What happened.
        error: std::io::Error,
    },
}

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// Shortest patience: whoever only looks at the lock holds it for a moment.
const GLANCE: Duration = Duration::from_millis(500);
/// A lock file that is longer than that is none of ours.
const LONGEST: u64 = 4096;

impl RunLock {
    /// Takes the lock, and waits for it if it is held. Blocks.
    ///
    /// # Errors
    /// [`LockError::Held`] if it was held all the time.
    pub fn take(path: &Path, owner: &LockOwner, patience: Duration) -> Result<Self, LockError> {
        let failed = |error| LockError::File { path: path.display().to_string(), error };
        let until = Instant::now() + patience.max(GLANCE);
        let mut file = open(path).map_err(failed)?;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Err(LockError::Held(read(&mut file))),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        let text = serde_json::to_string(owner).map_err(|error| failed(error.into()))?;
        file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(failed)?;
        Ok(Self(file))
    }

    /// Who holds the lock; `None` if nobody does. Blocks for a moment at most.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn holder(path: &Path) -> Result<Option<Option<LockOwner>>, LockError> {
        let failed = |error| LockError::File { path: path.display().to_string(), error };
        if !path.exists() {
            return Ok(None);
        }
        let mut file = open(path).map_err(failed)?;
        match file.try_lock_shared() {
            Ok(()) => file.unlock().map(|()| None).map_err(failed),
            Err(TryLockError::WouldBlock) => Ok(Some(read(&mut file))),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // What is left in the file is not believed unless the lock is held.
        let _ = self.0.set_len(0);
        // Closing the file is not enough: a program that is being started meanwhile has a copy of it until it is executed.
        let _ = self.0.unlock();
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(path)
}

fn read(file: &mut File) -> Option<LockOwner> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(verb: &str) -> LockOwner {
        LockOwner { who: "anna@bastion".to_owned(), pid: 7, verb: verb.to_owned(), since_ms: 1 }
    }

    #[test]
    fn one_holder_at_a_time_and_everybody_sees_who() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(RunLock::holder(&path).unwrap().is_none());
        let first = RunLock::take(&path, &owner("apply"), Duration::ZERO).unwrap();
        assert_eq!(RunLock::holder(&path).unwrap(), Some(Some(owner("apply"))));
        let refused = RunLock::take(&path, &owner("rollback"), Duration::ZERO);
        assert!(matches!(refused, Err(LockError::Held(Some(held))) if held == owner("apply")));
        drop(first);
        assert!(RunLock::holder(&path).unwrap().is_none());
        RunLock::take(&path, &owner("rollback with a longer name"), Duration::ZERO).unwrap();
        let last = RunLock::take(&path, &owner("x"), Duration::ZERO).unwrap();
        assert_eq!(RunLock::holder(&path).unwrap(), Some(Some(owner("x"))), "no rest of a longer one");
        drop(last);
    }

    /// As between the fork and the exec of a child of another thread.
    #[test]
    fn it_is_let_go_although_a_copy_of_the_file_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = RunLock::take(&path, &owner("apply"), Duration::ZERO).unwrap();
        let copy = held.0.try_clone().unwrap();
        drop(held);
        assert!(RunLock::holder(&path).unwrap().is_none());
        drop(copy);
    }

    #[test]
    fn who_waits_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = RunLock::take(&path, &owner("apply"), Duration::ZERO).unwrap();
        let other = path.clone();
        let waiting = std::thread::spawn(move || {
            RunLock::take(&other, &owner("resume"), Duration::from_secs(60)).map(drop).is_ok()
        });
        std::thread::sleep(Duration::from_millis(100));
        drop(first);
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn rubbish_in_the_file_is_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = RunLock::take(&path, &owner("apply"), Duration::ZERO).unwrap();
        std::fs::write(&path, "\u{1b}[2J").unwrap();
        assert_eq!(RunLock::holder(&path).unwrap(), Some(None));
        drop(held);
        assert!(matches!(
            RunLock::take(folder.path(), &owner("apply"), Duration::ZERO),
            Err(LockError::File { .. })
        ));
    }
}
