//! Security groups, quotas and resource groups over the wire.

use super::client::{ECS, Lab, VPC, quick};
use crate::lab::emulator::Tuning;
use crate::lab::emulator::state::SecurityGroup;

#[tokio::test]
async fn groups_tell_their_rules_and_their_room() {
    let lab = Lab::new(6, quick()).await;
    let ids = ("SecurityGroupIds", r#"["sg-lab","sg-none"]"#);
    let plain = lab.ok(ECS, "DescribeSecurityGroups", &[ids]).await;
    let group = &plain["SecurityGroups"]["SecurityGroup"][0];
    assert!(group.get("AvailableInstanceAmount").is_none(), "counts are told on demand only: {group}");
    let counted = lab.ok(ECS, "DescribeSecurityGroups", &[ids, ("IsQueryEcsCount", "true")]).await;
    let group = &counted["SecurityGroups"]["SecurityGroup"][0];
    // Seven primary interfaces and one secondary.
    assert_eq!((&group["EcsCount"], &group["AvailableInstanceAmount"]), (&7.into(), &5992.into()));
    let one = ("SecurityGroupId", "sg-lab");
    let rules = lab.ok(ECS, "DescribeSecurityGroupAttribute", &[one, ("Direction", "ingress")]).await;
    let rules = rules["Permissions"]["Permission"].as_array().unwrap();
    assert_eq!(rules.len(), 3);
    assert_eq!(
        (&rules[0]["IpProtocol"], &rules[0]["PortRange"], &rules[0]["SourceCidrIp"], &rules[0]["Priority"]),
        (&"TCP".into(), &"22/22".into(), &"0.0.0.0/0".into(), &"1".into())
    );
    let out = lab.ok(ECS, "DescribeSecurityGroupAttribute", &[one, ("Direction", "egress")]).await;
    assert!(out["Permissions"]["Permission"].as_array().unwrap().is_empty());
    let none = [("SecurityGroupId", "sg-none")];
    assert_eq!(
        lab.code(ECS, "DescribeSecurityGroupAttribute", &none).await,
        "InvalidSecurityGroupId.NotFound"
    );
}

#[tokio::test]
async fn full_and_mixed_groups_are_refused_to_new_interfaces() {
    let lab = Lab::new(6, quick()).await;
    {
        let mut cloud = lab.emulator.cloud();
        let model = cloud.security_groups["sg-lab"].clone();
        let full = SecurityGroup { id: "sg-full".to_owned(), limit: 0, ..model.clone() };
        let other = SecurityGroup { id: "sg-other".to_owned(), kind: "enterprise", ..model };
        cloud.security_groups.extend([full, other].map(|group| (group.id.clone(), group)));
    }
    let vswitch = ("VSwitchId", "vsw-lab-a");
    let full = [vswitch, ("SecurityGroupId", "sg-full")];
    let refused = lab.code(ECS, "CreateNetworkInterface", &full).await;
    assert_eq!(refused, "SecurityGroupInstanceLimitExceed");
    let mixed = [vswitch, ("SecurityGroupIds.1", "sg-lab"), ("SecurityGroupIds.2", "sg-other")];
    assert_eq!(lab.code(ECS, "CreateNetworkInterface", &mixed).await, "InvalidParameter");
    let kinds = lab.ok(ECS, "DescribeSecurityGroups", &[("SecurityGroupType", "enterprise")]).await;
    assert_eq!(kinds["SecurityGroups"]["SecurityGroup"][0]["SecurityGroupId"], "sg-other");
}

#[tokio::test]
async fn the_quota_of_interfaces_is_told_and_held_to() {
    let lab = Lab::new(6, Tuning { eni_quota: 2, ..quick() }).await;
    let name = "max-elastic-network-interfaces";
    let body = lab.ok(ECS, "DescribeAccountAttributes", &[("AttributeName.1", name)]).await;
    let item = &body["AccountAttributeItems"]["AccountAttributeItem"][0];
    assert_eq!(
        (&item["AttributeName"], &item["AttributeValues"]["ValueItem"][0]["Value"]),
        (&name.into(), &"2".into())
    );
    let wish = [("VSwitchId", "vsw-lab-a"), ("SecurityGroupId", "sg-lab"), ("ResourceGroupId", "rg-mine")];
    // One secondary interface is there from the beginning; primary ones do not count.
    let made = lab.ok(ECS, "CreateNetworkInterface", &wish).await;
    assert_eq!(made["ResourceGroupId"], "rg-mine");
    assert_eq!(lab.code(ECS, "CreateNetworkInterface", &wish).await, "MaxEniCountExceeded");
    let mine = lab.ok(ECS, "DescribeNetworkInterfaces", &[("ResourceGroupId", "rg-mine")]).await;
    assert_eq!(mine["NetworkInterfaceSets"]["NetworkInterfaceSet"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_ipv4_gateway_shows_in_its_vpc() {
    let lab = Lab::new(1, quick()).await;
    lab.emulator.cloud().ipv4_gateway = Some("ipv4gw-lab".to_owned());
    let vpc = lab.ok(VPC, "DescribeVpcAttribute", &[("VpcId", "vpc-lab")]).await;
    assert_eq!(vpc["Ipv4GatewayId"], "ipv4gw-lab");
}
