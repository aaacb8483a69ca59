//! The emulated cloud's state and its transitions: pure, without time, tasks or network.
//!
//! Must never change anything on a refusal: each transition checks first and acts after.

mod build;
mod eip;
mod eni;
mod instance;
mod network;

#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Serialize;

pub(crate) use eip::{Eip, EipStatus, Holder, Target};
pub(crate) use eni::{Eni, EniStatus, NewEni};
pub(crate) use instance::{ChargeType, Instance, TrafficCharge};
pub(crate) use network::{
    ForwardEntry, GroupRule, InstanceType, RouteTable, SecurityGroup, SnatEntry, VSwitch,
};

use crate::core::model::{AllocationId, EniId, InstanceId, NatGatewayId, VSwitchId};

/// Declares an enum whose variants' names are the wire's words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$inner:meta])* $word:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
        pub(crate) enum $name { $($(#[$inner])* $word,)* }

        impl $name {
            /// The word of the wire.
            #[must_use]
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$word => stringify!($word),)* }
            }
        }
    };
}
pub(super) use words;

/// Everything there is. Its JSON form is the canonical picture of the cloud: ordered, and without anything that changes
/// by itself.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cloud {
    /// Instances by id.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// Network interfaces by id.
    pub enis: BTreeMap<EniId, Eni>,
    /// EIPs by allocation id.
    pub eips: BTreeMap<AllocationId, Eip>,
    /// vSwitches by id.
    pub vswitches: BTreeMap<VSwitchId, VSwitch>,
    /// Security groups by id.
    pub security_groups: BTreeMap<String, SecurityGroup>,
    /// Instance types by name.
    pub instance_types: BTreeMap<String, InstanceType>,
    /// The NAT gateway.
    pub nat_gateway: NatGatewayId,
    /// SNAT entries of the NAT gateway by id.
    pub snat: BTreeMap<String, SnatEntry>,
    /// DNAT entries of the NAT gateway by id.
    pub forwards: BTreeMap<String, ForwardEntry>,
    /// `Ipv4GatewayId` of the VPC.
    pub ipv4_gateway: Option<String>,
    /// Route tables by id.
    pub route_tables: BTreeMap<String, RouteTable>,
    /// When the lab began, in milliseconds since 1970: base of creation and expiry times.
    #[serde(skip)]
    pub began_ms: i64,
    /// Low bits of the seed, for ids of what is created.
    #[serde(skip)]
    seed: u64,
    /// Interfaces created so far.
    #[serde(skip)]
    created: u16,
}

/// Looks an id of the wire up in a map. A malformed id is an id that does not exist.
fn find<'a, K: Ord + FromStr, V>(map: &'a BTreeMap<K, V>, id: &str) -> Option<&'a V> {
    id.parse().ok().and_then(|id: K| map.get(&id))
}

impl Cloud {
    /// The instance with this id.
    #[must_use]
    pub(crate) fn instance(&self, id: &str) -> Option<&Instance> {
        find(&self.instances, id)
    }

    /// The interface with this id.
    #[must_use]
    pub(crate) fn eni(&self, id: &str) -> Option<&Eni> {
        find(&self.enis, id)
    }

    /// The EIP with this allocation id.
    #[must_use]
    pub(crate) fn eip(&self, id: &str) -> Option<&Eip> {
        find(&self.eips, id)
    }

    /// The vSwitch with this id.
    #[must_use]
    pub(crate) fn vswitch(&self, id: &str) -> Option<&VSwitch> {
        find(&self.vswitches, id)
    }

    /// The EIP that is bound, or on its way to or from being bound, to a holder.
    #[must_use]
    pub(crate) fn eip_of(&self, holder: &Holder) -> Option<&Eip> {
        self.eips.values().find(|eip| eip.holder.as_ref() == Some(holder))
    }

    /// The interfaces of an instance, the primary first.
    pub(crate) fn enis_of(&self, instance: &InstanceId) -> impl Iterator<Item = &Eni> {
        let mut enis: Vec<&Eni> =
            self.enis.values().filter(|eni| eni.instance.as_ref() == Some(instance)).collect();
        enis.sort_by_key(|eni| !eni.primary);
        enis.into_iter()
    }
}
