//! EIPs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::answer::{dry_run, numbered, second};
use super::super::errors::ApiError;
use super::super::params::Params;
use super::super::state::{Cloud, Eip, Target};
use super::{Context, Done, Task, has_tags, matches};
use crate::lab::spec::REGION;

/// `DescribeEipAddresses`. What does not exist is left out.
pub(super) fn describe(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let (cloud, params) = (&*context.cloud, context.params);
    let ids = params.comma_list("AllocationId", 50)?;
    let addresses = params.comma_list("EipAddress", 50)?;
    let found: Vec<&Eip> = cloud
        .eips
        .values()
        .filter(|eip| {
            ids.as_ref().is_none_or(|ids| ids.contains(&eip.id.as_str()))
                && addresses.as_ref().is_none_or(|list| list.contains(&eip.address.to_string().as_str()))
                && is_wanted(params, eip)
        })
        .collect();
    dry_run(params)?;
    let (page, members) = numbered(params, found, 100)?;
    let items = page.into_iter().map(|eip| record(cloud, eip)).collect();
    Done::page("EipAddresses", "EipAddress", items, members)
}

fn is_wanted(params: &Params, eip: &Eip) -> bool {
    let (kind, id) = eip.holder.as_ref().map_or(("", ""), |holder| (holder.kind(), holder.id()));
    matches(params, "Status", eip.status.as_str())
        && matches(params, "EipName", &eip.name)
        && matches(params, "AssociatedInstanceType", kind)
        && matches(params, "AssociatedInstanceId", id)
        && has_tags(params, &eip.tags)
}

fn record(cloud: &Cloud, eip: &Eip) -> Value {
    let (kind, id) = eip.holder.as_ref().map_or(("", ""), |holder| (holder.kind(), holder.id()));
    json!({
        "AllocationId": eip.id,
        "IpAddress": eip.address,
        "Name": eip.name,
        "Status": eip.status,
        "InstanceType": kind,
        "InstanceId": id,
        "InstanceRegionId": if id.is_empty() { "" } else { REGION },
        "PrivateIpAddress": eip.private.map(|address| address.to_string()).unwrap_or_default(),
        "Mode": "NAT",
        "RegionId": REGION,
        "Bandwidth": eip.bandwidth.to_string(),
        "EipBandwidth": eip.bandwidth.to_string(),
        "InternetChargeType": "PayByTraffic",
        "ChargeType": "PostPaid",
        "BusinessStatus": "Normal",
        "AllocationTime": second(cloud.began_ms),
        "ExpiredTime": "",
        "ISP": "BGP",
        "Netmode": "public",
        "OperationLocks": { "LockReason": [] },
        "SecurityProtectionTypes": { "SecurityProtectionType": [] },
        "Tags": vpc_tags(&eip.tags),
        "ServiceManaged": 0,
        "DeletionProtection": false,
        "SecondLimited": false,
        "HasReservationData": "false",
    })
}

/// Tags as the network product writes them.
fn vpc_tags(tags: &BTreeMap<String, String>) -> Value {
    let list: Vec<Value> = tags.iter().map(|(k, v)| json!({ "Key": k, "Value": v })).collect();
    json!({ "Tag": list })
}

fn target(params: &Params) -> Result<Target<'_>, ApiError> {
    Ok(Target {
        kind: params.get("InstanceType"),
        id: params.get("InstanceId"),
        private: params.address("PrivateIpAddress")?,
        mode: params.get("Mode"),
    })
}

/// `AssociateEipAddress`.
pub(super) fn associate(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let target = target(context.params)?;
    let eip = context.cloud.start_associate(context.params.required("AllocationId")?, target)?;
    Done::then(Some(Task::Associate(eip)))
}

/// `UnassociateEipAddress`.
pub(super) fn unassociate(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let target = target(context.params)?;
    let eip = context.cloud.start_unassociate(context.params.required("AllocationId")?, target)?;
    Done::then(Some(Task::Unassociate(eip)))
}
