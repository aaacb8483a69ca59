//! The security groups of the secondary interface: they belong to it and not to the instance, so what they let in decides
//! whether the host is still reached.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::{Code, Finding};
use crate::core::inventory::HostDesired;
use crate::core::model::SecurityGroupId;
use crate::core::observed::{Admission, CloudView, Instance, SecurityGroup, admission};

/// The groups a new interface gets: the inventory's, else the instance's.
pub(super) fn wanted(desired: &HostDesired, instance: &Instance) -> Vec<SecurityGroupId> {
    let own = &desired.eni.security_groups;
    if own.is_empty() { instance.security_groups.clone() } else { own.clone() }
}

/// Looks for what keeps a new interface from having these groups.
pub(super) fn check(
    view: &CloudView,
    instance: &Instance,
    groups: &[SecurityGroupId],
    findings: &mut Vec<Finding>,
) {
    if !(1..=5).contains(&groups.len()) {
        findings.push(
            Finding::refusal(
                format!("{} security groups for the new interface", groups.len()),
                "an interface takes one to five",
                "list one to five groups in eni.security_groups",
            )
            .coded(Code::GroupCount),
        );
    }
    if view.security_groups.is_empty() {
        return;
    }
    let fix = "correct eni.security_groups in the inventory";
    for id in groups {
        match view.security_groups.get(id) {
            None => findings.push(
                Finding::refusal(
                    format!("there is no security group {id} in this region"),
                    "the interface cannot be created with it",
                    fix,
                )
                .coded(Code::GroupMissing),
            ),
            Some(group) if group.vpc != instance.vpc => findings.push(
                Finding::refusal(
                    format!(
                        "security group {id} is in {}",
                        group.vpc.as_ref().map_or("the classic network", |vpc| vpc.as_str())
                    ),
                    "an interface takes groups of its own VPC only",
                    fix,
                )
                .coded(Code::GroupElsewhere),
            ),
            Some(_) => {}
        }
    }
    let kinds = |ids: &[SecurityGroupId]| -> BTreeSet<String> {
        ids.iter().filter_map(|id| view.security_groups.get(id)).map(|group| group.kind.clone()).collect()
    };
    let (ours, theirs) = (kinds(groups), kinds(&instance.security_groups));
    if ours.len() > 1 {
        findings.push(
            Finding::refusal(
                format!(
                    "the new interface's security groups are of several types: {}",
                    ours.iter().cloned().collect::<Vec<_>>().join(", ")
                ),
                "basic (normal) and advanced (enterprise) groups cannot be mixed on one interface",
                "list groups of one type in eni.security_groups",
            )
            .coded(Code::GroupMix),
        );
    } else if !theirs.is_empty() && ours.iter().any(|kind| !theirs.contains(kind)) {
        findings.push(
            Finding::warning(
                "the new interface's security groups are of another type than the instance's",
                "the vendor's pages disagree on whether such an interface can be attached",
                "list groups of the instance's type in eni.security_groups, or try one host first",
            )
            .coded(Code::GroupType),
        );
    }
}

/// Looks whether the interface's groups let the check through the EIP in, on this port and from this address.
pub(super) fn check_inbound(
    view: &CloudView,
    groups: &[SecurityGroupId],
    port: u16,
    source: Option<Ipv4Addr>,
) -> Option<Finding> {
    let known: Option<Vec<&SecurityGroup>> = groups.iter().map(|id| view.security_groups.get(id)).collect();
    let rules: Option<Vec<_>> = known?.into_iter().map(|group| group.ingress.as_ref()).collect();
    let names = groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let whom = source.map_or_else(String::new, |source| format!(" from {source}"));
    match admission(rules?.into_iter().flatten(), port, source) {
        Admission::Open => None,
        Admission::Closed => Some(
            Finding::refusal(
                format!("no rule of {names} lets TCP port {port} in{whom}"),
                "the interface has groups of its own: the host would not be reached through its address, fail its check, \
                 and be taken back",
                "add an inbound rule, or choose other groups in eni.security_groups",
            )
            .coded(Code::InboundClosed),
        ),
        Admission::From(sources) => Some(
            Finding::warning(
                format!("{names} let TCP port {port} in from some sources only: {}", sources.join(", ")),
                "if the bastion's connections do not come from there, the check through the EIP fails and the host is \
                 taken back",
                "set verify.source to the address that the bastion's connections come from, or add an inbound rule",
            )
            .coded(Code::InboundLimited),
        ),
    }
}
