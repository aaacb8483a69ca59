//! The procedure and its rollback, and what the fabric sees of them.

use std::sync::atomic::Ordering;

use serde_json::Value;

use super::client::{ECS, Lab, VPC, quick};

const FRESH: &str = "i-lab0000070002";
const IDS: (&str, &str) = ("InstanceIds", r#"["i-lab0000070002"]"#);

fn eni_is<'a>(status: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |body| body["NetworkInterfaceSets"]["NetworkInterfaceSet"][0]["Status"] == status
}

fn eip_is<'a>(status: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |body| body["EipAddresses"]["EipAddress"][0]["Status"] == status
}

async fn convert(lab: &Lab) -> String {
    lab.ok(ECS, "ConvertNatPublicIpToEip", &[("InstanceId", FRESH)]).await;
    let body = lab
        .until(ECS, "DescribeInstances", &[IDS], |body| {
            body["Instances"]["Instance"][0]["EipAddress"]["AllocationId"] != ""
        })
        .await;
    let instance = &body["Instances"]["Instance"][0];
    assert_eq!(instance["PublicIpAddress"]["IpAddress"].as_array().unwrap().len(), 0);
    assert_eq!(instance["EipAddress"]["IpAddress"], "203.0.113.11");
    instance["EipAddress"]["AllocationId"].as_str().unwrap().to_owned()
}

async fn create(lab: &Lab) -> (String, String) {
    let params = [
        ("VSwitchId", "vsw-lab-a"),
        ("SecurityGroupIds.1", "sg-lab"),
        ("NetworkInterfaceName", "egress web-1"),
        ("Tag.1.Key", "egressctl:instance"),
        ("Tag.1.Value", FRESH),
    ];
    let eni = lab.ok(ECS, "CreateNetworkInterface", &params).await;
    assert_eq!((&eni["Status"], &eni["NetworkInterfaceName"]), (&"Available".into(), &"egress web-1".into()));
    let text = |key: &str| eni[key].as_str().unwrap().to_owned();
    (text("NetworkInterfaceId"), text("PrivateIpAddress"))
}

#[tokio::test]
async fn there_and_back_leaves_only_the_conversion() {
    let lab = Lab::new(6, quick()).await;
    let eip = convert(&lab).await;
    let converted = lab.emulator.snapshot();
    let (eni, address) = create(&lab).await;
    let (one_eni, one_eip) = ([("NetworkInterfaceId.1", eni.as_str())], [("AllocationId", eip.as_str())]);
    let there = [("NetworkInterfaceId", eni.as_str()), ("InstanceId", FRESH)];

    lab.ok(ECS, "AttachNetworkInterface", &there).await;
    assert_eq!(lab.code(ECS, "AttachNetworkInterface", &there).await, "InvalidOperation.InvalidEniState");
    let body = lab.until(ECS, "DescribeNetworkInterfaces", &one_eni, eni_is("InUse")).await;
    assert_eq!(body["NetworkInterfaceSets"]["NetworkInterfaceSet"][0]["InstanceId"], FRESH);
    assert_eq!(lab.fabric.take(), [format!("plug {FRESH} {address} 172.16.0.0/22 true")]);

    let from_instance =
        [("AllocationId", eip.as_str()), ("InstanceId", FRESH), ("InstanceType", "EcsInstance")];
    lab.ok(VPC, "UnassociateEipAddress", &from_instance).await;
    assert_eq!(lab.code(VPC, "UnassociateEipAddress", &from_instance).await, "IncorrectEipStatus");
    lab.until(VPC, "DescribeEipAddresses", &one_eip, eip_is("Available")).await;
    let to_eni = [
        ("AllocationId", eip.as_str()),
        ("InstanceId", eni.as_str()),
        ("InstanceType", "NetworkInterface"),
        ("Mode", "NAT"),
        ("PrivateIpAddress", address.as_str()),
    ];
    lab.ok(VPC, "AssociateEipAddress", &to_eni).await;
    let body = lab.until(VPC, "DescribeEipAddresses", &one_eip, eip_is("InUse")).await;
    assert_eq!(body["EipAddresses"]["EipAddress"][0]["InstanceId"], eni);
    assert_eq!(body["EipAddresses"]["EipAddress"][0]["PrivateIpAddress"], address);
    let public = format!("bind 203.0.113.11 {address}");
    assert_eq!(lab.fabric.take(), ["unbind 203.0.113.11".to_owned(), public]);
    let body = lab.ok(ECS, "DescribeInstances", &[IDS]).await;
    let instance = &body["Instances"]["Instance"][0];
    assert_eq!(instance["EipAddress"]["AllocationId"], "");
    assert_eq!(instance["NetworkInterfaces"]["NetworkInterface"].as_array().unwrap().len(), 2);

    lab.ok(VPC, "UnassociateEipAddress", &to_eni).await;
    lab.until(VPC, "DescribeEipAddresses", &one_eip, eip_is("Available")).await;
    lab.ok(VPC, "AssociateEipAddress", &from_instance).await;
    lab.until(VPC, "DescribeEipAddresses", &one_eip, eip_is("InUse")).await;
    lab.ok(ECS, "DetachNetworkInterface", &there).await;
    lab.until(ECS, "DescribeNetworkInterfaces", &one_eni, eni_is("Available")).await;
    lab.ok(ECS, "DeleteNetworkInterface", &one_eni.map(|(_, id)| ("NetworkInterfaceId", id))).await;
    let gone =
        |body: &Value| body["NetworkInterfaceSets"]["NetworkInterfaceSet"].as_array().unwrap().is_empty();
    lab.until(ECS, "DescribeNetworkInterfaces", &one_eni, gone).await;

    assert_eq!(lab.emulator.snapshot(), converted);
    let back = ["unbind 203.0.113.11", "bind 203.0.113.11 172.16.0.11", &format!("unplug {FRESH}")];
    assert_eq!(lab.fabric.take(), back);
    assert_eq!(lab.emulator.writes(), 11);
    assert!(lab.emulator.fabric_failures().is_empty());
}

#[tokio::test]
async fn a_fabric_that_fails_lets_everything_fall_back() {
    let lab = Lab::new(6, quick()).await;
    let eip = convert(&lab).await;
    let (eni, _) = create(&lab).await;
    let before = lab.emulator.snapshot();
    lab.fabric.broken.store(true, Ordering::SeqCst);
    let there = [("NetworkInterfaceId", eni.as_str()), ("InstanceId", FRESH)];
    lab.ok(ECS, "AttachNetworkInterface", &there).await;
    lab.until(ECS, "DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", &eni)], eni_is("Available")).await;
    lab.ok(VPC, "UnassociateEipAddress", &[("AllocationId", eip.as_str())]).await;
    lab.until(VPC, "DescribeEipAddresses", &[("AllocationId", &eip)], eip_is("InUse")).await;
    assert_eq!(lab.emulator.snapshot(), before);
    let failures = lab.emulator.fabric_failures();
    assert_eq!(
        failures,
        [format!("plug {eni}: broken on demand"), format!("unbind {eip}: broken on demand")]
    );
    assert_eq!(lab.door("/_lab/calls").await["fabric_failures"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_subscription_is_changed_and_then_converted() {
    let lab = Lab::new(6, quick()).await;
    let ids = ("InstanceIds", r#"["i-lab0000070004"]"#);
    let convert = [("InstanceId", "i-lab0000070004")];
    assert_eq!(
        lab.code(ECS, "ConvertNatPublicIpToEip", &convert).await,
        "InvalidInternetChargeType.ValueNotSupported"
    );
    assert_eq!(lab.code(ECS, "ModifyInstanceChargeType", &[ids]).await, "InvalidParameter");
    let change = [ids, ("InstanceChargeType", "PostPaid"), ("IsDetailFee", "True")];
    let dry: Vec<_> = change.iter().copied().chain([("DryRun", "True")]).collect();
    let before = (lab.emulator.snapshot(), lab.emulator.writes());
    assert_eq!(lab.code(ECS, "ModifyInstanceChargeType", &dry).await, "DryRunOperation");
    assert_eq!((lab.emulator.snapshot(), lab.emulator.writes()), before);
    let body = lab.ok(ECS, "ModifyInstanceChargeType", &change).await;
    assert_eq!(body["FeeOfInstances"]["FeeOfInstance"][0]["InstanceId"], "i-lab0000070004");
    let body = lab
        .until(ECS, "DescribeInstances", &[ids], |body| {
            body["Instances"]["Instance"][0]["InstanceChargeType"] == "PostPaid"
        })
        .await;
    assert_eq!(body["Instances"]["Instance"][0]["InternetChargeType"], "PayByTraffic");
    lab.ok(ECS, "ConvertNatPublicIpToEip", &convert).await;
}
