//! The calls that write, what follows them later, and records that remember what they were.

use std::net::Ipv4Addr;
use std::time::Duration;

use egressctl::core::model::{AllocationId, EniId, InstanceId};
use egressctl::core::observed::EipHolder;
use egressctl::ports::EniSpec;
use tokio::time::Instant;

/// How far back a record is remembered.
const PAST: Duration = Duration::from_secs(10);

/// A record and its recent past.
#[derive(Debug, Clone)]
pub(crate) struct Kept<T>(Vec<(Instant, Option<T>)>);

impl<T: Clone> Kept<T> {
    pub(crate) fn new(now: Instant, record: T) -> Self {
        Self(vec![(now, Some(record))])
    }

    /// The truth.
    pub(crate) fn now(&self) -> Option<&T> {
        self.0.last().and_then(|(_, record)| record.as_ref())
    }

    /// What it is, or was last.
    pub(crate) fn last(&self) -> Option<&T> {
        self.0.iter().rev().find_map(|(_, record)| record.as_ref())
    }

    /// What it was then.
    pub(crate) fn at(&self, then: Instant) -> Option<&T> {
        self.0.iter().rev().find(|(since, _)| *since <= then).and_then(|(_, record)| record.as_ref())
    }

    pub(crate) fn set(&mut self, now: Instant, record: Option<T>) {
        // A record that is gone is remembered as it was.
        let old =
            self.0.iter().rposition(|(since, record)| *since + PAST < now && record.is_some()).unwrap_or(0);
        self.0.drain(..old);
        self.0.push((now, record));
    }
}

/// A call that writes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request {
    PostPaid(InstanceId),
    Convert(InstanceId),
    Create(EniSpec),
    Delete(EniId),
    Attach(EniId, InstanceId),
    Detach(EniId, InstanceId),
    Associate(AllocationId, EipHolder, Option<Ipv4Addr>),
    Unassociate(AllocationId, EipHolder),
}

impl Request {
    pub(crate) const fn action(&self) -> &'static str {
        match self {
            Self::PostPaid(_) => "ModifyInstanceChargeType",
            Self::Convert(_) => "ConvertNatPublicIpToEip",
            Self::Create(_) => "CreateNetworkInterface",
            Self::Delete(_) => "DeleteNetworkInterface",
            Self::Attach(..) => "AttachNetworkInterface",
            Self::Detach(..) => "DetachNetworkInterface",
            Self::Associate(..) => "AssociateEipAddress",
            Self::Unassociate(..) => "UnassociateEipAddress",
        }
    }
}

/// What follows a request later.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Converted(InstanceId),
    PostPaid(InstanceId),
    Available(EniId),
    Gone(EniId),
    Attached(EniId, InstanceId),
    Detached(EniId),
    Bound(AllocationId, EipHolder, Option<Ipv4Addr>),
    Unbound(AllocationId),
}
