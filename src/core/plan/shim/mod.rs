//! The compatibility shim: what makes UDP on every address, services on the primary address and published container ports
//! answer through the EIP on a host with our policy route.
//!
//! Pure. Must never name anything but one nft table and one rule of ours, and never changes a route.

mod look;

use std::fmt::Write;

use super::{RouteTarget, owner::UNKNOWN};
use crate::core::model::Owner;
use crate::core::observed::Facts;

pub(super) use look::{Look, is_mark_rule, look};

/// Where the kernel's own rules begin: ours must come before.
const MAIN_PRIORITY: u32 = 32_766;

/// The shim of one policy route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shim {
    /// Name of the nft table, family `ip`.
    pub name: String,
    /// Priority of the rule for marked packets: next to the route's.
    pub priority: u32,
    /// The mark of connections and packets that belong to the secondary interface: the number of the route's table.
    pub mark: u32,
    /// The rules as nft lists them, without indentation and with numbers as short as they can be; `@dev@` stands for the
    /// interface's name, which only the host knows. A preview as long as the interface's address is not known.
    pub rules: String,
}

impl Shim {
    /// The shim for this policy route, whether the route asks for it or not.
    #[must_use]
    pub fn of(route: &RouteTarget) -> Self {
        let below = route.priority.saturating_add(1);
        Self {
            name: format!("egressctl_shim_{}", route.table),
            priority: if below < MAIN_PRIORITY { below } else { route.priority.saturating_sub(1) },
            mark: route.table,
            rules: rules(route),
        }
    }
}

/// What comes in by the interface is marked in its connection and goes to the primary address, unless somebody else, such as
/// Docker, has sent it elsewhere already. What answers is marked before its way is chosen: in the prerouting chain if it is
/// forwarded (a container's), in the output chain if it is the host's own. What comes in is itself never marked: a mark there
/// would choose the way into a container, too.
fn rules(route: &RouteTarget) -> String {
    let RouteTarget { primary_ip, table, .. } = route;
    let address = route.address.map_or_else(|| UNKNOWN.to_owned(), |address| address.to_string());
    let mut text = format!("table ip egressctl_shim_{table} {{\n");
    let mut chain = |name: &str, hook: &str, lines: &[String]| {
        let _ = writeln!(text, "chain {name} {{\n{hook}; policy accept;\n{}\n}}", lines.join("\n"));
    };
    let marks = [
        format!("iifname @dev@ ct state new ct mark set {table:#x}"),
        format!("iifname != @dev@ ct mark {table:#x} meta mark set {table:#x}"),
    ];
    chain("arrive", "type filter hook prerouting priority -150", &marks);
    let translation = format!("iifname @dev@ ip daddr {address} dnat to {primary_ip}");
    chain("translate", "type nat hook prerouting priority -90", &[translation]);
    let answers = format!("ct mark {table:#x} meta mark set {table:#x}");
    chain("answer", "type route hook output priority -150", &[answers]);
    text.push('}');
    text
}

/// Whether a timer of ours puts the shim back after somebody has flushed every table: with every owner but `rc.local`, which
/// runs at a boot and never again.
#[must_use]
pub fn is_looked_after(owner: Option<Owner>) -> bool {
    owner.is_some_and(|owner| owner != Owner::RcLocal)
}

/// What differs on a host from the shim that this route should have, or should not have; empty if nothing does.
#[must_use]
pub fn differences(facts: &Facts, route: &RouteTarget) -> Vec<String> {
    let link = facts.links.iter().find(|link| Some(link.mac) == route.mac);
    look(facts, route, link.map(|link| &link.name)).lines
}

/// A listing of nft in the words of [`Shim::rules`]: versions differ in how they print numbers and priorities.
#[must_use]
fn alike(listing: &str) -> String {
    let line = |line: &str| {
        let words = line.trim().split(' ').map(|word| match word.strip_prefix("0x") {
            Some(digits) => {
                let short = digits.trim_start_matches('0');
                format!("0x{}", if short.is_empty() { "0" } else { short })
            }
            None => word.to_owned(),
        });
        let line = words.collect::<Vec<_>>().join(" ");
        line.replace("priority mangle;", "priority -150;").replace("priority dstnat + 10;", "priority -90;")
    };
    listing.lines().map(line).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::core::model::MacAddr;

    pub(super) fn route(priority: u32) -> RouteTarget {
        RouteTarget {
            mac: Some(MacAddr([0, 0x16, 0x3e, 0xaa, 0xbb, 2])),
            address: Some(Ipv4Addr::new(172, 16, 0, 20)),
            gateway: Ipv4Addr::new(172, 16, 0, 253),
            primary_ip: Ipv4Addr::new(172, 16, 0, 10),
            table: 101,
            priority,
            owner: None,
            shim: true,
            form: Default::default(),
        }
    }

    #[test]
    fn the_rule_stands_next_to_the_routes_and_before_the_kernels() {
        let priority = |of: u32| Shim::of(&route(of)).priority;
        assert_eq!([priority(4101), priority(32_764), priority(32_765)], [4102, 32_765, 32_764]);
    }

    #[test]
    fn the_rules_are_one_table() {
        let rules = Shim::of(&route(4101)).rules;
        assert_eq!(
            rules,
            "table ip egressctl_shim_101 {
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
        let listed = rules
            .replace("priority -150;", "priority mangle;")
            .replace("priority -90;", "priority dstnat + 10;")
            .replace("0x65", "0x00000065")
            .replace('\n', "\n\t");
        assert_eq!(alike(&listed), rules);
    }
}
