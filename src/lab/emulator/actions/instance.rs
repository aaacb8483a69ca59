//! Instances and their types, read.

use serde_json::{Value, json};

use super::super::answer::{dry_run, either, minute};
use super::super::errors::ApiError;
use super::super::params::Params;
use super::super::state::{Cloud, Holder, Instance, InstanceType};
use super::{Context, Done, RESOURCE_GROUP, ecs_tags, fits, has_tags, matches};
use crate::lab::spec::{REGION, VPC, ZONE};

/// The lab does not stop instances by the API.
const RUNNING: &str = "Running";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// `DescribeInstances`.
pub(super) fn describe(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let (cloud, params) = (&*context.cloud, context.params);
    let ids = params.json_list("InstanceIds", 100)?;
    let private = params.json_list("PrivateIpAddresses", 100)?;
    let public = params.json_list("PublicIpAddresses", 100)?;
    let eips = params.json_list("EipAddresses", 100)?;
    let among = |wanted: &Option<Vec<String>>, value: Option<String>| {
        wanted.as_ref().is_none_or(|wanted| value.is_some_and(|value| wanted.contains(&value)))
    };
    let found: Vec<&Instance> = cloud
        .instances
        .values()
        .filter(|i| {
            among(&ids, Some(i.id.to_string()))
                && among(&private, Some(i.address.to_string()))
                && among(&public, i.public.map(|address| address.to_string()))
                && (eips.is_none() || among(&eips, eip_address(cloud, i)))
                && is_wanted(params, i)
        })
        .collect();
    dry_run(params)?;
    let (page, members) = either(params, found, 10..=100, |i| i.id.to_string())?;
    let items = page.into_iter().map(|instance| record(cloud, instance)).collect();
    Done::page("Instances", "Instance", items, members)
}

fn is_wanted(params: &Params, instance: &Instance) -> bool {
    matches(params, "Status", RUNNING)
        && matches(params, "VpcId", VPC)
        && matches(params, "VSwitchId", instance.vswitch.as_str())
        && matches(params, "ZoneId", ZONE)
        && matches(params, "InstanceNetworkType", "vpc")
        && fits(params, "InstanceName", &instance.name)
        && matches(params, "ResourceGroupId", RESOURCE_GROUP)
        && matches(params, "InstanceType", &instance.instance_type)
        && matches(params, "ImageId", &instance.image)
        && matches(params, "InstanceChargeType", instance.charge.as_str())
        && matches(params, "InternetChargeType", instance.traffic.as_str())
        && params.get("SecurityGroupId").is_none_or(|id| instance.security_groups.iter().any(|own| own == id))
        && has_tags(params, &instance.tags)
}

fn eip_address(cloud: &Cloud, instance: &Instance) -> Option<String> {
    cloud.eip_of(&Holder::Instance(instance.id.clone())).map(|eip| eip.address.to_string())
}

fn record(cloud: &Cloud, instance: &Instance) -> Value {
    let eip = cloud.eip_of(&Holder::Instance(instance.id.clone()));
    let interfaces: Vec<Value> = cloud
        .enis_of(&instance.id)
        .map(|eni| {
            json!({
                "NetworkInterfaceId": eni.id,
                "MacAddress": eni.mac,
                "PrimaryIpAddress": eni.address,
                "Type": if eni.primary { "Primary" } else { "Secondary" },
                "PrivateIpSets": { "PrivateIpSet": [{ "PrivateIpAddress": eni.address, "Primary": true }] },
                "Ipv6Sets": { "Ipv6Set": [] },
            })
        })
        .collect();
    let expires = instance.days.map(|days| minute(cloud.began_ms + i64::from(days) * DAY_MS));
    json!({
        "InstanceId": instance.id,
        "InstanceName": instance.name,
        "HostName": instance.name,
        "Description": "",
        "Status": RUNNING,
        "RegionId": REGION,
        "ZoneId": ZONE,
        "InstanceType": instance.instance_type,
        "ImageId": instance.image,
        "ResourceGroupId": RESOURCE_GROUP,
        "InstanceNetworkType": "vpc",
        "InstanceChargeType": instance.charge,
        "InternetChargeType": instance.traffic,
        "InternetMaxBandwidthOut": instance.bandwidth,
        "InternetMaxBandwidthIn": 100,
        "CreationTime": minute(cloud.began_ms),
        "StartTime": minute(cloud.began_ms),
        "ExpiredTime": expires.unwrap_or_else(|| "2099-12-31T15:59Z".to_owned()),
        "PublicIpAddress": { "IpAddress": instance.public.into_iter().collect::<Vec<_>>() },
        "InnerIpAddress": { "IpAddress": [] },
        "EipAddress": {
            "AllocationId": eip.map_or("", |eip| eip.id.as_str()),
            "IpAddress": eip.map(|eip| eip.address.to_string()).unwrap_or_default(),
            "Bandwidth": eip.map_or(0, |eip| eip.bandwidth),
            "InternetChargeType": eip.map_or("", |_| "PayByTraffic"),
            "IsSupportUnassociate": eip.is_some(),
        },
        "VpcAttributes": {
            "VpcId": VPC,
            "VSwitchId": instance.vswitch,
            "PrivateIpAddress": { "IpAddress": [instance.address] },
            "NatIpAddress": "",
        },
        "NetworkInterfaces": { "NetworkInterface": interfaces },
        "SecurityGroupIds": { "SecurityGroupId": instance.security_groups },
        "OperationLocks": { "LockReason": [] },
        "Tags": ecs_tags(&instance.tags),
        "Cpu": 2,
        "Memory": 8192,
        "IoOptimized": true,
        "DeviceAvailable": true,
        "OSType": "linux",
        "SerialNumber": "",
        "VlanId": "",
    })
}

/// `DescribeInstanceTypes`.
pub(super) fn describe_types(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let wanted = context.params.list("InstanceTypes");
    let found: Vec<&InstanceType> = context
        .cloud
        .instance_types
        .values()
        .filter(|kind| wanted.is_empty() || wanted.contains(&kind.id.as_str()))
        .collect();
    let (page, mut members) = either(context.params, found, 1..=100, |kind| kind.id.clone())?;
    members.retain(|key, _| key == "NextToken");
    let items = page
        .into_iter()
        .map(|kind| {
            json!({
                "InstanceTypeId": kind.id,
                "InstanceTypeFamily": kind.id.rsplit_once('.').map_or("", |(family, _)| family),
                "CpuCoreCount": 2,
                "MemorySize": 8.0,
                "EniQuantity": kind.eni_quantity,
                "EniTotalQuantity": kind.eni_quantity,
                "EniPrivateIpAddressQuantity": 6,
                "EniIpv6AddressQuantity": 0,
            })
        })
        .collect();
    Done::page("InstanceTypes", "InstanceType", items, members)
}
