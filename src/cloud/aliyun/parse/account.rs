//! Security groups, account attributes, VPCs, NAT gateways: what is only checked.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::Value;

use super::{Rec, at};
use crate::core::observed::{Ingress, IngressSource, NatGateway, SecurityGroup, Vpc};
use crate::ports::CloudError;

/// One security group of a list, without its rules.
pub(in super::super) fn security_group(value: &Value) -> Result<SecurityGroup, CloudError> {
    let rec = Rec::new("DescribeSecurityGroups", value);
    Ok(SecurityGroup {
        id: rec.need("SecurityGroupId")?,
        vpc: rec.optional("VpcId")?,
        kind: rec.text("SecurityGroupType").unwrap_or_else(|| "normal".to_owned()),
        room: rec.optional("AvailableInstanceAmount")?,
        ingress: None,
    })
}

/// The rule if it is one for inbound TCP over IPv4. A list of ports or of sources is not looked up: its rule is taken as one that
/// may fit any port, from sources that are not known.
pub(in super::super) fn ingress(value: &Value) -> Result<Option<Ingress>, CloudError> {
    let rec = Rec::new("DescribeSecurityGroupAttribute", value);
    let is = |path: &str, wanted: &[&str]| {
        rec.text(path).is_none_or(|text| wanted.iter().any(|word| text.eq_ignore_ascii_case(word)))
    };
    if !is("Direction", &["ingress"]) || !is("IpProtocol", &["tcp", "all"]) {
        return Ok(None);
    }
    let from = match (rec.text("SourceCidrIp"), rec.text("PortRangeListId")) {
        (_, Some(list)) => IngressSource::Listed(list),
        (Some(range), None) => IngressSource::Range(match range.parse::<Ipv4Addr>() {
            Ok(address) => Ipv4Net::from(address),
            Err(_) => rec.need::<Ipv4Net>("SourceCidrIp")?.trunc(),
        }),
        (None, None) => {
            let listed = ["SourceGroupId", "SourcePrefixListId"].iter().find_map(|path| rec.text(path));
            // What is left is IPv6.
            let Some(listed) = listed else { return Ok(None) };
            IngressSource::Listed(listed)
        }
    };
    let (first_port, last_port) = match rec.text("PortRange").as_deref() {
        None | Some("" | "-1/-1") => (1, u16::MAX),
        Some(range) => {
            let odd = || rec.odd("PortRange", &format!("{range:?} is no range of ports"));
            let (first, last) = range.split_once('/').ok_or_else(odd)?;
            (first.parse().map_err(|_| odd())?, last.parse().map_err(|_| odd())?)
        }
    };
    Ok(Some(Ingress {
        accept: is("Policy", &["accept"]),
        priority: rec.optional("Priority")?.unwrap_or(1),
        first_port,
        last_port,
        from,
    }))
}

/// The first value of an account attribute, if the answer has it as a number.
pub(in super::super) fn attribute(answer: &Value, name: &str) -> Option<u32> {
    let items = at(answer, "AccountAttributeItems.AccountAttributeItem")?.as_array()?;
    let item = items.iter().find(|item| item.get("AttributeName").is_some_and(|it| it == name))?;
    let values = at(item, "AttributeValues.ValueItem")?.as_array()?;
    Rec::new("DescribeAccountAttributes", values.first()?).text("Value")?.parse().ok()
}

/// A VPC's attributes.
pub(in super::super) fn vpc(answer: &Value) -> Vpc {
    Vpc { ipv4_gateway: Rec::new("DescribeVpcAttribute", answer).text("Ipv4GatewayId") }
}

/// A NAT gateway's own record.
pub(in super::super) fn nat_gateway(value: &Value) -> NatGateway {
    let business = Rec::new("DescribeNatGateways", value).text("BusinessStatus");
    NatGateway { business: business.unwrap_or_else(|| "Normal".to_owned()) }
}

/// How many there are in all.
pub(in super::super) fn total(answer: &Value) -> Option<u32> {
    answer.get("TotalCount")?.as_u64()?.try_into().ok()
}
