//! What the metadata service knows: the instance behind a caller's address, as it is plugged right now.

use std::net::Ipv4Addr;
use std::sync::Arc;

use jiff::Timestamp;

use super::papers::Access;
use crate::core::model::{HostName, InstanceId, gateway_of};
use crate::lab::emulator::Emulator;
use crate::lab::network::{Network, Plugged};
use crate::lab::paths::BASTION;
use crate::lab::services::metadata::{
    InstanceMetadata, InterfaceMetadata, MetadataBook, RamRole, RoleCredentials,
};
use crate::lab::spec::{BASTION_INSTANCE, RAM_ROLE, REGION, VPC, ZONE};

/// No lab lives that long.
const EXPIRATION: &str = "2099-12-31T00:00:00Z";

pub(super) struct Book {
    network: Network,
    emulator: Arc<Emulator>,
    access: Access,
}

impl Book {
    pub(super) fn new(network: Network, emulator: Arc<Emulator>, access: Access) -> Self {
        Self { network, emulator, access }
    }

    fn credentials(&self) -> Option<RamRole> {
        let credentials = RoleCredentials {
            access_key_id: self.access.session.id.clone(),
            access_key_secret: self.access.session.secret.clone(),
            security_token: self.access.token.clone(),
            expiration: EXPIRATION.parse::<Timestamp>().ok()?,
        };
        Some(RamRole { name: RAM_ROLE.to_owned(), credentials })
    }

    /// The fabric does not know the cloud's ids of interfaces; the emulator does.
    fn interface(&self, plugged: &Plugged) -> Option<InterfaceMetadata> {
        let port = &plugged.port;
        Some(InterfaceMetadata {
            mac: port.mac,
            network_interface_id: self.emulator.eni_with(port.mac)?,
            primary_ip: port.address,
            netmask: port.cidr.netmask(),
            gateway: gateway_of(port.cidr)?,
            vswitch_id: port.vswitch.clone(),
            vswitch_cidr: port.cidr,
        })
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
        let interfaces = guest.ports.iter().filter_map(|plugged| self.interface(plugged));
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
