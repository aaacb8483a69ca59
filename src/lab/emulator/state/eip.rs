//! EIPs: bound to an instance or an interface, and released from it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Serialize;

use super::super::errors::{
    ApiError, BANDWIDTH_LEFT, DUPLICATE, EIP_STATUS, EIP_UNKNOWN, ENI_ATTACHED, ENI_ID_BAD, ENI_TRANSIENT,
    HOLDER_STATUS, HOLDER_TYPE, HOLDER_UNKNOWN, NOT_BOUND_THERE, PORT_MAPPED, STATIC_ADDRESS, TASK_CONFLICT,
    USED_BY_SNAT,
};
use super::super::params::{invalid, missing};
use super::{Cloud, Eni, EniStatus, words};
use crate::core::model::{AllocationId, EniId, InstanceId, NatGatewayId};

words! {
    /// `Status` of an EIP.
    EipStatus {
        /// Bound to nothing.
        Available,
        /// On its way to `InUse`.
        Associating,
        /// Bound.
        InUse,
        /// On its way to `Available`.
        Unassociating,
    }
}

/// What an EIP is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) enum Holder {
    /// An instance's primary interface.
    Instance(InstanceId),
    /// A secondary interface.
    Eni(EniId),
    /// A NAT gateway.
    Nat(NatGatewayId),
}

impl Holder {
    /// `InstanceType` on the wire.
    #[must_use]
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Instance(_) => "EcsInstance",
            Self::Eni(_) => "NetworkInterface",
            Self::Nat(_) => "Nat",
        }
    }

    /// `InstanceId` on the wire.
    #[must_use]
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Instance(id) => id.as_str(),
            Self::Eni(id) => id.as_str(),
            Self::Nat(id) => id.as_str(),
        }
    }
}

/// An EIP.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Eip {
    /// `AllocationId`.
    pub id: AllocationId,
    /// `IpAddress`.
    pub address: Ipv4Addr,
    /// `Name`.
    pub name: String,
    /// `Status`.
    pub status: EipStatus,
    /// What it is bound to, or on its way to or from.
    pub holder: Option<Holder>,
    /// The private address it translates to.
    pub private: Option<Ipv4Addr>,
    /// `Bandwidth`, Mbit/s.
    pub bandwidth: u32,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// What a call names as the holder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// `InstanceType`; `EcsInstance` if not given.
    pub kind: Option<&'a str>,
    /// `InstanceId`.
    pub id: Option<&'a str>,
    /// `PrivateIpAddress`.
    pub private: Option<Ipv4Addr>,
    /// `Mode`.
    pub mode: Option<&'a str>,
}

impl Cloud {
    /// Begins `AssociateEipAddress`.
    ///
    /// # Errors
    /// The refusals documented for the action.
    pub(crate) fn start_associate(
        &mut self,
        eip: &str,
        target: Target<'_>,
    ) -> Result<AllocationId, ApiError> {
        let eip = self.eip(eip).ok_or(EIP_UNKNOWN)?;
        if eip.status != EipStatus::Available {
            return Err(EIP_STATUS.into());
        }
        let id = target.id.ok_or_else(|| missing("InstanceId"))?;
        let (holder, private) = match target.kind.unwrap_or("EcsInstance") {
            "EcsInstance" => self.instance_target(id)?,
            "NetworkInterface" => self.eni_target(id, target)?,
            _ => return Err(HOLDER_TYPE.into()),
        };
        match self.eip_of(&holder).map(|other| other.status) {
            None => {}
            Some(EipStatus::InUse) => return Err(DUPLICATE.into()),
            Some(_) => return Err(TASK_CONFLICT.into()),
        }
        if self.forwards.values().any(|entry| entry.internal == private) {
            return Err(PORT_MAPPED.into());
        }
        let eip = eip.id.clone();
        self.set_eip(&eip, EipStatus::Associating, Some((holder, private)));
        Ok(eip)
    }

    fn instance_target(&self, id: &str) -> Result<(Holder, Ipv4Addr), ApiError> {
        let instance = self.instance(id).ok_or(HOLDER_UNKNOWN)?;
        if !instance.is_steady() {
            return Err(HOLDER_STATUS.into());
        }
        if instance.public.is_some() {
            return Err(STATIC_ADDRESS.into());
        }
        if instance.bandwidth != 0 {
            return Err(BANDWIDTH_LEFT.into());
        }
        Ok((Holder::Instance(instance.id.clone()), instance.address))
    }

    fn eni_target(&self, id: &str, target: Target<'_>) -> Result<(Holder, Ipv4Addr), ApiError> {
        let eni = match self.eni(id) {
            Some(eni) if !eni.primary => eni,
            Some(_) => return Err(ENI_ID_BAD.because("The network interface is a primary one.")),
            None if id.starts_with("eni-") => return Err(HOLDER_UNKNOWN.into()),
            None => return Err(ENI_ID_BAD.into()),
        };
        if !matches!(eni.status, EniStatus::Available | EniStatus::InUse) {
            return Err(ENI_TRANSIENT.into());
        }
        check_mode(eni, target.mode.unwrap_or("NAT"))?;
        match target.private {
            None => Err(missing("PrivateIpAddress")),
            Some(address) if address == eni.address => Ok((Holder::Eni(eni.id.clone()), address)),
            Some(_) => Err(invalid("PrivateIpAddress", "is not an address of the network interface")),
        }
    }

    /// Begins `UnassociateEipAddress`. A holder or private address that is named must be the one it is bound to.
    ///
    /// # Errors
    /// The refusals documented for the action.
    pub(crate) fn start_unassociate(
        &mut self,
        eip: &str,
        target: Target<'_>,
    ) -> Result<AllocationId, ApiError> {
        let eip = self.eip(eip).ok_or(EIP_UNKNOWN)?;
        let (EipStatus::InUse, Some(holder)) = (eip.status, &eip.holder) else {
            return Err(EIP_STATUS.into());
        };
        let kind = target.kind.unwrap_or("EcsInstance");
        if !["EcsInstance", "NetworkInterface", "Nat"].contains(&kind) {
            return Err(HOLDER_TYPE.into());
        }
        let elsewhere = holder.kind() != kind
            || target.id.is_some_and(|id| id != holder.id())
            || target.private.is_some_and(|address| Some(address) != eip.private);
        if elsewhere {
            return Err(NOT_BOUND_THERE.into());
        }
        if self.snat.values().any(|entry| entry.address == eip.address) {
            return Err(USED_BY_SNAT.into());
        }
        if let Holder::Instance(id) = holder
            && self.instances.get(id).is_some_and(|instance| !instance.is_steady())
        {
            return Err(HOLDER_STATUS.into());
        }
        if let Holder::Eni(eni) = holder
            && self
                .enis
                .get(eni)
                .is_some_and(|eni| !matches!(eni.status, EniStatus::Available | EniStatus::InUse))
        {
            return Err(ENI_TRANSIENT.into());
        }
        let eip = eip.id.clone();
        if let Some(eip) = self.eips.get_mut(&eip) {
            eip.status = EipStatus::Unassociating;
        }
        Ok(eip)
    }

    /// Ends an association: bound, or available again if the translation could not be set up.
    pub(crate) fn finish_associate(&mut self, eip: &AllocationId, bound: bool) {
        self.settle_eip(eip, bound);
    }

    /// Ends a release: available, or still bound if the translation could not be ended.
    pub(crate) fn finish_unassociate(&mut self, eip: &AllocationId, unbound: bool) {
        self.settle_eip(eip, !unbound);
    }

    fn settle_eip(&mut self, eip: &AllocationId, bound: bool) {
        let before = self.eips.get(eip).and_then(|eip| eip.holder.clone().zip(eip.private));
        match before.filter(|_| bound) {
            Some(binding) => self.set_eip(eip, EipStatus::InUse, Some(binding)),
            None => self.set_eip(eip, EipStatus::Available, None),
        }
    }

    fn set_eip(&mut self, eip: &AllocationId, status: EipStatus, binding: Option<(Holder, Ipv4Addr)>) {
        if let Some(eip) = self.eips.get_mut(eip) {
            eip.status = status;
            (eip.holder, eip.private) = binding.unzip();
        }
    }
}

fn check_mode(eni: &Eni, mode: &str) -> Result<(), ApiError> {
    match mode {
        "NAT" => Ok(()),
        "BINDED" if eni.status == EniStatus::InUse => Err(ENI_ATTACHED.into()),
        _ => Err(invalid("Mode", "is not supported by the lab, which translates (NAT) only")),
    }
}
