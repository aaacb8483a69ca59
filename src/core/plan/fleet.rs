//! What only the whole plan can tell: whether there is room for everybody, and nobody wants what another host has.

use std::collections::BTreeMap;

use super::{Finding, Op, Plan, Verdict};
use crate::core::model::{AllocationId, VSwitchId};
use crate::core::observed::CloudView;

/// Refuses hosts that would move the same EIP: one that is bound to nothing may have been the address of several hosts.
pub(super) fn check_addresses(plan: &mut Plan) {
    let mut claims: BTreeMap<AllocationId, usize> = BTreeMap::new();
    for eip in plan.hosts.iter().filter_map(|host| host.known.eip.as_ref()) {
        *claims.entry(eip.id.clone()).or_default() += 1;
    }
    for host in plan.hosts.iter_mut().filter(|host| host.verdict == Verdict::Change) {
        if let Some(eip) = host.known.eip.clone().filter(|eip| claims.get(&eip.id) > Some(&1)) {
            host.verdict = Verdict::Refused;
            host.steps.clear();
            host.findings.insert(
                0,
                Finding::refusal(
                    format!("EIP {} ({}) is another host's inbound address as well", eip.id, eip.address),
                    "only one of them can have it",
                    "bind it by hand to the instance that it belongs to, then plan again",
                ),
            );
        }
    }
}

/// Refuses the hosts whose new interface would not fit into its vSwitch any more, in the order of the plan.
pub(super) fn check_capacity(plan: &mut Plan, view: &CloudView) {
    let mut left: BTreeMap<VSwitchId, u32> =
        view.vswitches.values().map(|vswitch| (vswitch.id.clone(), vswitch.free_addresses)).collect();
    for host in &mut plan.hosts {
        let wanted = host.steps.iter().find_map(|step| match &step.op {
            Op::CreateEni { vswitch, .. } => Some(vswitch.clone()),
            _ => None,
        });
        let Some(vswitch) = wanted else { continue };
        let free = left.entry(vswitch.clone()).or_default();
        if let Some(rest) = free.checked_sub(1) {
            *free = rest;
        } else {
            host.verdict = Verdict::Refused;
            host.steps.clear();
            host.findings.push(Finding::refusal(
                format!("vSwitch {vswitch} has no free address left for this host"),
                "the hosts before it in the plan take the last ones",
                "choose another vSwitch of the zone in eni.vswitch",
            ));
        }
    }
}
