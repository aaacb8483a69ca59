//! The firewall texts of the edge router and of the virtual switch. Pure: blueprint in, nft script out.
//!
//! Must never contain a rule outside the two tables [`EDGE`] and [`GUARD`].

use std::fmt::Write;
use std::net::Ipv4Addr;

use crate::core::model::gateway_of;
use crate::lab::spec::{SNAT_ADDRESS, SUBNETS};

/// Table of the address translation between the VPC and the internet.
pub(super) const EDGE: &str = "ip edge";
/// Table of what the virtual switch lets through from each port.
pub(super) const GUARD: &str = "bridge port_guard";

/// Both tables, empty of ports and bindings.
///
/// A guest may ask for its gateway under a wrong address, as Linux does when a packet leaves by another interface than
/// its source's: the cloud answers such questions, and drops the packet itself.
///
/// In the edge, `pairs` holds what is bound now, and every flow that was translated by a binding that is no more is
/// dropped: that is how established flows die with their binding although the kernel still remembers them.
pub(super) fn base() -> String {
    let subnets: Vec<_> = SUBNETS.iter().filter(|subnet| subnet.snat).map(|subnet| subnet.cidr).collect();
    let subnets = subnets.join(", ");
    let gateways = SUBNETS.iter().filter_map(|subnet| gateway_of(subnet.cidr.parse().ok()?));
    let gateways = gateways.map(|gateway| gateway.to_string()).collect::<Vec<_>>().join(", ");
    format!(
        r#"table {GUARD} {{
  set owned {{ type ifname . ipv4_addr
  }}
  set checked {{ type ifname
  }}
  chain arrivals {{
    type filter hook prerouting priority -300; policy accept;
    arp operation reply iifname . arp saddr ip != @owned drop
    iifname @checked arp saddr ip != 0.0.0.0 arp daddr ip != {{ {gateways} }} iifname . arp saddr ip != @owned drop
    iifname @checked ether type ip iifname . ip saddr != @owned drop
  }}
}}
table {EDGE} {{
  map inward {{ type ipv4_addr : ipv4_addr
  }}
  map outward {{ type ipv4_addr : ipv4_addr
  }}
  set pairs {{ type ipv4_addr . ipv4_addr
  }}
  set holders {{ type ipv4_addr
  }}
  set covered {{ type ipv4_addr; flags interval; elements = {{ {subnets} }}
  }}
  chain arrive {{
    type nat hook prerouting priority -100; policy accept;
    dnat to ip daddr map @inward
  }}
  chain pass {{
    type filter hook forward priority 0; policy accept;
    ct status dnat ct original ip daddr . ct reply ip saddr != @pairs drop
    ct status snat ct reply ip daddr != {SNAT_ADDRESS} ct reply ip daddr . ct original ip saddr != @pairs drop
    oifname "wan" ct direction original ip saddr != @holders ip saddr != @covered drop
    iifname "wan" ct state established,related accept
    iifname "wan" ct status dnat accept
    iifname "wan" drop
  }}
  chain local {{
    type filter hook input priority 0; policy accept;
    iifname "wan" ip protocol != icmp drop
  }}
  chain leave {{
    type nat hook postrouting priority 100; policy accept;
    oifname "wan" jump translate
    ct status dnat jump translate
  }}
  chain translate {{
    snat to ip saddr map @outward
    ip saddr @covered snat to {SNAT_ADDRESS}
  }}
}}
"#
    )
}

/// What changes when a port appears (`add`) or disappears (`delete`).
pub(super) fn port(verb: &str, device: &str, address: Ipv4Addr, source_check: bool) -> String {
    let mut text = format!("{verb} element {GUARD} owned {{ \"{device}\" . {address} }}\n");
    if source_check {
        let _ = writeln!(text, "{verb} element {GUARD} checked {{ \"{device}\" }}");
    }
    text
}

/// What changes when a public address is bound (`add`) or unbound (`delete`).
pub(super) fn binding(verb: &str, public: Ipv4Addr, private: Ipv4Addr) -> String {
    // A map's element is deleted by its key alone.
    let mapped = |key: Ipv4Addr, value: Ipv4Addr| {
        if verb == "add" { format!("{key} : {value}") } else { key.to_string() }
    };
    format!(
        "{verb} element {EDGE} inward {{ {} }}\n{verb} element {EDGE} outward {{ {} }}\n\
         {verb} element {EDGE} pairs {{ {public} . {private} }}\n{verb} element {EDGE} holders {{ {private} }}\n",
        mapped(public, private),
        mapped(private, public),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
    const PRIVATE: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 10);

    #[test]
    fn only_subnets_with_an_snat_entry_are_covered() {
        let text = base();
        assert!(text.contains("elements = { 172.16.0.0/22, 172.16.4.0/24, 172.16.9.0/24 }"), "{text}");
        assert!(!text.contains("172.16.5.0"));
    }

    #[test]
    fn own_address_comes_before_the_shared_one() {
        let text = base();
        assert!(text.find("map @outward").unwrap() < text.find("@covered snat").unwrap());
    }

    #[test]
    fn a_binding_is_deleted_by_key_and_added_with_its_value() {
        assert!(binding("add", PUBLIC, PRIVATE).contains("inward { 203.0.113.10 : 172.16.0.10 }"));
        let gone = binding("delete", PUBLIC, PRIVATE);
        assert!(gone.contains("inward { 203.0.113.10 }") && gone.contains("outward { 172.16.0.10 }"));
        assert!(gone.contains("pairs { 203.0.113.10 . 172.16.0.10 }"));
    }

    #[test]
    fn a_port_without_source_check_may_still_only_announce_its_own_address() {
        let lax = port("add", "v00163e00070a", PRIVATE, false);
        assert!(lax.contains("owned { \"v00163e00070a\" . 172.16.0.10 }") && !lax.contains("checked"));
        assert!(port("add", "v00163e00070a", PRIVATE, true).contains("checked { \"v00163e00070a\" }"));
    }
}
