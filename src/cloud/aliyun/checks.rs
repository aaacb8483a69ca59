//! What is looked at only before a plan is made: security groups, quotas, IPv4 gateways, a dry run.
//!
//! Must never have an effect, and never fail a view because something is not permitted: what could not be read is named.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::client::{Api, Call};
use super::endpoints::Product;
use super::page::{Paging, gather};
use super::parse;
use crate::core::model::{InstanceId, SecurityGroupId, VpcId};
use crate::core::observed::{Account, CloudView, DryRun, SecurityGroup, Unread, Vpc};
use crate::core::permissions::is_denial;
use crate::core::plan::needs_change;
use crate::ports::{Checks, CloudError, CloudErrorKind};

/// Most ids in one `DescribeSecurityGroups`.
const GROUP_BATCH: usize = 100;
/// Most instances in one `ModifyInstanceChargeType`.
const CHARGE_BATCH: usize = 20;
/// The account attribute that limits secondary interfaces.
const ENI_LIMIT: &str = "max-elastic-network-interfaces";

/// The action as a policy names it.
pub(super) fn permission(product: Product, action: &str) -> String {
    let prefix = if product == Product::Ecs { "ecs" } else { "vpc" };
    format!("{prefix}:{action}")
}

/// An answer, or what is said of a read that got none.
type Look<T> = Result<T, (String, Unread)>;

/// Sorts out what only informs from what went wrong.
fn informs<T>(product: Product, result: Result<T, CloudError>) -> Result<Look<T>, CloudError> {
    let error = match result {
        Ok(value) => return Ok(Ok(value)),
        Err(error) => error,
    };
    let told =
        matches!(error.kind, CloudErrorKind::Refused | CloudErrorKind::Account | CloudErrorKind::NotFound);
    let Some(code) = error.code.as_ref().filter(|_| told) else { return Err(error) };
    let unread = Unread { reason: format!("{} [{code}]", error.message), denied: is_denial(code) };
    Ok(Err((permission(product, &error.action), unread)))
}

/// Takes an answer into the view, or notes that there was none.
fn keep<T>(view: &mut CloudView, look: Look<T>, take: impl FnOnce(&mut CloudView, T)) {
    match look {
        Ok(value) => take(view, value),
        Err((action, unread)) => drop(view.unread.insert(action, unread)),
    }
}

impl Api {
    /// Adds to the view what only a plan needs to know.
    pub(super) async fn add_checks(
        self: &Arc<Self>,
        checks: &Checks,
        view: &mut CloudView,
    ) -> Result<(), CloudError> {
        let vpcs: BTreeSet<VpcId> = view.instances.values().filter_map(|it| it.vpc.clone()).collect();
        let own = view.instances.values().flat_map(|it| it.security_groups.iter());
        let all: BTreeSet<SecurityGroupId> = own.chain(&checks.groups).cloned().collect();
        let copied = checks.copied.iter().filter_map(|id| view.instances.get(id));
        let copied = copied.flat_map(|it| it.security_groups.iter());
        let used: BTreeSet<SecurityGroupId> = copied.chain(&checks.groups).cloned().collect();
        let consenting = checks.charge_changes.iter().filter_map(|id| view.instances.get(id));
        let charged: Vec<InstanceId> =
            consenting.filter(|it| needs_change(it)).map(|it| it.id.clone()).collect();

        let (groups, rules, vpcs, eips, enis, limit, charges) = tokio::try_join!(
            self.groups(&all),
            self.rules(used),
            self.vpc_attributes(vpcs),
            self.total(Call::read(Product::Vpc, "DescribeEipAddresses")),
            self.total(Call::read(Product::Ecs, "DescribeNetworkInterfaces").with("Type", "Secondary")),
            self.eni_limit(),
            self.dry_runs(charged),
        )?;
        keep(view, groups, |view, groups| {
            view.security_groups = groups.into_iter().map(|group| (group.id.clone(), group)).collect();
        });
        for rules in rules {
            keep(view, rules, |view, (id, rules)| {
                if let Some(group) = view.security_groups.get_mut(&id) {
                    group.ingress = Some(rules);
                }
            });
        }
        for vpc in vpcs {
            keep(view, vpc, |view, (id, vpc)| drop(view.vpcs.insert(id, vpc)));
        }
        view.account = Account::default();
        keep(view, eips, |view, count| view.account.eips = count);
        keep(view, enis, |view, count| view.account.enis = count);
        keep(view, limit, |view, limit| view.account.eni_limit = limit);
        view.charge_changes = charges.into_iter().collect();
        Ok(())
    }

    async fn groups(
        self: &Arc<Self>,
        ids: &BTreeSet<SecurityGroupId>,
    ) -> Result<Look<Vec<SecurityGroup>>, CloudError> {
        let ids: Vec<&SecurityGroupId> = ids.iter().collect();
        let call = |ids: &[&SecurityGroupId]| {
            Call::read(Product::Ecs, "DescribeSecurityGroups")
                .with_json("SecurityGroupIds", ids)
                .with("IsQueryEcsCount", &true)
        };
        let calls = ids.chunks(GROUP_BATCH).map(call).collect();
        let paging = Paging::Token("MaxResults", GROUP_BATCH);
        let items = informs(Product::Ecs, self.lists(calls, paging, "SecurityGroups.SecurityGroup").await)?;
        items
            .map(|items| items.iter().map(parse::security_group).collect())
            .map_or_else(|unread| Ok(Err(unread)), |groups: Result<_, CloudError>| groups.map(Ok))
    }

    async fn rules(
        self: &Arc<Self>,
        ids: BTreeSet<SecurityGroupId>,
    ) -> Result<Vec<Look<(SecurityGroupId, Vec<crate::core::observed::Ingress>)>>, CloudError> {
        let job = |id: SecurityGroupId| {
            let api = Arc::clone(self);
            let call = Call::read(Product::Ecs, "DescribeSecurityGroupAttribute")
                .with("SecurityGroupId", &id)
                .with("Direction", "ingress");
            async move {
                let paging = Paging::Token("MaxResults", 1000);
                let items = api.all(&call, paging, "Permissions.Permission").await;
                let missing = matches!(&items, Err(error) if error.kind == CloudErrorKind::NotFound);
                let items = match informs(Product::Ecs, items)? {
                    Ok(items) => items,
                    // The list of groups tells better that one does not exist.
                    Err(_) if missing => return Ok(Ok((id, Vec::new()))),
                    Err(unread) => return Ok(Err(unread)),
                };
                let rules = items.iter().filter_map(|item| parse::ingress(item).transpose());
                Ok(Ok((id, rules.collect::<Result<_, _>>()?)))
            }
        };
        gather(ids.into_iter().map(job).collect()).await
    }

    async fn vpc_attributes(
        self: &Arc<Self>,
        ids: BTreeSet<VpcId>,
    ) -> Result<Vec<Look<(VpcId, Vpc)>>, CloudError> {
        let job = |id: VpcId| {
            let api = Arc::clone(self);
            let call = Call::read(Product::Vpc, "DescribeVpcAttribute").with("VpcId", &id);
            async move {
                let answer = informs(Product::Vpc, api.read(&call).await)?;
                Ok(answer.map(|answer| (id, parse::vpc(&answer))))
            }
        };
        gather(ids.into_iter().map(job).collect()).await
    }

    /// How many there are of what the call lists, by its first page alone.
    async fn total(self: &Arc<Self>, call: Call) -> Result<Look<Option<u32>>, CloudError> {
        let product = call.product;
        let call = call.with("PageNumber", &1).with("PageSize", &10);
        Ok(informs(product, self.read(&call).await)?.map(|answer| parse::total(&answer)))
    }

    async fn eni_limit(self: &Arc<Self>) -> Result<Look<Option<u32>>, CloudError> {
        let call = Call::read(Product::Ecs, "DescribeAccountAttributes").with("AttributeName.1", ENI_LIMIT);
        let answer = informs(Product::Ecs, self.read(&call).await)?;
        Ok(answer.map(|answer| parse::attribute(&answer, ENI_LIMIT)))
    }

    /// Dry runs of the change to pay-as-you-go: all at once, and one by one where that is refused.
    async fn dry_runs(
        self: &Arc<Self>,
        ids: Vec<InstanceId>,
    ) -> Result<Vec<(InstanceId, DryRun)>, CloudError> {
        let mut said = Vec::new();
        for batch in ids.chunks(CHARGE_BATCH) {
            match self.dry_run(batch).await? {
                DryRun::Refused(..) if batch.len() > 1 => {
                    for id in batch {
                        said.push((id.clone(), self.dry_run(std::slice::from_ref(id)).await?));
                    }
                }
                all => said.extend(batch.iter().map(|id| (id.clone(), all.clone()))),
            }
        }
        Ok(said)
    }

    async fn dry_run(&self, ids: &[InstanceId]) -> Result<DryRun, CloudError> {
        let call = Call::read(Product::Ecs, "ModifyInstanceChargeType")
            .with_json("InstanceIds", ids)
            .with("InstanceChargeType", "PostPaid")
            .with("AutoPay", &true)
            .with("DryRun", &true);
        let answer: Result<Value, CloudError> = self.read(&call).await;
        match answer {
            // The vendor says by an error that a dry run would have passed.
            Ok(_) => Ok(DryRun::Passed),
            Err(CloudError { code: Some(code), .. }) if code == "DryRunOperation" => Ok(DryRun::Passed),
            Err(CloudError { kind: CloudErrorKind::Busy, code: Some(code), message, .. }) => {
                Ok(DryRun::Refused(code, message))
            }
            Err(error) => {
                informs(Product::Ecs, Err::<Value, _>(error.clone())).map(drop)?;
                match error.code {
                    Some(code) => Ok(DryRun::Refused(code, error.message)),
                    None => Err(error),
                }
            }
        }
    }
}
