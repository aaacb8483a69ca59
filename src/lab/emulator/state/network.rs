//! What the procedure reads and never changes: vSwitches, security groups, the NAT gateway's tables, routes.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use ipnet::Ipv4Net;
use serde::Serialize;

use super::Cloud;
use crate::core::model::VSwitchId;

/// A subnet.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct VSwitch {
    /// `VSwitchId`.
    pub id: VSwitchId,
    /// `VpcId`.
    pub vpc: String,
    /// `ZoneId`.
    pub zone: String,
    /// `CidrBlock`.
    pub cidr: Ipv4Net,
    /// Offset of the first address given to new interfaces.
    pub first_dynamic: u32,
    /// `RouteTable.RouteTableId`.
    pub route_table: String,
}

impl VSwitch {
    /// The addresses interfaces may have: all but the first and the last three.
    #[must_use]
    pub(crate) fn usable(&self) -> RangeInclusive<u32> {
        u32::from(self.cidr.network()) + 1..=u32::from(self.cidr.broadcast()) - 3
    }
}

/// A security group.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SecurityGroup {
    /// `SecurityGroupId`.
    pub id: String,
    /// `VpcId`.
    pub vpc: String,
}

/// An instance type.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct InstanceType {
    /// `InstanceTypeId`.
    pub id: String,
    /// `EniQuantity`: interfaces it takes, the primary included.
    pub eni_quantity: usize,
    /// Takes interfaces while running.
    pub hot_plug: bool,
}

/// A SNAT entry.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SnatEntry {
    /// `SnatEntryId`.
    pub id: String,
    /// `SourceCIDR`.
    pub source: Ipv4Net,
    /// `SourceVSwitchId`.
    pub vswitch: VSwitchId,
    /// `SnatIp`.
    pub address: Ipv4Addr,
}

/// A DNAT entry that maps one whole address.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ForwardEntry {
    /// `ForwardEntryId`.
    pub id: String,
    /// `ExternalIp`.
    pub external: Ipv4Addr,
    /// `InternalIp`.
    pub internal: Ipv4Addr,
}

/// A route table of one vSwitch, with its default route to the NAT gateway.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RouteTable {
    /// `RouteTableId`.
    pub id: String,
    /// The vSwitch that uses it.
    pub vswitch: VSwitchId,
    /// `RouteTableType` is `System`.
    pub system: bool,
}

impl Cloud {
    /// An interface has this address.
    #[must_use]
    pub(crate) fn is_taken(&self, address: Ipv4Addr) -> bool {
        self.enis.values().any(|eni| eni.address == address)
    }

    /// The first free address for a new interface.
    #[must_use]
    pub(crate) fn free_address(&self, vswitch: &VSwitchId) -> Option<Ipv4Addr> {
        let vswitch = self.vswitches.get(vswitch)?;
        let first = u32::from(vswitch.cidr.network()) + vswitch.first_dynamic;
        (first..=*vswitch.usable().end()).map(Ipv4Addr::from).find(|address| !self.is_taken(*address))
    }

    /// `AvailableIpAddressCount`.
    #[must_use]
    pub(crate) fn free_addresses(&self, vswitch: &VSwitch) -> usize {
        let used = self.enis.values().filter(|eni| eni.vswitch == vswitch.id).count();
        vswitch.usable().count().saturating_sub(used)
    }
}
