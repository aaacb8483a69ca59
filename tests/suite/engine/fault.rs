//! The ways in which a write to the made-up cloud can go wrong.

use egressctl::ports::CloudErrorKind;

/// How a write goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Refused with this kind, nothing happens.
    Error(CloudErrorKind),
    /// It happens, the answer gets lost.
    LostAfter,
    /// It does not happen, and the answer does not tell.
    LostBefore,
    /// The answer gets lost and it happens after this many seconds; a second call meets "busy" until then.
    LostAndSlow(u64),
    /// Accepted, and it never happens.
    Late,
    /// It happens, but nobody may look at it afterwards.
    BlindAfter,
}
