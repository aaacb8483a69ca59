//! The environment as a value, so that tests never read or change the real one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What looks a variable up.
type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Looks up environment variables. An empty variable counts as unset.
#[derive(Clone)]
pub struct Env(Arc<Lookup>);

impl Env {
    /// The environment of this process.
    #[must_use]
    pub fn process() -> Self {
        Self(Arc::new(|name| std::env::var(name).ok()))
    }

    /// Exactly these variables.
    #[must_use]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        let map: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self(Arc::new(move |name| map.get(name).cloned()))
    }

    /// The variable's value, unless it is unset or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// Whether a switch is on.
    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its values may be secrets.
        f.write_str("Env(..)")
    }
}
