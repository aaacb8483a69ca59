//! Finding instances for an inventory, and finding out which reads are not permitted.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::checks::permission;
use super::client::{Api, Call};
use super::endpoints::Product;
use super::page::Paging;
use super::parse;
use super::read::{INSTANCE_BATCH, batches, instance_ids};
use crate::core::model::InstanceId;
use crate::core::observed::FoundInstance;
use crate::core::permissions::is_denial;
use crate::ports::{CloudError, Search};

impl Api {
    /// Finds instances, in the order of their ids.
    pub(super) async fn search(self: &Arc<Self>, search: &Search) -> Result<Vec<FoundInstance>, CloudError> {
        let ids: BTreeSet<InstanceId> = search.ids.iter().cloned().collect();
        let calls: Vec<Call> = if ids.is_empty() {
            vec![Call::read(Product::Ecs, "DescribeInstances")]
        } else {
            batches(&ids, INSTANCE_BATCH).iter().map(instance_ids).collect()
        };
        let calls = calls.into_iter().map(|call| filtered(call, search)).collect();
        let items =
            self.lists(calls, Paging::Token("MaxResults", INSTANCE_BATCH), "Instances.Instance").await?;
        let mut found = items.iter().map(parse::found).collect::<Result<Vec<_>, _>>()?;
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.dedup_by(|a, b| a.id == b.id);
        Ok(found)
    }

    /// Tries every read that a view cannot do without. What is asked for need not exist: only permission counts.
    pub(super) async fn denied_reads(self: &Arc<Self>) -> Vec<(String, String)> {
        let none = "egressctl-permission-probe";
        let ecs = |action| Call::read(Product::Ecs, action);
        let vpc = |action| Call::read(Product::Vpc, action);
        let calls = [
            ecs("DescribeInstances").with("MaxResults", &10),
            ecs("DescribeInstanceTypes").with("InstanceTypes.1", "ecs.g7.large"),
            ecs("DescribeNetworkInterfaces").with("MaxResults", &10),
            ecs("DescribeSecurityGroups").with("MaxResults", &10),
            ecs("DescribeSecurityGroupAttribute").with("SecurityGroupId", &format!("sg-{none}")),
            ecs("DescribeAccountAttributes").with("AttributeName.1", "max-security-groups"),
            vpc("DescribeEipAddresses").with("PageSize", &10),
            vpc("DescribeVSwitches").with("PageSize", &10),
            vpc("DescribeVSwitchAttributes").with("VSwitchId", &format!("vsw-{none}")),
            vpc("DescribeVpcAttribute").with("VpcId", &format!("vpc-{none}")),
            vpc("DescribeNatGateways").with("PageSize", &10),
            vpc("DescribeSnatTableEntries").with("NatGatewayId", &format!("ngw-{none}")),
            vpc("DescribeForwardTableEntries").with("NatGatewayId", &format!("ngw-{none}")),
            vpc("DescribeRouteEntryList").with("RouteTableId", &format!("vtb-{none}")),
        ];
        let mut denied = Vec::new();
        for call in calls {
            if let Err(CloudError { code: Some(code), message, .. }) = self.read(&call).await
                && is_denial(&code)
            {
                denied.push((permission(call.product, call.action), format!("{message} [{code}]")));
            }
        }
        denied
    }
}

fn filtered(call: Call, search: &Search) -> Call {
    let mut call = call
        .with_some("VpcId", search.vpc.as_ref())
        .with_some("VSwitchId", search.vswitch.as_ref())
        .with_some("ResourceGroupId", search.resource_group.as_ref())
        .with_some("InstanceName", search.name.as_ref());
    for (number, (key, value)) in search.tags.iter().enumerate() {
        let number = number + 1;
        call = call
            .with(&format!("Tag.{number}.Key"), key)
            .with_some(&format!("Tag.{number}.Value"), value.as_ref());
    }
    call
}
