//! Whether a wish is already fulfilled: the one look that an ambiguous answer to a write asks for.
//!
//! Looks once and repeats nothing; what cannot be seen is "not yet".

use std::collections::BTreeSet;

use super::client::Api;
use super::parse;
use super::read::{by_allocation, eni_ids, instance_ids};
use crate::core::model::{AllocationId, EniId, InstanceId};
use crate::core::observed::{ChargeType, Eip, EipHolder, EipStatus, Eni, EniStatus, Instance};

/// What a write wants.
#[derive(Debug, Clone)]
pub(super) enum Look {
    /// Nothing that could be found by looking.
    Nowhere,
    /// The instance is paid for as you go.
    PostPaid(InstanceId),
    /// The instance's static public address is an EIP.
    Converted(InstanceId),
    /// The interface is at the instance, or on its way.
    Attached(EniId, InstanceId),
    /// The interface is not at the instance, or on its way off.
    Detached(EniId, InstanceId),
    /// The interface does not exist, or is on its way out.
    Gone(EniId),
    /// The EIP is at the holder, or on its way.
    Bound(AllocationId, EipHolder),
    /// The EIP is not bound, or on its way off.
    Unbound(AllocationId, EipHolder),
}

/// What the look showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sight {
    /// The wish is fulfilled or under way.
    Done,
    /// It is not, or it could not be seen.
    NotYet,
    /// It is not and waiting does not help, for this reason.
    Never(String),
}

fn done(fulfilled: bool) -> Sight {
    if fulfilled { Sight::Done } else { Sight::NotYet }
}

/// Whether an instance's address has been converted.
pub(super) fn is_converted(instance: &Instance) -> bool {
    instance.eip.is_some() && instance.public_ip.is_none()
}

impl Api {
    /// Looks once.
    pub(super) async fn sight(&self, look: &Look) -> Sight {
        match look {
            Look::Nowhere => Sight::NotYet,
            Look::PostPaid(id) => self
                .instance(id)
                .await
                .map_or(Sight::NotYet, |it| done(it.charge_type == ChargeType::PostPaid)),
            Look::Converted(id) => {
                self.instance(id).await.map_or(Sight::NotYet, |it| done(is_converted(&it)))
            }
            Look::Attached(eni, instance) => match self.eni(eni).await {
                Some(Some(eni)) => attached(&eni, instance),
                _ => Sight::NotYet,
            },
            Look::Detached(eni, instance) => match self.eni(eni).await {
                Some(Some(eni)) => done(
                    eni.instance.as_ref() != Some(instance)
                        || matches!(
                            eni.status,
                            EniStatus::Available | EniStatus::Detaching | EniStatus::Deleting
                        ),
                ),
                Some(None) => Sight::Done,
                None => Sight::NotYet,
            },
            Look::Gone(eni) => match self.eni(eni).await {
                Some(Some(eni)) => done(eni.status == EniStatus::Deleting),
                Some(None) => Sight::Done,
                None => Sight::NotYet,
            },
            Look::Bound(eip, holder) => self.eip(eip).await.map_or(Sight::NotYet, |eip| bound(&eip, holder)),
            Look::Unbound(eip, holder) => {
                self.eip(eip).await.map_or(Sight::NotYet, |eip| unbound(&eip, holder))
            }
        }
    }

    async fn instance(&self, id: &InstanceId) -> Option<Instance> {
        let answer = self.send(&instance_ids(&BTreeSet::from([id.clone()])), None).await.ok()?;
        let list = parse::instances(&answer).ok()?;
        list.into_iter().map(|record| record.instance).find(|instance| instance.id == *id)
    }

    /// `None` if it could not be seen, `Some(None)` if it does not exist.
    async fn eni(&self, id: &EniId) -> Option<Option<Eni>> {
        let answer = self.send(&eni_ids(&BTreeSet::from([id.clone()])), None).await.ok()?;
        let list = parse::enis(&answer).ok()?;
        Some(list.into_iter().map(|record| record.eni).find(|eni| eni.id == *id))
    }

    async fn eip(&self, id: &AllocationId) -> Option<Eip> {
        let answer = self.send(&by_allocation(&BTreeSet::from([id.clone()])), None).await.ok()?;
        parse::eips(&answer).ok()?.into_iter().find(|eip| eip.id == *id)
    }
}

fn attached(eni: &Eni, instance: &InstanceId) -> Sight {
    match &eni.instance {
        Some(at) if at == instance => done(matches!(eni.status, EniStatus::Attaching | EniStatus::InUse)),
        Some(at) => Sight::Never(format!("{} is attached to {at}", eni.id)),
        None => Sight::NotYet,
    }
}

fn bound(eip: &Eip, holder: &EipHolder) -> Sight {
    match &eip.holder {
        Some(at) if at == holder => done(matches!(eip.status, EipStatus::Associating | EipStatus::InUse)),
        Some(at) if eip.status == EipStatus::InUse => {
            Sight::Never(format!("{} is bound to {}", eip.id, name(at)))
        }
        _ => Sight::NotYet,
    }
}

fn unbound(eip: &Eip, holder: &EipHolder) -> Sight {
    match &eip.holder {
        _ if matches!(eip.status, EipStatus::Available | EipStatus::Unassociating) => Sight::Done,
        Some(at) if at != holder => Sight::Never(format!("{} is bound to {}", eip.id, name(at))),
        _ => Sight::NotYet,
    }
}

/// A holder's id as people know it.
pub(super) fn name(holder: &EipHolder) -> &str {
    match holder {
        EipHolder::Instance(id) => id.as_str(),
        EipHolder::Eni(id) => id.as_str(),
        EipHolder::Other(_, id) => id,
    }
}
