//! The actions: each reads its parameters, asks the state for a transition or a view, and shapes the answer.
//!
//! Must never wait or touch the network: what takes time is returned as a [`Task`] for the effects to carry out.

mod account;
mod charge;
mod eip;
mod eni;
mod eni_read;
mod group;
mod instance;
mod nat;
mod route;
mod tags;
mod vswitch;

use serde_json::Value;

use super::answer::{self, Body};
use super::errors::{ApiError, REGION_UNKNOWN, VPC_REGION_UNKNOWN};
use super::params::{Params, missing};
use super::state::{Cloud, words};
use super::tuning::Tuning;
use super::verify::Caller;
use crate::core::model::{AllocationId, EniId, InstanceId};
use crate::lab::spec::REGION;

words! {
    /// A product of the vendor.
    Product {
        /// Compute, version 2014-05-26.
        Ecs,
        /// Network, version 2016-04-28.
        Vpc,
        /// Identities, version 2015-04-01.
        Sts,
    }
}

impl Product {
    /// The product whose API version this is.
    #[must_use]
    pub(crate) fn of(version: &str) -> Option<Self> {
        match version {
            "2014-05-26" => Some(Self::Ecs),
            "2016-04-28" => Some(Self::Vpc),
            "2015-04-01" => Some(Self::Sts),
            _ => None,
        }
    }
}

/// What is still to happen after a call was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    /// Plug the interface.
    Attach(EniId),
    /// Unplug it.
    Detach(EniId),
    /// Remove it.
    DeleteEni(EniId),
    /// Translate the EIP.
    Associate(AllocationId),
    /// End its translation.
    Unassociate(AllocationId),
    /// Turn the static public address into an EIP.
    Convert(InstanceId),
    /// Change the charge type.
    PostPaid(Vec<InstanceId>),
    /// Nothing but to answer late.
    Created,
}

/// An accepted call.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// The answer.
    pub body: Body,
    /// What follows.
    pub task: Option<Task>,
}

impl Done {
    fn read(body: Value) -> Result<Self, ApiError> {
        Ok(Self { body: answer::body(body), task: None })
    }

    /// One page of a list: `{outer: {inner: [...]}}` and the page's own members.
    fn page(outer: &str, inner: &str, items: Vec<Value>, mut members: Body) -> Result<Self, ApiError> {
        members.insert(outer.to_owned(), Value::Object(Body::from_iter([(inner.to_owned(), items.into())])));
        Ok(Self { body: members, task: None })
    }

    fn then(task: Option<Task>) -> Result<Self, ApiError> {
        Ok(Self { body: Body::new(), task })
    }
}

/// All that an action may use.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// The cloud.
    pub cloud: &'a mut Cloud,
    /// The request's parameters.
    pub params: &'a Params,
    /// Quotas.
    pub tuning: &'a Tuning,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
    /// Who calls.
    pub caller: Caller,
}

/// Must the call name its region?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Region {
    Required,
    Optional,
}

/// One action of the API.
#[derive(Debug)]
pub(crate) struct Action {
    /// Its product.
    pub product: Product,
    /// Its name.
    pub name: &'static str,
    /// It changes something.
    pub write: bool,
    /// It knows `ClientToken`.
    pub token: bool,
    region: Region,
    run: fn(&mut Context<'_>) -> Result<Done, ApiError>,
}

type Run = fn(&mut Context<'_>) -> Result<Done, ApiError>;

const fn read(product: Product, name: &'static str, run: Run) -> Action {
    Action { product, name, write: false, token: false, region: Region::Required, run }
}

const fn write(product: Product, name: &'static str, run: Run) -> Action {
    Action { product, name, write: true, token: false, region: Region::Required, run }
}

impl Action {
    const fn with_token(mut self) -> Self {
        self.token = true;
        self
    }

    const fn anywhere(mut self) -> Self {
        self.region = Region::Optional;
        self
    }
}

use Product::{Ecs, Sts, Vpc};

/// Every action the emulator knows.
pub(crate) static ACTIONS: [Action; 29] = [
    read(Ecs, "DescribeInstances", instance::describe),
    read(Ecs, "DescribeInstanceTypes", instance::describe_types).anywhere(),
    read(Ecs, "DescribeNetworkInterfaces", eni_read::describe),
    read(Ecs, "DescribeSecurityGroups", group::describe),
    read(Ecs, "DescribeSecurityGroupAttribute", group::attribute),
    read(Ecs, "DescribeAccountAttributes", account::attributes),
    read(Ecs, "DescribeRegions", account::regions).anywhere(),
    write(Ecs, "ModifyInstanceChargeType", charge::modify).with_token(),
    write(Ecs, "ConvertNatPublicIpToEip", charge::convert),
    write(Ecs, "CreateNetworkInterface", eni::create).with_token(),
    write(Ecs, "AttachNetworkInterface", eni::attach),
    write(Ecs, "DetachNetworkInterface", eni::detach),
    write(Ecs, "DeleteNetworkInterface", eni::delete),
    write(Ecs, "TagResources", tags::tag),
    write(Ecs, "UntagResources", tags::untag),
    read(Vpc, "DescribeEipAddresses", eip::describe),
    write(Vpc, "AssociateEipAddress", eip::associate).with_token().anywhere(),
    write(Vpc, "UnassociateEipAddress", eip::unassociate).with_token().anywhere(),
    read(Vpc, "DescribeNatGateways", nat::gateways),
    read(Vpc, "DescribeSnatTableEntries", nat::snat),
    read(Vpc, "DescribeForwardTableEntries", nat::forwards),
    read(Vpc, "DescribeVSwitches", vswitch::describe).anywhere(),
    read(Vpc, "DescribeVSwitchAttributes", vswitch::attributes).anywhere(),
    read(Vpc, "DescribeVpcAttribute", vswitch::vpc),
    read(Vpc, "DescribeRouteTableList", route::tables),
    read(Vpc, "DescribeRouteEntryList", route::entries),
    write(Vpc, "TagResources", tags::tag_eips),
    write(Vpc, "UnTagResources", tags::untag_eips),
    read(Sts, "GetCallerIdentity", account::caller).anywhere(),
];

/// Finds an action.
#[must_use]
pub(crate) fn find(product: Product, name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.product == product && action.name == name)
}

impl Action {
    /// Carries the action out on the state.
    ///
    /// # Errors
    /// The action's documented refusals.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<Done, ApiError> {
        match (context.params.get("RegionId"), self.region) {
            (Some(REGION), _) | (None, Region::Optional) => (self.run)(context),
            (None, Region::Required) => Err(missing("RegionId")),
            (Some(_), _) if self.product == Vpc => Err(VPC_REGION_UNKNOWN.into()),
            (Some(_), _) => Err(REGION_UNKNOWN.into()),
        }
    }
}

/// The resource group of everything that was not put into another one.
const RESOURCE_GROUP: &str = "rg-lab";

/// A filter parameter with `*` for any text is absent or fits this value.
fn fits(params: &Params, key: &str, value: &str) -> bool {
    let Some(pattern) = params.get(key) else { return true };
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| value.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    last.map_or(rest.is_empty(), |last| last.is_empty() || value.ends_with(last))
}

/// A filter parameter is absent or has this value.
fn matches(params: &Params, key: &str, value: &str) -> bool {
    params.get(key).is_none_or(|wanted| wanted == value)
}

/// Every `Tag.N` of the request is among these tags.
fn has_tags(params: &Params, tags: &std::collections::BTreeMap<String, String>) -> bool {
    params
        .tags()
        .into_iter()
        .all(|(key, value)| tags.get(key).is_some_and(|actual| value.is_none_or(|wanted| wanted == actual)))
}

/// Tags as the compute product writes them.
fn ecs_tags(tags: &std::collections::BTreeMap<String, String>) -> Value {
    let list: Vec<Value> =
        tags.iter().map(|(k, v)| serde_json::json!({ "TagKey": k, "TagValue": v })).collect();
    serde_json::json!({ "Tag": list })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        let fits = |pattern: &str, value: &str| {
            let params: Params = [("N".to_owned(), pattern.to_owned())].into_iter().collect();
            super::fits(&params, "N", value)
        };
        for (pattern, value) in [
            ("web-1", "web-1"),
            ("web-*", "web-1"),
            ("*-1", "web-1"),
            ("*b*1", "web-1"),
            ("*", ""),
            ("w**1", "web-1"),
        ] {
            assert!(fits(pattern, value), "{pattern} {value}");
        }
        for (pattern, value) in [("web", "web-1"), ("*-1", "web-12"), ("db*", "web-1"), ("*b*2", "web-1")] {
            assert!(!fits(pattern, value), "{pattern} {value}");
        }
    }
}
