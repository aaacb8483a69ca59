//! Files that many connections need, read once each.
//!
//! Must never keep a failure: a file that was mended is read again.

use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

/// Values made from files, by path.
pub(super) struct PathCache<T>(Mutex<HashMap<PathBuf, Arc<OnceCell<Arc<T>>>>>);

impl<T> PathCache<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// The value for `path`; all callers that come while it is being made wait for that one.
    pub(super) async fn get<E, F>(&self, path: &Path, make: impl FnOnce() -> F) -> Result<Arc<T>, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let cell = Arc::clone(lock(&self.0).entry(path.to_owned()).or_default());
        let value = cell.get_or_try_init(|| async { make().await.map(Arc::new) }).await?;
        Ok(Arc::clone(value))
    }
}

/// Locks, also after a panic of another holder: what these locks guard is whole after every statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_value_is_made_once_and_a_failure_is_not_kept() {
        let cache = PathCache::new();
        let path = Path::new("/some/key");
        assert_eq!(cache.get(path, || async { Err::<u32, _>("no") }).await, Err("no"));
        assert_eq!(cache.get(path, || async { Ok::<_, ()>(1) }).await, Ok(Arc::new(1)));
        assert_eq!(cache.get(path, || async { Ok::<_, ()>(2) }).await, Ok(Arc::new(1)));
    }
}
