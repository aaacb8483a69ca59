//! Interfaces and EIPs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Rec;
use crate::core::model::{AllocationId, InstanceId};
use crate::core::observed::{Eip, EipHolder, EipStatus, Eni, EniStatus};
use crate::ports::CloudError;

/// An interface, and the EIPs bound to it.
#[derive(Debug, Clone)]
pub(in super::super) struct EniRecord {
    pub(in super::super) eni: Eni,
    pub(in super::super) eips: BTreeSet<AllocationId>,
}

const ENIS: &str = "DescribeNetworkInterfaces";
const EIPS: &str = "DescribeEipAddresses";

/// All interfaces of one answer.
pub(in super::super) fn enis(answer: &Value) -> Result<Vec<EniRecord>, CloudError> {
    Rec::new(ENIS, answer)
        .list("NetworkInterfaceSets.NetworkInterfaceSet")
        .map(|rec| eni(rec.value))
        .collect()
}

/// Whether a raw interface carries the tag with one of the instances as its value.
pub(in super::super) fn has_tag_value(value: &Value, key: &str, instances: &BTreeSet<InstanceId>) -> bool {
    Rec::new(ENIS, value).list("Tags.Tag").any(|tag| {
        tag.text("TagKey").is_some_and(|k| k == key)
            && tag.text("TagValue").and_then(|v| v.parse().ok()).is_some_and(|id| instances.contains(&id))
    })
}

/// One interface.
pub(in super::super) fn eni(value: &Value) -> Result<EniRecord, CloudError> {
    let rec = Rec::new(ENIS, value);
    let mut security_groups = rec.texts("SecurityGroupIds.SecurityGroupId")?;
    security_groups.sort();
    let instance = match rec.optional("InstanceId")? {
        None => rec.optional("Attachment.InstanceId")?,
        found => found,
    };
    let tag = |tag: Rec<'_>| Some((tag.text("TagKey")?, tag.text("TagValue").unwrap_or_default()));
    let status: String = rec.need("Status")?;
    let eni = Eni {
        id: rec.need("NetworkInterfaceId")?,
        name: rec.text("NetworkInterfaceName").unwrap_or_default(),
        status: match status.as_str() {
            "Available" => EniStatus::Available,
            "Attaching" => EniStatus::Attaching,
            "InUse" => EniStatus::InUse,
            "Detaching" => EniStatus::Detaching,
            "Deleting" => EniStatus::Deleting,
            _ => EniStatus::Other(status),
        },
        primary: rec.need::<String>("Type")? == "Primary",
        mac: rec.need("MacAddress")?,
        primary_ip: rec.need("PrivateIpAddress")?,
        vswitch: rec.need("VSwitchId")?,
        zone: rec.need("ZoneId")?,
        security_groups,
        instance,
        source_dest_check: rec.flag("SourceDestCheck"),
        tags: rec.list("Tags.Tag").filter_map(tag).collect(),
    };
    let mut eips = BTreeSet::new();
    for place in rec.list("PrivateIpSets.PrivateIpSet").chain([rec]) {
        eips.extend(place.optional::<AllocationId>("AssociatedPublicIp.AllocationId")?);
    }
    Ok(EniRecord { eni, eips })
}

/// All EIPs of one answer.
pub(in super::super) fn eips(answer: &Value) -> Result<Vec<Eip>, CloudError> {
    Rec::new(EIPS, answer).list("EipAddresses.EipAddress").map(|rec| eip(rec.value)).collect()
}

/// One EIP.
pub(in super::super) fn eip(value: &Value) -> Result<Eip, CloudError> {
    let rec = Rec::new(EIPS, value);
    let holder = match (rec.text("InstanceType").as_deref(), rec.text("InstanceId")) {
        (_, None) => None,
        (Some("EcsInstance"), _) => Some(EipHolder::Instance(rec.need("InstanceId")?)),
        (Some("NetworkInterface"), _) => Some(EipHolder::Eni(rec.need("InstanceId")?)),
        (kind, Some(id)) => Some(EipHolder::Other(kind.unwrap_or_default().to_owned(), id)),
    };
    let status: String = rec.need("Status")?;
    Ok(Eip {
        id: rec.need("AllocationId")?,
        address: rec.need("IpAddress")?,
        status: match status.as_str() {
            "Available" => EipStatus::Available,
            "Associating" => EipStatus::Associating,
            "InUse" => EipStatus::InUse,
            "Unassociating" => EipStatus::Unassociating,
            _ => EipStatus::Other(status),
        },
        holder,
        private_ip: rec.optional("PrivateIpAddress")?,
        // Older answers do not carry it; a lock is told by `OperationLocks` as well.
        business_normal: rec.text("BusinessStatus").is_none_or(|status| status == "Normal"),
        locks: rec.locks(),
    })
}
