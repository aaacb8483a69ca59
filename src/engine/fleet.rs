//! Many hosts at once: a bounded number in flight, begun and reported in the order of the input, and a panic that stays with
//! its host.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Runs `work` for every item, at most `forks` at a time, begun in their order. An item whose work panicked gives `None`.
pub(super) async fn each<T, R, F, Fut>(forks: usize, items: Vec<T>, work: F) -> Vec<Option<R>>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> Fut,
    Fut: Future<Output = R> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(forks.max(1)));
    let mut tasks = JoinSet::new();
    let mut results: Vec<Option<R>> = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        results.push(None);
        // The place first: tasks that wait for one would be let in in any order.
        let place = Arc::clone(&places).acquire_owned().await;
        let future = work(item);
        tasks.spawn(async move {
            let _place = place;
            (index, future.await)
        });
    }
    while let Some(finished) = tasks.join_next().await {
        if let Ok((index, result)) = finished
            && let Some(slot) = results.get_mut(index)
        {
            *slot = Some(result);
        }
    }
    results
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
