//! The doors to the outside: everything the engine can ask of the world.
//!
//! Adapters (`cloud`, `ssh`, `journal`) implement these traits; tests implement them in memory. Nothing in here acts.

mod cloud;
mod events;
mod exec;
mod gate;
mod journal;
mod login;
mod record;
mod transport;

pub use cloud::{
    Checks, Cloud, CloudError, CloudErrorKind, CloudSearch, EipGoal, EniGoal, EniSpec, InstanceGoal, Search,
    ViewScope,
};
pub use events::EventSink;
pub use exec::{Command, Exec, ExitStatus, Hearing, Method, Output, Privilege, Stdin, Stream};
pub use gate::{Approval, Gate};
pub use journal::{Journal, JournalError, Latest, RunMeta, RunVerb};
pub use login::{AgentKey, Asker, AuthMethod, Question, Unanswered};
pub use record::{KeyRecord, Stranger};
pub use transport::{
    Hop, HostKey, HostKeyPolicy, Jump, Keepalive, Session, SshError, SshErrorKind, Target, Transport,
};

/// The wall clock. Durations and sleeps go through tokio's time, which tests can pause.
pub trait Clock: Send + Sync {
    /// Now, as milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> i64;
}
