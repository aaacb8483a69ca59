//! First contact with many hosts: which of them nothing is on record about, and which keys they show.
//!
//! Logs in nowhere but on jump hosts, and puts nothing on record: that is for whoever has reviewed the list.

use std::sync::Arc;

use super::adhoc::{Field, Visit};
use super::{fleet, target};
use crate::core::contact::Newcomer;
use crate::core::inventory::HostKeyCheck;
use crate::core::model::HostName;
use crate::core::ssh_config::bare_name;
use crate::ports::{HostKeyPolicy, KeyRecord, SshErrorKind, Stranger, Target};

/// What came of looking at hosts for the first time.
#[derive(Debug, Default)]
pub struct Contacts {
    /// Hosts, and jump hosts, that nothing is on record about.
    pub newcomers: Vec<(Newcomer, Stranger)>,
    /// Hosts that something is on record about; they were not connected to.
    pub known: usize,
    /// Hosts that could not be looked at because a jump host on the way is new.
    pub behind: usize,
    /// Hosts that could not be looked at, and why.
    pub failed: Vec<(HostName, String)>,
    /// Hosts that another key is on record for than they show.
    pub changed: Vec<(HostName, String)>,
}

enum Seen {
    Known,
    /// Refused as unknown: the host itself or a jump host.
    Unknown(Vec<String>),
    Failed(String),
    Changed(String),
}

/// Looks at all hosts that nothing is on record about.
pub async fn first_contact(field: &Field, record: Arc<dyn KeyRecord>, visits: &[Visit]) -> Contacts {
    let looks = fleet::each(field.forks, visits.to_vec(), |visit| {
        let (field, record) = (field.clone(), Arc::clone(&record));
        async move {
            match goal(visit) {
                Ok(target) => look(&field, &*record, &target).await,
                Err(why) => Seen::Failed(why),
            }
        }
    })
    .await;
    let mut contacts = Contacts::default();
    let mut strangers = record.take_strangers();
    strangers.sort_by(|a, b| a.names.cmp(&b.names));
    let mut waiting = 0;
    let mut of_hosts = Vec::new();
    for (visit, look) in visits.iter().zip(looks) {
        let name = visit.host.name.clone();
        match look.unwrap_or_else(|| Seen::Failed("looking at it failed unexpectedly".to_owned())) {
            Seen::Known => contacts.known += 1,
            Seen::Failed(why) => contacts.failed.push((name, why)),
            Seen::Changed(why) => contacts.changed.push((name, why)),
            Seen::Unknown(names) => {
                match strangers.iter().position(|stranger| stranger.names.iter().all(|n| names.contains(n))) {
                    Some(found) => of_hosts.push((name.to_string(), strangers.remove(found))),
                    None => waiting += 1,
                }
            }
        }
    }
    contacts.behind = waiting;
    // Who is left is on the way to somebody. Jump hosts first: nothing behind them can be seen before they are trusted.
    let of_jumps = strangers.into_iter().map(|stranger| {
        let name = stranger.names.last().map(|name| bare_name(name).to_owned()).unwrap_or_default();
        (name, stranger)
    });
    contacts.newcomers = of_jumps.chain(of_hosts).map(newcomer).collect();
    contacts
}

fn goal(visit: Visit) -> Result<Target, String> {
    let address = visit.address.ok_or(
        "its address is not known: the inventory names none, and the cloud does not know the instance",
    )?;
    let mut ssh = visit.host.ssh;
    // Nothing is to be learned on the way: the list comes first.
    for check in std::iter::once(&mut ssh.host_key_check)
        .chain(ssh.jumps.iter_mut().flatten().map(|jump| &mut jump.ssh.host_key_check))
    {
        if *check == HostKeyCheck::AcceptNew {
            *check = HostKeyCheck::Strict;
        }
    }
    target::named(&visit.host.name, &ssh, address).map_err(|error| error.message)
}

async fn look(field: &Field, record: &dyn KeyRecord, target: &Target) -> Seen {
    match record.knows(&target.host_key).await {
        Ok(true) => return Seen::Known,
        Ok(false) => {}
        Err(error) => return Seen::Failed(error.message),
    }
    match field.transport.connect(target).await {
        Ok(session) => {
            session.close().await;
            Seen::Known
        }
        Err(error) if error.kind == SshErrorKind::HostKeyUnknown => match &target.host_key {
            HostKeyPolicy::KnownHosts { names, .. } => Seen::Unknown(names.clone()),
            _ => Seen::Failed(error.message),
        },
        Err(error) if error.kind == SshErrorKind::HostKeyChanged => Seen::Changed(error.message),
        Err(error) => Seen::Failed(error.message),
    }
}

fn newcomer((name, stranger): (String, Stranger)) -> (Newcomer, Stranger) {
    let algorithm = stranger.key.openssh.split(' ').next().unwrap_or_default().to_owned();
    let (at, fingerprint) = (stranger.at.clone(), stranger.key.fingerprint.clone());
    (Newcomer { name, at, algorithm, fingerprint }, stranger)
}
