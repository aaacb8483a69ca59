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

/// A security group. The lab's network does not filter by it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SecurityGroup {
    /// `SecurityGroupId`.
    pub id: String,
    /// `VpcId`.
    pub vpc: String,
    /// `SecurityGroupType`: `normal` or `enterprise`.
    pub kind: &'static str,
    /// Private addresses it takes in all.
    pub limit: usize,
    /// What it lets in and what it keeps out.
    pub rules: Vec<GroupRule>,
}

/// A rule for what comes in.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct GroupRule {
    /// `IpProtocol`.
    pub protocol: &'static str,
    /// `PortRange`.
    pub ports: &'static str,
    /// `SourceCidrIp`.
    pub source: &'static str,
    /// `Policy` is `Accept`.
    pub accept: bool,
    /// `Priority`.
    pub priority: u8,
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
    /// Instances with this group.
    #[must_use]
    pub(crate) fn instances_in(&self, group: &str) -> usize {
        self.instances.values().filter(|it| it.security_groups.iter().any(|own| own == group)).count()
    }

    /// Private addresses that the group still takes.
    #[must_use]
    pub(crate) fn room_in(&self, group: &SecurityGroup) -> usize {
        let used = self.enis.values().filter(|eni| eni.security_groups.contains(&group.id)).count();
        group.limit.saturating_sub(used)
    }

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
