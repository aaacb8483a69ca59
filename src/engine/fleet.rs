//! Many hosts at once: a bounded number in flight, begun and reported in the order of the input, and a panic that stays with
//! its host.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::task::{Id, JoinError, JoinSet};

/// Leave to be at work. It is given back when it is dropped.
pub(super) type Place = Result<OwnedSemaphorePermit, AcquireError>;

/// Who is at work.
#[derive(Debug)]
pub(super) struct Crew<R> {
    places: Arc<Semaphore>,
    tasks: JoinSet<R>,
    items: HashMap<Id, usize>,
}

impl<R: Send + 'static> Crew<R> {
    /// At most so many at a time.
    pub(super) fn new(forks: usize) -> Self {
        let places = Arc::new(Semaphore::new(forks.max(1)));
        Self { places, tasks: JoinSet::new(), items: HashMap::new() }
    }

    /// Waits for a place. Whoever begins next must have it first: tasks that wait for one would be let in in any order.
    pub(super) fn place(&self) -> impl Future<Output = Place> + use<R> {
        Arc::clone(&self.places).acquire_owned()
    }

    /// Begins the work of the item with this number, which holds what it needs.
    pub(super) fn begin(&mut self, item: usize, work: impl Future<Output = R> + Send + 'static) {
        let id = self.tasks.spawn(work).id();
        self.items.insert(id, item);
    }

    /// How many have begun and were not reported by [`Crew::next`].
    pub(super) fn at_work(&self) -> usize {
        self.items.len()
    }

    /// The next one that ends, with its result or nothing if it panicked; `None` if nobody is at work.
    pub(super) async fn next(&mut self) -> Option<(usize, Option<R>)> {
        let ended = self.tasks.join_next_with_id().await?;
        self.reported(ended)
    }

    /// One that has ended already, in the same way.
    pub(super) fn ended(&mut self) -> Option<(usize, Option<R>)> {
        let ended = self.tasks.try_join_next_with_id()?;
        self.reported(ended)
    }

    fn reported(&mut self, ended: Result<(Id, R), JoinError>) -> Option<(usize, Option<R>)> {
        let (id, result) = match ended {
            Ok((id, result)) => (id, Some(result)),
            Err(error) => (error.id(), None),
        };
        self.items.remove(&id).map(|item| (item, result))
    }
}

/// Runs `work` for every item, at most `forks` at a time, begun in their order. An item whose work panicked gives `None`.
pub(super) async fn each<T, R, F, Fut>(forks: usize, items: Vec<T>, work: F) -> Vec<Option<R>>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> Fut,
    Fut: Future<Output = R> + Send + 'static,
{
    let mut crew = Crew::new(forks);
    let mut results: Vec<Option<R>> = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        results.push(None);
        let place = crew.place().await;
        crew.begin(index, placed(place, Box::pin(work(item))));
    }
    while let Some((index, result)) = crew.next().await {
        if let Some(slot) = results.get_mut(index) {
            *slot = result;
        }
    }
    results
}

/// Gives the place back once the work is over. The work is in a box, since a future that awaits another one it was given holds
/// it twice: as what it was given, and as what it awaits.
pub(super) async fn placed<R, W>(place: Place, work: Pin<Box<W>>) -> R
where
    W: Future<Output = R> + Send,
{
    let result = work.await;
    drop(place);
    result
}

/// Runs it in a task of its own, which is dropped with the caller; a panic in there gives `None`. It begins at once, so that
/// whoever waits for it does not keep room for it too.
pub(super) fn alone<R, W>(work: W) -> impl Future<Output = Option<R>> + use<R, W>
where
    R: Send + 'static,
    W: Future<Output = R> + Send + 'static,
{
    let mut alone = JoinSet::new();
    alone.spawn(work);
    async move { alone.join_next().await.and_then(Result::ok) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn results_keep_their_order_and_the_bound_holds() {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let results = each(3, (0..20).collect(), |n: u64| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(std::time::Duration::from_millis(20 - n)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                n
            }
        })
        .await;
        assert_eq!(results, (0..20).map(Some).collect::<Vec<_>>());
        assert!(most.load(Ordering::SeqCst) <= 3);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn they_begin_in_their_order() {
        let begun = Arc::new(std::sync::Mutex::new(Vec::new()));
        each(1, (0..50).collect(), |n: u64| {
            let begun = Arc::clone(&begun);
            async move { begun.lock().unwrap().push(n) }
        })
        .await;
        assert_eq!(*begun.lock().unwrap(), (0..50).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_panic_is_one_hosts_business() {
        let results = each(2, vec![1, 2, 3], |n| async move {
            assert_ne!(n, 2, "on purpose");
            n
        })
        .await;
        assert_eq!(results, vec![Some(1), None, Some(3)]);
    }
}
