//! What could not be checked because the cloud did not let us look.

use super::changing;
use crate::core::observed::CloudView;
use crate::core::permissions::purpose;
use crate::core::plan::{Code, Finding, Plan};

/// Tells every host that is to be changed which checks were left out.
pub(super) fn check(plan: &mut Plan, view: &CloudView) {
    for (action, unread) in &view.unread {
        let why = format!("not checked: {}", purpose(action));
        let finding = if unread.denied {
            Finding::warning(
                format!("{action} is not permitted: {}", unread.reason),
                why,
                format!("add \"{action}\" to the policy of our user or role; `egressctl preflight --policy` prints it all"),
            )
            .coded(Code::PermissionMissing)
        } else {
            Finding::warning(format!("{action} did not answer: {}", unread.reason), why, "plan again")
                .coded(Code::ReadFailed)
        };
        for host in changing(plan) {
            host.findings.push(finding.clone());
        }
    }
}
