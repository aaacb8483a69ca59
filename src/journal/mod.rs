//! The durable memory of runs: an SQLite file for real ones, plain memory for tests of the engine.
//!
//! Must never say that a record is kept before it is on disk, never guess what a damaged record meant, and never open
//! a file that a newer version has written.

mod lock;
mod memory;
mod row;
mod schema;
mod sqlite;
mod writer;

#[cfg(test)]
mod tests;

pub use lock::{LockError, LockOwner, RunLock};
pub use memory::MemoryJournal;
pub use sqlite::SqliteJournal;
