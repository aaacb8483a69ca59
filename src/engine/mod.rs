//! The doing half: discover, apply, verify, roll back, many hosts at once.
//!
//! Async and thin: every decision is made in `core`; this moves bytes between the doors of [`World`]. Must never print,
//! and never let what happens to one host change what happens to another.

pub mod adhoc;
mod apply;
mod claim;
mod confirm;
mod discover;
mod drive;
mod fleet;
mod history;
mod lease;
mod leases;
mod ops;
mod probe;
mod relook;
mod rescue;
mod resume;
mod rollback;
mod rollout;
mod script;
#[cfg(test)]
mod sizes;
mod stop;
mod target;
mod trust;
mod unfinished;
mod verify;
mod window;

pub use apply::{apply, idle};
pub use claim::Claims;
pub use confirm::confirm;
pub use discover::{Discovered, discover, discover_cloud};
pub use leases::{HeldBy, leases, release_leases};
pub use rescue::rescue;
pub use resume::{Closed, Resume, close_windows, resume};
pub use rollback::{RollbackHost, rollback, rollback_hosts};
pub use rollout::{Terms, Unattended, rollout};
pub use stop::Stop;
pub use trust::{Contacts, first_contact};
pub use unfinished::{Unfinished, unfinished, unfinished_hosts, unfinished_runs};
pub use verify::verify;
pub use window::Cutovers;

use std::sync::Arc;
use std::time::Duration;

use crate::core::inventory::Limits;
use crate::core::plan::Policy;
use crate::core::template::Templates;
use crate::ports::{Clock, Cloud, CloudError, EventSink, Journal, JournalError, Transport};

/// The doors to the outside, and the settings of a run.
#[derive(Clone)]
pub struct World {
    /// The cloud.
    pub cloud: Arc<dyn Cloud>,
    /// SSH.
    pub transport: Arc<dyn Transport>,
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Where events go.
    pub events: Arc<dyn EventSink>,
    /// What is pushed to hosts.
    pub templates: Arc<Templates>,
    /// The settings.
    pub settings: Settings,
    /// Heeded before a host is begun.
    pub stop: Stop,
    /// Asked before a host's EIP moves.
    pub cutovers: Cutovers,
    /// How hosts are claimed before they are begun.
    pub claims: Claims,
}

impl World {
    /// What planning depends on besides desired and observed.
    pub(crate) fn policy(&self) -> Policy {
        Policy { now_ms: self.clock.now_ms(), limits: self.settings.limits, ..Policy::default() }
    }
}

/// Limits of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How many hosts are worked on at once.
    pub forks: usize,
    /// Limit for a script that only looks.
    pub look: Duration,
    /// Limit for a script that changes the host; it includes the wait for a hot-plugged device.
    pub change: Duration,
    /// How long the probes may take to hold after a cutover.
    pub settle: Duration,
    /// What the account may have, as far as the inventory says.
    pub limits: Limits,
    /// How long a host waits for a new connection before it takes its part back. Whole seconds, at least one.
    pub confirm: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            forks: 20,
            look: Duration::from_secs(30),
            change: Duration::from_secs(120),
            settle: Duration::from_secs(30),
            limits: Limits::default(),
            confirm: Duration::from_secs(180),
        }
    }
}

/// Output of a host beyond this many bytes per stream is dropped.
const MAX_OUTPUT: usize = 1 << 20;

/// Why a whole command could not go on. What concerns one host is in that host's outcome instead.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The cloud could not be read, or the account is wrong.
    #[error("cloud: {0}")]
    Cloud(#[from] CloudError),
    /// The journal could not be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A template does not render; nothing was changed.
    #[error("template: {0}")]
    Template(String),
    /// The run asked for is not in the journal, or its records make no sense.
    #[error("{0}")]
    Run(String),
}
