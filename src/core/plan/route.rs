//! The policy route a host should have, and what is missing for it.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::core::model::MacAddr;

/// The policy route a host should have: a `/32` address on the secondary interface, one `onlink` default route in a table
/// of its own, one rule that sends packets from that address there. Main table and primary interface stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTarget {
    /// Hardware address of the secondary interface; `None` is "known after apply".
    pub mac: Option<MacAddr>,
    /// Primary private address of the secondary interface; `None` is "known after apply".
    pub address: Option<Ipv4Addr>,
    /// Gateway of the secondary interface's vSwitch.
    pub gateway: Ipv4Addr,
    /// Primary private address of the instance.
    pub primary_ip: Ipv4Addr,
    /// Routing table.
    pub table: u32,
    /// Rule priority.
    pub priority: u32,
    /// Keep it in `rc.local`.
    pub rc_local: bool,
}
