//! Reads: pages, filters, the shape of every answer, the side door.

use std::collections::BTreeSet;

use serde_json::Value;

use super::client::{ECS, Lab, ROLE, STS, USER, VPC, quick};

async fn pages(
    lab: &Lab,
    version: &str,
    action: &str,
    size: (&str, &str),
    path: [&str; 2],
    id: &str,
) -> Vec<String> {
    let (mut ids, mut token) = (Vec::new(), String::new());
    loop {
        let body = lab.ok(version, action, &[size, ("NextToken", &token)]).await;
        let page = body[path[0]][path[1]].as_array().unwrap();
        ids.extend(page.iter().map(|item| item[id].as_str().unwrap().to_owned()));
        token = body["NextToken"].as_str().unwrap().to_owned();
        if token.is_empty() {
            return ids;
        }
    }
}

#[tokio::test]
async fn every_page_of_a_fleet_is_read_once() {
    let lab = Lab::new(120, quick()).await;
    let unique = |ids: Vec<String>| {
        let set: BTreeSet<String> = ids.iter().cloned().collect();
        assert_eq!(set.len(), ids.len());
        ids.len()
    };
    let size = ("MaxResults", "50");
    let path = ["Instances", "Instance"];
    assert_eq!(unique(pages(&lab, ECS, "DescribeInstances", size, path, "InstanceId").await), 121);
    let path = ["NetworkInterfaceSets", "NetworkInterfaceSet"];
    let ids = pages(&lab, ECS, "DescribeNetworkInterfaces", size, path, "NetworkInterfaceId").await;
    assert_eq!(unique(ids), 122);
    let first = lab.ok(ECS, "DescribeInstances", &[]).await;
    assert_eq!(
        (&first["PageNumber"], &first["PageSize"], &first["TotalCount"]),
        (&1.into(), &10.into(), &121.into())
    );
    assert_eq!(first["Instances"]["Instance"].as_array().unwrap().len(), 10);
    for (version, action, params) in [
        (ECS, "DescribeInstances", [("MaxResults", "101")]),
        (ECS, "DescribeNetworkInterfaces", [("MaxResults", "501")]),
        (ECS, "DescribeSecurityGroups", [("MaxResults", "101")]),
        (VPC, "DescribeEipAddresses", [("PageSize", "101")]),
        (VPC, "DescribeVSwitches", [("PageSize", "51")]),
        (VPC, "DescribeNatGateways", [("PageSize", "51")]),
        (VPC, "DescribeRouteTableList", [("PageSize", "51")]),
    ] {
        assert_eq!(lab.code(version, action, &params).await, "InvalidParameter", "{action}");
    }
}

/// Version, action, parameters, path of the ids in the answer, ids.
type Filter<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], [&'a str; 3], &'a [&'a str]);

async fn ids(
    lab: &Lab,
    version: &str,
    action: &str,
    params: &[(&str, &str)],
    path: [&str; 3],
) -> Vec<String> {
    let body = lab.ok(version, action, params).await;
    let list = body[path[0]][path[1]].as_array().unwrap_or_else(|| panic!("{action}: {body}"));
    list.iter().map(|item| item[path[2]].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn filters_leave_what_was_asked_for() {
    let lab = Lab::new(6, quick()).await;
    let instance = ["Instances", "Instance", "InstanceId"];
    let eni = ["NetworkInterfaceSets", "NetworkInterfaceSet", "NetworkInterfaceId"];
    let eip = ["EipAddresses", "EipAddress", "AllocationId"];
    let cases: [Filter<'_>; 16] = [
        (
            ECS,
            "DescribeInstances",
            &[("InstanceIds", r#"["i-lab0000070003","i-none"]"#)],
            instance,
            &["i-lab0000070003"],
        ),
        (ECS, "DescribeInstances", &[("InstanceChargeType", "PrePaid")], instance, &["i-lab0000070004"]),
        (ECS, "DescribeInstances", &[("Status", "Stopped")], instance, &[]),
        (ECS, "DescribeInstances", &[("VpcId", "vpc-none")], instance, &[]),
        (ECS, "DescribeInstances", &[("VSwitchId", "vsw-lab-dark")], instance, &["i-lab0000070005"]),
        (
            ECS,
            "DescribeInstances",
            &[("PublicIpAddresses", r#"["203.0.113.12"]"#)],
            instance,
            &["i-lab0000070003"],
        ),
        (ECS, "DescribeInstances", &[("EipAddresses", r#"["203.0.113.2"]"#)], instance, &["i-lab-bastion"]),
        (
            ECS,
            "DescribeNetworkInterfaces",
            &[("InstanceId", "i-lab0000070001")],
            eni,
            &["eni-labdone0000", "eni-labprim0000"],
        ),
        (ECS, "DescribeNetworkInterfaces", &[("Type", "Secondary")], eni, &["eni-labdone0000"]),
        (
            ECS,
            "DescribeNetworkInterfaces",
            &[("Tag.1.Key", "egressctl:instance"), ("Tag.1.Value", "i-lab0000070001")],
            eni,
            &["eni-labdone0000"],
        ),
        (
            ECS,
            "DescribeNetworkInterfaces",
            &[("Tag.1.Key", "egressctl:instance"), ("Tag.1.Value", "other")],
            eni,
            &[],
        ),
        (ECS, "DescribeNetworkInterfaces", &[("Status", "Available")], eni, &[]),
        (
            VPC,
            "DescribeEipAddresses",
            &[("AllocationId", "eip-lab-nat,eip-labdone0000,eip-none")],
            eip,
            &["eip-lab-nat", "eip-labdone0000"],
        ),
        (VPC, "DescribeEipAddresses", &[("EipAddress", "203.0.113.2")], eip, &["eip-lab-bastion"]),
        (
            VPC,
            "DescribeEipAddresses",
            &[("AssociatedInstanceType", "NetworkInterface"), ("AssociatedInstanceId", "eni-labdone0000")],
            eip,
            &["eip-labdone0000"],
        ),
        (VPC, "DescribeEipAddresses", &[("Status", "Available")], eip, &[]),
    ];
    for (version, action, params, path, wanted) in cases {
        assert_eq!(ids(&lab, version, action, params, path).await, wanted, "{action} {params:?}");
    }
    assert_eq!(lab.emulator.writes(), 0);
}

#[tokio::test]
async fn the_network_reads_as_the_blueprint_says() {
    let lab = Lab::new(6, quick()).await;
    let gateways =
        lab.ok(VPC, "DescribeNatGateways", &[("VpcId", "vpc-lab"), ("NetworkType", "internet")]).await;
    let gateway = &gateways["NatGateways"]["NatGateway"][0];
    assert_eq!(gateway["SnatTableIds"]["SnatTableId"][0], "stb-lab");
    assert_eq!(lab.code(VPC, "DescribeSnatTableEntries", &[]).await, "MissingParameter");
    let snat = lab.ok(VPC, "DescribeSnatTableEntries", &[("NatGatewayId", "ngw-lab")]).await;
    let sources: Vec<&Value> = snat["SnatTableEntries"]["SnatTableEntry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["SourceCIDR"])
        .collect();
    assert_eq!(sources, ["172.16.0.0/22", "172.16.4.0/24", "172.16.9.0/24"]);
    assert_eq!(snat["SnatTableEntries"]["SnatTableEntry"][0]["SnatIp"], "203.0.113.250");
    let forwards = lab.ok(VPC, "DescribeForwardTableEntries", &[("ForwardTableId", "ftb-lab")]).await;
    assert_eq!(forwards["ForwardTableEntries"]["ForwardTableEntry"].as_array().unwrap().len(), 0);
    let vswitch = lab.ok(VPC, "DescribeVSwitchAttributes", &[("VSwitchId", "vsw-lab-dark")]).await;
    assert_eq!(
        (&vswitch["CidrBlock"], &vswitch["AvailableIpAddressCount"]),
        (&"172.16.5.0/24".into(), &251.into())
    );
    assert_eq!(vswitch["RouteTable"]["RouteTableId"], "vtb-lab-dark");
    let list = lab.ok(VPC, "DescribeVSwitches", &[("VpcId", "vpc-lab")]).await;
    assert_eq!(list["VSwitches"]["VSwitch"].as_array().unwrap().len(), 4);
    let table = [("RouteTableId", "vtb-lab-dark"), ("DestinationCidrBlock", "0.0.0.0/0")];
    let routes = lab.ok(VPC, "DescribeRouteEntryList", &table).await;
    let hop = &routes["RouteEntrys"]["RouteEntry"][0]["NextHops"]["NextHop"][0];
    assert_eq!((&hop["NextHopType"], &hop["NextHopId"]), (&"NatGateway".into(), &"ngw-lab".into()));
    let tables = lab.ok(VPC, "DescribeRouteTableList", &[("VpcId", "vpc-lab")]).await;
    assert_eq!(tables["RouterTableList"]["RouterTableListType"].as_array().unwrap().len(), 4);
    let vpc = lab.ok(VPC, "DescribeVpcAttribute", &[("VpcId", "vpc-lab")]).await;
    assert_eq!((&vpc["Ipv4GatewayId"], &vpc["CidrBlock"]), (&"".into(), &"172.16.0.0/16".into()));
    let kinds = lab.ok(ECS, "DescribeInstanceTypes", &[("InstanceTypes.1", "ecs.g7.large")]).await;
    assert_eq!(kinds["InstanceTypes"]["InstanceType"][0]["EniQuantity"], 3);
    let groups = lab.ok(ECS, "DescribeSecurityGroups", &[("SecurityGroupIds", r#"["sg-lab"]"#)]).await;
    assert_eq!(groups["SecurityGroups"]["SecurityGroup"][0]["SecurityGroupType"], "normal");
    let regions = lab.ok(ECS, "DescribeRegions", &[]).await;
    assert_eq!(regions["Regions"]["Region"][0]["RegionId"], "cn-lab-1");
    assert_eq!(
        lab.code(VPC, "DescribeVSwitchAttributes", &[("VSwitchId", "vsw-x")]).await,
        "InvalidVSwitchId.NotFound"
    );
    assert_eq!(lab.code(VPC, "DescribeVpcAttribute", &[("VpcId", "vpc-x")]).await, "InvalidVpcId.NotFound");
    assert_eq!(
        lab.code(VPC, "DescribeRouteEntryList", &[("RouteTableId", "x")]).await,
        "InvalidRouteTableId.NotFound"
    );
}

#[tokio::test]
async fn tags_are_set_and_cleared_for_all_or_none() {
    let lab = Lab::new(6, quick()).await;
    let (one, two) = (("ResourceId.1", "i-lab0000070002"), ("ResourceId.2", "i-lab0000070003"));
    let tag = [("ResourceType", "instance"), ("Tag.1.Key", "a"), ("Tag.1.Value", "1"), one];
    let with = |more| tag.iter().copied().chain([more]).collect::<Vec<_>>();
    assert_eq!(
        lab.code(ECS, "TagResources", &with(("ResourceId.2", "i-none"))).await,
        "InvalidResourceId.NotFound"
    );
    let tagged = || async {
        ids(&lab, ECS, "DescribeInstances", &[("Tag.1.Key", "a")], ["Instances", "Instance", "InstanceId"])
            .await
    };
    assert!(tagged().await.is_empty());
    lab.ok(ECS, "TagResources", &with(two)).await;
    assert_eq!(tagged().await, [one.1, two.1]);
    lab.ok(ECS, "UntagResources", &[("ResourceType", "instance"), ("TagKey.1", "a"), one]).await;
    assert_eq!(tagged().await, [two.1]);
    lab.ok(ECS, "UntagResources", &[("ResourceType", "instance"), ("All", "true"), two]).await;
    assert!(tagged().await.is_empty());
    let eip = [("ResourceType", "EIP"), ("ResourceId.1", "eip-lab-nat"), ("Tag.1.Key", "b")];
    lab.ok(VPC, "TagResources", &eip).await;
    assert_eq!(lab.emulator.snapshot()["eips"]["eip-lab-nat"]["tags"]["b"], "");
    lab.ok(VPC, "UnTagResources", &[eip[0], eip[1], ("TagKey.1", "b")]).await;
    assert_eq!(
        lab.code(ECS, "TagResources", &[("ResourceType", "disk"), one, tag[1]]).await,
        "InvalidResourceType.NotFound"
    );
}

#[tokio::test]
async fn callers_are_told_who_they_are_and_the_door_needs_no_name() {
    let lab = Lab::new(1, quick()).await;
    let (_, user) = lab.send(USER, STS, "GetCallerIdentity", &[]).await;
    let (_, role) = lab.send(ROLE, STS, "GetCallerIdentity", &[]).await;
    assert_eq!(
        (&user["IdentityType"], &role["IdentityType"]),
        (&"RAMUser".into(), &"AssumedRoleUser".into())
    );
    assert_eq!(lab.door("/_lab/state").await, lab.emulator.snapshot());
    let calls = lab.door("/_lab/calls").await;
    assert_eq!((&calls["total"], &calls["writes"]), (&2.into(), &0.into()));
    assert_eq!(calls["by_action"]["GetCallerIdentity"], 2);
    assert_eq!((&calls["calls"][0]["product"], &calls["calls"][0]["code"]), (&"Sts".into(), &Value::Null));
}
