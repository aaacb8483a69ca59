//! Waiting that is shared: one poller per kind of record looks for everybody at once.
//!
//! Must never look when nobody waits, never outlive the client, and never let one record's trouble touch another's.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::client::{Api, error};
use super::goal::{Memory, Verdict};
use super::page::gather;
use super::tuning::Tuning;
use crate::ports::{CloudError, CloudErrorKind};

/// A future that describes some ids.
pub(super) type Described<K> =
    Pin<Box<dyn Future<Output = Result<BTreeMap<<K as Kind>::Id, <K as Kind>::Record>, CloudError>> + Send>>;

/// A kind of record that can be waited for.
pub(super) trait Kind: Sized + Send + Sync + 'static {
    /// Its id.
    type Id: Ord + Clone + std::fmt::Display + Send + Sync + 'static;
    /// Its record.
    type Record: Clone + Send + 'static;
    /// The describing action, for messages.
    const ACTION: &'static str;
    /// Most ids in one call.
    const BATCH: usize;

    /// Describes up to [`Self::BATCH`] ids; what does not exist is missing.
    fn describe(api: Arc<Api>, ids: BTreeSet<Self::Id>) -> Described<Self>;
    /// The record's state as people know it.
    fn state(record: &Self::Record) -> String;
}

/// What one look found: the record, or that there is none, or that it could not be read.
type Found<K> = Result<Option<<K as Kind>::Record>, CloudError>;

/// What all callers of one kind share.
struct Shared<K: Kind> {
    desk: Mutex<Desk<K>>,
    /// Somebody new waits.
    bell: Notify,
}

struct Desk<K: Kind> {
    waiters: BTreeMap<u64, (K::Id, mpsc::UnboundedSender<Found<K>>)>,
    next: u64,
    /// The poller, while there is one.
    poller: Option<JoinHandle<()>>,
}

/// The waiting room of one kind.
pub(super) struct Waits<K: Kind>(Arc<Shared<K>>);

/// Takes the waiter off the list when its caller is done or gone.
struct Seat<'a, K: Kind>(&'a Shared<K>, u64);

impl<K: Kind> Shared<K> {
    fn desk(&self) -> MutexGuard<'_, Desk<K>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Kind> Drop for Seat<'_, K> {
    fn drop(&mut self) {
        self.0.desk().waiters.remove(&self.1);
    }
}

impl<K: Kind> Drop for Waits<K> {
    fn drop(&mut self) {
        if let Some(poller) = self.0.desk().poller.take() {
            poller.abort();
        }
    }
}

impl<K: Kind> Waits<K> {
    pub(super) fn new() -> Self {
        let desk = Desk { waiters: BTreeMap::new(), next: 0, poller: None };
        Self(Arc::new(Shared { desk: Mutex::new(desk), bell: Notify::new() }))
    }

    /// Whether nothing is running.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.0.desk().poller.is_none()
    }

    /// Waits until `judge` says that the goal is reached, and returns the record. `judge` also gets the time waited.
    pub(super) async fn until(
        &self,
        api: &Arc<Api>,
        id: &K::Id,
        within: Duration,
        judge: impl Fn(&K::Record, &mut Memory, Duration) -> Verdict + Send,
    ) -> Result<K::Record, CloudError> {
        let start = Instant::now();
        let (_seat, mut looks) = self.sit(api, id);
        let (mut memory, mut last, mut present) = (Memory::default(), "not seen yet".to_owned(), start);
        while let Ok(Some(found)) = timeout_at(start + within, looks.recv()).await {
            match found {
                Ok(Some(record)) => {
                    present = Instant::now();
                    last = K::state(&record);
                    let verdict = judge(&record, &mut memory, start.elapsed());
                    match memory.confirm(verdict, start.elapsed(), api.tuning.doubt_grace) {
                        Verdict::Reached => return Ok(record),
                        Verdict::Pending => {}
                        Verdict::Missed(why) => return Err(error(CloudErrorKind::Refused, K::ACTION, why)),
                    }
                }
                Ok(None) => {
                    "not found".clone_into(&mut last);
                    if present.elapsed() >= api.tuning.absence_grace {
                        let message = format!("{id} does not exist");
                        return Err(error(CloudErrorKind::NotFound, K::ACTION, message));
                    }
                }
                Err(why) if why.kind == CloudErrorKind::Account => return Err(why),
                // Looking failed, which says nothing about what is looked for.
                Err(why) => last = format!("not visible: {why}"),
            }
        }
        let message = format!("{id} is not there after {} s; last state: {last}", within.as_secs_f32());
        Err(error(CloudErrorKind::Late, K::ACTION, message))
    }

    fn sit(&self, api: &Arc<Api>, id: &K::Id) -> (Seat<'_, K>, mpsc::UnboundedReceiver<Found<K>>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut desk = self.0.desk();
        let seat = desk.next;
        desk.next += 1;
        desk.waiters.insert(seat, (id.clone(), sender));
        // A poller that has ended, or whose runtime is gone, is replaced.
        if desk.poller.as_ref().is_none_or(JoinHandle::is_finished) {
            desk.poller = Some(tokio::spawn(poll(Arc::clone(&self.0), Arc::clone(api))));
        }
        drop(desk);
        self.0.bell.notify_one();
        (Seat(&self.0, seat), receiver)
    }
}

/// Looks for everybody who waits, until nobody does.
async fn poll<K: Kind>(shared: Arc<Shared<K>>, api: Arc<Api>) {
    let Tuning { poll_first, poll_min, poll_max, .. } = api.tuning;
    let mut gap = poll_min;
    let mut looked: Option<Instant> = None;
    loop {
        let ids: BTreeSet<K::Id> = {
            let mut desk = shared.desk();
            if desk.waiters.is_empty() {
                // Under the lock, so that whoever comes next starts another poller.
                desk.poller = None;
                return;
            }
            desk.waiters.values().map(|(id, _)| id.clone()).collect()
        };
        // More calls per look, fewer looks: the API counts calls.
        let calls = u32::try_from(ids.len().div_ceil(K::BATCH)).unwrap_or(u32::MAX);
        let mut due = looked.map_or_else(|| Instant::now() + poll_first, |at| at + gap * calls);
        loop {
            tokio::select! {
                () = sleep_until(due) => break,
                () = shared.bell.notified() => {
                    gap = poll_min;
                    let soonest = looked.map_or(due, |at| at + poll_min * calls);
                    due = due.min(soonest.max(Instant::now() + poll_first));
                }
            }
        }
        look(&shared, &api).await;
        looked = Some(Instant::now());
        gap = gap.mul_f32(1.5).min(poll_max);
    }
}

/// One look for everybody who waits now.
async fn look<K: Kind>(shared: &Shared<K>, api: &Arc<Api>) {
    let ids: Vec<K::Id> = {
        let ids: BTreeSet<K::Id> = shared.desk().waiters.values().map(|(id, _)| id.clone()).collect();
        ids.into_iter().collect()
    };
    let job = |batch: &[K::Id]| {
        let (api, batch) = (Arc::clone(api), batch.iter().cloned().collect());
        async move { Ok(isolated::<K>(&api, batch).await) }
    };
    // The jobs turn their errors into findings, so only a reader that broke off is left to fail.
    let found = match gather(ids.chunks(K::BATCH).map(job).collect()).await {
        Ok(found) => found.into_iter().flatten().collect::<BTreeMap<K::Id, Found<K>>>(),
        Err(why) => ids.iter().map(|id| (id.clone(), Err(why.clone()))).collect(),
    };
    for (id, sender) in shared.desk().waiters.values() {
        if let Some(found) = found.get(id) {
            // A caller that left in the meantime does not mind.
            let _ = sender.send(found.clone());
        }
    }
}

/// Describes a batch; if something in it makes the call fail, halves it until only that one fails.
async fn isolated<K: Kind>(api: &Arc<Api>, batch: BTreeSet<K::Id>) -> Vec<(K::Id, Found<K>)> {
    let mut todo = vec![batch];
    let mut found = Vec::new();
    while let Some(ids) = todo.pop() {
        match K::describe(Arc::clone(api), ids.clone()).await {
            Ok(mut records) => found.extend(ids.into_iter().map(|id| {
                let record = records.remove(&id);
                (id, Ok(record))
            })),
            Err(why) if ids.len() > 1 && is_about_one(why.kind) => {
                let mut first = ids;
                let middle = first.iter().nth(first.len() / 2).cloned();
                todo.extend(middle.map(|middle| first.split_off(&middle)));
                todo.push(first);
            }
            Err(why) => {
                let gone = why.kind == CloudErrorKind::NotFound;
                found.extend(ids.into_iter().map(|id| (id, if gone { Ok(None) } else { Err(why.clone()) })));
            }
        }
    }
    found
}

fn is_about_one(kind: CloudErrorKind) -> bool {
    matches!(kind, CloudErrorKind::Refused | CloudErrorKind::NotFound | CloudErrorKind::Protocol)
}
