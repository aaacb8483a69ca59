//! Security groups, read.

use serde_json::{Value, json};

use super::super::answer::{continued, dry_run, either, second};
use super::super::errors::{ApiError, GROUP_UNKNOWN};
use super::super::state::{GroupRule, SecurityGroup};
use super::{Context, Done, matches};
use crate::lab::spec::REGION;

/// `DescribeSecurityGroups`. Counts of members are told on demand only, as by the vendor.
pub(super) fn describe(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let (cloud, params) = (&*context.cloud, context.params);
    let ids = params.json_list("SecurityGroupIds", 100)?;
    let counted = params.flag("IsQueryEcsCount")?;
    let found: Vec<&SecurityGroup> = cloud
        .security_groups
        .values()
        .filter(|group| {
            ids.as_ref().is_none_or(|ids| ids.contains(&group.id))
                && matches(params, "SecurityGroupId", &group.id)
                && matches(params, "VpcId", &group.vpc)
                && matches(params, "NetworkType", "vpc")
                && matches(params, "SecurityGroupType", group.kind)
        })
        .collect();
    dry_run(params)?;
    let (page, mut members) = either(params, found, 1..=100, |group| group.id.clone())?;
    members.insert("RegionId".to_owned(), REGION.into());
    let record = |group: &SecurityGroup| {
        let mut record = json!({
            "SecurityGroupId": group.id,
            "SecurityGroupName": group.id,
            "SecurityGroupType": group.kind,
            "VpcId": group.vpc,
            "Description": "",
            "ServiceManaged": false,
            "ResourceGroupId": super::RESOURCE_GROUP,
            "CreationTime": second(cloud.began_ms),
            "RuleCount": group.rules.len(),
            "GroupToGroupRuleCount": 0,
            "Tags": { "Tag": [] },
        });
        if counted {
            record["EcsCount"] = cloud.instances_in(&group.id).into();
            record["AvailableInstanceAmount"] = cloud.room_in(group).into();
        }
        record
    };
    let items = page.into_iter().map(record).collect();
    Done::page("SecurityGroups", "SecurityGroup", items, members)
}

/// `DescribeSecurityGroupAttribute`. Every group lets everything out, which takes no rule.
pub(super) fn attribute(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let (cloud, params) = (&*context.cloud, context.params);
    let group = cloud.security_groups.get(params.required("SecurityGroupId")?).ok_or(GROUP_UNKNOWN)?;
    let inbound = params.get("Direction").is_none_or(|direction| direction != "egress");
    let rules: Vec<(usize, &GroupRule)> =
        group.rules.iter().enumerate().filter(|_| inbound).map(|(n, rule)| (n + 1, rule)).collect();
    let name = |(number, _): &(usize, &GroupRule)| format!("sgr-{}-{number:03}", group.id);
    let (page, members) = continued(params, rules, "MaxResults", 10..=1000, name)?;
    let items: Vec<Value> = page
        .iter()
        .map(|item| {
            let rule = item.1;
            json!({
                "SecurityGroupRuleId": name(item),
                "Direction": "ingress",
                "IpProtocol": rule.protocol,
                "PortRange": rule.ports,
                "Policy": if rule.accept { "Accept" } else { "Drop" },
                "Priority": rule.priority.to_string(),
                "NicType": "intranet",
                "SourceCidrIp": rule.source,
                "SourceGroupId": "", "SourceGroupName": "", "SourceGroupOwnerAccount": "",
                "SourcePrefixListId": "", "SourcePrefixListName": "", "SourcePortRange": "",
                "Ipv6SourceCidrIp": "", "PortRangeListId": "", "PortRangeListName": "",
                "DestCidrIp": "", "DestGroupId": "", "DestGroupName": "", "DestGroupOwnerAccount": "",
                "DestPrefixListId": "", "DestPrefixListName": "", "Ipv6DestCidrIp": "",
                "Description": "", "CreateTime": second(cloud.began_ms),
            })
        })
        .collect();
    let mut done = Done::page("Permissions", "Permission", items, members)?;
    for (key, value) in [
        ("SecurityGroupId", group.id.as_str()),
        ("SecurityGroupName", &group.id),
        ("VpcId", &group.vpc),
        ("RegionId", REGION),
        ("InnerAccessPolicy", "Accept"),
        ("Description", ""),
    ] {
        done.body.insert(key.to_owned(), value.into());
    }
    Ok(done)
}
