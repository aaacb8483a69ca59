//! The closed list of things that can be done to a host, as plain data.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::RouteTarget;
use crate::core::model::{InstanceId, SecurityGroupId, VSwitchId};
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

/// Tag key by which egressctl recognises its own interfaces; the value is the instance id.
pub const OWNER_TAG: &str = "egressctl:instance";
