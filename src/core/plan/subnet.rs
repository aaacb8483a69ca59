//! What the secondary interface's vSwitch does to packets: routes, the IPv4 gateway, the network ACL.

use super::egress::describe;
use super::{Code, Finding};
use crate::core::observed::{CloudView, DefaultRoute, Instance, VSwitch};

/// Looks for what keeps an EIP on an interface in this vSwitch from working.
pub(super) fn check(view: &CloudView, instance: &Instance, vswitch: &VSwitch, findings: &mut Vec<Finding>) {
    let gateway = view.vpcs.get(&vswitch.vpc).and_then(|vpc| vpc.ipv4_gateway.as_ref());
    let route = vswitch.route_table.as_ref().and_then(|table| view.default_routes.get(table));
    let leads_there = matches!(route, Some(DefaultRoute::Other(kind, _)) if kind == "Ipv4Gateway");
    if let Some(gateway) = gateway.filter(|_| !leads_there) {
        let to = route.map_or_else(|| "nothing that could be read".to_owned(), describe);
        findings.push(
            Finding::refusal(
                format!("{} has the IPv4 gateway {gateway}, and 0.0.0.0/0 of {} leads to {to}", vswitch.vpc, vswitch.id),
                "with an IPv4 gateway an EIP works only in a vSwitch whose default route leads to that gateway, and SNAT \
                 only in one whose default route leads to the NAT gateway: one vSwitch cannot do both",
                format!(
                    "name a vSwitch of zone {} whose 0.0.0.0/0 leads to {gateway} in eni.vswitch, then plan again",
                    instance.zone
                ),
            )
            .coded(Code::Ipv4Gateway),
        );
        return;
    }
    let Some(primary) = instance.vswitch.as_ref().and_then(|id| view.vswitches.get(id)) else { return };
    let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    if gateway.is_none() && primary.route_table != vswitch.route_table {
        findings.push(
            Finding::warning(
                format!(
                    "{} has the route table {}, the primary interface's vSwitch has {}",
                    vswitch.id,
                    told(&vswitch.route_table),
                    told(&primary.route_table)
                ),
                "replies from the new interface are routed by another table than the host's other packets",
                "compare the two route tables, above all what leads to the clients of this host",
            )
            .coded(Code::VswitchRouteTable),
        );
    }
    if primary.acl != vswitch.acl {
        findings.push(
            Finding::warning(
                format!(
                    "{} has the network ACL {}, the primary interface's vSwitch has {}",
                    vswitch.id,
                    told(&vswitch.acl),
                    told(&primary.acl)
                ),
                "what reaches the host today may not reach the new interface",
                "compare the two network ACLs: inbound to the host's services, and outbound replies",
            )
            .coded(Code::VswitchAcl),
        );
    }
}
