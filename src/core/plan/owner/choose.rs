//! Which owner: the one that has the primary interface in hand, because it is up after every boot for sure.

use std::collections::BTreeSet;

use super::{network_manager, networkd};
use crate::core::inventory::Persist;
use crate::core::model::{IfName, Owner};
use crate::core::observed::Facts;
use crate::core::plan::{Finding, RouteTarget};

/// An owner, and what a person should know about how it was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Who keeps the route; `None` is nobody, which the inventory asks for.
    pub owner: Option<Owner>,
    /// What should be known about that.
    pub findings: Vec<Finding>,
}

/// Chooses the owner: the inventory's word, or what the host says of its primary interface.
#[must_use]
pub fn choose(facts: &Facts, target: &RouteTarget, persist: Persist) -> Choice {
    match persist {
        Persist::None => Choice { owner: None, findings: Vec::new() },
        Persist::By(owner) => Choice { owner: Some(owner), findings: asked_for(facts, target, owner) },
        Persist::Auto => detected(facts, target),
    }
}

fn claimants(facts: &Facts, dev: &IfName) -> Vec<Owner> {
    let all: BTreeSet<Owner> =
        facts.system.claims.iter().filter(|claim| claim.dev == *dev).map(|claim| claim.owner).collect();
    all.into_iter().collect()
}

fn primary<'a>(facts: &'a Facts, target: &RouteTarget) -> Option<&'a IfName> {
    facts.addresses.iter().find(|address| address.net.addr() == target.primary_ip).map(|address| &address.dev)
}

/// The inventory has the last word; that the host says something else should be known.
fn asked_for(facts: &Facts, target: &RouteTarget, owner: Owner) -> Vec<Finding> {
    let claimants = primary(facts, target).map(|dev| claimants(facts, dev)).unwrap_or_default();
    let foreign = |other: &&Owner| **other != owner;
    let of_its_own = matches!(owner, Owner::Unit | Owner::RcLocal);
    let networkd = claimants.iter().any(|other| matches!(other, Owner::Networkd | Owner::Netplan));
    if of_its_own && networkd && facts.system.systemd.is_some_and(|v| v >= networkd::REMOVES_RULES) {
        return vec![Finding::warning(
            format!("systemd-networkd removes rules that it did not make, and {} makes ours", owner.label()),
            "the route is gone whenever networkd configures a link, until it is made again",
            "let route.persist be auto",
        )];
    }
    match claimants.iter().find(foreign) {
        Some(other) if !of_its_own => vec![Finding::warning(
            format!(
                "route.persist says {owner}, and the host says that {} has its primary interface",
                other.label()
            ),
            "an owner that is not at work does not bring the route back after a reboot",
            "let route.persist be auto, unless this is what you want",
        )],
        _ => Vec::new(),
    }
}

fn detected(facts: &Facts, target: &RouteTarget) -> Choice {
    let system = &facts.system;
    let fallback = |findings| {
        let owner = if system.init == "systemd" { Owner::Unit } else { Owner::RcLocal };
        Choice { owner: Some(owner), findings }
    };
    let Some(dev) = primary(facts, target) else { return fallback(Vec::new()) };
    let note = |what: String, why: &str| fallback(vec![Finding::note(what, why)]);
    match claimants(facts, dev).as_slice() {
        [] if system.init != "systemd" => fallback(Vec::new()),
        [] => note(
            format!("no network manager that is known says that {dev} is its own"),
            "a systemd unit keeps the route",
        ),
        [Owner::Networkd | Owner::Netplan] if system.systemd.is_some_and(|v| v < networkd::OLDEST) => note(
            format!("systemd-networkd {} cannot keep rules", system.systemd.unwrap_or_default()),
            "a systemd unit keeps the route",
        ),
        [Owner::NetworkManager] if system.network_manager.is_some_and(|v| v < network_manager::OLDEST) => {
            note("this NetworkManager cannot keep rules".to_owned(), "a systemd unit keeps the route")
        }
        [owner] => Choice { owner: Some(*owner), findings: Vec::new() },
        several => {
            let names: Vec<&str> = several.iter().map(|owner| owner.label()).collect();
            fallback(vec![Finding::warning(
                format!("{} all say that {dev} is their own", names.join(" and ")),
                "which of them has the last word cannot be told, so a unit or rc.local keeps the route",
                "let one of them manage it, or name it in route.persist",
            )])
        }
    }
}
