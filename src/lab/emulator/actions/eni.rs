//! Network interfaces, changed.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::answer::body;
use super::super::errors::{ApiError, PARAMETER_CONFLICT};
use super::super::params::{Params, invalid, missing};
use super::super::state::{Eni, NewEni};
use super::{Context, Done, Task, ecs_tags};
use crate::lab::spec::{VPC, ZONE};

/// The vendor takes one to five security groups, and up to twenty tags.
const MAX_GROUPS: usize = 5;
const MAX_TAGS: usize = 20;

/// `CreateNetworkInterface`.
pub(super) fn create(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let params = context.params;
    let wish = NewEni {
        name: params.get("NetworkInterfaceName").unwrap_or_default().to_owned(),
        description: params.get("Description").unwrap_or_default().to_owned(),
        vswitch: params.required("VSwitchId")?.to_owned(),
        security_groups: groups(params)?,
        address: params.address("PrimaryIpAddress")?,
        source_dest_check: params.flag("SourceDestCheck")?,
        delete_on_release: params.get("DeleteOnRelease").is_none() || params.flag("DeleteOnRelease")?,
        tags: tags(params)?,
        resource_group: params.get("ResourceGroupId").unwrap_or(super::RESOURCE_GROUP).to_owned(),
    };
    if params.get("InstanceType").is_some_and(|kind| kind != "Secondary") {
        return Err(invalid("InstanceType", "must be Secondary in the lab"));
    }
    let eni = context.cloud.create_eni(wish, context.tuning.eni_quota)?;
    Ok(Done { body: body(created(&eni)), task: Some(Task::Created) })
}

fn groups(params: &Params) -> Result<Vec<String>, ApiError> {
    let list = params.list("SecurityGroupIds");
    match (params.get("SecurityGroupId"), list.as_slice()) {
        (Some(_), [_, ..]) => Err(PARAMETER_CONFLICT.into()),
        (None, []) => Err(missing("SecurityGroupId")),
        (Some(one), []) => Ok(vec![one.to_owned()]),
        (None, many) if many.len() <= MAX_GROUPS => Ok(many.iter().map(|&id| id.to_owned()).collect()),
        (None, _) => Err(invalid("SecurityGroupIds", "has too many items")),
    }
}

fn tags(params: &Params) -> Result<BTreeMap<String, String>, ApiError> {
    let tags = params.tags();
    if tags.len() > MAX_TAGS {
        return Err(invalid("Tag", "has too many items"));
    }
    Ok(tags.into_iter().map(|(k, v)| (k.to_owned(), v.unwrap_or_default().to_owned())).collect())
}

fn created(eni: &Eni) -> serde_json::Value {
    json!({
        "NetworkInterfaceId": eni.id,
        "NetworkInterfaceName": eni.name,
        "Description": eni.description,
        "Status": eni.status,
        "Type": "Secondary",
        "MacAddress": eni.mac,
        "PrivateIpAddress": eni.address,
        "PrivateIpSets": { "PrivateIpSet": [{ "PrivateIpAddress": eni.address, "Primary": true }] },
        "Ipv6Sets": { "Ipv6Set": [] },
        "SecurityGroupIds": { "SecurityGroupId": eni.security_groups },
        "SourceDestCheck": eni.source_dest_check,
        "ServiceManaged": false,
        "ResourceGroupId": eni.resource_group,
        "Tags": ecs_tags(&eni.tags),
        "VSwitchId": eni.vswitch,
        "VpcId": VPC,
        "ZoneId": ZONE,
    })
}

/// `AttachNetworkInterface`.
pub(super) fn attach(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let eni = context.params.required("NetworkInterfaceId")?;
    let eni = context.cloud.start_attach(eni, context.params.required("InstanceId")?)?;
    Done::then(Some(Task::Attach(eni)))
}

/// `DetachNetworkInterface`.
pub(super) fn detach(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let eni = context.params.required("NetworkInterfaceId")?;
    let eni = context.cloud.start_detach(eni, context.params.required("InstanceId")?)?;
    Done::then(eni.map(Task::Detach))
}

/// `DeleteNetworkInterface`.
pub(super) fn delete(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let eni = context.cloud.start_delete(context.params.required("NetworkInterfaceId")?)?;
    Done::then(eni.map(Task::DeleteEni))
}
