//! Room in vSwitches and security groups, given out in the order of the plan.

use std::collections::BTreeMap;

use super::{changing, refuse};
use crate::core::model::{SecurityGroupId, VSwitchId};
use crate::core::observed::CloudView;
use crate::core::plan::{Code, Finding, HostPlan, Op, Plan};

/// What a host's new interface takes room in.
fn wanted(host: &HostPlan) -> Option<(VSwitchId, Vec<SecurityGroupId>)> {
    host.steps.iter().find_map(|step| match &step.op {
        Op::CreateEni { vswitch, security_groups, .. } => Some((vswitch.clone(), security_groups.clone())),
        _ => None,
    })
}

/// Refuses the hosts whose new interface would not fit into its vSwitch any more.
pub(super) fn check_vswitches(plan: &mut Plan, view: &CloudView) {
    let mut left: BTreeMap<VSwitchId, u32> =
        view.vswitches.values().map(|vswitch| (vswitch.id.clone(), vswitch.free_addresses)).collect();
    for host in changing(plan) {
        let Some((vswitch, _)) = wanted(host) else { continue };
        let free = left.entry(vswitch.clone()).or_default();
        if let Some(rest) = free.checked_sub(1) {
            *free = rest;
            continue;
        }
        refuse(
            host,
            Finding::refusal(
                format!("vSwitch {vswitch} has no free address left for this host"),
                "the hosts before it in the plan take the last ones",
                "choose another vSwitch of the zone in eni.vswitch",
            )
            .coded(Code::VswitchFull),
        );
    }
}

/// Refuses the hosts whose new interface would not fit into one of its security groups any more.
pub(super) fn check_groups(plan: &mut Plan, view: &CloudView) {
    let rooms = view.security_groups.values().filter_map(|group| Some((group.id.clone(), group.room?)));
    let mut left: BTreeMap<SecurityGroupId, u32> = rooms.collect();
    for host in changing(plan) {
        let Some((_, groups)) = wanted(host) else { continue };
        if let Some(full) = groups.iter().find(|group| left.get(group) == Some(&0)) {
            refuse(
                host,
                Finding::refusal(
                    format!("security group {full} takes no further address for this host"),
                    "a basic group holds 6,000 private addresses, interfaces included, and the hosts before it in the plan \
                     take the last ones",
                    "name another group in eni.security_groups",
                )
                .coded(Code::GroupFull),
            );
            continue;
        }
        for group in &groups {
            left.entry(group.clone()).and_modify(|rest| *rest -= 1);
        }
    }
}
