//! The lab's blueprint: which hosts there are, in which state, with which addresses. Pure, and a function of the options:
//! the network, the emulator and the inventory of one lab are all derived from the same value.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::core::model::{EniId, HostName, InstanceId, MacAddr, VSwitchId};

/// Region of the lab's cloud.
pub const REGION: &str = "cn-lab-1";
/// Zone of all its vSwitches.
pub const ZONE: &str = "cn-lab-1a";
/// Its VPC.
pub const VPC: &str = "vpc-lab";
/// The whole VPC's range.
pub const VPC_CIDR: &str = "172.16.0.0/16";
/// The NAT gateway.
pub const NAT_GATEWAY: &str = "ngw-lab";
/// The shared egress address of all SNAT entries.
pub const SNAT_ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 250);
/// The range all EIPs come from, routed to the VPC's edge.
pub const EIP_RANGE: &str = "203.0.113.0/24";
/// The bastion's private address.
pub const BASTION_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 16, 9, 10);
/// The bastion's instance.
pub const BASTION_INSTANCE: &str = "i-lab-bastion";
/// The bastion's EIP.
pub const BASTION_EIP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
/// The subnet of "the internet".
pub const INTERNET: &str = "198.51.100.0/24";
/// The edge router's address on the internet side.
pub const EDGE_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// A client on the internet.
pub const CLIENT_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
/// The echo service that answers `ip: 203.0.113.9`, on port 80.
pub const ECHO_TEXT_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 20);
/// The echo service that answers `{"ip":"203.0.113.9"}`, on port 80.
pub const ECHO_JSON_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 21);
/// The metadata service, port 80, as on the real cloud.
pub const METADATA_ADDRESS: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
/// The API emulator: ECS on port 8080, VPC on port 8081, reachable from the VPC.
pub const API_ADDRESS: Ipv4Addr = Ipv4Addr::new(100, 100, 0, 10);
/// The RAM role the metadata service hands out.
pub const RAM_ROLE: &str = "egressctl-lab";
/// A RAM role that every caller of the lab's account may take.
pub const OPERATOR_ROLE: &str = "lab-operator";
/// The EIP range has room for this many hosts.
pub const MAX_HOSTS: usize = 200;

/// A subnet of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubnetSpec {
    /// vSwitch id.
    pub id: &'static str,
    /// Its range.
    pub cidr: &'static str,
    /// A SNAT entry covers it.
    pub snat: bool,
    /// Offset of the first address that the cloud gives to new interfaces.
    pub first_dynamic: u32,
}

/// The subnets. Hosts live in the first unless their case says otherwise.
pub const SUBNETS: [SubnetSpec; 4] = [
    SubnetSpec { id: "vsw-lab-a", cidr: "172.16.0.0/22", snat: true, first_dynamic: 0x110 },
    SubnetSpec { id: "vsw-lab-b", cidr: "172.16.4.0/24", snat: true, first_dynamic: 100 },
    SubnetSpec { id: "vsw-lab-dark", cidr: "172.16.5.0/24", snat: false, first_dynamic: 100 },
    SubnetSpec { id: "vsw-lab-bastion", cidr: "172.16.9.0/24", snat: true, first_dynamic: 100 },
];

/// Which SSH server the hosts run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Sshd {
    /// Ours, inside the host's namespaces; needs no privileges.
    #[default]
    Builtin,
    /// The machine's OpenSSH `sshd`; needs root.
    Openssh,
}

/// What kind of guest system a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Flavour {
    /// `/etc/rc.local` is a link to `/etc/rc.d/rc.local` (not executable as shipped); ifcfg files; a hot-plugged
    /// interface stays unconfigured.
    Rhel,
    /// `/etc/rc.local` with `#!/bin/sh -e` and a final `exit 0`; ifupdown; a hot-plugged interface stays unconfigured.
    Debian,
    /// No net-tools, no rc.local; DHCP-like: a hot-plugged interface is configured at once, its default route included,
    /// which hijacks the host's egress.
    Minimal,
}

/// What state a host is in at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// Pay as you go, static public address, nothing done.
    Fresh,
    /// Everything done: EIP on an attached secondary interface, routes and rc.local in place.
    Done,
    /// `PrePaid` + `PayByBandwidth`, and the inventory consents to the change of the charge type.
    PrePaid,
    /// `PrePaid` + `PayByTraffic`, which can be converted as it is.
    PrePaidByTraffic,
    /// In a subnet without SNAT: moving the EIP would cut its egress, so it must be refused.
    NoSnat,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    /// Position, from 0.
    pub index: usize,
    /// Its name in the inventory and as hostname.
    pub name: HostName,
    /// Its instance.
    pub instance: InstanceId,
    /// Its kind.
    pub flavour: Flavour,
    /// Its state at the beginning.
    pub case: Case,
    /// Its vSwitch.
    pub vswitch: VSwitchId,
    /// That vSwitch's range.
    pub cidr: Ipv4Net,
    /// Hardware address of the primary interface.
    pub mac: MacAddr,
    /// Primary private address.
    pub address: Ipv4Addr,
    /// Public address.
    pub public: Ipv4Addr,
}

/// A lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabSpec {
    /// Seed of ids, keys' comments and delays.
    pub seed: u64,
    /// SSH server of the hosts.
    pub sshd: Sshd,
    /// The hosts.
    pub hosts: Vec<HostSpec>,
    /// Text of the fault file that the lab's cloud begins with; it has been read once without a mistake.
    #[serde(default)]
    pub faults: String,
    /// Every host has one more interface, attached and configured by nobody, which the inventory names in `route.others`.
    #[serde(default)]
    pub others: bool,
}

/// The first hosts of every lab: one of each case; further hosts are fresh, with the flavours in turn.
const OPENING: [(&str, Flavour, Case); 6] = [
    ("done-1", Flavour::Rhel, Case::Done),
    ("web-1", Flavour::Rhel, Case::Fresh),
    ("web-2", Flavour::Debian, Case::Fresh),
    ("prepaid-1", Flavour::Debian, Case::PrePaid),
    ("dark-1", Flavour::Debian, Case::NoSnat),
    ("api-1", Flavour::Minimal, Case::Fresh),
];

impl LabSpec {
    /// The lab for these options. `flavour` restricts all hosts to one kind; at most [`MAX_HOSTS`] hosts.
    ///
    /// # Errors
    /// A text for people if the number of hosts is out of range.
    pub fn new(seed: u64, sshd: Sshd, hosts: usize, flavour: Option<Flavour>) -> Result<Self, String> {
        if !(1..=MAX_HOSTS).contains(&hosts) {
            return Err(format!("--hosts {hosts}: a lab has 1 to {MAX_HOSTS} hosts"));
        }
        let hosts = (0..hosts).map(|index| HostSpec::new(seed, index, flavour)).collect();
        Ok(Self { seed, sshd, hosts, faults: String::new(), others: false })
    }
}

impl HostSpec {
    fn new(seed: u64, index: usize, flavour: Option<Flavour>) -> Self {
        const FLAVOURS: [Flavour; 3] = [Flavour::Rhel, Flavour::Debian, Flavour::Minimal];
        let (name, usual, case) = match OPENING.get(index) {
            Some((name, flavour, case)) => ((*name).to_owned(), *flavour, *case),
            None => (format!("host-{:03}", index + 1), FLAVOURS[index % 3], Case::Fresh),
        };
        let subnet = if case == Case::NoSnat { SUBNETS[2] } else { SUBNETS[0] };
        let cidr: Ipv4Net = subnet.cidr.parse().unwrap_or_default();
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let octet = u8::try_from(10 + index).unwrap_or(u8::MAX);
        let [.., high, low] = seed.to_be_bytes();
        Self {
            index,
            name: name.parse().unwrap_or_else(|_| never()),
            instance: format!("i-lab{:06x}{:04}", seed & 0xff_ffff, index + 1)
                .parse()
                .unwrap_or_else(|_| never()),
            flavour: flavour.unwrap_or(usual),
            case,
            vswitch: subnet.id.parse().unwrap_or_else(|_| never()),
            cidr,
            mac: MacAddr([0x00, 0x16, 0x3e, high, low, octet]),
            address: Ipv4Addr::from(u32::from(cidr.network()) + 10 + number),
            public: Ipv4Addr::new(203, 0, 113, octet),
        }
    }
}

/// An interface that a host has from the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialEni {
    /// Its id.
    pub id: EniId,
    /// Its hardware address.
    pub mac: MacAddr,
    /// Its private address, in the same subnet as the primary one.
    pub address: Ipv4Addr,
}

/// The secondary interface that `host` has if it is done from the beginning: the network and the emulator both ask here.
#[must_use]
pub fn done_eni(host: &HostSpec) -> InitialEni {
    let number = u32::try_from(host.index).unwrap_or(u32::MAX);
    let [.., high, low, octet] = host.mac.0;
    InitialEni {
        id: format!("eni-labdone{:04}", host.index).parse().unwrap_or_else(|_| never()),
        mac: MacAddr([0x00, 0x16, 0x3f, high, low, octet]),
        address: Ipv4Addr::from(u32::from(host.cidr.network()) + 0x100 + number),
    }
}

/// The further interface that `host` has in a lab with [`LabSpec::others`], in the subnet of the primary one.
#[must_use]
pub fn other_eni(host: &HostSpec) -> InitialEni {
    let number = u32::try_from(host.index).unwrap_or(u32::MAX);
    let [.., high, low, octet] = host.mac.0;
    // Behind all that the cloud gives out by itself.
    let offset = if host.cidr.prefix_len() < 24 { 0x300 } else { 200 };
    InitialEni {
        id: format!("eni-labother{:04}", host.index).parse().unwrap_or_else(|_| never()),
        mac: MacAddr([0x00, 0x16, 0x3d, high, low, octet]),
        address: Ipv4Addr::from(u32::from(host.cidr.network()) + offset + number),
    }
}

/// Hardware address of the bastion's only interface.
#[must_use]
pub const fn bastion_mac(seed: u64) -> MacAddr {
    let [.., high, low] = seed.to_be_bytes();
    MacAddr([0x00, 0x16, 0x3e, high, low, 0x02])
}

fn never<T>() -> T {
    unreachable!("names of the lab are made of letters, digits and dashes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_unique_and_inside_their_subnet() {
        let lab = LabSpec::new(7, Sshd::Builtin, MAX_HOSTS, None).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for host in &lab.hosts {
            assert!(host.cidr.contains(&host.address));
            assert!(seen.insert(host.address) && seen.insert(host.public), "{}", host.name);
        }
    }

    #[test]
    fn the_interface_of_a_done_host_collides_with_nothing() {
        let lab = LabSpec::new(7, Sshd::Builtin, MAX_HOSTS, None).unwrap();
        let done = lab.hosts.iter().find(|host| host.case == Case::Done).unwrap();
        let eni = done_eni(done);
        assert_eq!(eni.id.as_str(), "eni-labdone0000");
        assert!(done.cidr.contains(&eni.address));
        assert!(u32::from(eni.address) - u32::from(done.cidr.network()) < SUBNETS[0].first_dynamic);
        assert!(lab.hosts.iter().all(|host| host.address != eni.address && host.mac != eni.mac));
    }

    #[test]
    fn further_interfaces_collide_with_nothing() {
        let lab = LabSpec::new(7, Sshd::Builtin, MAX_HOSTS, None).unwrap();
        let mut seen: std::collections::BTreeSet<_> = lab.hosts.iter().map(|host| host.address).collect();
        for host in &lab.hosts {
            let eni = other_eni(host);
            assert!(host.cidr.contains(&eni.address) && seen.insert(eni.address), "{}", host.name);
            assert!(lab.hosts.iter().all(|host| host.mac != eni.mac));
        }
    }

    #[test]
    fn the_smallest_useful_lab_has_every_case() {
        let lab = LabSpec::new(7, Sshd::Builtin, OPENING.len(), None).unwrap();
        for case in [Case::Fresh, Case::Done, Case::PrePaid, Case::NoSnat] {
            assert!(lab.hosts.iter().any(|host| host.case == case), "{case:?}");
        }
    }
}
