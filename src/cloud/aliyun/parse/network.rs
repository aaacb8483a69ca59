//! vSwitches, NAT entries and routes.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::Value;

use super::Rec;
use crate::core::model::NatGatewayId;
use crate::core::observed::{DefaultRoute, ForwardEntry, SnatEntry, VSwitch};
use crate::ports::CloudError;

/// One vSwitch; the same record in lists and alone.
pub(in super::super) fn vswitch(value: &Value) -> Result<VSwitch, CloudError> {
    let rec = Rec::new("DescribeVSwitches", value);
    Ok(VSwitch {
        id: rec.need("VSwitchId")?,
        vpc: rec.need("VpcId")?,
        zone: rec.need("ZoneId")?,
        cidr: rec.need::<Ipv4Net>("CidrBlock")?.trunc(),
        free_addresses: rec.need("AvailableIpAddressCount")?,
        route_table: rec.text("RouteTable.RouteTableId"),
        acl: rec.text("NetworkAclId"),
    })
}

/// The id of a NAT gateway that leads to the Internet; `None` for one between VPCs.
pub(in super::super) fn internet_gateway(value: &Value) -> Option<Result<NatGatewayId, CloudError>> {
    let rec = Rec::new("DescribeNatGateways", value);
    rec.text("NetworkType").is_none_or(|kind| kind == "internet").then(|| rec.need("NatGatewayId"))
}

/// One SNAT entry of a gateway. `None` for an entry without a source block: it is tied to one interface and says nothing
/// about a network.
pub(in super::super) fn snat(value: &Value, gateway: &NatGatewayId) -> Result<Option<SnatEntry>, CloudError> {
    let rec = Rec::new("DescribeSnatTableEntries", value);
    let Some(source) = rec.text("SourceCIDR") else { return Ok(None) };
    // A single address may come without its prefix length.
    let source = match source.parse::<Ipv4Addr>() {
        Ok(address) => Ipv4Net::from(address),
        Err(_) => rec.need::<Ipv4Net>("SourceCIDR")?.trunc(),
    };
    let texts = rec.text("SnatIp").unwrap_or_default();
    let texts = texts.split(',').map(str::trim).filter(|text| !text.is_empty());
    Ok(Some(SnatEntry {
        id: rec.need("SnatEntryId")?,
        nat_gateway: gateway.clone(),
        source,
        addresses: texts
            .map(|text| text.parse().map_err(|why| rec.odd("SnatIp", &why)))
            .collect::<Result<_, _>>()?,
        available: rec.text("Status").is_some_and(|status| status == "Available"),
    }))
}

/// One DNAT entry.
pub(in super::super) fn forward(value: &Value, gateway: &NatGatewayId) -> Result<ForwardEntry, CloudError> {
    let rec = Rec::new("DescribeForwardTableEntries", value);
    let any = |path| rec.text(path).is_some_and(|text| text.eq_ignore_ascii_case("any"));
    Ok(ForwardEntry {
        id: rec.need("ForwardEntryId")?,
        external_ip: rec.need("ExternalIp")?,
        internal_ip: rec.need("InternalIp")?,
        nat_gateway: Some(gateway.clone()),
        any_port: any("ExternalPort") && any("InternalPort") && any("IpProtocol"),
    })
}

/// Where 0.0.0.0/0 leads according to the entries of one route table. Several next hops are shown joined, because no
/// single one of them decides.
pub(in super::super) fn default_route(entries: &[Value]) -> Result<DefaultRoute, CloudError> {
    let mut hops = Vec::new();
    for value in entries {
        let rec = Rec::new("DescribeRouteEntryList", value);
        if rec.text("DestinationCidrBlock").is_none_or(|block| block != "0.0.0.0/0") {
            continue;
        }
        for hop in rec.list("NextHops.NextHop") {
            hops.push((
                hop.text("NextHopType").unwrap_or_default(),
                hop.text("NextHopId").unwrap_or_default(),
            ));
        }
        if rec.list("NextHops.NextHop").next().is_none() {
            return Err(rec.odd("NextHops", &"a default route without a next hop"));
        }
    }
    Ok(match hops.as_slice() {
        [] => DefaultRoute::Absent,
        [(kind, id)] if kind == "NatGateway" => {
            let odd = |why| Rec::new("DescribeRouteEntryList", &Value::Null).odd("NextHopId", &why);
            DefaultRoute::NatGateway(id.parse().map_err(|why: crate::core::model::ModelError| odd(why))?)
        }
        many => {
            let join = |texts: Vec<&str>| texts.join(",");
            DefaultRoute::Other(
                join(many.iter().map(|(kind, _)| kind.as_str()).collect()),
                join(many.iter().map(|(_, id)| id.as_str()).collect()),
            )
        }
    })
}
