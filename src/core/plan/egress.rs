//! Which address a private source leaves the VPC from, by the vendor's documented priority: its own public address, a DNAT
//! IP mapping, then the SNAT entry with the longest matching source range; the last two at the gateway that its route table
//! leads to.

use std::net::Ipv4Addr;

use super::{Code, Finding};
use crate::core::model::NatGatewayId;
use crate::core::observed::{CloudView, DefaultRoute, Instance, SnatEntry};

/// The addresses the instance's primary private address will leave from once it has no public address of its own, or why
/// moving its EIP would cut its egress.
///
/// # Errors
/// A refusal if no SNAT entry covers it, or the route table does not lead to that entry's gateway.
pub fn expected_egress(view: &CloudView, instance: &Instance) -> Result<Vec<Ipv4Addr>, Finding> {
    snat_entry(view, instance).map(|entry| entry.addresses.clone())
}

/// The SNAT entry that the instance's primary private address will leave by.
pub(super) fn snat_entry<'a>(view: &'a CloudView, instance: &Instance) -> Result<&'a SnatEntry, Finding> {
    let source = instance.primary_ip;
    let why = "without its public address the host would lose all outbound connections";
    let table = instance
        .vswitch
        .as_ref()
        .and_then(|id| view.vswitches.get(id))
        .and_then(|vswitch| vswitch.route_table.as_ref())
        .and_then(|id| view.default_routes.get(id).map(|route| (id, route)));
    let routed = match table {
        Some((_, DefaultRoute::NatGateway(gateway))) => Some(gateway),
        _ => None,
    };
    let elsewhere = |gateway: Option<&NatGatewayId>| {
        gateway.is_some_and(|gateway| routed.is_some_and(|to| to != gateway))
    };
    let maps = |entry: &&_| is_mapping_of(entry, source) && !elsewhere(entry.nat_gateway.as_ref());
    if let Some(entry) = view.forwards.iter().find(maps) {
        return Err(Finding::refusal(
            format!("DNAT entry {} maps all of {} to {source}", entry.id, entry.external_ip),
            "an IP mapping wins over SNAT, so the host would leave from that address and not from the shared one",
            format!("remove DNAT entry {} or take the host out of the inventory", entry.id),
        )
        .coded(Code::DnatMapsHost));
    }
    let covering =
        view.snat.iter().filter(|e| e.available && !e.addresses.is_empty() && e.source.contains(&source));
    // Only the gateway that packets reach decides; entries of others tell what is wrong with the route.
    let entry =
        covering.max_by_key(|entry| (!elsewhere(Some(&entry.nat_gateway)), entry.source.prefix_len()));
    let Some(entry) = entry else {
        return Err(Finding::refusal(
            format!("no SNAT entry covers {source}"),
            why,
            "add a SNAT entry for its vSwitch to the NAT gateway, then plan again",
        )
        .coded(Code::SnatMissing));
    };
    let found = match table {
        Some((_, DefaultRoute::NatGateway(gateway))) if *gateway == entry.nat_gateway => {
            return in_service(view, entry);
        }
        Some((table, DefaultRoute::Unseen(reason))) => Finding::refusal(
            format!("route table {table} could not be read: {reason}"),
            "whether outbound packets reach the NAT gateway is unknown",
            "grant vpc:DescribeRouteEntryList, then plan again",
        )
        .coded(Code::RouteUnseen),
        Some((table, route)) => Finding::refusal(
            format!(
                "0.0.0.0/0 of route table {table} leads to {}, not to {}",
                describe(route),
                entry.nat_gateway
            ),
            why,
            format!("point 0.0.0.0/0 of {table} to {}, then plan again", entry.nat_gateway),
        )
        .coded(Code::RouteElsewhere),
        None => Finding::refusal(
            "the route table of the primary interface's vSwitch was not found",
            "whether outbound packets reach the NAT gateway is unknown",
            "check that the vSwitch still exists and that vpc:DescribeVSwitches is granted",
        )
        .coded(Code::RouteUnseen),
    };
    Err(found)
}

fn is_mapping_of(entry: &crate::core::observed::ForwardEntry, source: Ipv4Addr) -> bool {
    entry.any_port && entry.internal_ip == source
}

fn in_service<'a>(view: &CloudView, entry: &'a SnatEntry) -> Result<&'a SnatEntry, Finding> {
    match view.nat_gateways.get(&entry.nat_gateway) {
        Some(gateway) if gateway.business != "Normal" => Err(Finding::refusal(
            format!("NAT gateway {} is locked ({})", entry.nat_gateway, gateway.business),
            "a locked gateway may stop translating at any time, and the host would lose all outbound connections",
            "settle the account or the security lock, then plan again",
        )
        .coded(Code::NatGatewayLocked)),
        _ => Ok(entry),
    }
}

/// Where a default route leads, for people.
pub(super) fn describe(route: &DefaultRoute) -> String {
    match route {
        DefaultRoute::Absent => "nothing".to_owned(),
        DefaultRoute::NatGateway(id) => id.to_string(),
        DefaultRoute::Other(kind, id) => format!("{kind} {id}"),
        DefaultRoute::Unseen(reason) => format!("something that could not be read ({reason})"),
    }
}
