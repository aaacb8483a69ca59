//! The describing calls in batches as large as the API takes.
//!
//! Must never send an empty list of ids: the API would take it for "all".

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::Value;

use super::client::{Api, Call};
use super::endpoints::Product;
use super::page::{Paging, gather};
use super::parse::{self, EniRecord, InstanceRecord, has_tag_value};
use crate::core::model::{AllocationId, EniId, InstanceId};
use crate::core::observed::Eip;
use crate::ports::CloudError;

/// Most ids in one `DescribeInstances`.
pub(super) const INSTANCE_BATCH: usize = 100;
/// Most ids in one `DescribeNetworkInterfaces`.
pub(super) const ENI_BATCH: usize = 100;
/// Most ids or addresses in one `DescribeEipAddresses`.
pub(super) const EIP_BATCH: usize = 50;

const ENIS: &str = "NetworkInterfaceSets.NetworkInterfaceSet";
const EIPS: &str = "EipAddresses.EipAddress";

/// The call that describes these instances, at most [`INSTANCE_BATCH`].
pub(super) fn instance_ids(ids: &BTreeSet<InstanceId>) -> Call {
    Call::read(Product::Ecs, "DescribeInstances").with_json("InstanceIds", ids)
}

/// The call that describes these interfaces, at most [`ENI_BATCH`].
pub(super) fn eni_ids(ids: &BTreeSet<EniId>) -> Call {
    Call::read(Product::Ecs, "DescribeNetworkInterfaces").with_list("NetworkInterfaceId", ids)
}

/// The call that describes these EIPs, at most [`EIP_BATCH`].
pub(super) fn by_allocation(ids: &BTreeSet<AllocationId>) -> Call {
    eip_call("AllocationId", ids)
}

fn eip_call<T: ToString>(name: &str, values: &BTreeSet<T>) -> Call {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    Call::read(Product::Vpc, "DescribeEipAddresses").with(name, &values.join(","))
}

pub(super) fn batches<T: Ord + Clone>(items: &BTreeSet<T>, size: usize) -> Vec<BTreeSet<T>> {
    let items: Vec<&T> = items.iter().collect();
    items.chunks(size).map(|chunk| chunk.iter().map(|item| (*item).clone()).collect()).collect()
}

impl Api {
    /// Instances by id; those that do not exist are missing from the result.
    pub(super) async fn instances(
        self: &Arc<Self>,
        ids: &BTreeSet<InstanceId>,
    ) -> Result<Vec<InstanceRecord>, CloudError> {
        let calls = batches(ids, INSTANCE_BATCH).iter().map(instance_ids).collect();
        let paging = Paging::Token("MaxResults", INSTANCE_BATCH);
        let items = self.lists(calls, paging, "Instances.Instance").await?;
        items.iter().map(parse::instance).collect()
    }

    /// Interfaces by id.
    pub(super) async fn enis(self: &Arc<Self>, ids: &BTreeSet<EniId>) -> Result<Vec<EniRecord>, CloudError> {
        let calls = batches(ids, ENI_BATCH).iter().map(eni_ids).collect();
        let items = self.lists(calls, Paging::Token("MaxResults", ENI_BATCH), ENIS).await?;
        items.iter().map(parse::eni).collect()
    }

    /// Interfaces that carry the tag with one of the instances as its value.
    pub(super) async fn enis_tagged(
        self: &Arc<Self>,
        key: &str,
        instances: &BTreeSet<InstanceId>,
    ) -> Result<Vec<EniRecord>, CloudError> {
        let call = Call::read(Product::Ecs, "DescribeNetworkInterfaces").with("Tag.1.Key", key);
        let items = self.all(&call, Paging::Token("MaxResults", 500), ENIS).await?;
        items.iter().filter(|item| has_tag_value(item, key, instances)).map(parse::eni).collect()
    }

    /// EIPs by allocation.
    pub(super) async fn eips(self: &Arc<Self>, ids: &BTreeSet<AllocationId>) -> Result<Vec<Eip>, CloudError> {
        self.eip_lists(batches(ids, EIP_BATCH).iter().map(by_allocation).collect()).await
    }

    /// EIPs by address.
    pub(super) async fn eips_at(
        self: &Arc<Self>,
        addresses: &BTreeSet<Ipv4Addr>,
    ) -> Result<Vec<Eip>, CloudError> {
        let calls = batches(addresses, EIP_BATCH).iter().map(|batch| eip_call("EipAddress", batch)).collect();
        self.eip_lists(calls).await
    }

    async fn eip_lists(self: &Arc<Self>, calls: Vec<Call>) -> Result<Vec<Eip>, CloudError> {
        let items = self.lists(calls, Paging::Number(EIP_BATCH), EIPS).await?;
        items.iter().map(parse::eip).collect()
    }

    /// All items of several lists.
    pub(super) async fn lists(
        self: &Arc<Self>,
        calls: Vec<Call>,
        paging: Paging,
        path: &'static str,
    ) -> Result<Vec<Value>, CloudError> {
        let job = |call: Call| {
            let api = Arc::clone(self);
            async move { api.all(&call, paging, path).await }
        };
        Ok(gather(calls.into_iter().map(job).collect()).await?.into_iter().flatten().collect())
    }
}
