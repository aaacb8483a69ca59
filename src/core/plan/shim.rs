//! The compatibility shim: what makes UDP on every address, services on the primary address and published container ports
//! answer through the EIP on a host with our policy route.
//!
//! Pure. Must never name anything but one nft table and one rule of ours, and never changes a route.

use std::fmt::Write;
use std::net::Ipv4Addr;

use crate::core::model::MacAddr;
use crate::core::plan::RouteTarget;

/// Name of the nft table, family `ip`.
pub const SHIM_TABLE: &str = "egressctl_shim";

/// Where the kernel's own rules begin: ours must come before.
const MAIN_PRIORITY: u32 = 32_766;

/// The shim of one host, on top of its policy route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShimTarget {
    /// Hardware address of the secondary interface.
    pub mac: MacAddr,
    /// Primary private address of the secondary interface.
    pub address: Ipv4Addr,
    /// Gateway of the secondary interface's vSwitch.
    pub gateway: Ipv4Addr,
    /// Primary private address of the instance.
    pub primary_ip: Ipv4Addr,
    /// The policy route's table.
    pub table: u32,
    /// Priority of the rule for marked packets.
    pub priority: u32,
    /// The mark of connections and packets that belong to the secondary interface.
    pub mark: u32,
}

impl ShimTarget {
    /// The shim for this policy route: the mark is the table's number, the rule stands next to the route's. `None` as long
    /// as the interface is not known.
    #[must_use]
    pub fn of(route: &RouteTarget) -> Option<Self> {
        let below = route.priority.saturating_add(1);
        Some(Self {
            mac: route.mac?,
            address: route.address?,
            gateway: route.gateway,
            primary_ip: route.primary_ip,
            table: route.table,
            priority: if below < MAIN_PRIORITY { below } else { route.priority.saturating_sub(1) },
            mark: route.table,
        })
    }

    /// The rules as nft lists them, without indentation and with numbers as short as they can be; `@dev@` stands for the
    /// interface's name, which only the host knows.
    ///
    /// What comes in by the interface is marked in its connection and goes to the primary address, unless somebody else,
    /// such as Docker, has sent it elsewhere already. What answers is marked before its way is chosen: in the prerouting
    /// chain if it is forwarded (a container's), in the output chain if it is the host's own. What comes in is itself never
    /// marked: a mark there would choose the way into a container, too.
    #[must_use]
    pub fn rules(&self) -> String {
        let Self { address, primary_ip, mark, .. } = self;
        let mut text = format!("table ip {SHIM_TABLE} {{\n");
        let mut chain = |name: &str, hook: &str, lines: &[String]| {
            let _ = writeln!(text, "chain {name} {{\n{hook}; policy accept;\n{}\n}}", lines.join("\n"));
        };
        let marks = [
            format!("iifname @dev@ ct state new ct mark set {mark:#x}"),
            format!("iifname != @dev@ ct mark {mark:#x} meta mark set {mark:#x}"),
        ];
        chain("arrive", "type filter hook prerouting priority -150", &marks);
        let translation = format!("iifname @dev@ ip daddr {address} dnat to {primary_ip}");
        chain("translate", "type nat hook prerouting priority -90", &[translation]);
        let answers = format!("ct mark {mark:#x} meta mark set {mark:#x}");
        chain("answer", "type route hook output priority -150", &[answers]);
        text.push('}');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(priority: u32) -> RouteTarget {
        RouteTarget {
            mac: Some(MacAddr([0, 0x16, 0x3e, 0xaa, 0xbb, 2])),
            address: Some(Ipv4Addr::new(172, 16, 0, 20)),
            gateway: Ipv4Addr::new(172, 16, 0, 253),
            primary_ip: Ipv4Addr::new(172, 16, 0, 10),
            table: 101,
            priority,
            owner: None,
            form: Default::default(),
        }
    }

    #[test]
    fn the_rule_stands_next_to_the_routes_and_before_the_kernels() {
        let priority = |of: u32| ShimTarget::of(&route(of)).unwrap().priority;
        assert_eq!([priority(4101), priority(32_764), priority(32_765)], [4102, 32_765, 32_764]);
        assert_eq!(ShimTarget::of(&RouteTarget { mac: None, ..route(1) }), None);
        assert_eq!(ShimTarget::of(&RouteTarget { address: None, ..route(1) }), None);
    }

    #[test]
    fn the_rules_are_one_table() {
        assert_eq!(
            ShimTarget::of(&route(4101)).unwrap().rules(),
            "table ip egressctl_shim {
chain arrive {
type filter hook prerouting priority -150; policy accept;
iifname @dev@ ct state new ct mark set 0x65
iifname != @dev@ ct mark 0x65 meta mark set 0x65
}
chain translate {
type nat hook prerouting priority -90; policy accept;
iifname @dev@ ip daddr 172.16.0.20 dnat to 172.16.0.10
}
chain answer {
type route hook output priority -150; policy accept;
ct mark 0x65 meta mark set 0x65
}
}"
        );
    }
}
