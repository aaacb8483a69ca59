//! What only the whole plan can tell: whether there is room for everybody, and nobody wants what another host has.
//!
//! Must never let a host through that would stop half-way because of the hosts before it.

mod quota;
mod room;
mod snat;
mod unread;

use std::collections::BTreeMap;

use super::{Code, Finding, HostPlan, Plan, Severity, Verdict};
use crate::core::inventory::Limits;
use crate::core::model::AllocationId;
use crate::core::observed::CloudView;

/// All checks over all hosts. What the whole fleet lacks comes first: hosts that it refuses take no room.
pub(super) fn check(plan: &mut Plan, view: &CloudView, limits: &Limits) {
    check_addresses(plan);
    quota::check(plan, view, limits);
    room::check_vswitches(plan, view);
    room::check_groups(plan, view);
    snat::check(plan, view);
    unread::check(plan, view);
    for host in &mut plan.hosts {
        // What a move would bring matters to nobody if there is none.
        if host.verdict != Verdict::Change {
            host.findings.retain(|finding| finding.severity != Severity::Note);
        }
        host.findings.sort();
    }
}

/// Takes a host out of the plan.
fn refuse(host: &mut HostPlan, finding: Finding) {
    host.verdict = Verdict::Refused;
    host.steps.clear();
    host.findings.insert(0, finding);
}

/// The hosts that are to be changed.
fn changing(plan: &mut Plan) -> impl Iterator<Item = &mut HostPlan> {
    plan.hosts.iter_mut().filter(|host| host.verdict == Verdict::Change)
}

/// Refuses hosts that would move the same EIP: one that is bound to nothing may have been the address of several hosts.
fn check_addresses(plan: &mut Plan) {
    let mut claims: BTreeMap<AllocationId, usize> = BTreeMap::new();
    for eip in plan.hosts.iter().filter_map(|host| host.known.eip.as_ref()) {
        *claims.entry(eip.id.clone()).or_default() += 1;
    }
    for host in changing(plan) {
        if let Some(eip) = host.known.eip.clone().filter(|eip| claims.get(&eip.id) > Some(&1)) {
            refuse(
                host,
                Finding::refusal(
                    format!("EIP {} ({}) is another host's inbound address as well", eip.id, eip.address),
                    "only one of them can have it",
                    "bind it by hand to the instance that it belongs to, then plan again",
                )
                .coded(Code::EipShared),
            );
        }
    }
}
