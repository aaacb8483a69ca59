//! What to do about the difference between desired and observed: a plan that says why, and a person can review.
//!
//! Pure and deterministic. Must never guess a value that only applying can tell; such values are "known after apply".

mod op;
pub mod rc_local;
pub mod route;

pub use op::{OWNER_TAG, Op, StepKind};
pub use route::RouteTarget;
