//! The files of host keys: read once, and what was learned since.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{Recorded, Rule, Trust, pinned};
use crate::core::ssh_config::Place;
use crate::ports::{Clock, HostKeyPolicy, KeyRecord, SshError, Stranger};
use crate::ssh::Russh;
use crate::ssh::cache::{PathCache, lock};
use crate::ssh::failure::local;
use crate::ssh::known_hosts::record::{Addition, NotRecorded, Read, append, own_names};
use crate::ssh::known_hosts::{Findings, KeyBlob, KnownHosts, Record, Verdict};

/// Parsed `known_hosts` files, and what was wrong with lines of them.
pub(in crate::ssh) struct Books {
    files: PathCache<KnownHosts>,
    warnings: Mutex<Vec<String>>,
    clock: Option<Arc<dyn Clock>>,
    shared: Arc<Shared>,
}

/// What connections add to the books.
#[derive(Debug, Default)]
pub(super) struct Shared {
    strangers: Mutex<Vec<Stranger>>,
    /// Keys recorded since the files were read, by name.
    learned: Mutex<HashMap<String, Record>>,
    /// The files as they were when we wrote to them. Held while a file is written, so that writers take turns.
    written: tokio::sync::Mutex<HashMap<PathBuf, Read>>,
}

/// Why a key was not learned.
pub(super) enum NotLearned {
    /// A record says something else about this host.
    Contradicted(Addition, Verdict),
    /// Something on our side.
    Other(SshError),
}

impl Books {
    pub(in crate::ssh) fn new() -> Self {
        Self {
            files: PathCache::new(),
            warnings: Mutex::new(Vec::new()),
            clock: None,
            shared: Arc::default(),
        }
    }

    /// Certificates of hosts are judged by this clock.
    pub(in crate::ssh) fn set_clock(&mut self, clock: Arc<dyn Clock>) {
        self.clock = Some(clock);
    }

    /// Lines that could not be read, since the last call.
    pub(in crate::ssh) fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.warnings))
    }

    /// Makes a policy ready to be asked.
    pub(in crate::ssh) async fn open(&self, policy: &HostKeyPolicy) -> Result<Trust, SshError> {
        let (rule, files, names) = match policy {
            HostKeyPolicy::Pinned(keys) if keys.is_empty() => {
                return Err(local("no pinned host key was given; set ssh.host_keys in the inventory"));
            }
            HostKeyPolicy::Pinned(keys) => {
                return Ok(Trust::Pinned(keys.iter().map(pinned).collect::<Result<_, _>>()?));
            }
            HostKeyPolicy::KnownHosts { files, names } => (Rule::Strict, files, names),
            HostKeyPolicy::AcceptNew { files, names, hashed } => {
                (Rule::Learn { hashed: *hashed }, files, names)
            }
            HostKeyPolicy::Authority { files, names } => (Rule::Authority, files, names),
        };
        let (Some(first), false) = (files.first(), names.is_empty()) else {
            return Err(local("no known_hosts file, or no name to look up in it, was given"));
        };
        let mut read = Vec::with_capacity(files.len());
        for path in files {
            // It comes to be when the first key is recorded; until then nothing is on record.
            let may_be_missing = path == first;
            read.push(self.files.get(path, || self.read(path, may_be_missing)).await?);
        }
        let mut found = Findings::look_up(&read, names);
        if found.recorded.is_empty() {
            let learned = lock(&self.shared.learned);
            found.recorded.extend(names.iter().find_map(|name| learned.get(&name.to_lowercase())).cloned());
        }
        Ok(Trust::Recorded(Arc::new(Recorded {
            rule,
            found,
            names: names.clone(),
            searched: searched(files, names, &read),
            place: (first.clone(), own_names(names)),
            now: self.clock.as_ref().and_then(|clock| u64::try_from(clock.now_ms() / 1000).ok()),
            shared: Arc::clone(&self.shared),
        })))
    }

    async fn read(&self, path: &Path, may_be_missing: bool) -> Result<KnownHosts, SshError> {
        let name = path.display().to_string();
        let bytes = match tokio::fs::read(path).await {
            Err(error) if may_be_missing && error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(|e| {
                local(format!(
                    "host keys cannot be checked: {name}: {e}; create it, or name another known_hosts file"
                ))
            })?,
        };
        let parsed = KnownHosts::parse(&name, &String::from_utf8_lossy(&bytes));
        lock(&self.warnings).extend_from_slice(parsed.malformed());
        Ok(parsed)
    }
}

impl Shared {
    /// Remembers a host that was refused because nothing is known about it.
    pub(super) fn met(&self, stranger: Stranger) {
        let mut strangers = lock(&self.strangers);
        if !strangers.contains(&stranger) {
            strangers.push(stranger);
        }
    }

    /// Puts keys on record in `file`: all of them or none.
    pub(super) async fn learn(
        &self,
        file: &Path,
        additions: Vec<Addition>,
        hashed: bool,
    ) -> Result<(), NotLearned> {
        let mut written = self.written.lock().await;
        let mut new = Vec::new();
        for addition in additions {
            let known: Vec<Record> = {
                let learned = lock(&self.learned);
                addition.names.iter().filter_map(|name| learned.get(&name.to_lowercase())).cloned().collect()
            };
            if known.iter().any(|record| record.key.blob != addition.key.blob) {
                return Err(NotLearned::Contradicted(addition, Verdict::Changed { recorded: known }));
            }
            if known.len() < addition.names.len() {
                new.push(addition);
            }
        }
        let (path, before) = (file.to_owned(), written.get(file).cloned());
        let (appended, additions) =
            tokio::task::spawn_blocking(move || (append(&path, &new, hashed, before), new))
                .await
                .map_err(|error| NotLearned::Other(local(error.to_string())))?;
        let name = file.display();
        let read = appended.map_err(|why| match why {
            NotRecorded::Contradicted(addition, verdict) => NotLearned::Contradicted(addition, verdict),
            NotRecorded::Name(host) => NotLearned::Other(local(format!(
                "a host named {host:?} cannot be recorded in a known_hosts file; give it a plain HostKeyAlias"
            ))),
            NotRecorded::Io(error) => {
                NotLearned::Other(local(format!("a host key cannot be recorded: {name}: {error}")))
            }
        })?;
        written.insert(file.to_owned(), read);
        let mut learned = lock(&self.learned);
        for addition in additions {
            let place = Place { file: format!("{name}, recorded in this run"), line: 0 };
            for host in addition.names {
                learned
                    .insert(host.to_lowercase(), Record { key: addition.key.clone(), place: place.clone() });
            }
        }
        Ok(())
    }
}

#[async_trait]
impl KeyRecord for Russh {
    async fn knows(&self, policy: &HostKeyPolicy) -> Result<bool, SshError> {
        Ok(match self.books.open(policy).await? {
            Trust::Pinned(_) => true,
            Trust::Recorded(recorded) => {
                !recorded.found.recorded.is_empty() || !recorded.found.authorities.is_empty()
            }
        })
    }

    fn take_strangers(&self) -> Vec<Stranger> {
        std::mem::take(&mut lock(&self.books.shared.strangers))
    }

    async fn record(&self, strangers: &[Stranger], hashed: bool) -> Result<(), SshError> {
        let mut by_file: BTreeMap<&Path, Vec<Addition>> = BTreeMap::new();
        for stranger in strangers {
            let key: KeyBlob = pinned(&stranger.key)?;
            let addition = Addition { names: stranger.names.clone(), key };
            by_file.entry(&stranger.file).or_default().push(addition);
        }
        for (file, additions) in by_file {
            self.books.shared.learn(file, additions, hashed).await.map_err(|why| match why {
                NotLearned::Other(error) => error,
                NotLearned::Contradicted(addition, _) => local(format!(
                    "nothing was recorded in {}: it holds another key for {} by now; look again",
                    file.display(),
                    addition.names.join(", ")
                )),
            })?;
        }
        Ok(())
    }
}

fn searched(paths: &[PathBuf], names: &[String], files: &[Arc<KnownHosts>]) -> String {
    let paths = paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
    let broken: Vec<_> = files.iter().flat_map(|file| file.malformed()).collect();
    let broken = match broken.first() {
        Some(first) => format!(" ({} lines could not be read, the first: {first})", broken.len()),
        None => String::new(),
    };
    format!("looked up {} in {paths}{broken}", names.join(", "))
}
