//! What belongs to the account: regions, security groups.

use serde_json::json;

use super::super::answer::{dry_run, either, second};
use super::super::errors::ApiError;
use super::super::state::SecurityGroup;
use super::{Context, Done, matches};
use crate::lab::spec::REGION;

/// The lab's account.
pub(super) const ACCOUNT: &str = "1234567890123456";
/// The same as a number.
pub(super) const ACCOUNT_NUMBER: u64 = 1_234_567_890_123_456;

/// `DescribeRegions`.
pub(super) fn regions(_: &mut Context<'_>) -> Result<Done, ApiError> {
    Done::read(json!({ "Regions": { "Region": [{
        "RegionId": REGION,
        "LocalName": "Lab",
        "RegionEndpoint": format!("ecs.{REGION}.aliyuncs.com"),
        "Status": "available",
    }] } }))
}

/// `DescribeSecurityGroups`.
pub(super) fn security_groups(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let (cloud, params) = (&*context.cloud, context.params);
    let ids = params.json_list("SecurityGroupIds", 100)?;
    let found: Vec<&SecurityGroup> = cloud
        .security_groups
        .values()
        .filter(|group| {
            ids.as_ref().is_none_or(|ids| ids.contains(&group.id))
                && matches(params, "SecurityGroupId", &group.id)
                && matches(params, "VpcId", &group.vpc)
                && matches(params, "NetworkType", "vpc")
                && matches(params, "SecurityGroupType", "normal")
        })
        .collect();
    dry_run(params)?;
    let (page, mut members) = either(params, found, 1..=100, |group| group.id.clone())?;
    members.insert("RegionId".to_owned(), REGION.into());
    let items = page
        .into_iter()
        .map(|group| {
            json!({
                "SecurityGroupId": group.id,
                "SecurityGroupName": group.id,
                "SecurityGroupType": "normal",
                "VpcId": group.vpc,
                "Description": "",
                "ServiceManaged": false,
                "CreationTime": second(cloud.began_ms),
                "Tags": { "Tag": [] },
            })
        })
        .collect();
    Done::page("SecurityGroups", "SecurityGroup", items, members)
}
