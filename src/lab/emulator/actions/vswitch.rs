//! The VPC and its vSwitches.

use serde_json::{Value, json};

use super::super::answer::{dry_run, numbered, second};
use super::super::errors::{ApiError, VPC_UNKNOWN, VSWITCH_UNKNOWN};
use super::super::state::{Cloud, VSwitch};
use super::account::ACCOUNT_NUMBER;
use super::{Context, Done, matches};
use crate::core::model::VSwitchId;
use crate::lab::spec::{REGION, VPC, VPC_CIDR};

/// `DescribeVSwitches`.
pub(super) fn describe(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let (cloud, params) = (&*context.cloud, context.params);
    dry_run(params)?;
    let found: Vec<&VSwitch> = cloud
        .vswitches
        .values()
        .filter(|vswitch| {
            matches(params, "VSwitchId", vswitch.id.as_str())
                && matches(params, "VpcId", &vswitch.vpc)
                && matches(params, "ZoneId", &vswitch.zone)
                && matches(params, "RouteTableId", &vswitch.route_table)
        })
        .collect();
    let (page, members) = numbered(params, found, 50)?;
    let items = page.into_iter().map(|vswitch| record(cloud, vswitch)).collect();
    Done::page("VSwitches", "VSwitch", items, members)
}

/// `DescribeVSwitchAttributes`.
pub(super) fn attributes(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let vswitch = context.cloud.vswitch(context.params.required("VSwitchId")?).ok_or(VSWITCH_UNKNOWN)?;
    dry_run(context.params)?;
    Done::read(record(context.cloud, vswitch))
}

fn record(cloud: &Cloud, vswitch: &VSwitch) -> Value {
    let system = cloud.route_tables.get(&vswitch.route_table).is_some_and(|table| table.system);
    json!({
        "VSwitchId": vswitch.id,
        "VSwitchName": vswitch.id,
        "VpcId": vswitch.vpc,
        "ZoneId": vswitch.zone,
        "CidrBlock": vswitch.cidr.to_string(),
        "Ipv6CidrBlock": "",
        "AvailableIpAddressCount": cloud.free_addresses(vswitch),
        "Status": "Available",
        "Description": "",
        "IsDefault": false,
        "EnabledIpv6": false,
        "NetworkAclId": "",
        "OwnerId": ACCOUNT_NUMBER,
        "CreationTime": second(cloud.began_ms),
        "RouteTable": {
            "RouteTableId": vswitch.route_table,
            "RouteTableType": if system { "System" } else { "Custom" },
        },
        "Tags": { "Tag": [] },
    })
}

/// `DescribeVpcAttribute`.
pub(super) fn vpc(context: &mut Context<'_>) -> Result<Done, ApiError> {
    if context.params.required("VpcId")? != VPC {
        return Err(VPC_UNKNOWN.into());
    }
    dry_run(context.params)?;
    let cloud = &*context.cloud;
    let vswitches: Vec<&str> = cloud.vswitches.keys().map(VSwitchId::as_str).collect();
    Done::read(json!({
        "VpcId": VPC,
        "VpcName": "lab",
        "RegionId": REGION,
        "CidrBlock": VPC_CIDR,
        "Status": "Available",
        "Description": "",
        "IsDefault": false,
        "Ipv4GatewayId": cloud.ipv4_gateway.as_deref().unwrap_or_default(),
        "SupportIpv4Gateway": true,
        "VRouterId": super::route::ROUTER,
        "OwnerId": ACCOUNT_NUMBER,
        "CreationTime": second(cloud.began_ms),
        "VSwitchIds": { "VSwitchId": vswitches },
        "SecondaryCidrBlocks": { "SecondaryCidrBlock": [] },
        "UserCidrs": { "UserCidr": [] },
        "AssociatedCens": { "AssociatedCen": [] },
        "Tags": { "Tag": [] },
    }))
}
