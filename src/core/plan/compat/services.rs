//! Services that would answer from the wrong address, or not at all.

use std::net::IpAddr;

use super::{list, secondary};
use crate::core::model::{IfName, Owner};
use crate::core::observed::Facts;
use crate::core::observed::facts::Socket;
use crate::core::plan::{Finding, RouteTarget};

/// UDP ports whose services ask the kernel from which address they were called, or only talk to their own network.
const HARMLESS_UDP: [u16; 4] = [67, 68, 546, 5353];

/// Sockets on the primary's own address, and UDP sockets on any address.
pub(super) fn sockets(facts: &Facts, target: &RouteTarget, found: &mut Vec<Finding>) {
    // It brings them what comes in, and sends their answers the right way.
    if target.shim {
        return;
    }
    let primary = IpAddr::V4(target.primary_ip);
    let name = |socket: &Socket| {
        let kind = if socket.udp { "UDP" } else { "TCP" };
        let process = if socket.process.is_empty() { "somebody" } else { &socket.process };
        format!("{process} ({kind} {})", socket.port)
    };
    let bound: Vec<&Socket> =
        facts.system.sockets.iter().filter(|socket| socket.address == Some(primary)).collect();
    if bound.iter().any(|socket| socket.process == "sshd") {
        found.push(Finding::warning(
            format!("sshd listens on {} alone", target.primary_ip),
            "SSH through the EIP will be refused, because the EIP will lead to another private address",
            "add a ListenAddress for the interface's address, or remove the one there is, before the EIP moves; or set route.shim: true",
        ));
    }
    let others: Vec<String> = bound.into_iter().filter(|socket| socket.process != "sshd").map(name).collect();
    if !others.is_empty() {
        found.push(Finding::warning(
            format!("bound to {} alone: {}", target.primary_ip, list(&others)),
            "connections through the EIP will be refused, because it will lead to another private address",
            "let them listen on the interface's address, too, if they are to be reached from outside; or set route.shim: true",
        ));
    }
    let wildcard: Vec<String> = facts
        .system
        .sockets
        .iter()
        .filter(|socket| socket.udp && socket.address.is_none() && !HARMLESS_UDP.contains(&socket.port))
        // What the kernel has chosen is a client's.
        .filter(|socket| socket.port < 32768)
        .map(name)
        .collect();
    if !wildcard.is_empty() {
        found.push(Finding::warning(
            format!("UDP on any address: {}", list(&wildcard)),
            "an answer to a packet through the EIP leaves with the primary's address and the shared egress address, and is \
             discarded by who asked",
            "bind it to the interface's address, or switch its multihome support on, if it is to be reached from outside; or set route.shim: true",
        ));
    }
}

/// Nodes whose interfaces belong to a cluster, and ports that are translated to containers.
pub(super) fn containers(facts: &Facts, target: &RouteTarget, found: &mut Vec<Finding>) {
    let system = &facts.system;
    for name in ["terwayd", "kubelet", "k3s", "k3s-agent"] {
        if system.is_wanted(name) {
            found.push(Finding::refusal(
                format!("the host is a Kubernetes node ({name})"),
                "its network plugin manages the interfaces, and may adopt or detach ours",
                "leave it out; give the cluster its egress by its own means",
            ));
            return;
        }
    }
    let translated = |line: &&String| line.contains("DNAT") || line.contains("dnat to");
    let ports = system.filter.iter().filter(translated).count();
    if ports > 0 && !target.shim {
        found.push(Finding::warning(
            format!("{ports} rules translate destinations, as published container ports do"),
            "answers of a container are routed before they are translated back, so they leave by the primary and are lost",
            "set route.shim: true; or publish such ports by a proxy on the host (docker: userland-proxy with host networking)",
        ));
    }
}

/// Rules that let packets in by the primary alone.
pub(super) fn firewall(facts: &Facts, target: &RouteTarget, dev: Option<&IfName>, found: &mut Vec<Finding>) {
    let system = &facts.system;
    let Some(dev) = dev else { return };
    let zone_of = |dev: &IfName| {
        let zone = system.zones.iter().find(|(_, devices)| devices.iter().any(|name| name == dev.as_str()));
        zone.map(|(zone, _)| zone.as_str())
    };
    let there = secondary(facts, target);
    // NetworkManager tells firewalld itself.
    let told = target.owner == Some(Owner::NetworkManager);
    if let Some(zone) = zone_of(dev).filter(|_| !told).filter(|zone| there.and_then(zone_of) != Some(zone)) {
        found.push(Finding::warning(
            format!("firewalld has {dev} in the zone {zone:?}, and the new interface will be in the default zone"),
            "what may come in through the EIP would be another set of ports",
            format!("firewall-cmd --permanent --zone={zone} --add-interface=DEVICE, once the interface is attached"),
        ));
    }
    let address = target.primary_ip.to_string();
    let names = |line: &&String| {
        let words: Vec<&str> = line.split([' ', '"', '/', ';']).collect();
        let after = |key: &str, value: &str| words.windows(2).any(|pair| pair == [key, value]);
        let by_device = after("-i", dev.as_str())
            || (line.contains("iifname") && words.contains(&dev.as_str()) && !line.contains("!="));
        by_device || after("-d", &address) || after("daddr", &address)
    };
    let count = system.filter.iter().filter(names).count();
    if count > 0 {
        found.push(Finding::warning(
            format!("{count} rules of the packet filter name {dev} or {address}"),
            "packets through the EIP come in by another interface, to another address",
            "see whether each of them is needed for the new interface, too (nft list ruleset, iptables-save)",
        ));
    }
}
