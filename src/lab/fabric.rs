//! What the API emulator can make happen in the lab's network. The emulator decides, the fabric does.

use std::net::Ipv4Addr;

use async_trait::async_trait;
use ipnet::Ipv4Net;

use crate::core::model::{InstanceId, MacAddr, VSwitchId};

/// A network interface as the fabric plugs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Hardware address of the guest's end.
    pub mac: MacAddr,
    /// The only source address the fabric lets through if `source_check` is on.
    pub address: Ipv4Addr,
    /// The subnet it is in.
    pub vswitch: VSwitchId,
    /// That subnet's range.
    pub cidr: Ipv4Net,
    /// Drop packets from the guest whose source is not `address`.
    pub source_check: bool,
}

/// Effects of API calls on the lab's network. Each returns when the effect is there; doing one twice is harmless.
#[async_trait]
pub trait Fabric: Send + Sync {
    /// Hot-plugs an interface into an instance; the guest reacts as its flavour does.
    async fn plug(&self, instance: &InstanceId, port: &Port) -> Result<(), String>;
    /// Takes an interface out of an instance.
    async fn unplug(&self, instance: &InstanceId, mac: MacAddr) -> Result<(), String>;
    /// Translates `public` to `private` one to one, both directions.
    async fn bind(&self, public: Ipv4Addr, private: Ipv4Addr) -> Result<(), String>;
    /// Ends the translation of `public`; established flows die with it.
    async fn unbind(&self, public: Ipv4Addr) -> Result<(), String>;
}
