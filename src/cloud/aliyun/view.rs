//! The one read of everything planning needs, in as few calls as the API allows.
//!
//! Must never show a part as the whole: what decides about a change and cannot be read is an error; what only informs is
//! marked as unseen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::client::{Api, Call};
use super::endpoints::Product;
use super::page::{Paging, gather};
use super::parse;
use crate::core::model::{NatGatewayId, VSwitchId, VpcId};
use crate::core::observed::{
    CloudView, DefaultRoute, ForwardEntry, NatGateway, Observation, SnatEntry, VSwitch,
};
use crate::ports::{CloudError, CloudErrorKind, ViewScope};

/// Largest page of the VPC lists that are not EIPs.
const VPC_PAGE: usize = 50;
/// Types asked for in one `DescribeInstanceTypes`.
const TYPE_BATCH: usize = 10;

/// NAT gateways, and the entries of their tables.
type NatEntries = (BTreeMap<NatGatewayId, NatGateway>, Vec<SnatEntry>, Vec<ForwardEntry>);

impl Api {
    /// Reads everything in the scope.
    pub(super) async fn view(self: &Arc<Self>, scope: &ViewScope) -> Result<CloudView, CloudError> {
        let mut view = CloudView::default();
        let wanted: BTreeSet<_> = scope.instances.iter().cloned().collect();
        let tagged = async {
            if wanted.is_empty() || scope.owner_tag.is_empty() {
                return Ok(Vec::new());
            }
            self.enis_tagged(&scope.owner_tag, &wanted).await
        };
        let (records, tagged) = tokio::try_join!(self.instances(&wanted), tagged)?;
        let mut enis: BTreeMap<_, _> = tagged.into_iter().map(|it| (it.eni.id.clone(), it)).collect();
        let named = records.iter().flat_map(|record| record.enis.iter().cloned());
        let attached: BTreeSet<_> = named.filter(|id| !enis.contains_key(id)).collect();
        view.instances = records.into_iter().map(|it| (it.instance.id.clone(), it.instance)).collect();
        let types: BTreeSet<String> = view.instances.values().map(|it| it.instance_type.clone()).collect();
        let (more, quantities) = tokio::try_join!(self.enis(&attached), self.eni_quantities(types))?;
        enis.extend(more.into_iter().map(|record| (record.eni.id.clone(), record)));
        view.eni_quantity = quantities;

        let bound = enis.values().flat_map(|record| record.eips.iter().cloned());
        let bound =
            bound.chain(view.instances.values().filter_map(|it| it.eip.as_ref().map(|e| e.id.clone())));
        let bound: BTreeSet<_> = bound.collect();
        view.enis = enis.into_iter().map(|(id, record)| (id, record.eni)).collect();
        let vpcs: BTreeSet<VpcId> = view.instances.values().filter_map(|it| it.vpc.clone()).collect();
        let vswitches = view.enis.values().map(|eni| eni.vswitch.clone());
        let vswitches = vswitches.chain(view.instances.values().filter_map(|it| it.vswitch.clone()));
        let vswitches: BTreeSet<_> = vswitches.chain(scope.vswitches.iter().cloned()).collect();
        let (eips, (vswitches, routes), nat) = tokio::try_join!(
            self.eips(&bound),
            self.vswitches_and_routes(vswitches, &vpcs),
            self.nat_entries(&vpcs)
        )?;
        view.eips = eips.into_iter().map(|eip| (eip.id.clone(), eip)).collect();
        (view.vswitches, view.default_routes) = (vswitches, routes);
        (view.nat_gateways, view.snat, view.forwards) = nat;

        // An address that is still static, or whose EIP is known by now, needs no search.
        let mut lost: BTreeSet<_> = scope.addresses.iter().copied().collect();
        for instance in view.instances.values() {
            lost.retain(|address| instance.public_ip != Some(*address));
        }
        for eip in view.eips.values() {
            lost.remove(&eip.address);
        }
        let found = self.eips_at(&lost).await?;
        view.eips.extend(found.into_iter().map(|eip| (eip.id.clone(), eip)));
        if let Some(checks) = scope.checks.as_ref().filter(|_| !view.instances.is_empty()) {
            self.add_checks(checks, &mut view).await?;
        }
        Ok(view)
    }

    async fn eni_quantities(
        self: &Arc<Self>,
        types: BTreeSet<String>,
    ) -> Result<BTreeMap<String, Observation<u32>>, CloudError> {
        let all: Vec<&String> = types.iter().collect();
        let call = |names: &[&String]| {
            Call::read(Product::Ecs, "DescribeInstanceTypes").with_list("InstanceTypes", names)
        };
        let calls = all.chunks(TYPE_BATCH).map(call).collect();
        let paging = Paging::Token("MaxResults", 100);
        let items = match self.lists(calls, paging, "InstanceTypes.InstanceType").await {
            Ok(items) => items,
            Err(error) => {
                let why = unseen(error)?;
                return Ok(types.into_iter().map(|name| (name, Observation::Unseen(why.clone()))).collect());
            }
        };
        let quantity = |name: &String| {
            let item = items.iter().find(|item| item.get("InstanceTypeId").is_some_and(|id| id == name))?;
            item.get("EniQuantity")?.as_u64().and_then(|count| u32::try_from(count).ok())
        };
        let observe = |name: String| {
            let unknown = || Observation::Unseen(format!("the cloud tells no EniQuantity for {name}"));
            let seen = quantity(&name).map_or_else(unknown, Observation::Seen);
            (name, seen)
        };
        Ok(types.into_iter().map(observe).collect())
    }

    async fn vswitches_and_routes(
        self: &Arc<Self>,
        wanted: BTreeSet<VSwitchId>,
        vpcs: &BTreeSet<VpcId>,
    ) -> Result<(BTreeMap<VSwitchId, VSwitch>, BTreeMap<String, DefaultRoute>), CloudError> {
        let vswitches = self.vswitches(wanted, vpcs).await?;
        let tables: BTreeSet<String> = vswitches.values().filter_map(|it| it.route_table.clone()).collect();
        let job = |table: String| {
            let api = Arc::clone(self);
            async move { api.default_route(table).await }
        };
        let routes = gather(tables.into_iter().map(job).collect()).await?;
        Ok((vswitches, routes.into_iter().collect()))
    }

    /// One by one if they are no more than the VPCs, else all of those VPCs and the rest one by one.
    async fn vswitches(
        self: &Arc<Self>,
        wanted: BTreeSet<VSwitchId>,
        vpcs: &BTreeSet<VpcId>,
    ) -> Result<BTreeMap<VSwitchId, VSwitch>, CloudError> {
        let mut found = BTreeMap::new();
        if wanted.len() > vpcs.len() {
            let call = |vpc: &VpcId| Call::read(Product::Vpc, "DescribeVSwitches").with("VpcId", vpc);
            let calls = vpcs.iter().map(call).collect();
            for item in self.lists(calls, Paging::Number(VPC_PAGE), "VSwitches.VSwitch").await? {
                let vswitch = parse::vswitch(&item)?;
                if wanted.contains(&vswitch.id) {
                    found.insert(vswitch.id.clone(), vswitch);
                }
            }
        }
        let job = |id: &VSwitchId| {
            let api = Arc::clone(self);
            let call = Call::read(Product::Vpc, "DescribeVSwitchAttributes").with("VSwitchId", id);
            async move {
                match api.read(&call).await {
                    // One that does not exist may also be answered by a record without an id.
                    Ok(answer) => Ok(answer
                        .get("VSwitchId")
                        .and_then(Value::as_str)
                        .is_some_and(|id| !id.is_empty())
                        .then_some(answer)),
                    Err(error) if error.kind == CloudErrorKind::NotFound => Ok(None),
                    Err(error) => Err(error),
                }
            }
        };
        let missing = wanted.iter().filter(|id| !found.contains_key(id)).map(job).collect();
        for item in gather(missing).await?.into_iter().flatten() {
            let vswitch = parse::vswitch(&item)?;
            found.insert(vswitch.id.clone(), vswitch);
        }
        Ok(found)
    }

    async fn default_route(&self, table: String) -> Result<(String, DefaultRoute), CloudError> {
        let call = Call::read(Product::Vpc, "DescribeRouteEntryList")
            .with("RouteTableId", &table)
            .with("DestinationCidrBlock", "0.0.0.0/0");
        // This one action spells its size parameter in the singular.
        let route = match self.all(&call, Paging::Token("MaxResult", 100), "RouteEntrys.RouteEntry").await {
            Ok(entries) => parse::default_route(&entries)?,
            Err(error) => DefaultRoute::Unseen(unseen(error)?),
        };
        Ok((table, route))
    }

    async fn nat_entries(self: &Arc<Self>, vpcs: &BTreeSet<VpcId>) -> Result<NatEntries, CloudError> {
        let call = |vpc: &VpcId| {
            Call::read(Product::Vpc, "DescribeNatGateways").with("VpcId", vpc).with("NetworkType", "internet")
        };
        let calls = vpcs.iter().map(call).collect();
        let gateways = self.lists(calls, Paging::Number(VPC_PAGE), "NatGateways.NatGateway").await?;
        let gateways = gateways
            .iter()
            .filter_map(|item| Some(parse::internet_gateway(item)?.map(|id| (id, parse::nat_gateway(item)))));
        let gateways: BTreeMap<NatGatewayId, NatGateway> = gateways.collect::<Result<_, _>>()?;
        let job = |gateway: NatGatewayId| {
            let api = Arc::clone(self);
            async move { api.entries_of(&gateway).await }
        };
        let (mut snat, mut forwards) = (Vec::new(), Vec::new());
        for (some_snat, some_forwards) in gather(gateways.keys().cloned().map(job).collect()).await? {
            snat.extend(some_snat);
            forwards.extend(some_forwards);
        }
        // The gateways answer in any order; the view must not depend on it.
        snat.sort_by(|a, b| (&a.nat_gateway, &a.id).cmp(&(&b.nat_gateway, &b.id)));
        forwards.sort_by(|a: &ForwardEntry, b: &ForwardEntry| a.id.cmp(&b.id));
        Ok((gateways, snat, forwards))
    }

    async fn entries_of(
        &self,
        gateway: &NatGatewayId,
    ) -> Result<(Vec<SnatEntry>, Vec<ForwardEntry>), CloudError> {
        let call = |action| Call::read(Product::Vpc, action).with("NatGatewayId", gateway);
        let (snat, forward) = (call("DescribeSnatTableEntries"), call("DescribeForwardTableEntries"));
        let (snat, forwards) = tokio::try_join!(
            self.all(&snat, Paging::Number(VPC_PAGE), "SnatTableEntries.SnatTableEntry"),
            self.all(&forward, Paging::Number(VPC_PAGE), "ForwardTableEntries.ForwardTableEntry"),
        )?;
        let snat = snat.iter().filter_map(|item| parse::snat(item, gateway).transpose());
        let forwards = forwards.iter().map(|item| parse::forward(item, gateway));
        Ok((snat.collect::<Result<_, _>>()?, forwards.collect::<Result<_, _>>()?))
    }
}

/// Why something is not shown to us, if that is what the error says; any other error stays one.
fn unseen(error: CloudError) -> Result<String, CloudError> {
    let told = error.code.is_some()
        && matches!(error.kind, CloudErrorKind::Refused | CloudErrorKind::Account | CloudErrorKind::NotFound);
    if told { Ok(error.to_string()) } else { Err(error) }
}
