//! Putting keys on record: a file is looked at again under a lock, and then appended to in one write.
//!
//! Must never change a line that is there, and never record a key for a name that has another one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use super::{Findings, KeyBlob, KnownHosts, Verdict};
use crate::core::ssh_config::bare_name;

/// How long another process may hold a file's lock.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the lock is tried.
const RETRY: Duration = Duration::from_millis(20);

/// A key and the names to record it under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) struct Addition {
    pub(in crate::ssh) names: Vec<String>,
    pub(in crate::ssh) key: KeyBlob,
}

/// Why nothing was recorded.
#[derive(Debug)]
pub(in crate::ssh) enum NotRecorded {
    /// The file says something else about one of the hosts by now.
    Contradicted(Addition, Verdict),
    /// The name cannot be written.
    Name(String),
    /// The file.
    Io(io::Error),
}

impl From<io::Error> for NotRecorded {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The names to record a host under: without `web` where `[web]:2222` is there, which is looked up as well.
pub(in crate::ssh) fn own_names(names: &[String]) -> Vec<String> {
    let with_port = |name: &String| names.iter().any(|other| other != name && bare_name(other) == name);
    names.iter().filter(|name| !with_port(name)).cloned().collect()
}

/// A file as it was when we last had its lock.
#[derive(Debug, Clone)]
pub(in crate::ssh) struct Read {
    /// Its length, also of what was appended then.
    length: u64,
    /// What it held before that.
    known: Arc<KnownHosts>,
}

/// Appends what is not there yet, and returns what there is now. A file that still has the length that it had `before` is
/// not read again: all that came to it since is then known to the caller, who appended it. Blocks while another process
/// holds the lock, [`PATIENCE`] at most.
pub(in crate::ssh) fn append(
    path: &Path,
    additions: &[Addition],
    hashed: bool,
    before: Option<Read>,
) -> Result<Read, NotRecorded> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let is_new = !path.exists();
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    lock(&file, PATIENCE)?;
    let appended = append_to(&mut file, additions, hashed, before, path);
    // By hand: a process that is being started may have a copy of it for a moment, and closing ours would not do.
    file.unlock()?;
    if is_new && appended.is_ok() {
        File::open(folder)?.sync_all()?;
    }
    appended
}

/// Waits for the lock, which others hold for one write only.
fn lock(file: &File, patience: Duration) -> io::Result<()> {
    let until = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(RETRY),
            Err(TryLockError::WouldBlock) => {
                let why = format!(
                    "another process has held its lock for {} s; end that process (lslocks shows it), and run again",
                    patience.as_secs_f32()
                );
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
        }
    }
}

fn append_to(
    file: &mut File,
    additions: &[Addition],
    hashed: bool,
    before: Option<Read>,
    path: &Path,
) -> Result<Read, NotRecorded> {
    let length = file.metadata()?.len();
    let known = match before {
        Some(before) if before.length == length => before.known,
        Some(_) | None => Arc::new(KnownHosts::parse(&path.display().to_string(), &text(file)?)),
    };
    let wanted = not_there(&known, additions)?;
    if wanted.is_empty() {
        return Ok(Read { length, known });
    }
    let mut text = if ends_its_line(file, length)? { String::new() } else { "\n".to_owned() };
    for addition in wanted {
        text.push_str(&lines(addition, hashed)?);
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(Read { length: file.metadata()?.len(), known })
}

fn text(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn not_there<'a>(
    known: &Arc<KnownHosts>,
    additions: &'a [Addition],
) -> Result<Vec<&'a Addition>, NotRecorded> {
    let known = [Arc::clone(known)];
    let mut wanted = Vec::new();
    for addition in additions {
        match Findings::look_up(&known, &addition.names).judge(&addition.key) {
            Verdict::Unknown { .. } => wanted.push(addition),
            Verdict::Known(_) => {}
            verdict @ (Verdict::Changed { .. } | Verdict::Revoked(_)) => {
                return Err(NotRecorded::Contradicted(addition.clone(), verdict));
            }
        }
    }
    Ok(wanted)
}

fn ends_its_line(file: &mut File, length: u64) -> io::Result<bool> {
    if length == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// One line for all names, or one for each if they are hashed.
fn lines(addition: &Addition, hashed: bool) -> Result<String, NotRecorded> {
    let names: Vec<String> = addition.names.iter().map(|name| name.to_lowercase()).collect();
    let fine = |name: &String| {
        !name.is_empty()
            && !name.starts_with(['@', '#', '|'])
            && name.chars().all(|c| c.is_ascii_graphic() && !"*?!,".contains(c))
    };
    if let Some(name) = names.iter().find(|name| !fine(name)) {
        return Err(NotRecorded::Name(name.clone()));
    }
    let key = addition.key.openssh();
    if !hashed {
        return Ok(format!("{} {key}\n", names.join(",")));
    }
    names.iter().map(|name| Ok(format!("{} {key}\n", hash(name)?))).collect()
}

fn hash(name: &str) -> io::Result<String> {
    let mut salt = [0; 20];
    getrandom::fill(&mut salt).map_err(|error| io::Error::other(error.to_string()))?;
    let mac = Hmac::<Sha1>::new_from_slice(&salt).map_err(io::Error::other)?;
    let hash = mac.chain_update(name.as_bytes()).finalize().into_bytes();
    Ok(format!("|1|{}|{}", BASE64.encode(&salt), BASE64.encode(&hash)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_held_is_not_waited_for_without_end() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let open = || File::open(path.path()).unwrap();
        let (theirs, ours) = (open(), open());
        theirs.lock().unwrap();
        let error = lock(&ours, Duration::from_millis(60)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains("lslocks"), "{error}");
        let letting_go = thread::spawn(move || {
            thread::sleep(RETRY);
            theirs.unlock().unwrap();
        });
        lock(&ours, PATIENCE).unwrap();
        letting_go.join().unwrap();
    }
}
