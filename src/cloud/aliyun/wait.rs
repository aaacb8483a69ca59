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

/// Looks that a kind of record begins with: a small fleet is looked at in haste throughout.
const PURSE: f32 = 40.0;
/// A look costs one of them for every so many who wait: where many do, many more will, and patience settles them in few looks.
const LOT: usize = 20;
/// What every caller adds to them: one hasty look for a hundred waits; otherwise a large fleet is looked at with patience.
const EARNED: f32 = 0.01;
/// How many times the usual longest pause an outage waits for its next look once the purse is empty.
const OUTAGE: u32 = 2;

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
    /// How many times the usual longest pause a wait that costs only time waits for its next look once the purse is empty.
    const PATIENCE: u32;
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
    waiters: BTreeMap<u64, Waiter<K>>,
    next: u64,
    /// Looks that may still be made in haste.
    purse: f32,
    /// The poller, while there is one.
    poller: Option<JoinHandle<()>>,
}

struct Waiter<K: Kind> {
    id: K::Id,
    sender: mpsc::UnboundedSender<Found<K>>,
    /// Nobody reaches the host until it is over.
    outage: bool,
    /// When it was last looked for, or when it began to wait.
    since: Instant,
}

impl<K: Kind> Waiter<K> {
    /// When it must be looked for once the purse is empty.
    fn due(&self, poll_max: Duration) -> Instant {
        self.since + poll_max * if self.outage { OUTAGE } else { K::PATIENCE }
    }
}

/// What somebody waits for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// How long at most.
    pub(super) within: Duration,
    /// The goal may have held before, too.
    pub(super) recurs: bool,
    /// Nobody reaches the host until it is over.
    pub(super) outage: bool,
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
        let desk = Desk { waiters: BTreeMap::new(), next: 0, purse: PURSE, poller: None };
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
        wish: Wish,
        judge: impl Fn(&K::Record, &mut Memory, Duration) -> Verdict + Send,
    ) -> Result<K::Record, CloudError> {
        let (start, Wish { within, recurs, outage }) = (Instant::now(), wish);
        let (_seat, mut looks) = self.sit(api, id, outage);
        let (mut memory, mut last, mut present) = (Memory::default(), "not seen yet".to_owned(), start);
        while let Ok(Some(found)) = timeout_at(start + within, looks.recv()).await {
            match found {
                Ok(Some(record)) => {
                    present = Instant::now();
                    last = K::state(&record);
                    let verdict = judge(&record, &mut memory, start.elapsed());
                    let (waited, span) = (start.elapsed(), api.tuning.refusal_span);
                    match memory.confirm(verdict, recurs, waited, span) {
                        Verdict::Reached => return Ok(record),
                        Verdict::Pending => {}
                        Verdict::Missed(why) => return Err(error(CloudErrorKind::Refused, K::ACTION, why)),
                    }
                }
                Ok(None) => {
                    memory.absent();
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

    fn sit(
        &self,
        api: &Arc<Api>,
        id: &K::Id,
        outage: bool,
    ) -> (Seat<'_, K>, mpsc::UnboundedReceiver<Found<K>>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut desk = self.0.desk();
        let seat = desk.next;
        desk.next += 1;
        desk.purse = (desk.purse + EARNED).min(PURSE);
        desk.waiters.insert(seat, Waiter { id: id.clone(), sender, outage, since: Instant::now() });
        // A poller that has ended, or whose runtime is gone, is replaced.
        if desk.poller.as_ref().is_none_or(JoinHandle::is_finished) {
            desk.poller = Some(tokio::spawn(poll(Arc::clone(&self.0), Arc::clone(api))));
        }
        drop(desk);
        self.0.bell.notify_one();
        (Seat(&self.0, seat), receiver)
    }
}

impl<K: Kind> Desk<K> {
    /// Pays for a look in haste; if that cannot be paid, when the next look must be.
    fn next(&mut self, poll_max: Duration) -> Option<Instant> {
        let price = self.waiters.len().div_ceil(LOT) as f32;
        self.purse = (self.purse - price).max(0.0);
        if self.purse > 0.0 { None } else { self.due(poll_max) }
    }

    fn due(&self, poll_max: Duration) -> Option<Instant> {
        self.waiters.values().map(|waiter| waiter.due(poll_max)).min()
    }

    /// Who is looked for now: in haste everybody; otherwise who is due, and in what room is left on their pages outages first,
    /// then who would be due next.
    fn pick(&self, haste: bool, poll_max: Duration) -> Vec<K::Id> {
        let now = Instant::now();
        let mut all: Vec<&Waiter<K>> = self.waiters.values().collect();
        all.sort_by_key(|waiter| {
            let due = waiter.due(poll_max);
            (due > now, !waiter.outage, due)
        });
        let must = all.iter().filter(|waiter| haste || waiter.due(poll_max) <= now);
        let must: BTreeSet<&K::Id> = must.map(|waiter| &waiter.id).collect();
        let room = must.len().next_multiple_of(K::BATCH);
        let (mut ids, mut known) = (Vec::new(), BTreeSet::new());
        for waiter in all {
            if ids.len() < room && known.insert(&waiter.id) {
                ids.push(waiter.id.clone());
            }
        }
        ids
    }
}

/// Looks for everybody who waits, until nobody does.
async fn poll<K: Kind>(shared: Arc<Shared<K>>, api: Arc<Api>) {
    let Tuning { poll_first, poll_min, poll_max, .. } = api.tuning;
    let mut gap = poll_min;
    let mut looked: Option<Instant> = None;
    loop {
        let patient = {
            let mut desk = shared.desk();
            if desk.waiters.is_empty() {
                // Under the lock, so that whoever comes next starts another poller.
                desk.poller = None;
                return;
            }
            desk.next(poll_max)
        };
        let hasty = looked.map_or_else(|| Instant::now() + poll_first, |at| at + gap.min(poll_max));
        let mut due = patient.unwrap_or(hasty);
        loop {
            tokio::select! {
                () = sleep_until(due) => break,
                () = shared.bell.notified() => if patient.is_none() {
                    gap = poll_min;
                    let soonest = looked.map_or(due, |at| at + poll_min);
                    due = due.min(soonest.max(Instant::now() + poll_first));
                } else {
                    due = shared.desk().due(poll_max).unwrap_or(due);
                }
            }
        }
        look(&shared, &api, patient.is_none()).await;
        looked = Some(Instant::now());
        gap = gap.mul_f32(1.5).min(poll_max);
    }
}

/// One look for those who wait now.
async fn look<K: Kind>(shared: &Shared<K>, api: &Arc<Api>, haste: bool) {
    let (began, ids) = (Instant::now(), shared.desk().pick(haste, api.tuning.poll_max));
    let job = |batch: &[K::Id]| {
        let (api, batch) = (Arc::clone(api), batch.iter().cloned().collect());
        async move { Ok(isolated::<K>(&api, batch).await) }
    };
    // The jobs turn their errors into findings, so only a reader that broke off is left to fail.
    let found = match gather(ids.chunks(K::BATCH).map(job).collect()).await {
        Ok(found) => found.into_iter().flatten().collect::<BTreeMap<K::Id, Found<K>>>(),
        Err(why) => ids.iter().map(|id| (id.clone(), Err(why.clone()))).collect(),
    };
    for waiter in shared.desk().waiters.values_mut() {
        if let Some(found) = found.get(&waiter.id) {
            // From look to look, so that what a look takes is not added to the pause.
            waiter.since = began.max(waiter.since);
            // A caller that left in the meantime does not mind.
            let _ = waiter.sender.send(found.clone());
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing;

    impl Kind for Thing {
        type Id = u32;
        type Record = ();
        const ACTION: &'static str = "DescribeThings";
        const PATIENCE: u32 = 8;
        const BATCH: usize = 10;

        fn describe(_: Arc<Api>, _: BTreeSet<u32>) -> Described<Self> {
            Box::pin(async { Ok(BTreeMap::new()) })
        }

        fn state((): &()) -> String {
            String::new()
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    /// Waiters by id, whether each is an outage, and for how many seconds it has waited.
    fn desk(purse: f32, waiters: impl Iterator<Item = (u32, bool, u32)>) -> Desk<Thing> {
        let now = Instant::now();
        let waiter = |(id, outage, waited)| {
            let since = now - SECOND * waited;
            (u64::from(id), Waiter { id, sender: mpsc::unbounded_channel().0, outage, since })
        };
        Desk { waiters: waiters.map(waiter).collect(), next: 0, purse, poller: None }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_due_before_what_costs_only_time() {
        tokio::time::advance(SECOND * 60).await;
        let mut desk = desk(0.0, [(1, false, 5), (2, true, 0)].into_iter());
        assert_eq!(desk.next(SECOND), Some(Instant::now() + SECOND * 2));
        desk.waiters.remove(&2);
        assert_eq!(desk.next(SECOND), Some(Instant::now() + SECOND * 3));
        desk.purse = 5.0;
        assert_eq!(desk.next(SECOND), None, "there is haste left");
    }

    #[tokio::test(start_paused = true)]
    async fn haste_is_dear_where_many_wait() {
        let looks = |waiting: u32| {
            let mut desk = desk(PURSE, (0..waiting).map(|n| (n, false, 0)));
            (0..).take_while(|_| desk.next(SECOND).is_none()).count()
        };
        assert_eq!((looks(1), looks(20), looks(200)), (39, 39, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_patient_look_has_who_is_due_and_fills_its_pages_with_outages_first() {
        tokio::time::advance(SECOND * 60).await;
        let some = (0..12).map(|n| (n, false, 8)).chain((12..16).map(|n| (n, true, 1)));
        let desk = desk(0.0, some.chain((16..40).map(|n| (n, false, n % 8))));
        let ids = desk.pick(false, SECOND);
        assert_eq!(ids.len(), 20, "two pages for twelve who are due");
        let of = |range: std::ops::Range<u32>| range.filter(|id| ids.contains(id)).count();
        assert_eq!((of(0..12), of(12..16)), (12, 4));
        assert!([23, 31, 39].iter().all(|id| ids.contains(id)), "then who is due next: {ids:?}");
        assert_eq!(desk.pick(true, SECOND).len(), 40, "in haste everybody");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_looked_for_before_somebody_is_due() {
        tokio::time::advance(SECOND * 60).await;
        let desk = desk(0.0, [(1, false, 7), (2, true, 1)].into_iter());
        assert!(desk.pick(false, SECOND).is_empty());
    }
}
