//! What the service knows of one instance, and how paths lead to it. Pure.
//!
//! The tree is made from a flat list of paths, so that a listing can never name what is not there.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use jiff::Timestamp;

use crate::core::model::{EniId, HostName, InstanceId, MacAddr, RegionId, Secret, VSwitchId, VpcId, ZoneId};

/// One instance, as its metadata shows it.
#[derive(Debug, Clone)]
pub struct InstanceMetadata {
    /// `instance-id`
    pub instance_id: InstanceId,
    /// `hostname`
    pub hostname: HostName,
    /// `region-id`
    pub region_id: RegionId,
    /// `zone-id`
    pub zone_id: ZoneId,
    /// `private-ipv4`, of the primary interface.
    pub private_ipv4: Ipv4Addr,
    /// `eipv4`: only an EIP on the instance itself; one on a secondary interface is not shown.
    pub eipv4: Option<Ipv4Addr>,
    /// `mac`, of the primary interface.
    pub mac: MacAddr,
    /// `vpc-id`
    pub vpc_id: VpcId,
    /// `vswitch-id`, of the primary interface.
    pub vswitch_id: VSwitchId,
    /// `vswitch-cidr-block`, of the primary interface.
    pub vswitch_cidr: Ipv4Net,
    /// All attached interfaces, the primary among them.
    pub interfaces: Vec<InterfaceMetadata>,
    /// The role whose credentials the instance may use.
    pub ram_role: Option<RamRole>,
}

/// One attached interface.
#[derive(Debug, Clone)]
pub struct InterfaceMetadata {
    /// Its name in `network/interfaces/macs/`.
    pub mac: MacAddr,
    /// `network-interface-id`
    pub network_interface_id: EniId,
    /// `primary-ip-address`
    pub primary_ip: Ipv4Addr,
    /// `netmask`
    pub netmask: Ipv4Addr,
    /// `gateway`
    pub gateway: Ipv4Addr,
    /// `vswitch-id`
    pub vswitch_id: VSwitchId,
    /// `vswitch-cidr-block`
    pub vswitch_cidr: Ipv4Net,
}

/// A role and the credentials it gives.
#[derive(Debug, Clone)]
pub struct RamRole {
    /// Its name in `ram/security-credentials/`.
    pub name: String,
    /// What is found there.
    pub credentials: RoleCredentials,
}

/// Credentials of a session.
#[derive(Debug, Clone)]
pub struct RoleCredentials {
    /// `AccessKeyId`
    pub access_key_id: String,
    /// `AccessKeySecret`
    pub access_key_secret: Secret<String>,
    /// `SecurityToken`
    pub security_token: Secret<String>,
    /// `Expiration`, shown in whole seconds.
    pub expiration: Timestamp,
}

const MACS: &str = "network/interfaces/macs";
const ROLES: &str = "ram/security-credentials";

impl InstanceMetadata {
    /// The content type and content of a path below the root, which is `""` or begins with a slash; `None` if there is
    /// nothing there. A listing is the same with and without a final slash.
    pub(super) fn look_up(&self, path: &str) -> Option<(&'static str, String)> {
        let path = path.strip_prefix('/').unwrap_or(path);
        if let Some(role) = self.ram_role.as_ref().filter(|role| path == format!("{ROLES}/{}", role.name)) {
            return Some(("application/json", role.credentials.to_json()));
        }
        let leaves = self.leaves();
        if let Some((_, value)) = leaves.iter().find(|(name, _)| name == path) {
            return Some(("text/plain", value.clone()));
        }
        let directory = path.strip_suffix('/').unwrap_or(path);
        let mut entries: Vec<String> = Vec::new();
        for (name, _) in &leaves {
            if let Some(entry) = entry_of(name, directory)
                && !entries.contains(&entry)
            {
                entries.push(entry);
            }
        }
        (!entries.is_empty()).then(|| ("text/plain", entries.join("\n")))
    }

    /// All values with their paths; a role's is left empty, because [`RoleCredentials::to_json`] must not run unasked.
    fn leaves(&self) -> Vec<(String, String)> {
        let mut leaves: Vec<(String, String)> = [
            ("instance-id", self.instance_id.to_string()),
            ("hostname", self.hostname.to_string()),
            ("region-id", self.region_id.to_string()),
            ("zone-id", self.zone_id.to_string()),
            ("private-ipv4", self.private_ipv4.to_string()),
            ("mac", self.mac.to_string()),
            ("vpc-id", self.vpc_id.to_string()),
            ("vswitch-id", self.vswitch_id.to_string()),
            ("vswitch-cidr-block", self.vswitch_cidr.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        leaves.extend(self.eipv4.map(|address| ("eipv4".to_owned(), address.to_string())));
        for interface in &self.interfaces {
            leaves
                .extend(interface.leaves().map(|(name, v)| (format!("{MACS}/{}/{name}", interface.mac), v)));
        }
        leaves.extend(self.ram_role.iter().map(|role| (format!("{ROLES}/{}", role.name), String::new())));
        leaves
    }
}

impl InterfaceMetadata {
    fn leaves(&self) -> [(&'static str, String); 6] {
        [
            ("network-interface-id", self.network_interface_id.to_string()),
            ("primary-ip-address", self.primary_ip.to_string()),
            ("netmask", self.netmask.to_string()),
            ("gateway", self.gateway.to_string()),
            ("vswitch-id", self.vswitch_id.to_string()),
            ("vswitch-cidr-block", self.vswitch_cidr.to_string()),
        ]
    }
}

impl RoleCredentials {
    fn to_json(&self) -> String {
        serde_json::json!({
            "Code": "Success",
            "AccessKeyId": self.access_key_id,
            "AccessKeySecret": self.access_key_secret.expose(),
            "SecurityToken": self.security_token.expose(),
            "Expiration": self.expiration.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        })
        .to_string()
    }
}

/// The entry through which `name` is seen in a listing of `directory`: its next part, with a slash if more follow.
fn entry_of(name: &str, directory: &str) -> Option<String> {
    let below = if directory.is_empty() { name } else { name.strip_prefix(directory)?.strip_prefix('/')? };
    match below.split_once('/') {
        Some((part, _)) => Some(format!("{part}/")),
        None => Some(below.to_owned()),
    }
}
