//! Route tables: each vSwitch has one, whose default route leads to the NAT gateway.

use serde_json::{Value, json};

use super::super::answer::{continued, numbered, second};
use super::super::errors::{ApiError, INTERNAL, ROUTE_TABLE_UNKNOWN};
use super::super::state::RouteTable;
use super::account::ACCOUNT_NUMBER;
use super::{Context, Done, matches};
use crate::lab::spec::{NAT_GATEWAY, VPC};

/// `VRouterId`.
pub(super) const ROUTER: &str = "vrt-lab";

const fn kind(table: &RouteTable) -> &'static str {
    if table.system { "System" } else { "Custom" }
}

/// `DescribeRouteTableList`.
pub(super) fn tables(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let (cloud, params) = (&*context.cloud, context.params);
    let found: Vec<&RouteTable> = cloud
        .route_tables
        .values()
        .filter(|table| {
            matches(params, "RouteTableId", &table.id)
                && matches(params, "RouteTableType", kind(table))
                && matches(params, "VpcId", VPC)
                && matches(params, "RouterId", ROUTER)
                && matches(params, "RouterType", "VRouter")
        })
        .collect();
    let (page, members) = numbered(params, found, 50)?;
    let items = page
        .into_iter()
        .map(|table| {
            json!({
                "RouteTableId": table.id,
                "RouteTableName": "",
                "RouteTableType": kind(table),
                "RouterId": ROUTER,
                "RouterType": "VRouter",
                "AssociateType": "VSwitch",
                "Status": "Available",
                "VpcId": VPC,
                "VSwitchIds": { "VSwitchId": [table.vswitch] },
                "GatewayIds": { "GatewayIds": [] },
                "OwnerId": ACCOUNT_NUMBER,
                "CreationTime": second(cloud.began_ms),
                "Description": "",
                "Tags": { "Tag": [] },
            })
        })
        .collect();
    Done::page("RouterTableList", "RouterTableListType", items, members)
}

/// `DescribeRouteEntryList`.
pub(super) fn entries(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let (cloud, params) = (&*context.cloud, context.params);
    let table = cloud.route_tables.get(params.required("RouteTableId")?).ok_or(ROUTE_TABLE_UNKNOWN)?;
    let own = cloud.vswitches.get(&table.vswitch).ok_or(INTERNAL)?.cidr.to_string();
    let routes = [("0.0.0.0/0", "Custom", "NatGateway", NAT_GATEWAY), (&own, "System", "local", "")];
    let found: Vec<(String, Value)> = routes
        .into_iter()
        .enumerate()
        .filter(|(_, (destination, kind, hop, id))| {
            matches(params, "DestinationCidrBlock", destination)
                && matches(params, "RouteEntryType", kind)
                && matches(params, "NextHopType", hop)
                && matches(params, "NextHopId", id)
        })
        .map(|(number, (destination, kind, hop, id))| {
            let name = format!("rte-{}-{number}", table.id.trim_start_matches("vtb-"));
            let record = json!({
                "RouteEntryId": name,
                "RouteEntryName": "",
                "RouteTableId": table.id,
                "DestinationCidrBlock": destination,
                "Type": kind,
                "Status": "Available",
                "IpVersion": "ipv4",
                "Description": "",
                "NextHops": { "NextHop": [{
                    "NextHopType": hop, "NextHopId": id, "NextHopRegionId": "", "Enabled": 1, "Weight": 0,
                }] },
            });
            (name, record)
        })
        .collect();
    let total = found.len();
    let (page, mut members) = continued(params, found, "MaxResult", 1..=100, |(name, _)| name.clone())?;
    members.insert("TotalCount".to_owned(), total.into());
    Done::page("RouteEntrys", "RouteEntry", page.into_iter().map(|(_, record)| record).collect(), members)
}
