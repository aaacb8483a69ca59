//! The guard over a change of a host, as far as the scripts are told of it.

use serde::Serialize;

use super::{TemplateError, Templates};

/// Where a host keeps the way back of a change that is not confirmed: gone after a boot, as is what it guards.
pub const GUARD_FOLDER: &str = "/run/egressctl/guard";

/// Where it keeps the way back of files that are not confirmed, which outlive a boot; gone with the confirmation.
pub const GUARD_DISK: &str = "/var/lib/egressctl";

/// What tells a change's guard from every other one, and how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardParams<'a> {
    /// The change: letters and digits, at least eight.
    pub tx: &'a str,
    /// After so many seconds without a confirmation the host takes the change back.
    pub seconds: u32,
}

/// A phase of the change of a host; each is done over a connection of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Arm the guard, bring the routes about, and look whether they lead where they should.
    Change {
        /// Begin again where the guard has taken an earlier attempt back; otherwise that is told.
        again: bool,
    },
    /// The host is reached by a new connection: confirm this guard. Writes the files, under the second guard, if there are any.
    Confirm {
        /// Which guard, 1 or 2.
        generation: u8,
    },
    /// Only tell what has become of the change.
    Look,
}

impl Phase {
    /// Its name, the guard it is about (0: none), and whether it may begin again.
    pub(super) const fn words(self) -> (&'static str, u8, bool) {
        match self {
            Self::Change { again } => ("change", 0, again),
            Self::Confirm { generation } => ("confirm", generation, false),
            Self::Look => ("look", 0, false),
        }
    }
}

#[derive(Serialize)]
struct GuardsContext {
    guard_base: &'static str,
    guard_disk: &'static str,
}

impl Templates {
    /// The script that prints what [`parse_guards`](crate::core::observed::guards::parse_guards) reads. Changes nothing.
    ///
    /// # Errors
    /// A template that cannot be rendered.
    pub fn guards_script(&self) -> Result<String, TemplateError> {
        self.script("guards.sh", &GuardsContext { guard_base: GUARD_FOLDER, guard_disk: GUARD_DISK })
    }
}
