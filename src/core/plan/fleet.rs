//! What only the whole plan can tell: whether there is room for everybody.

use std::collections::BTreeMap;

use super::{Finding, Op, Plan, Verdict};
use crate::core::model::VSwitchId;
use crate::core::observed::CloudView;

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
