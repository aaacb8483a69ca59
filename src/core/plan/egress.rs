//! Which address a private source leaves the VPC from, by the vendor's documented priority: its own public address, a DNAT
//! IP mapping, then the SNAT entry with the longest matching source range.

use std::net::Ipv4Addr;

use super::Finding;
use crate::core::observed::{CloudView, DefaultRoute, Instance};

/// The addresses the instance's primary private address will leave from once it has no public address of its own, or why
/// moving its EIP would cut its egress.
///
/// # Errors
/// A refusal if no SNAT entry covers it, or the route table does not lead to that entry's gateway.
pub fn expected_egress(view: &CloudView, instance: &Instance) -> Result<Vec<Ipv4Addr>, Finding> {
    let source = instance.primary_ip;
    let why = "without its public address the host would lose all outbound connections";
    if let Some(entry) = view.forwards.iter().find(|entry| entry.any_port && entry.internal_ip == source) {
        return Err(Finding::refusal(
            format!("DNAT entry {} maps all of {} to {source}", entry.id, entry.external_ip),
            "an IP mapping wins over SNAT, so the host would leave from that address and not from the shared one",
            format!("remove DNAT entry {} or take the host out of the inventory", entry.id),
        ));
    }
    let entry = view
        .snat
        .iter()
        .filter(|entry| entry.available && !entry.addresses.is_empty() && entry.source.contains(&source))
        .max_by_key(|entry| entry.source.prefix_len());
    let Some(entry) = entry else {
        return Err(Finding::refusal(
            format!("no SNAT entry covers {source}"),
            why,
            "add a SNAT entry for its vSwitch to the NAT gateway, then plan again",
        ));
    };
    let table = instance
        .vswitch
        .as_ref()
        .and_then(|id| view.vswitches.get(id))
        .and_then(|vswitch| vswitch.route_table.as_ref())
        .and_then(|id| view.default_routes.get(id).map(|route| (id, route)));
    match table {
        Some((_, DefaultRoute::NatGateway(gateway))) if *gateway == entry.nat_gateway => {
            Ok(entry.addresses.clone())
        }
        Some((table, DefaultRoute::Unseen(reason))) => Err(Finding::refusal(
            format!("route table {table} could not be read: {reason}"),
            "whether outbound packets reach the NAT gateway is unknown",
            "grant vpc:DescribeRouteEntryList, then plan again",
        )),
        Some((table, route)) => Err(Finding::refusal(
            format!(
                "0.0.0.0/0 of route table {table} leads to {}, not to {}",
                describe(route),
                entry.nat_gateway
            ),
            why,
            format!("point 0.0.0.0/0 of {table} to {}, then plan again", entry.nat_gateway),
        )),
        None => Err(Finding::refusal(
            "the route table of the primary interface's vSwitch was not found",
            "whether outbound packets reach the NAT gateway is unknown",
            "check that the vSwitch still exists and that vpc:DescribeVSwitches is granted",
        )),
    }
}

fn describe(route: &DefaultRoute) -> String {
    match route {
        DefaultRoute::Absent => "nothing".to_owned(),
        DefaultRoute::NatGateway(id) => id.to_string(),
        DefaultRoute::Other(kind, id) => format!("{kind} {id}"),
        DefaultRoute::Unseen(reason) => format!("something that could not be read ({reason})"),
    }
}
