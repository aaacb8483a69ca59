//! The cloud of a lab at its beginning, as its blueprint says.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::str::FromStr;

use super::{
    ChargeType, Cloud, Eip, EipStatus, Eni, EniStatus, GroupRule, Holder, Instance, InstanceType, RouteTable,
    SecurityGroup, SnatEntry, TrafficCharge, VSwitch,
};
use crate::core::model::{EniId, InstanceId, MacAddr, VSwitchId};
use crate::core::plan::OWNER_TAG;
use crate::lab::spec::{
    BASTION_ADDRESS, BASTION_EIP, Case, Flavour, HostSpec, LabSpec, NAT_GATEWAY, SNAT_ADDRESS, SUBNETS, VPC,
    ZONE, done_eni, other_eni,
};

const GROUP: &str = "sg-lab";
/// Takes three interfaces, also while running.
const HOST_TYPE: &str = "ecs.g7.large";
/// Must be stopped to take an interface.
const BASTION_TYPE: &str = "ecs.t6-c1m1.large";
const BANDWIDTH: u32 = 5;

fn made<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| unreachable!("names of the lab are made of letters, digits and dashes"))
}

impl Cloud {
    /// The cloud of this lab.
    #[must_use]
    pub(crate) fn new(spec: &LabSpec, began_ms: i64) -> Self {
        let mut cloud = Self::network(spec.seed, began_ms);
        cloud.bastion(spec.seed);
        for host in &spec.hosts {
            cloud.host(host, spec.others);
        }
        cloud
    }

    fn network(seed: u64, began_ms: i64) -> Self {
        let mut cloud = Self {
            instances: BTreeMap::new(),
            enis: BTreeMap::new(),
            eips: BTreeMap::new(),
            vswitches: BTreeMap::new(),
            security_groups: BTreeMap::from([(GROUP.to_owned(), group())]),
            instance_types: [(HOST_TYPE, 3, true), (BASTION_TYPE, 2, false)]
                .into_iter()
                .map(|(id, eni_quantity, hot_plug)| {
                    (id.to_owned(), InstanceType { id: id.to_owned(), eni_quantity, hot_plug })
                })
                .collect(),
            nat_gateway: made(NAT_GATEWAY),
            snat: BTreeMap::new(),
            forwards: BTreeMap::new(),
            ipv4_gateway: None,
            route_tables: BTreeMap::new(),
            began_ms,
            seed,
            created: 0,
        };
        cloud.add_eip("eip-lab-nat", SNAT_ADDRESS, Holder::Nat(cloud.nat_gateway.clone()), None);
        for (index, subnet) in SUBNETS.iter().enumerate() {
            let id: VSwitchId = made(subnet.id);
            let cidr = made(subnet.cidr);
            let suffix = subnet.id.trim_start_matches("vsw-");
            let route_table = format!("vtb-{suffix}");
            let table = RouteTable { id: route_table.clone(), vswitch: id.clone(), system: index == 0 };
            cloud.route_tables.insert(route_table.clone(), table);
            if subnet.snat {
                let name = format!("snat-{suffix}");
                let entry =
                    SnatEntry { id: name.clone(), source: cidr, vswitch: id.clone(), address: SNAT_ADDRESS };
                cloud.snat.insert(name, entry);
            }
            let vswitch = VSwitch {
                id: id.clone(),
                vpc: VPC.to_owned(),
                zone: ZONE.to_owned(),
                cidr,
                first_dynamic: subnet.first_dynamic,
                route_table,
            };
            cloud.vswitches.insert(id, vswitch);
        }
        cloud
    }

    fn bastion(&mut self, seed: u64) {
        let [.., high, low] = seed.to_be_bytes();
        let id: InstanceId = made("i-lab-bastion");
        let instance = Instance {
            id: id.clone(),
            name: "bastion".to_owned(),
            instance_type: BASTION_TYPE.to_owned(),
            image: "lab_bastion.vhd".to_owned(),
            charge: ChargeType::PostPaid,
            traffic: TrafficCharge::PayByTraffic,
            bandwidth: 0,
            days: None,
            public: None,
            address: BASTION_ADDRESS,
            primary_eni: made("eni-labprim-bastion"),
            vswitch: made("vsw-lab-bastion"),
            security_groups: vec![GROUP.to_owned()],
            tags: BTreeMap::new(),
            change: None,
        };
        self.add_instance(instance, MacAddr([0x00, 0x16, 0x3e, high, low, 0x02]));
        self.add_eip("eip-lab-bastion", BASTION_EIP, Holder::Instance(id), Some(BASTION_ADDRESS));
    }

    fn host(&mut self, host: &HostSpec, others: bool) {
        let by_bandwidth = host.case == Case::PrePaid;
        let prepaid = by_bandwidth || host.case == Case::PrePaidByTraffic;
        let done = host.case == Case::Done;
        let instance = Instance {
            id: host.instance.clone(),
            name: host.name.to_string(),
            instance_type: HOST_TYPE.to_owned(),
            image: image(host.flavour).to_owned(),
            charge: if prepaid { ChargeType::PrePaid } else { ChargeType::PostPaid },
            traffic: if by_bandwidth { TrafficCharge::PayByBandwidth } else { TrafficCharge::PayByTraffic },
            bandwidth: if done { 0 } else { BANDWIDTH },
            days: prepaid.then_some(300),
            public: (!done).then_some(host.public),
            address: host.address,
            primary_eni: made(&format!("eni-labprim{:04}", host.index)),
            vswitch: host.vswitch.clone(),
            security_groups: vec![GROUP.to_owned()],
            tags: BTreeMap::new(),
            change: None,
        };
        self.add_instance(instance, host.mac);
        if others {
            let eni = other_eni(host);
            self.add_eni(plain_eni(eni.id, eni.mac, eni.address, &host.vswitch), &host.instance);
        }
        if done {
            let done = done_eni(host);
            let (id, address) = (done.id.clone(), done.address);
            self.add_eni(
                Eni {
                    name: format!("egress-{}", host.name),
                    tags: BTreeMap::from([(OWNER_TAG.to_owned(), host.instance.to_string())]),
                    ..plain_eni(done.id, done.mac, done.address, &host.vswitch)
                },
                &host.instance,
            );
            let allocation = format!("eip-labdone{:04}", host.index);
            self.add_eip(&allocation, host.public, Holder::Eni(id), Some(address));
        }
    }

    fn add_instance(&mut self, instance: Instance, mac: MacAddr) {
        let primary = plain_eni(instance.primary_eni.clone(), mac, instance.address, &instance.vswitch);
        self.add_eni(Eni { primary: true, delete_on_release: true, ..primary }, &instance.id);
        self.instances.insert(instance.id.clone(), instance);
    }

    fn add_eni(&mut self, eni: Eni, instance: &InstanceId) {
        let eni = Eni { status: EniStatus::InUse, instance: Some(instance.clone()), ..eni };
        self.enis.insert(eni.id.clone(), eni);
    }

    fn add_eip(&mut self, id: &str, address: Ipv4Addr, holder: Holder, private: Option<Ipv4Addr>) {
        let eip = Eip {
            id: made(id),
            address,
            name: String::new(),
            status: EipStatus::InUse,
            holder: Some(holder),
            private,
            bandwidth: BANDWIDTH,
            tags: BTreeMap::new(),
        };
        self.eips.insert(eip.id.clone(), eip);
    }
}

const fn image(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Rhel => "lab_rhel.vhd",
        Flavour::Debian => "lab_debian.vhd",
        Flavour::Minimal => "lab_minimal.vhd",
    }
}

fn plain_eni(id: EniId, mac: MacAddr, address: Ipv4Addr, vswitch: &VSwitchId) -> Eni {
    Eni {
        id,
        name: String::new(),
        description: String::new(),
        status: EniStatus::Available,
        primary: false,
        mac,
        address,
        vswitch: vswitch.clone(),
        security_groups: vec![GROUP.to_owned()],
        instance: None,
        source_dest_check: false,
        delete_on_release: false,
        tags: BTreeMap::new(),
        resource_group: "rg-lab".to_owned(),
    }
}

/// A basic group that lets SSH and the web in from everywhere.
fn group() -> SecurityGroup {
    let rule = |ports| GroupRule { protocol: "TCP", ports, source: "0.0.0.0/0", accept: true, priority: 1 };
    SecurityGroup {
        id: GROUP.to_owned(),
        vpc: VPC.to_owned(),
        kind: "normal",
        limit: 6000,
        rules: vec![rule("22/22"), rule("80/80"), rule("443/443")],
    }
}
