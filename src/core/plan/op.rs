//! The closed list of things that can be done to a host, as plain data.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::RouteTarget;
use crate::core::model::{
    AllocationId, EniId, InstanceId, MacAddr, ResourceGroupId, SecurityGroupId, VSwitchId,
};
use crate::core::observed::EipHolder;

/// The steps of the procedure in the order in which they are run. The host's part comes before the EIP moves, so that
/// everything that can fail on the host fails before anything is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// `PrePaid` → `PostPaid`.
    ChargeType,
    /// Static public address → EIP.
    Convert,
    /// Create the secondary interface.
    CreateEni,
    /// Attach it to the instance.
    AttachEni,
    /// Policy route and its persistence on the host.
    Configure,
    /// Take the EIP off its present holder. The inbound outage begins.
    Unassociate,
    /// Bind the EIP to the secondary interface. The inbound outage ends.
    Associate,
    /// Probe: inbound by the EIP, outbound by the SNAT entry.
    Verify,
}

impl StepKind {
    /// All steps, in order.
    pub const ALL: [Self; 8] = [
        Self::ChargeType,
        Self::Convert,
        Self::CreateEni,
        Self::AttachEni,
        Self::Configure,
        Self::Unassociate,
        Self::Associate,
        Self::Verify,
    ];

    /// A short name for tables and progress bars.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ChargeType => "charge type",
            Self::Convert => "convert",
            Self::CreateEni => "create ENI",
            Self::AttachEni => "attach ENI",
            Self::Configure => "configure host",
            Self::Unassociate => "unassociate EIP",
            Self::Associate => "associate EIP",
            Self::Verify => "verify",
        }
    }

    /// The API action the step writes with, if it writes to the cloud.
    #[must_use]
    pub const fn action(self) -> Option<&'static str> {
        match self {
            Self::ChargeType => Some("ModifyInstanceChargeType"),
            Self::Convert => Some("ConvertNatPublicIpToEip"),
            Self::CreateEni => Some("CreateNetworkInterface"),
            Self::AttachEni => Some("AttachNetworkInterface"),
            Self::Unassociate => Some("UnassociateEipAddress"),
            Self::Associate => Some("AssociateEipAddress"),
            Self::Configure | Self::Verify => None,
        }
    }

    /// Once done it cannot be undone: there is no way back to a static public address, nor to a subscription.
    #[must_use]
    pub const fn irreversible(self) -> bool {
        matches!(self, Self::ChargeType | Self::Convert)
    }
}

/// One thing to do, with every value that is known before it is done. Ids that only an earlier step can tell are not in
/// here; the saga carries them forward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// `ModifyInstanceChargeType`.
    MakePostPaid {
        /// The instance.
        instance: InstanceId,
    },
    /// `ConvertNatPublicIpToEip`.
    ConvertPublicIp {
        /// The instance.
        instance: InstanceId,
        /// Its static public address, which must stay the same.
        address: Ipv4Addr,
    },
    /// `CreateNetworkInterface`.
    CreateEni {
        /// The instance it is for (tag).
        instance: InstanceId,
        /// Its name.
        name: String,
        /// Where.
        vswitch: VSwitchId,
        /// Its security groups.
        security_groups: Vec<SecurityGroupId>,
        /// Its address, if the inventory wants a certain one.
        primary_ip: Option<Ipv4Addr>,
        /// Its resource group, if the inventory wants a certain one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resource_group: Option<ResourceGroupId>,
    },
    /// `AttachNetworkInterface`.
    AttachEni {
        /// The instance.
        instance: InstanceId,
    },
    /// The apply script.
    Configure {
        /// What the host should have.
        route: RouteTarget,
        /// The interface, if it is not the one that carries the EIP.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other: Option<Other>,
    },
    /// `UnassociateEipAddress`.
    UnassociateEip {
        /// Where the EIP is now.
        from: EipHolder,
        /// The private address it translates to there.
        private_ip: Option<Ipv4Addr>,
    },
    /// `AssociateEipAddress` to the secondary interface.
    AssociateEip,
    /// The probes.
    Verify,
}

/// A further interface that the host has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    /// Its id.
    pub eni: EniId,
    /// The host had a rule for it when the plan was made: the step mends a route, and taking it back must not remove that.
    pub was_there: bool,
}

impl Op {
    /// The step with the values filled in that only the steps before it could tell.
    #[must_use]
    pub fn complete(&self, known: &Known) -> Self {
        let mut op = self.clone();
        if let (Self::Configure { route, other: None }, Some(eni)) = (&mut op, &known.eni) {
            route.mac = eni.mac.or(route.mac);
            route.address = eni.address.or(route.address);
        }
        op
    }

    /// Which step this is.
    #[must_use]
    pub const fn kind(&self) -> StepKind {
        match self {
            Self::MakePostPaid { .. } => StepKind::ChargeType,
            Self::ConvertPublicIp { .. } => StepKind::Convert,
            Self::CreateEni { .. } => StepKind::CreateEni,
            Self::AttachEni { .. } => StepKind::AttachEni,
            Self::Configure { .. } => StepKind::Configure,
            Self::UnassociateEip { .. } => StepKind::Unassociate,
            Self::AssociateEip => StepKind::Associate,
            Self::Verify => StepKind::Verify,
        }
    }
}

/// Identifiers and addresses of one host's parts, as far as they are known. Starts with what was observed and grows with
/// what the steps bring.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The EIP that carries the host's inbound address.
    pub eip: Option<KnownEip>,
    /// The secondary interface.
    pub eni: Option<KnownEni>,
    /// The host's inbound address, before and after.
    pub inbound: Option<Ipv4Addr>,
}

/// An EIP by id and address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownEip {
    /// Its allocation.
    pub id: AllocationId,
    /// Its address.
    pub address: Ipv4Addr,
}

/// A secondary interface; the last two are known from the moment the cloud describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownEni {
    /// Its id.
    pub id: EniId,
    /// Its hardware address.
    pub mac: Option<MacAddr>,
    /// Its primary private address.
    pub address: Option<Ipv4Addr>,
}

/// Tag key by which egressctl recognises its own interfaces; the value is the instance id.
pub const OWNER_TAG: &str = "egressctl:instance";
