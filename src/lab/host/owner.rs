//! What owns a host's network, reduced to what a boot needs: the owner's files in, interfaces out. Pure.
//!
//! Understands the static IPv4 part of `ifcfg-*` and of `interfaces(5)`; never runs commands named in them.

use std::net::Ipv4Addr;

/// An interface to bring up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) device: String,
    pub(super) address: Ipv4Addr,
    pub(super) prefix: u8,
    pub(super) gateway: Option<Ipv4Addr>,
}

/// One `ifcfg-*` file of the network-scripts. `None` if it is not started at boot or has no static address.
pub(super) fn ifcfg(text: &str) -> Option<Interface> {
    let value = |key: &str| {
        let lines = text.lines().filter_map(|line| line.trim().split_once('='));
        lines.rev().find(|(name, _)| *name == key).map(|(_, value)| value.trim_matches(['"', '\'']))
    };
    if value("ONBOOT").is_some_and(|on| on.eq_ignore_ascii_case("no")) {
        return None;
    }
    let prefix = match (value("PREFIX"), value("NETMASK")) {
        (Some(prefix), _) => prefix.parse().ok()?,
        (None, Some(mask)) => prefix_of(mask)?,
        (None, None) => 32,
    };
    let default = !value("DEFROUTE").is_some_and(|on| on.eq_ignore_ascii_case("no"));
    Some(Interface {
        device: value("DEVICE")?.to_owned(),
        address: value("IPADDR")?.parse().ok()?,
        prefix,
        gateway: value("GATEWAY").filter(|_| default).and_then(|gateway| gateway.parse().ok()),
    })
}

/// The `inet static` stanzas of an `interfaces` file whose interface is `auto` or `allow-hotplug`.
pub(super) fn interfaces(text: &str) -> Vec<Interface> {
    let mut auto = Vec::new();
    let mut found: Vec<Interface> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["auto" | "allow-hotplug", names @ ..] => {
                auto.extend(names.iter().map(|name| (*name).to_owned()));
                inside = false;
            }
            ["iface", device, "inet", "static"] => {
                let address = Ipv4Addr::UNSPECIFIED;
                found.push(Interface { device: (*device).to_owned(), address, prefix: 32, gateway: None });
                inside = true;
            }
            ["iface", ..] => inside = false,
            [key, value, ..] if inside => {
                if let Some(interface) = found.last_mut() {
                    stanza_line(interface, key, value);
                }
            }
            _ => {}
        }
    }
    found.retain(|interface| auto.contains(&interface.device) && !interface.address.is_unspecified());
    found
}

fn stanza_line(interface: &mut Interface, key: &str, value: &str) {
    match key {
        "address" => {
            let (address, prefix) = value.split_once('/').unwrap_or((value, ""));
            interface.address = address.parse().unwrap_or(Ipv4Addr::UNSPECIFIED);
            interface.prefix = prefix.parse().unwrap_or(interface.prefix);
        }
        "netmask" => interface.prefix = prefix_of(value).unwrap_or(interface.prefix),
        "gateway" => interface.gateway = value.parse().ok(),
        _ => {}
    }
}

fn prefix_of(mask: &str) -> Option<u8> {
    if let Ok(prefix) = mask.parse::<u8>() {
        return (prefix <= 32).then_some(prefix);
    }
    ipnet::ipv4_mask_to_prefix(mask.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ifcfg_file_is_understood() {
        let text =
            "DEVICE=eth0\nONBOOT=yes\nIPADDR=172.16.0.11\nNETMASK=255.255.252.0\nGATEWAY=\"172.16.3.253\"\n";
        let interface = ifcfg(text).unwrap();
        assert_eq!((interface.device.as_str(), interface.prefix), ("eth0", 22));
        assert_eq!(interface.gateway, Some(Ipv4Addr::new(172, 16, 3, 253)));
        assert_eq!(ifcfg(&text.replace("ONBOOT=yes", "ONBOOT=no")), None);
        assert_eq!(ifcfg(&format!("{text}DEFROUTE=no\n")).unwrap().gateway, None);
        assert_eq!(ifcfg("DEVICE=lo\n"), None);
    }

    #[test]
    fn an_interfaces_file_is_understood() {
        let text = "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n  address 10.0.0.5/24\n  \
                    gateway 10.0.0.253\niface eth1 inet static\n  address 10.0.0.6/24\n";
        let found = interfaces(text);
        assert_eq!(found.len(), 1, "eth1 is not started at boot: {found:?}");
        assert_eq!((found[0].prefix, found[0].gateway), (24, Some(Ipv4Addr::new(10, 0, 0, 253))));
    }
}
