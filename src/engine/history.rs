//! What the journal tells of the hosts of a run. One host's damaged records are that host's trouble alone.

use std::collections::BTreeMap;

use super::{EngineError, World};
use crate::core::model::{HostName, RunId};
use crate::core::saga::{Record, Saga};
use crate::ports::{RunMeta, RunVerb};

/// One host's part of a run.
#[derive(Debug, Clone)]
pub(super) struct Story {
    pub(super) host: HostName,
    /// Its saga, or why there is none to be had from its records.
    pub(super) saga: Result<Saga, String>,
    /// The records of it.
    pub(super) records: Vec<Record>,
    /// How many of them are in the journal: a rollback that was killed while it copied them from the run that it takes back
    /// has some to add before anything else.
    pub(super) kept: usize,
}

/// The record with which taking back begins.
pub(super) fn turned_back() -> Record {
    Record::TurnedBack("rollback asked for".to_owned())
}

/// The run as it was begun.
///
/// # Errors
/// If it is not in the journal.
pub(super) async fn meta(world: &World, run: &RunId) -> Result<RunMeta, EngineError> {
    let runs = world.journal.runs().await?;
    let found = runs.into_iter().find(|known| known.id == *run);
    found.ok_or_else(|| EngineError::Run(format!("there is no run {run} in the journal")))
}

/// The hosts of a run in the order in which they began.
pub(super) async fn stories(world: &World, meta: &RunMeta) -> Result<Vec<Story>, EngineError> {
    let own = records(world, &meta.id).await?;
    let former: BTreeMap<HostName, Result<Vec<Record>, String>> = match &meta.verb {
        RunVerb::Apply => BTreeMap::new(),
        RunVerb::Rollback(of) => records(world, of).await?.into_iter().collect(),
    };
    let stories = own.into_iter().map(|(host, own)| {
        let kept = own.as_ref().map_or(0, Vec::len);
        let whole = match (own, former.get(&host)) {
            (Ok(own), Some(Ok(former))) if own.len() <= former.len() && former.starts_with(&own) => {
                Ok(former.iter().cloned().chain([turned_back()]).collect())
            }
            (own, _) => own,
        };
        let replayed = whole.clone().and_then(|records| match Saga::replay(&records) {
            Ok(Some(saga)) => Ok(saga),
            Ok(None) => Err("it has no records".to_owned()),
            Err(error) => Err(error.to_string()),
        });
        let saga = replayed.map_err(|error| format!("run {}, host {host}: {error}", meta.id));
        Story { host, saga, records: whole.unwrap_or_default(), kept }
    });
    Ok(stories.collect())
}

async fn records(
    world: &World,
    run: &RunId,
) -> Result<Vec<(HostName, Result<Vec<Record>, String>)>, EngineError> {
    let mut hosts: Vec<(HostName, Result<Vec<Record>, String>)> = Vec::new();
    let mut places: BTreeMap<HostName, usize> = BTreeMap::new();
    for (host, record) in world.journal.lines(run).await? {
        let place = *places.entry(host.clone()).or_insert(hosts.len());
        if place == hosts.len() {
            hosts.push((host, Ok(Vec::new())));
        }
        if let Some((_, list)) = hosts.get_mut(place) {
            match (list.as_mut(), record) {
                (Ok(records), Ok(record)) => records.push(record),
                (Ok(_), Err(damage)) => *list = Err(damage),
                (Err(_), _) => {}
            }
        }
    }
    Ok(hosts)
}
