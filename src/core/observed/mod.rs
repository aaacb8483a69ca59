//! What was seen: the cloud's records and what the hosts print, as typed values.
//!
//! Must never turn "could not be seen" into "is absent" ([`Observation`]), and never let a host's text become anything
//! but data.

mod account;
pub mod applied;
mod cloud;
pub mod facts;
mod found;
mod frame;
pub mod guarded;
pub mod guards;
pub mod lease;
pub mod probed;
pub mod pushed;

pub use account::{
    Account, Admission, DryRun, Ingress, IngressSource, NatGateway, SecurityGroup, Unread, Vpc, admission,
};
pub use applied::{ApplyEnd, ApplyReport, ChangeKind};
pub use cloud::{
    ChargeType, CloudView, DefaultRoute, Eip, EipHolder, EipStatus, Eni, EniStatus, ForwardEntry, Instance,
    InstanceEip, InstanceStatus, InternetChargeType, SnatEntry, VSwitch,
};
pub use facts::Facts;
pub use found::FoundInstance;
pub use frame::HostTextError;
pub use guarded::GuardState;
pub use guards::Guards;
pub use lease::{LeaseEnd, LeaseHolder, LeaseReport};
pub use probed::ProbeReport;

use serde::{Deserialize, Serialize};

/// A value that was looked for: seen, or not visible to us and then unknown rather than absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation<T> {
    /// It was read.
    Seen(T),
    /// It could not be read, and why.
    Unseen(String),
}

impl<T> Observation<T> {
    /// The value if it was seen.
    #[must_use]
    pub const fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(value) => Some(value),
            Self::Unseen(_) => None,
        }
    }
}
