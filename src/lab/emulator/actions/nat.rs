//! The NAT gateway and its two tables.

use serde_json::json;

use super::super::answer::{dry_run, numbered, second};
use super::super::errors::ApiError;
use super::super::params::missing;
use super::super::state::{ForwardEntry, SnatEntry};
use super::{Context, Done, matches};
use crate::lab::spec::{NAT_GATEWAY, REGION, SNAT_ADDRESS, VPC};

const SNAT_TABLE: &str = "stb-lab";
const FORWARD_TABLE: &str = "ftb-lab";

/// `DescribeNatGateways`.
pub(super) fn gateways(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let params = context.params;
    dry_run(params)?;
    let wanted = matches(params, "NatGatewayId", NAT_GATEWAY)
        && matches(params, "VpcId", VPC)
        && matches(params, "Name", "lab")
        && matches(params, "Status", "Available")
        && matches(params, "NetworkType", "internet")
        && matches(params, "NatType", "Enhanced")
        && params.tags().is_empty();
    let gateway = json!({
        "NatGatewayId": NAT_GATEWAY,
        "Name": "lab",
        "Description": "",
        "Status": "Available",
        "BusinessStatus": "Normal",
        "NatType": "Enhanced",
        "NetworkType": "internet",
        "VpcId": VPC,
        "RegionId": REGION,
        "InstanceChargeType": "PostPaid",
        "InternetChargeType": "PayByLcu",
        "CreationTime": second(context.cloud.began_ms),
        "ExpiredTime": "",
        "Spec": "",
        "EipBindMode": "NAT",
        "SnatTableIds": { "SnatTableId": [SNAT_TABLE] },
        "ForwardTableIds": { "ForwardTableId": [FORWARD_TABLE] },
        "FullNatTableIds": { "FullNatTableId": [] },
        "IpLists": { "IpList": [{
            "AllocationId": "eip-lab-nat",
            "IpAddress": SNAT_ADDRESS,
            "SnatEntryEnabled": true,
            "UsingStatus": "UsedBySnatTable",
        }] },
        "Tags": { "Tag": [] },
    });
    let found = if wanted { vec![gateway] } else { Vec::new() };
    let (page, members) = numbered(params, found, 50)?;
    Done::page("NatGateways", "NatGateway", page, members)
}

/// `DescribeSnatTableEntries`.
pub(super) fn snat(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let params = context.params;
    if params.get("SnatTableId").is_none() && params.get("NatGatewayId").is_none() {
        return Err(missing("SnatTableId"));
    }
    let ours = matches(params, "SnatTableId", SNAT_TABLE) && matches(params, "NatGatewayId", NAT_GATEWAY);
    let found: Vec<&SnatEntry> = context
        .cloud
        .snat
        .values()
        .filter(|entry| {
            ours && matches(params, "SnatEntryId", &entry.id)
                && matches(params, "SourceCIDR", &entry.source.to_string())
                && matches(params, "SourceVSwitchId", entry.vswitch.as_str())
                && matches(params, "SnatIp", &entry.address.to_string())
        })
        .collect();
    let (page, members) = numbered(params, found, 50)?;
    let items = page
        .into_iter()
        .map(|entry| {
            json!({
                "SnatEntryId": entry.id,
                "SnatEntryName": "",
                "SnatTableId": SNAT_TABLE,
                "NatGatewayId": NAT_GATEWAY,
                "SourceCIDR": entry.source.to_string(),
                "SourceVSwitchId": entry.vswitch,
                "SnatIp": entry.address,
                "Status": "Available",
                "EipAffinity": "0",
            })
        })
        .collect();
    Done::page("SnatTableEntries", "SnatTableEntry", items, members)
}

/// `DescribeForwardTableEntries`.
pub(super) fn forwards(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let params = context.params;
    let ours =
        matches(params, "ForwardTableId", FORWARD_TABLE) && matches(params, "NatGatewayId", NAT_GATEWAY);
    let found: Vec<&ForwardEntry> = context
        .cloud
        .forwards
        .values()
        .filter(|entry| {
            ours && matches(params, "ForwardEntryId", &entry.id)
                && matches(params, "ExternalIp", &entry.external.to_string())
                && matches(params, "InternalIp", &entry.internal.to_string())
        })
        .collect();
    let (page, members) = numbered(params, found, 50)?;
    let items = page
        .into_iter()
        .map(|entry| {
            json!({
                "ForwardEntryId": entry.id,
                "ForwardEntryName": "",
                "ForwardTableId": FORWARD_TABLE,
                "NatGatewayId": NAT_GATEWAY,
                "ExternalIp": entry.external,
                "ExternalPort": "any",
                "InternalIp": entry.internal,
                "InternalPort": "any",
                "IpProtocol": "any",
                "Status": "Available",
            })
        })
        .collect();
    Done::page("ForwardTableEntries", "ForwardTableEntry", items, members)
}
