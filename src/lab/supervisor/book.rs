//! What the metadata service knows: the instance behind a caller's address, as it is plugged right now.

use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::papers::Access;
use crate::core::model::{EniId, HostName, InstanceId, MacAddr, gateway_of};
use crate::lab::network::{Network, Plugged};
use crate::lab::paths::BASTION;
use crate::lab::services::metadata::{
    InstanceMetadata, InterfaceMetadata, MetadataBook, RamRole, RoleCredentials,
};
use crate::lab::spec::{Case, HostSpec, RAM_ROLE, REGION, VPC, ZONE, done_eni};

/// The bastion's instance.
const BASTION_INSTANCE: &str = "i-lab-bastion";
/// No lab lives that long.
const EXPIRATION: &str = "2099-12-31T00:00:00Z";

pub(super) struct Book {
    network: Network,
    access: Access,
}

impl Book {
    pub(super) fn new(network: Network, access: &Access) -> Self {
        Self { network, access: access.clone() }
    }

    fn credentials(&self) -> Option<RamRole> {
        let credentials = RoleCredentials {
            access_key_id: self.access.role.id.clone(),
            access_key_secret: self.access.role.secret.clone(),
            security_token: self.access.token.clone(),
            expiration: EXPIRATION.parse::<Timestamp>().ok()?,
        };
        Some(RamRole { name: RAM_ROLE.to_owned(), credentials })
    }
}

impl MetadataBook for Book {
    fn instance_by_address(&self, caller: Ipv4Addr) -> Option<InstanceMetadata> {
        let guest = self.network.guest_at(caller)?;
        let primary = guest.ports.first()?.port.clone();
        let (instance_id, hostname): (InstanceId, HostName) = match &guest.host {
            Some(host) => (host.instance.clone(), host.name.clone()),
            None => (BASTION_INSTANCE.parse().ok()?, BASTION.parse().ok()?),
        };
        let interfaces = guest.ports.iter().filter_map(|plugged| interface(guest.host.as_ref(), plugged));
        Some(InstanceMetadata {
            instance_id,
            hostname,
            region_id: REGION.parse().ok()?,
            zone_id: ZONE.parse().ok()?,
            private_ipv4: primary.address,
            eipv4: guest.public,
            mac: primary.mac,
            vpc_id: VPC.parse().ok()?,
            vswitch_id: primary.vswitch,
            vswitch_cidr: primary.cidr,
            interfaces: interfaces.collect(),
            ram_role: self.credentials(),
        })
    }
}

fn interface(host: Option<&HostSpec>, plugged: &Plugged) -> Option<InterfaceMetadata> {
    let port = &plugged.port;
    Some(InterfaceMetadata {
        mac: port.mac,
        network_interface_id: eni_id(host, port.mac)?,
        primary_ip: port.address,
        netmask: port.cidr.netmask(),
        gateway: gateway_of(port.cidr)?,
        vswitch_id: port.vswitch.clone(),
        vswitch_cidr: port.cidr,
    })
}

/// The fabric does not know the cloud's ids of interfaces: a done host's is in the blueprint, the others are named after
/// their hardware address.
fn eni_id(host: Option<&HostSpec>, mac: MacAddr) -> Option<EniId> {
    let done = host.filter(|host| host.case == Case::Done).map(done_eni);
    match done {
        Some(eni) if eni.mac == mac => Some(eni.id),
        _ => format!("eni-{}", mac.to_string().replace(':', "")).parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::spec::{LabSpec, Sshd};

    #[test]
    fn every_interface_has_an_id() {
        let lab = LabSpec::new(7, Sshd::Builtin, 2, None).unwrap();
        let done = &lab.hosts[0];
        assert_eq!(eni_id(Some(done), done_eni(done).mac).unwrap().as_str(), "eni-labdone0000");
        assert_eq!(eni_id(Some(done), done.mac).unwrap().as_str(), "eni-00163e00070a");
    }
}
