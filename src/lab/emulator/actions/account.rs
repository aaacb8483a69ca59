//! What belongs to the account: who calls, regions, quotas.

use serde_json::{Value, json};

use super::super::errors::ApiError;
use super::super::verify::Caller;
use super::{Context, Done};
use crate::lab::spec::{RAM_ROLE, REGION};

/// The lab's account.
pub(super) const ACCOUNT: &str = "1234567890123456";
/// The same as a number.
pub(super) const ACCOUNT_NUMBER: u64 = 1_234_567_890_123_456;

/// `GetCallerIdentity`.
pub(super) fn caller(context: &mut Context<'_>) -> Result<Done, ApiError> {
    Done::read(match context.caller {
        Caller::User => json!({
            "AccountId": ACCOUNT,
            "Arn": format!("acs:ram::{ACCOUNT}:user/lab"),
            "IdentityType": "RAMUser",
            "PrincipalId": "300000000000000001",
            "UserId": "300000000000000001",
        }),
        Caller::Role => json!({
            "AccountId": ACCOUNT,
            "Arn": format!("acs:ram::{ACCOUNT}:assumed-role/{RAM_ROLE}/lab"),
            "IdentityType": "AssumedRoleUser",
            "PrincipalId": "300000000000000002:lab",
            "RoleId": "300000000000000002",
        }),
    })
}

/// `DescribeRegions`.
pub(super) fn regions(_: &mut Context<'_>) -> Result<Done, ApiError> {
    Done::read(json!({ "Regions": { "Region": [{
        "RegionId": REGION,
        "LocalName": "Lab",
        "RegionEndpoint": format!("ecs.{REGION}.aliyuncs.com"),
        "Status": "available",
    }] } }))
}

/// The attributes of the vendor's list that the lab knows.
const ENI_LIMIT: &str = "max-elastic-network-interfaces";
const GROUP_LIMIT: &str = "max-security-groups";

/// `DescribeAccountAttributes`. Attributes that the lab does not know are left out.
pub(super) fn attributes(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let wanted = context.params.list("AttributeName");
    let items: Vec<Value> = [(ENI_LIMIT, context.tuning.eni_quota), (GROUP_LIMIT, 100)]
        .into_iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.contains(name))
        .map(|(name, value)| {
            json!({
                "AttributeName": name,
                "AttributeValues": { "ValueItem": [{ "Value": value.to_string() }] },
            })
        })
        .collect();
    Done::read(json!({ "AccountAttributeItems": { "AccountAttributeItem": items } }))
}
