//! What an error code of the vendor means for the call that met it.
//!
//! Decided on the `Code`, never on the HTTP status: the same situation has had different statuses over the years.
//! Codes carry the vendor's misspellings.

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
    let verdict = |kind, then| Verdict { kind, then };
    if code.starts_with("Throttling") || code == "Rejected.Throttling" {
        return verdict(Busy, Then::Throttled);
    }
    match code {
        "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "InvalidTimeStamp.Expired"
        | "InvalidAccessKeyId.NotFound"
        | "InvalidAccessKeyId.Inactive"
        | "InvalidSecurityToken.Malformed"
        | "InvalidSecurityToken.MismatchWithAccessKey"
        | "MissingSecurityToken"
        | "Forbidden.AccessKeyDisabled"
        | "Forbidden.RAM"
        | "Forbidden.RiskControl"
        | "Forbidden.SubUser"
        | "Forbidden.NotSupportRAM"
        | "Forbidden.RegionId"
        | "Forbidden.RegionNotFound"
        | "InvalidRegionId.NotFound"
        | "InvalidUserType.NotSupported"
        | "NoPermission"
        | "NoPermission.Refund"
        | "Account.Arrearage"
        | "InvalidAccountStatus.NotEnoughBalance"
        | "InsufficientBalance" => verdict(Account, Then::Stop),
        "InvalidSecurityToken.Expired" => verdict(Account, Then::Renew),
        // A random nonce meets itself only if the request was delivered twice, so the first copy may have been obeyed.
        "SignatureNonceUsed" | "ServiceUnavailable" | "InternalError" | "LastTokenProcessing" => {
            verdict(Unknown, Then::Repeat)
        }
        "IdempotentFailed" => verdict(Busy, Then::Fresh),
        "InvalidInstance.IpAddressMissing" | "InvalidAssociation.Duplicated" => verdict(Refused, Then::Look),
        "InvalidParameter.EniNotBelongEcs"
        | "InvalidBindInstance.NotFound"
        | "InvalidEniId.NotFound"
        | "InvalidSnatEntryId.NotFound" => verdict(NotFound, Then::Look),
        "InvalidAllocationId.NotFound" if action == "ReleaseEipAddress" => verdict(NotFound, Then::Look),
        "TaskConflict"
        | "OperationConflict"
        | "Operation.Conflict"
        | "InvalidOperation.Conflict"
        | "OperationFailed.SystemBusy"
        | "OperationFailed.EcsMigrating"
        | "SystemBusy"
        | "IncorrectEipStatus"
        | "IncorrectInstanceStatus"
        | "IncorrectVSwitchStatus"
        | "IncorretSnatEntryStatus"
        | "InvalidBindingStatus"
        | "InvalidStatus.EcsStatusNotSupport"
        | "InvalidStatus.EniStatusNotSupport"
        | "InvalidStatus.InstanceHasBandWidth"
        | "InvalidStatus.NotAllow"
        | "InvalidStatus.ValueNotSupported"
        | "InvalidOperation.InvalidEcsState"
        | "InvalidOperation.InvalidEniState"
        | "InvalidOperation.InvalidEniType"
        | "InvalidAction.Denied"
        | "InstanceHasProcessingConvertOrder"
        | "EIP_NOT_IN_GATEWAY"
        | "ReserveIpFail" => verdict(Busy, Then::Later),
        _ if code.starts_with("IncorrectStatus") => verdict(Busy, Then::Later),
        _ if code.ends_with(".NotFound") => verdict(NotFound, Then::Stop),
        _ => verdict(Refused, Then::Stop),
    }
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
                    matches!(then, Then::Later | Then::Throttled | Then::Repeat | Then::Renew)
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
