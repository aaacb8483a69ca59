//! Instances.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::Rec;
use crate::core::model::EniId;
use crate::core::observed::{
    ChargeType, FoundInstance, Instance, InstanceEip, InstanceStatus, InternetChargeType,
};
use crate::ports::CloudError;

/// An instance, and the interfaces its record names.
#[derive(Debug, Clone)]
pub(in super::super) struct InstanceRecord {
    pub(in super::super) instance: Instance,
    pub(in super::super) enis: Vec<EniId>,
}

/// All instances of one answer.
pub(in super::super) fn instances(answer: &Value) -> Result<Vec<InstanceRecord>, CloudError> {
    Rec::new("DescribeInstances", answer).list("Instances.Instance").map(|rec| instance(rec.value)).collect()
}

/// One instance.
pub(in super::super) fn instance(value: &Value) -> Result<InstanceRecord, CloudError> {
    let rec = Rec::new("DescribeInstances", value);
    let interfaces = || rec.list("NetworkInterfaces.NetworkInterface");
    let primary = interfaces()
        .filter(|item| item.text("Type").is_some_and(|kind| kind == "Primary"))
        .find_map(|item| item.optional::<Ipv4Addr>("PrimaryIpAddress").transpose())
        .transpose()?;
    let first = |path| rec.texts::<Ipv4Addr>(path).map(|all| all.first().copied());
    let primary_ip = match (primary, first("VpcAttributes.PrivateIpAddress.IpAddress")?) {
        (Some(ip), _) | (None, Some(ip)) => ip,
        // The classic network.
        (None, None) => first("InnerIpAddress.IpAddress")?
            .ok_or_else(|| rec.odd("VpcAttributes.PrivateIpAddress", &"it is missing"))?,
    };
    let eip = match rec.optional("EipAddress.AllocationId")? {
        Some(id) => Some(InstanceEip { id, address: rec.need("EipAddress.IpAddress")? }),
        None => None,
    };
    let instance = Instance {
        id: rec.need("InstanceId")?,
        status: status(rec.need("Status")?),
        zone: rec.need("ZoneId")?,
        vpc: rec.optional("VpcAttributes.VpcId")?,
        vswitch: rec.optional("VpcAttributes.VSwitchId")?,
        instance_type: rec.need("InstanceType")?,
        image: rec.text("ImageId"),
        charge_type: match rec.need::<String>("InstanceChargeType")?.as_str() {
            "PrePaid" => ChargeType::PrePaid,
            "PostPaid" => ChargeType::PostPaid,
            other => ChargeType::Other(other.to_owned()),
        },
        internet_charge_type: match rec.text("InternetChargeType").unwrap_or_default().as_str() {
            "PayByTraffic" => InternetChargeType::PayByTraffic,
            "PayByBandwidth" => InternetChargeType::PayByBandwidth,
            other => InternetChargeType::Other(other.to_owned()),
        },
        bandwidth_out_mbps: rec.optional("InternetMaxBandwidthOut")?.unwrap_or(0),
        expires: rec.text("ExpiredTime"),
        public_ip: first("PublicIpAddress.IpAddress")?,
        eip,
        primary_ip,
        security_groups: rec.texts("SecurityGroupIds.SecurityGroupId")?,
        locks: rec.locks(),
        started: rec.text("StartTime"),
        io_optimized: rec.flag("IoOptimized"),
    };
    let enis = interfaces().map(|item| item.need("NetworkInterfaceId")).collect::<Result<_, _>>()?;
    Ok(InstanceRecord { instance, enis })
}

/// One instance of a search. Where its record does not fit, it is the reason why.
pub(in super::super) fn found(value: &Value) -> Result<FoundInstance, CloudError> {
    let rec = Rec::new("DescribeInstances", value);
    let tag = |tag: Rec<'_>| Some((tag.text("TagKey")?, tag.text("TagValue").unwrap_or_default()));
    Ok(FoundInstance {
        id: rec.need("InstanceId")?,
        name: rec.text("InstanceName").unwrap_or_default(),
        tags: rec.list("Tags.Tag").filter_map(tag).collect(),
        record: instance(value).map(|record| record.instance).map_err(|error| error.message),
    })
}

fn status(text: String) -> InstanceStatus {
    match text.as_str() {
        "Pending" => InstanceStatus::Pending,
        "Starting" => InstanceStatus::Starting,
        "Running" => InstanceStatus::Running,
        "Stopping" => InstanceStatus::Stopping,
        "Stopped" => InstanceStatus::Stopped,
        _ => InstanceStatus::Other(text),
    }
}
