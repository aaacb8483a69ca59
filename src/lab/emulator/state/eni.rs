//! Network interfaces: created, attached, detached, deleted.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Serialize;

use super::super::errors::{
    ADDRESS_OUTSIDE, ADDRESS_TAKEN, ApiError, ECS_BUSY, ECS_MALFORMED, ECS_STATE, ECS_UNKNOWN, ENI_ELSEWHERE,
    ENI_MALFORMED, ENI_PER_INSTANCE, ENI_QUOTA, ENI_STATE, ENI_TYPE, ENI_UNKNOWN, GROUP_FULL, GROUP_UNKNOWN,
    HOT_PLUG, INTERNAL, PRIMARY_DETACH, VPC_MISMATCH, VSWITCH_FULL, VSWITCH_UNKNOWN, ZONE_MISMATCH,
};
use super::super::params::invalid;
use super::{Cloud, Holder, Instance, words};
use crate::core::model::{EniId, InstanceId, MacAddr, VSwitchId};
use crate::lab::fabric::Port;

words! {
    /// `Status` of an interface.
    EniStatus {
        /// Exists, not attached.
        Available,
        /// On its way to `InUse`.
        Attaching,
        /// Attached.
        InUse,
        /// On its way to `Available`.
        Detaching,
        /// On its way out of existence.
        Deleting,
    }
}

/// A network interface.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Eni {
    /// `NetworkInterfaceId`.
    pub id: EniId,
    /// `NetworkInterfaceName`.
    pub name: String,
    /// `Description`.
    pub description: String,
    /// `Status`.
    pub status: EniStatus,
    /// `Type` is `Primary`.
    pub primary: bool,
    /// `MacAddress`.
    pub mac: MacAddr,
    /// `PrivateIpAddress`.
    pub address: Ipv4Addr,
    /// `VSwitchId`.
    pub vswitch: VSwitchId,
    /// `SecurityGroupIds`.
    pub security_groups: Vec<String>,
    /// The instance it is attached to, or on its way to or from.
    pub instance: Option<InstanceId>,
    /// `SourceDestCheck`.
    pub source_dest_check: bool,
    /// `DeleteOnRelease`.
    pub delete_on_release: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// `ResourceGroupId`.
    pub resource_group: String,
}

/// What `CreateNetworkInterface` asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewEni {
    /// `NetworkInterfaceName`.
    pub name: String,
    /// `Description`.
    pub description: String,
    /// `VSwitchId`.
    pub vswitch: String,
    /// `SecurityGroupId` or `SecurityGroupIds.N`.
    pub security_groups: Vec<String>,
    /// `PrimaryIpAddress`.
    pub address: Option<Ipv4Addr>,
    /// `SourceDestCheck`.
    pub source_dest_check: bool,
    /// `DeleteOnRelease`.
    pub delete_on_release: bool,
    /// `Tag.N`.
    pub tags: BTreeMap<String, String>,
    /// `ResourceGroupId`.
    pub resource_group: String,
}

impl Cloud {
    /// `CreateNetworkInterface`; at most `quota` secondary interfaces may exist after it.
    ///
    /// # Errors
    /// The refusals documented for the action.
    pub(crate) fn create_eni(&mut self, wish: NewEni, quota: usize) -> Result<Eni, ApiError> {
        let vswitch = self.vswitch(&wish.vswitch).ok_or(VSWITCH_UNKNOWN)?;
        for group in &wish.security_groups {
            let group = self.security_groups.get(group).ok_or(GROUP_UNKNOWN)?;
            if group.vpc != vswitch.vpc {
                return Err(VPC_MISMATCH.into());
            }
            if self.room_in(group) == 0 {
                return Err(GROUP_FULL.into());
            }
        }
        let kinds = wish.security_groups.iter().filter_map(|id| self.security_groups.get(id));
        if kinds.map(|group| group.kind).collect::<std::collections::BTreeSet<_>>().len() > 1 {
            return Err(invalid("SecurityGroupIds", "mixes basic and advanced security groups"));
        }
        if self.enis.values().filter(|eni| !eni.primary).count() >= quota {
            return Err(ENI_QUOTA.into());
        }
        let address = match wish.address {
            Some(address) if !vswitch.usable().contains(&u32::from(address)) => {
                return Err(ADDRESS_OUTSIDE.into());
            }
            Some(address) if self.is_taken(address) => return Err(ADDRESS_TAKEN.into()),
            Some(address) => address,
            None => self.free_address(&vswitch.id).ok_or(VSWITCH_FULL)?,
        };
        let vswitch = vswitch.id.clone();
        let number = self.created.checked_add(1).ok_or(INTERNAL)?;
        let [.., seed] = self.seed.to_be_bytes();
        let [high, low] = number.to_be_bytes();
        let eni = Eni {
            id: format!("eni-lab{:06x}{number:05}", self.seed & 0xff_ffff).parse().map_err(|_| INTERNAL)?,
            name: wish.name,
            description: wish.description,
            status: EniStatus::Available,
            primary: false,
            mac: MacAddr([0x00, 0x16, 0x3d, seed, high, low]),
            address,
            vswitch,
            security_groups: wish.security_groups,
            instance: None,
            source_dest_check: wish.source_dest_check,
            delete_on_release: wish.delete_on_release,
            tags: wish.tags,
            resource_group: wish.resource_group,
        };
        self.created = number;
        self.enis.insert(eni.id.clone(), eni.clone());
        Ok(eni)
    }

    fn named_eni(&self, id: &str) -> Result<&Eni, ApiError> {
        let missing = if id.starts_with("eni-") { ENI_UNKNOWN } else { ENI_MALFORMED };
        self.eni(id).ok_or_else(|| missing.into())
    }

    fn named_instance(&self, id: &str) -> Result<&Instance, ApiError> {
        let missing = if id.starts_with("i-") { ECS_UNKNOWN } else { ECS_MALFORMED };
        self.instance(id).ok_or_else(|| missing.into())
    }

    /// An interface of the instance is on its way to or from it.
    fn is_plugging(&self, instance: &InstanceId) -> bool {
        self.enis_of(instance).any(|eni| matches!(eni.status, EniStatus::Attaching | EniStatus::Detaching))
    }

    /// Begins `AttachNetworkInterface`.
    ///
    /// # Errors
    /// The refusals documented for the action.
    pub(crate) fn start_attach(&mut self, eni: &str, instance: &str) -> Result<EniId, ApiError> {
        let eni = self.named_eni(eni)?;
        let instance = self.named_instance(instance)?;
        if eni.primary {
            return Err(ENI_TYPE.into());
        }
        if eni.status != EniStatus::Available {
            return Err(ENI_STATE.into());
        }
        if !instance.is_steady() {
            return Err(ECS_STATE.into());
        }
        let (theirs, ours) = (self.vswitches.get(&instance.vswitch), self.vswitches.get(&eni.vswitch));
        let (Some(theirs), Some(ours)) = (theirs, ours) else { return Err(VSWITCH_UNKNOWN.into()) };
        if theirs.vpc != ours.vpc {
            return Err(VPC_MISMATCH.into());
        }
        if theirs.zone != ours.zone {
            return Err(ZONE_MISMATCH.into());
        }
        let kind = self.instance_types.get(&instance.instance_type).ok_or(INTERNAL)?;
        if self.enis_of(&instance.id).count() >= kind.eni_quantity {
            return Err(ENI_PER_INSTANCE.into());
        }
        if !kind.hot_plug {
            return Err(HOT_PLUG.into());
        }
        if self.is_plugging(&instance.id) {
            return Err(ECS_BUSY.into());
        }
        let (eni, instance) = (eni.id.clone(), instance.id.clone());
        self.set_eni(&eni, EniStatus::Attaching, Some(instance));
        Ok(eni)
    }

    /// Begins `DetachNetworkInterface`. `None` if a detachment is under way already, which is no error.
    ///
    /// # Errors
    /// The refusals documented for the action.
    pub(crate) fn start_detach(&mut self, eni: &str, instance: &str) -> Result<Option<EniId>, ApiError> {
        let eni = self.named_eni(eni)?;
        let instance = self.named_instance(instance)?;
        if eni.instance.as_ref() != Some(&instance.id) {
            return Err(ENI_ELSEWHERE.into());
        }
        if eni.primary {
            return Err(PRIMARY_DETACH.into());
        }
        if !instance.is_steady() {
            return Err(ECS_STATE.into());
        }
        match eni.status {
            EniStatus::Detaching => Ok(None),
            EniStatus::InUse if self.is_plugging(&instance.id) => Err(ECS_BUSY.into()),
            EniStatus::InUse => {
                let (eni, instance) = (eni.id.clone(), instance.id.clone());
                self.set_eni(&eni, EniStatus::Detaching, Some(instance));
                Ok(Some(eni))
            }
            _ => Err(ENI_STATE.into()),
        }
    }

    /// Begins `DeleteNetworkInterface`. `None` if a deletion is under way already, which is no error. An interface that an
    /// EIP is bound to is refused: the lab would rather stop a client than lose an address.
    ///
    /// # Errors
    /// The refusals documented for the action.
    pub(crate) fn start_delete(&mut self, eni: &str) -> Result<Option<EniId>, ApiError> {
        let eni = self.named_eni(eni)?;
        match eni.status {
            EniStatus::Deleting => Ok(None),
            EniStatus::Available => {
                if self.eip_of(&Holder::Eni(eni.id.clone())).is_some() {
                    return Err(ENI_STATE.because("An EIP is bound to the network interface."));
                }
                let eni = eni.id.clone();
                self.set_eni(&eni, EniStatus::Deleting, None);
                Ok(Some(eni))
            }
            _ => Err(ENI_STATE.into()),
        }
    }

    /// The instance an interface is on its way to or from, and the interface as the fabric plugs it. The VPC drops
    /// spoofed packets of every interface, whatever `SourceDestCheck` says, if `always_check`.
    #[must_use]
    pub(crate) fn port(&self, eni: &EniId, always_check: bool) -> Option<(InstanceId, Port)> {
        let eni = self.enis.get(eni)?;
        let vswitch = self.vswitches.get(&eni.vswitch)?;
        let port = Port {
            mac: eni.mac,
            address: eni.address,
            vswitch: eni.vswitch.clone(),
            cidr: vswitch.cidr,
            source_check: always_check || eni.source_dest_check,
        };
        Some((eni.instance.clone()?, port))
    }

    /// Ends an attachment: attached, or available again if the plugging failed.
    pub(crate) fn finish_attach(&mut self, eni: &EniId, plugged: bool) {
        self.settle_eni(eni, plugged);
    }

    /// Ends a detachment: available, or still attached if the unplugging failed.
    pub(crate) fn finish_detach(&mut self, eni: &EniId, unplugged: bool) {
        self.settle_eni(eni, !unplugged);
    }

    /// Ends a deletion: gone, or available again.
    pub(crate) fn finish_delete(&mut self, eni: &EniId, gone: bool) {
        if gone {
            self.enis.remove(eni);
        } else {
            self.set_eni(eni, EniStatus::Available, None);
        }
    }

    fn settle_eni(&mut self, eni: &EniId, attached: bool) {
        if attached {
            let instance = self.enis.get(eni).and_then(|eni| eni.instance.clone());
            self.set_eni(eni, EniStatus::InUse, instance);
        } else {
            self.set_eni(eni, EniStatus::Available, None);
        }
    }

    fn set_eni(&mut self, eni: &EniId, status: EniStatus, instance: Option<InstanceId>) {
        if let Some(eni) = self.enis.get_mut(eni) {
            eni.status = status;
            eni.instance = instance;
        }
    }
}
