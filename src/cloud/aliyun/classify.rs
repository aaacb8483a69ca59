//! What an error code of the vendor means for the call that met it.
//!
//! Must never look at anything but the code and the action: what is known of both is in [`codes`](super::codes).

use super::codes::{Class, find};
use crate::ports::CloudErrorKind;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The same call cannot succeed.
    Stop,
    /// The wish may already be fulfilled: look; if it is not, the same call cannot succeed.
    Look,
    /// Definitely refused for now: look, wait, try again with another token.
    Later,
    /// Turned away before it was processed: wait, try again as it was.
    Throttled,
    /// The same, but the vendor counts in minutes.
    Slow,
    /// The outcome is unknown or still being made: only the same token may be sent again.
    Repeat,
    /// The request that this token belongs to has failed: another token.
    Fresh,
    /// The session credentials are too old: renew them, try again.
    Renew,
}

/// A meaning: the kind to report if it ends here, and what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) kind: CloudErrorKind,
    pub(super) then: Then,
}

/// Reads a code met by an action.
pub(super) fn classify(action: &str, code: &str) -> Verdict {
    use CloudErrorKind::{Account, Busy, NotFound, Refused, Unknown};
    let missing = if code.ends_with(".NotFound") || code == "InvalidParameter.EniNotBelongEcs" {
        NotFound
    } else {
        Refused
    };
    let Some(row) = find(action, code) else { return Verdict { kind: missing, then: Then::Stop } };
    let kind = match (row.class, row.then) {
        (Class::StopRun, _) | (_, Then::Renew) => Account,
        (_, Then::Repeat) => Unknown,
        (Class::RetryNow | Class::WaitForState, _) => Busy,
        (Class::RefuseHost | Class::Human, _) => missing,
    };
    Verdict { kind, then: row.then }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_known_code_gets_the_advice_of_the_table() {
        let rows: Vec<Value> =
            serde_json::from_str(include_str!("../../../tests/vectors/error-codes.json")).unwrap();
        assert_eq!(rows.len(), 219);
        for row in rows {
            let (action, code) = (row["action"].as_str().unwrap(), row["code"].as_str().unwrap());
            let then = classify(action, code).then;
            let fits = match row["retry"].as_str().unwrap() {
                "no" => then == Then::Stop,
                "backoff" => {
                    matches!(then, Then::Later | Then::Throttled | Then::Slow | Then::Repeat | Then::Renew)
                }
                "poll-state-then-retry" => then == Then::Later,
                "backoff-with-new-ClientToken" => matches!(then, Then::Later | Then::Fresh),
                "treat-as-done-after-describe" => then == Then::Look,
                other => panic!("{other}"),
            };
            assert!(fits, "{action} {code}: {then:?} against {}", row["retry"]);
        }
    }

    #[test]
    fn kinds_follow_the_code() {
        let kind = |code| classify("X", code).kind;
        assert_eq!(kind("Throttling.User"), CloudErrorKind::Busy);
        assert_eq!(kind("Forbidden.RAM"), CloudErrorKind::Account);
        assert_eq!(kind("InvalidVSwitchId.NotFound"), CloudErrorKind::NotFound);
        assert_eq!(kind("MaxEIPQuotaExceeded"), CloudErrorKind::Refused);
        assert_eq!(kind("IncorrectStatus.NATGW"), CloudErrorKind::Busy);
        assert_eq!(kind("SomethingNew"), CloudErrorKind::Refused);
    }
}
