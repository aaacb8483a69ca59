//! The lab's network: the VPC's edge router, its virtual switches, NAT, the internet, and the cables to the hosts.
//!
//! All of it lives in the supervisor's network namespace and those made from it. Must never run before the process is in a
//! network namespace of its own.

mod links;
mod rules;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::fabric::{Fabric, Port};
use super::paths::{BASTION, INTERNET};
use super::spec::{BASTION_ADDRESS, BASTION_EIP, Case, Flavour, HostSpec, LabSpec, done_eni, other_eni};
use super::tool;
use crate::core::model::{InstanceId, MacAddr, gateway_of};

pub use links::{configure, lease};

/// A port with its guest's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugged {
    /// Name of the guest's network namespace.
    pub guest: String,
    /// The device in the guest.
    pub device: String,
    /// The port.
    pub port: Port,
}

/// Who has an address: what the metadata service tells a caller about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// The host; `None` is the bastion.
    pub host: Option<HostSpec>,
    /// Its interfaces, the primary one first.
    pub ports: Vec<Plugged>,
    /// The public address bound to its primary private address.
    pub public: Option<Ipv4Addr>,
}

#[derive(Debug, Default)]
struct State {
    ports: Vec<Plugged>,
    bindings: BTreeMap<Ipv4Addr, Ipv4Addr>,
}

/// The network of one lab. Clones are the same network.
#[derive(Debug, Clone)]
pub struct Network {
    spec: Arc<LabSpec>,
    state: Arc<Mutex<State>>,
}

impl Network {
    /// Builds the whole network as the blueprint says, hosts' cables included; the hosts themselves are not started.
    ///
    /// # Errors
    /// What `ip`, `nft` or the kernel said.
    pub fn build(spec: LabSpec) -> Result<Self, String> {
        kernel_settings()?;
        let network = Self { spec: Arc::new(spec), state: Arc::default() };
        let mut state = network.state();
        let bastion = links::bastion(network.spec.seed);
        state.ports.push(Plugged { guest: BASTION.into(), device: "eth0".into(), port: bastion });
        state.bindings.insert(BASTION_EIP, BASTION_ADDRESS);
        for host in &network.spec.hosts {
            let (ports, private) = initial(host, network.spec.others);
            state.ports.extend(ports);
            state.bindings.insert(host.public, private);
        }
        let mut script = links::edge();
        for host in &network.spec.hosts {
            script.push_str(&format!("netns add {}\n", host.name));
        }
        let mut rules = rules::base();
        for plugged in &state.ports {
            script.push_str(&links::plug(&plugged.guest, &plugged.device, &plugged.port)?);
            rules.push_str(&port_rules("add", &plugged.port));
        }
        for (public, private) in &state.bindings {
            rules.push_str(&rules::binding("add", *public, *private));
        }
        tool::ip_batch(None, &script)?;
        bridge_settings()?;
        tool::nft(&rules)?;
        tool::ip_batch(Some(INTERNET), &links::internet())?;
        let bastion = links::bastion(network.spec.seed);
        let gateway = gateway_of(bastion.cidr);
        let bastion = configure("eth0", bastion.address, bastion.cidr.prefix_len(), gateway);
        tool::ip_batch(Some(BASTION), &format!("link set lo up\n{bastion}"))?;
        drop(state);
        Ok(network)
    }

    /// The blueprint.
    #[must_use]
    pub fn spec(&self) -> &LabSpec {
        &self.spec
    }

    /// Gives a host a fresh network namespace with all its interfaces plugged and none configured.
    ///
    /// # Errors
    /// What `ip` said.
    pub fn renew(&self, host: &HostSpec) -> Result<(), String> {
        let state = self.state();
        let name = host.name.as_str();
        let mut script = format!("netns del {name}\nnetns add {name}\n");
        for plugged in state.ports.iter().filter(|plugged| plugged.guest == name) {
            // The old cable goes when the kernel gets round to the old namespace, which may be too late.
            let _ = tool::ip_batch(None, &format!("link del {}\n", links::device_of(plugged.port.mac)));
            script.push_str(&links::plug(name, &plugged.device, &plugged.port)?);
        }
        tool::ip_batch(None, &script)
    }

    /// A guest's interfaces, the primary one first.
    #[must_use]
    pub fn ports(&self, guest: &str) -> Vec<Plugged> {
        self.state().ports.iter().filter(|plugged| plugged.guest == guest).cloned().collect()
    }

    /// Public addresses and the private ones they are bound to.
    #[must_use]
    pub fn bindings(&self) -> BTreeMap<Ipv4Addr, Ipv4Addr> {
        self.state().bindings.clone()
    }

    /// The guest that has this private address.
    #[must_use]
    pub fn guest_at(&self, address: Ipv4Addr) -> Option<Guest> {
        let name = {
            let state = self.state();
            state.ports.iter().find(|plugged| plugged.port.address == address)?.guest.clone()
        };
        let ports = self.ports(&name);
        let primary = ports.first()?.port.address;
        let public = self.bindings().into_iter().find_map(|(public, to)| (to == primary).then_some(public));
        let host = self.spec.hosts.iter().find(|host| host.name.as_str() == name).cloned();
        Some(Guest { host, ports, public })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plug_now(&self, instance: &InstanceId, port: &Port) -> Result<(), String> {
        let mut state = self.state();
        if let Some(present) = state.ports.iter().find(|plugged| plugged.port.mac == port.mac) {
            return if present.port == *port {
                Ok(())
            } else {
                Err(format!("{} is plugged already, with other settings", port.mac))
            };
        }
        let host = self.host_of(instance)?;
        let name = host.name.as_str();
        let device = free_device(&tool::ip_output(&["-n", name, "-o", "link", "show"])?);
        tool::nft(&port_rules("add", port))?;
        tool::ip_batch(None, &links::plug(name, &device, port)?)?;
        if host.flavour == Flavour::Minimal {
            tool::ip_batch(Some(name), &lease(&device, port.address, port.cidr, false))?;
        }
        state.ports.push(Plugged { guest: name.to_owned(), device, port: port.clone() });
        Ok(())
    }

    fn unplug_now(&self, instance: &InstanceId, mac: MacAddr) -> Result<(), String> {
        let mut state = self.state();
        let name = self.host_of(instance)?.name.as_str();
        let found = state.ports.iter().position(|plugged| plugged.port.mac == mac && plugged.guest == name);
        let Some(index) = found else { return Ok(()) };
        let port = state.ports[index].port.clone();
        tool::ip_batch(None, &links::unplug(&port)?)?;
        tool::nft(&port_rules("delete", &port))?;
        state.ports.remove(index);
        Ok(())
    }

    fn bind_now(&self, public: Ipv4Addr, private: Ipv4Addr) -> Result<(), String> {
        let mut state = self.state();
        let before = state.bindings.get(&public).copied();
        if before == Some(private) {
            return Ok(());
        }
        if let Some((other, _)) = state.bindings.iter().find(|(_, to)| **to == private) {
            return Err(format!("{private} is already bound to {other}"));
        }
        let mut script = before.map(|old| rules::binding("delete", public, old)).unwrap_or_default();
        script.push_str(&rules::binding("add", public, private));
        tool::nft(&script)?;
        state.bindings.insert(public, private);
        Ok(())
    }

    fn unbind_now(&self, public: Ipv4Addr) -> Result<(), String> {
        let mut state = self.state();
        let Some(private) = state.bindings.get(&public).copied() else { return Ok(()) };
        tool::nft(&rules::binding("delete", public, private))?;
        state.bindings.remove(&public);
        Ok(())
    }

    fn host_of(&self, instance: &InstanceId) -> Result<&HostSpec, String> {
        let host = self.spec.hosts.iter().find(|host| host.instance == *instance);
        host.ok_or_else(|| format!("the lab has no instance {instance}"))
    }

    async fn in_background<F>(&self, work: F) -> Result<(), String>
    where
        F: FnOnce(Self) -> Result<(), String> + Send + 'static,
    {
        let network = self.clone();
        tokio::task::spawn_blocking(move || work(network)).await.map_err(|error| error.to_string())?
    }
}

#[async_trait]
impl Fabric for Network {
    async fn plug(&self, instance: &InstanceId, port: &Port) -> Result<(), String> {
        let (instance, port) = (instance.clone(), port.clone());
        self.in_background(move |network| network.plug_now(&instance, &port)).await
    }

    async fn unplug(&self, instance: &InstanceId, mac: MacAddr) -> Result<(), String> {
        let instance = instance.clone();
        self.in_background(move |network| network.unplug_now(&instance, mac)).await
    }

    async fn bind(&self, public: Ipv4Addr, private: Ipv4Addr) -> Result<(), String> {
        self.in_background(move |network| network.bind_now(public, private)).await
    }

    async fn unbind(&self, public: Ipv4Addr) -> Result<(), String> {
        self.in_background(move |network| network.unbind_now(public)).await
    }
}

/// A host's ports at the beginning, and the private address that its public one is bound to.
fn initial(host: &HostSpec, others: bool) -> (Vec<Plugged>, Ipv4Addr) {
    let plugged = |device: &str, mac, address| Plugged {
        guest: host.name.as_str().to_owned(),
        device: device.to_owned(),
        port: Port { mac, address, vswitch: host.vswitch.clone(), cidr: host.cidr, source_check: true },
    };
    let mut ports = vec![plugged("eth0", host.mac, host.address)];
    let mut private = host.address;
    if host.case == Case::Done {
        let eni = done_eni(host);
        ports.push(plugged("eth1", eni.mac, eni.address));
        private = eni.address;
    }
    if others {
        let eni = other_eni(host);
        ports.push(plugged(&format!("eth{}", ports.len()), eni.mac, eni.address));
    }
    (ports, private)
}

fn port_rules(verb: &str, port: &Port) -> String {
    rules::port(verb, &links::device_of(port.mac), port.address, port.source_check)
}

/// The first `ethN` that the output of `ip -o link` does not have.
fn free_device(links: &str) -> String {
    let taken: Vec<&str> = links
        .lines()
        .filter_map(|line| line.split(": ").nth(1))
        .map(|name| name.split('@').next().unwrap_or(name))
        .collect();
    let mut number = 0_u32;
    loop {
        let name = format!("eth{number}");
        if !taken.contains(&name.as_str()) {
            return name;
        }
        number += 1;
    }
}

/// Routing between the bridges; settings for devices yet to come. All of it belongs to this network namespace.
fn kernel_settings() -> Result<(), String> {
    for (name, value) in [
        ("ipv4/ip_forward", "1"),
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
        ("ipv4/conf/all/send_redirects", "0"),
        ("ipv4/conf/default/send_redirects", "0"),
    ] {
        set(&Path::new("/proc/sys/net").join(name), value)?;
    }
    Ok(())
}

/// Traffic inside a virtual switch must not pass the router's NAT, which some kernels would have it do.
fn bridge_settings() -> Result<(), String> {
    for name in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables"] {
        let path = Path::new("/proc/sys/net/bridge").join(name);
        if path.exists() {
            set(&path, "0")?;
        }
    }
    Ok(())
}

fn set(path: &Path, value: &str) -> Result<(), String> {
    std::fs::write(path, value).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::spec::Sshd;

    #[test]
    fn the_first_free_device_is_taken() {
        let links = "1: lo: <UP> mtu 1\n2: eth0@if3: <UP> mtu 1500\n9: eth2@if10: <UP> mtu 1500\n";
        assert_eq!(free_device(links), "eth1");
        assert_eq!(free_device("1: lo: <UP>\n"), "eth0");
    }

    #[test]
    fn a_done_host_begins_with_its_address_on_the_second_interface() {
        let lab = LabSpec::new(7, Sshd::Builtin, 2, None).unwrap();
        let (ports, private) = initial(&lab.hosts[0], false);
        assert_eq!(ports.len(), 2);
        assert_eq!(private, ports[1].port.address);
        let (ports, private) = initial(&lab.hosts[1], false);
        assert_eq!((ports.len(), private), (1, lab.hosts[1].address));
    }
}
