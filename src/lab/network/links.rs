//! The links of the lab as scripts for `ip -batch`. Pure: blueprint in, script out.
//!
//! Must never name a device of the machine; the scripts run in the lab's own namespaces.

use std::fmt::Write;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::core::model::{MacAddr, VSwitchId, gateway_of};
use crate::lab::fabric::Port;
use crate::lab::paths::{BASTION, INTERNET};
use crate::lab::spec::{
    API_ADDRESS, BASTION_ADDRESS, CLIENT_ADDRESS, ECHO_JSON_ADDRESS, ECHO_TEXT_ADDRESS, EDGE_ADDRESS,
    EIP_RANGE, METADATA_ADDRESS, SUBNETS, VPC_CIDR, bastion_mac,
};

/// The bastion's only port.
pub(super) fn bastion(seed: u64) -> Port {
    let subnet = SUBNETS[3];
    Port {
        mac: bastion_mac(seed),
        address: BASTION_ADDRESS,
        vswitch: subnet.id.parse().unwrap_or_else(|_| unreachable!("ids of the lab are well-formed")),
        cidr: subnet.cidr.parse().unwrap_or_default(),
        source_check: true,
    }
}

/// The edge router: bridges with their gateways, service addresses, the way to the internet. A public address without a
/// binding leads into a black hole.
pub(super) fn edge() -> String {
    let mut text = format!(
        "link set lo up\naddress add {METADATA_ADDRESS}/32 dev lo\naddress add {API_ADDRESS}/32 dev lo\n\
         netns add {INTERNET}\nnetns add {BASTION}\n\
         link add wan type veth peer name eth0 netns {INTERNET}\n\
         address add {EDGE_ADDRESS}/24 dev wan\nlink set wan up\n\
         route add blackhole {EIP_RANGE}\nroute add blackhole {VPC_CIDR}\n"
    );
    for (number, subnet) in SUBNETS.iter().enumerate() {
        let cidr: Ipv4Net = subnet.cidr.parse().unwrap_or_default();
        let Some(gateway) = gateway_of(cidr) else { continue };
        let _ = write!(
            text,
            "link add br{number} address ee:ff:ff:ff:ff:{number:02x} type bridge\n\
             address add {gateway}/{} dev br{number}\nlink set br{number} up\n",
            cidr.prefix_len()
        );
    }
    text
}

/// The internet: a client and two echo services on one interface; it knows the way to the public addresses only.
pub(super) fn internet() -> String {
    let mut text = String::from("link set lo up\n");
    // The client first: connections from here leave from the first address.
    for address in [CLIENT_ADDRESS, ECHO_TEXT_ADDRESS, ECHO_JSON_ADDRESS] {
        let _ = writeln!(text, "address add {address}/24 dev eth0");
    }
    let _ = write!(text, "link set eth0 up\nroute add {EIP_RANGE} via {EDGE_ADDRESS}\n");
    text
}

/// The router's side of a port's cable. A hardware address is at most as long as a device name may be.
pub(super) fn device_of(mac: MacAddr) -> String {
    mac.0.iter().fold(String::from("v"), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

fn bridge_of(vswitch: &VSwitchId) -> Result<String, String> {
    let number = SUBNETS.iter().position(|subnet| subnet.id == vswitch.as_str());
    number.map(|number| format!("br{number}")).ok_or_else(|| format!("the lab has no vSwitch {vswitch}"))
}

/// Plugs a cable between the router and `device` in the network namespace `host`. The router knows where the address is
/// and does not ask, as the cloud does.
pub(super) fn plug(host: &str, device: &str, port: &Port) -> Result<String, String> {
    let (ours, bridge, mac) = (device_of(port.mac), bridge_of(&port.vswitch)?, port.mac);
    Ok(format!(
        "link add {ours} type veth peer name {device} address {mac} netns {host}\n\
         link set {ours} master {bridge} up\n\
         neigh replace {} lladdr {mac} dev {bridge} nud permanent\n",
        port.address
    ))
}

/// Takes it out again; both ends go.
pub(super) fn unplug(port: &Port) -> Result<String, String> {
    let bridge = bridge_of(&port.vswitch)?;
    Ok(format!("neigh del {} dev {bridge}\nlink del {}\n", port.address, device_of(port.mac)))
}

/// What a guest does to an interface it configures: up, address, and a default route if there is a gateway.
#[must_use]
pub fn configure(device: &str, address: Ipv4Addr, prefix: u8, gateway: Option<Ipv4Addr>) -> String {
    let mut text = format!("link set {device} up\naddress add {address}/{prefix} dev {device}\n");
    if let Some(gateway) = gateway {
        let _ = writeln!(text, "route add default via {gateway} dev {device}");
    }
    text
}

/// What a DHCP client makes of a port. The primary interface's default route has a metric; that of a further one has none,
/// so it wins. With equal metrics the kernel would prefer the gateway whose hardware address it knows already.
#[must_use]
pub fn lease(device: &str, address: Ipv4Addr, cidr: Ipv4Net, primary: bool) -> String {
    let mut text = configure(device, address, cidr.prefix_len(), None);
    if let Some(gateway) = gateway_of(cidr) {
        let _ = if primary {
            writeln!(text, "route add default via {gateway} dev {device} metric 100")
        } else {
            writeln!(text, "route prepend default via {gateway} dev {device}")
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subnet_has_its_gateway() {
        let text = edge();
        for line in ["172.16.3.253/22 dev br0", "172.16.4.253/24 dev br1", "172.16.9.253/24 dev br3"] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn device_names_fit_the_kernel() {
        assert_eq!(device_of(bastion_mac(0x0102)), "v00163e010202");
    }

    #[test]
    fn a_port_of_an_unknown_vswitch_is_refused() {
        let port = Port { vswitch: "vsw-else".parse().unwrap(), ..bastion(7) };
        assert!(plug("web-1", "eth1", &port).unwrap_err().contains("vsw-else"));
    }

    #[test]
    fn the_lease_of_a_further_interface_hijacks_the_default_route() {
        let cidr: Ipv4Net = "172.16.0.0/22".parse().unwrap();
        let text = lease("eth1", Ipv4Addr::new(172, 16, 1, 20), cidr, false);
        assert!(text.contains("address add 172.16.1.20/22 dev eth1"));
        assert!(text.ends_with("route prepend default via 172.16.3.253 dev eth1\n"));
        assert!(lease("eth0", Ipv4Addr::new(172, 16, 0, 10), cidr, true).ends_with("metric 100\n"));
    }
}
