//! Everything that was found before the first change, folded: one entry for one kind of thing, with its hosts in few words.
//!
//! Pure: a plan goes in, text or JSON comes out. Must never find anything by itself: `plan` does, so that a preflight says what
//! a plan and an apply would say.

mod fold;
mod show;

#[cfg(test)]
mod tests;

pub use fold::{Case, Folded, fold};
pub use show::{Denied, Looked, denied_json, denied_text, findings_text, preflight_json, preflight_text};

use crate::core::plan::{Plan, Verdict};

/// How a preflight ends, as an exit code: 2 if any host is refused, else 4 if any could not be looked at, else 0.
#[must_use]
pub fn exit_code(plan: &Plan) -> u8 {
    match (plan.count(Verdict::Refused), plan.count(Verdict::Unreachable)) {
        (1.., _) => 2,
        (0, 1..) => 4,
        (0, 0) => 0,
    }
}
