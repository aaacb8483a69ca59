//! Network interfaces, read.

use serde_json::{Value, json};

use super::super::answer::{either, second};
use super::super::errors::ApiError;
use super::super::params::{Params, invalid};
use super::super::state::{Cloud, Eni, Holder};
use super::{Context, Done, ecs_tags, has_tags, matches};
use crate::lab::spec::{VPC, ZONE};

const MAX_IDS: usize = 100;

/// `DescribeNetworkInterfaces`. What does not exist is left out.
pub(super) fn describe(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let (cloud, params) = (&*context.cloud, context.params);
    let ids = params.list("NetworkInterfaceId");
    if ids.len() > MAX_IDS {
        return Err(invalid("NetworkInterfaceId", "has too many items"));
    }
    let found: Vec<&Eni> = cloud
        .enis
        .values()
        .filter(|eni| (ids.is_empty() || ids.contains(&eni.id.as_str())) && is_wanted(params, eni))
        .collect();
    let (page, members) = either(params, found, 10..=500, |eni| eni.id.to_string())?;
    let items = page.into_iter().map(|eni| record(cloud, eni)).collect();
    Done::page("NetworkInterfaceSets", "NetworkInterfaceSet", items, members)
}

fn is_wanted(params: &Params, eni: &Eni) -> bool {
    let addresses = params.list("PrivateIpAddress");
    matches(params, "InstanceId", eni.instance.as_ref().map_or("", |id| id.as_str()))
        && matches(params, "Status", eni.status.as_str())
        && matches(params, "Type", kind(eni))
        && matches(params, "ResourceGroupId", &eni.resource_group)
        && matches(params, "VSwitchId", eni.vswitch.as_str())
        && matches(params, "VpcId", VPC)
        && matches(params, "NetworkInterfaceName", &eni.name)
        && matches(params, "PrimaryIpAddress", &eni.address.to_string())
        && (addresses.is_empty() || addresses.contains(&eni.address.to_string().as_str()))
        && params.get("SecurityGroupId").is_none_or(|id| eni.security_groups.iter().any(|own| own == id))
        && has_tags(params, &eni.tags)
}

const fn kind(eni: &Eni) -> &'static str {
    if eni.primary { "Primary" } else { "Secondary" }
}

/// The EIP of an interface; that of an instance shows at its primary interface.
fn public(cloud: &Cloud, eni: &Eni) -> Value {
    let holder = match &eni.instance {
        Some(instance) if eni.primary => Holder::Instance(instance.clone()),
        _ => Holder::Eni(eni.id.clone()),
    };
    cloud
        .eip_of(&holder)
        .map_or_else(|| json!({}), |eip| json!({ "AllocationId": eip.id, "PublicIpAddress": eip.address }))
}

fn record(cloud: &Cloud, eni: &Eni) -> Value {
    let instance = eni.instance.as_ref().map_or("", |id| id.as_str());
    let public = public(cloud, eni);
    let attachment = match &eni.instance {
        Some(id) => {
            json!({ "InstanceId": id, "DeviceIndex": i32::from(!eni.primary), "NetworkCardIndex": 0 })
        }
        None => json!({}),
    };
    json!({
        "NetworkInterfaceId": eni.id,
        "NetworkInterfaceName": eni.name,
        "Description": eni.description,
        "Status": eni.status,
        "Type": kind(eni),
        "MacAddress": eni.mac,
        "InstanceId": instance,
        "Attachment": attachment,
        "PrivateIpAddress": eni.address,
        "PrivateIpSets": { "PrivateIpSet": [{
            "PrivateIpAddress": eni.address, "Primary": true, "AssociatedPublicIp": public,
        }] },
        "Ipv6Sets": { "Ipv6Set": [] },
        "AssociatedPublicIp": public,
        "SecurityGroupIds": { "SecurityGroupId": eni.security_groups },
        "SourceDestCheck": eni.source_dest_check,
        "DeleteOnRelease": eni.delete_on_release,
        "ServiceManaged": false,
        "ResourceGroupId": eni.resource_group,
        "CreationTime": second(cloud.began_ms),
        "Tags": ecs_tags(&eni.tags),
        "VSwitchId": eni.vswitch,
        "VpcId": VPC,
        "ZoneId": ZONE,
        "OwnerId": super::account::ACCOUNT,
        "QueueNumber": 1,
        "NetworkInterfaceTrafficMode": "Standard",
    })
}
