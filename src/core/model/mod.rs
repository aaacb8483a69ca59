//! The words of the domain as types that cannot hold nonsense: parsed once at the edge, trusted afterwards.
//!
//! No type in here may be built from unchecked text, and none of them does anything but hold and show its value.

mod ids;
mod net;
mod secret;

pub use ids::{
    AllocationId, EniId, HostName, InstanceId, ModelError, NatGatewayId, Operator, RegionId, ResourceGroupId,
    RunId, SecurityGroupId, VSwitchId, VpcId, ZoneId,
};
pub use ipnet::Ipv4Net;
pub use net::{IfName, MacAddr, gateway_of};
pub use secret::Secret;
