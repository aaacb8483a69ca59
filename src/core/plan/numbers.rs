//! Tables and priorities of a host's policy routes: what the inventory writes, else what a route has already, else the next
//! that are free.
//!
//! Must never move a number that is written, nor take one that somebody else uses; where a number is neither free nor ours to
//! give up, it stays, and looking at the host refuses it.

use ipnet::Ipv4Net;

use super::shim::Shim;
use super::targets::Target;
use super::{Code, Finding, owner};
use crate::core::model::IfName;
use crate::core::observed::Facts;
use crate::core::observed::facts::Rule;

/// How far from the first number one that is on the host already is taken for ours although no file of ours says so.
const NEAR: u32 = 32;
/// The last priority in front of the kernel's own rules.
const LAST_PRIORITY: u32 = 32_765;

/// Settles the numbers of all routes of a host, and tells which of them are others than expected. The first route's numbers
/// are where counting begins.
pub(super) fn settle(facts: &Facts, targets: &mut [Target]) -> Vec<Finding> {
    let Some(first) = targets.first() else { return Vec::new() };
    let base = (first.route.table, first.route.priority);
    let mut found = Vec::new();
    let own: Vec<Option<u32>> = targets.iter().map(|target| own_table(facts, target, base)).collect();
    for at in 0..targets.len() {
        let (target, rest) = (&targets[at], others_than(targets, at));
        let host = Host { facts, target, dev: dev_of(facts, target) };
        let settled = |other: &usize| *other < at;
        let reserved: Vec<u32> = rest
            .iter()
            .flat_map(|other| {
                let now = Some(targets[*other].route.table).filter(|_| settled(other));
                [targets[*other].table, own[*other], now]
            })
            .flatten()
            .collect();
        let tables = (base.0..=u32::MAX).chain(1..base.0).filter(|table| !(253..=255).contains(table));
        let (table, table_told) = match target.table.or(own[at]) {
            Some(table) => (table, None),
            None => host.choose(tables, &reserved, base.0, |table| host.table_taken(table)),
        };
        let reserved: Vec<u32> = rest
            .iter()
            .flat_map(|other| {
                let Target { route, priority, .. } = &targets[*other];
                let shim = Some(Shim::of(route).priority).filter(|_| route.shim);
                [*priority, Some(route.priority).filter(|_| settled(other)), shim]
            })
            .flatten()
            .collect();
        let has = host.rules_of(table).map(|rule| rule.priority).find(|has| !reserved.contains(has));
        let priorities = (base.1..=LAST_PRIORITY).chain((1..base.1).rev());
        let (priority, priority_told) = match target.priority.or(has.filter(|has| *has >= base.1)) {
            Some(priority) => (priority, None),
            None => {
                host.choose(priorities, &reserved, base.1, |priority| host.priority_taken(priority, table))
            }
        };
        for (what, value, told) in
            [("routing table", table, table_told), ("rule priority", priority, priority_told)]
        {
            let Some(taken) = told else { continue };
            let what = format!("{what} {taken}, so {} gets {value}", target.name());
            let why = format!("to have another one, write it under {} in the inventory", target.key());
            found.push(Finding::note(what, why).coded(Code::NumberMoved));
        }
        let route = &mut targets[at].route;
        (route.table, route.priority) = (table, priority);
    }
    found.extend(left_behind(facts, targets));
    found
}

fn others_than(targets: &[Target], at: usize) -> Vec<usize> {
    (0..targets.len()).filter(|other| *other != at).collect()
}

fn dev_of<'a>(facts: &'a Facts, target: &Target) -> Option<&'a IfName> {
    facts.links.iter().find(|link| Some(link.mac) == target.route.mac).map(|link| &link.name)
}

/// A host as one route sees it.
struct Host<'a> {
    facts: &'a Facts,
    target: &'a Target,
    dev: Option<&'a IfName>,
}

impl<'a> Host<'a> {
    /// The first that nobody has; and what was in the way, if it was something on the host. What a route of ours has left
    /// behind on the first number of all is nobody's to go round: it has to be seen.
    fn choose(
        &self,
        candidates: impl Iterator<Item = u32>,
        reserved: &[u32],
        base: u32,
        taken: impl Fn(u32) -> Option<Taken>,
    ) -> (u32, Option<String>) {
        let mut told = None;
        for candidate in candidates.filter(|candidate| !reserved.contains(candidate)) {
            match taken(candidate) {
                None => return (candidate, told),
                Some(Taken::ByOurs) if self.target.other.is_none() => return (candidate, None),
                Some(Taken::ByOurs) => {}
                Some(Taken::By(text)) => {
                    told = told.or_else(|| Some(format!("{candidate} is in use: {:?}", short(&text))));
                }
            }
        }
        (base, None)
    }

    fn is_ours(&self, rule: &Rule, table: u32) -> bool {
        let from = self.target.route.address.map(Ipv4Net::from);
        !rule.more && from.is_some() && rule.from == from && rule.table == Some(table)
    }

    /// The rules that this route has with this table.
    fn rules_of(&self, table: u32) -> impl Iterator<Item = &'a Rule> {
        let address = self.target.route.address.map(Ipv4Net::from);
        self.facts.rules.iter().filter(move |rule| {
            !rule.more && address.is_some() && rule.from == address && rule.table == Some(table)
        })
    }

    fn is_kept(&self, table: u32) -> bool {
        owner::keepers(self.facts).iter().any(|(_, of)| *of == Some(table))
    }

    fn table_taken(&self, table: u32) -> Option<Taken> {
        if self.is_kept(table) {
            return Some(Taken::ByOurs);
        }
        let of_table = self.facts.routes.iter().filter(|route| route.table == table);
        let mut foreign = of_table.filter(|route| route.dev.is_none() || route.dev.as_ref() != self.dev);
        if let Some(route) = foreign.next() {
            return Some(Taken::By(route.text.clone()));
        }
        let asks = |rule: &&Rule| rule.table == Some(table) && !self.is_ours(rule, table);
        self.facts.rules.iter().find(asks).map(|rule| Taken::By(rule.text.clone()))
    }

    fn priority_taken(&self, priority: u32, table: u32) -> Option<Taken> {
        let there = |rule: &&Rule| rule.priority == priority && !self.is_ours(rule, table);
        let rule = self.facts.rules.iter().find(there)?;
        let kept = rule.table.is_some_and(|table| self.is_kept(table));
        Some(if kept { Taken::ByOurs } else { Taken::By(rule.text.clone()) })
    }
}

enum Taken {
    /// By a route of ours, which a file on the host says.
    ByOurs,
    /// By this.
    By(String),
}

/// The table that a route has on the host already: by a file of ours, or as it would be without any.
fn own_table(facts: &Facts, target: &Target, base: (u32, u32)) -> Option<u32> {
    let address = target.route.address?;
    if let Some(table) = owner::tables_of(facts, address).into_iter().next() {
        return Some(table);
    }
    let dev = dev_of(facts, target)?;
    let near = |number: u32, base: u32| number >= base && number - base <= NEAR;
    let leads = |table: u32| {
        let mut routes = facts.routes.iter().filter(|route| route.table == table).peekable();
        routes.peek().is_some() && routes.all(|route| route.dev.as_ref() == Some(dev) && route.onlink)
    };
    let from = Some(Ipv4Net::from(address));
    let rules = facts.rules.iter().filter(|rule| !rule.more && rule.from == from);
    let mut rules = rules.filter(|rule| near(rule.priority, base.1));
    rules.find_map(|rule| rule.table.filter(|table| near(*table, base.0) && leads(*table)))
}

/// Routes that files of ours keep and that no interface of the inventory has any more.
fn left_behind(facts: &Facts, targets: &[Target]) -> Vec<Finding> {
    let known = |table: &u32| targets.iter().any(|target| target.route.table == *table);
    let mut tables: Vec<u32> = owner::keepers(facts).into_iter().filter_map(|(_, table)| table).collect();
    tables.sort_unstable();
    tables.dedup();
    tables.retain(|table| !known(table));
    let told = |table: u32| {
        Finding::warning(
            format!(
                "files of ours keep a policy route in table {table}, and no interface of the inventory has it"
            ),
            "it stays on the host, and comes back with every boot",
            "roll back the run that has made it, or name its interface in route.others",
        )
        .coded(Code::RouteLeft)
    };
    tables.into_iter().map(told).collect()
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::RouteTarget;
    use super::super::compat::tests::host;
    use super::*;
    use crate::core::model::MacAddr;
    use crate::core::observed::facts::{ConfigFile, Link, Route};

    const SECOND: MacAddr = MacAddr([0, 0x16, 0x3e, 0xaa, 0xbb, 2]);
    const THIRD: MacAddr = MacAddr([0, 0x16, 0x3e, 0xaa, 0xbb, 3]);

    /// A bare host with two secondary interfaces, and its routes without written numbers.
    fn bare() -> (Facts, Vec<Target>) {
        let (mut facts, route) = host();
        let link = |name: &str, mac| Link { name: name.parse().unwrap(), mac, up: false, mtu: 1500 };
        facts.links.extend([link("eth1", SECOND), link("eth2", THIRD)]);
        let address = Some(Ipv4Addr::new(172, 16, 0, 20));
        let route = RouteTarget { mac: Some(SECOND), address, ..route };
        let other =
            RouteTarget { mac: Some(THIRD), address: Some(Ipv4Addr::new(172, 16, 0, 30)), ..route.clone() };
        let target = |route, other: Option<&str>| Target {
            route,
            table: None,
            priority: None,
            other: other.map(|id| id.parse().unwrap()),
        };
        (facts, vec![target(route, None), target(other, Some("eni-3"))])
    }

    fn numbers(facts: &Facts, targets: &[Target]) -> (Vec<(u32, u32)>, Vec<Code>) {
        let mut targets = targets.to_vec();
        let found = settle(facts, &mut targets);
        let numbers = targets.iter().map(|target| (target.route.table, target.route.priority));
        (numbers.collect(), found.iter().map(|found| found.code).collect())
    }

    fn rule(text: &str, from: Option<&str>, table: u32) -> Rule {
        let priority = text.split(':').next().unwrap().parse().unwrap();
        let from = from.map(|from| from.parse().unwrap());
        Rule { priority, more: from.is_none(), from, table: Some(table), text: text.to_owned() }
    }

    fn route(table: u32, dev: &str) -> Route {
        Route {
            table,
            destination: Ipv4Net::default(),
            via: Some(Ipv4Addr::new(172, 16, 0, 253)),
            dev: Some(dev.parse().unwrap()),
            metric: 0,
            onlink: true,
            text: format!("default via 172.16.0.253 dev {dev} onlink"),
        }
    }

    #[test]
    fn they_are_counted_up_and_what_is_taken_is_passed_over_and_told() {
        let (mut facts, mut targets) = bare();
        assert_eq!(numbers(&facts, &targets), (vec![(101, 4101), (102, 4102)], vec![]));
        // The shim's rule stands next to the first one.
        targets[0].route.shim = true;
        assert_eq!(numbers(&facts, &targets).0, [(101, 4101), (102, 4103)]);
        targets[0].route.shim = false;
        facts.routes.push(route(101, "wg0"));
        facts.rules.push(rule("4102: from 10.0.0.0/8 lookup 103", Some("10.0.0.0/8"), 103));
        let moved = vec![Code::NumberMoved; 3];
        assert_eq!(numbers(&facts, &targets), (vec![(102, 4101), (104, 4103)], moved));
        // What is written stays, whoever has it, and nobody else gets it.
        (targets[0].table, targets[1].priority) = (Some(101), Some(4101));
        let (found, _) = numbers(&facts, &targets);
        assert_eq!(found, [(101, 4103), (102, 4101)]);
    }

    #[test]
    fn what_a_route_has_already_is_its_own_also_when_what_was_in_the_way_is_gone() {
        let (mut facts, targets) = bare();
        facts.routes.extend([route(103, "eth1"), route(105, "eth2")]);
        facts.rules.push(rule("4104: from 172.16.0.20 lookup 103", Some("172.16.0.20/32"), 103));
        facts.rules.push(rule("4107: from 172.16.0.30 lookup 105", Some("172.16.0.30/32"), 105));
        assert_eq!(numbers(&facts, &targets), (vec![(103, 4104), (105, 4107)], vec![]));
        // A file of ours says so for as long as it is there, also where the rule is gone.
        facts.rules.clear();
        facts.routes.clear();
        let text = "# egressctl, table 107: x\n[Network]\nAddress=172.16.0.30/32\n".to_owned();
        let file = ConfigFile { content: Some(text), mode: 0o644, obstacle: None };
        facts.files.insert("/etc/systemd/network/05-egressctl-107.network".to_owned(), file);
        assert_eq!(numbers(&facts, &targets), (vec![(101, 4101), (107, 4102)], vec![]));
        // Without its interface in the inventory it is told, and its number is not given to another one.
        let first = &targets[..1];
        assert_eq!(numbers(&facts, first), (vec![(101, 4101)], vec![Code::RouteLeft]));
    }

    #[test]
    fn what_a_former_interface_has_left_on_the_first_numbers_is_not_gone_round() {
        let (mut facts, mut targets) = bare();
        let text = "# egressctl, table 101: x\n[Network]\nAddress=172.16.0.77/32\n".to_owned();
        let file = ConfigFile { content: Some(text), mode: 0o644, obstacle: None };
        facts.files.insert("/etc/systemd/network/05-egressctl-101.network".to_owned(), file);
        facts.rules.push(rule("4101: from 172.16.0.77 lookup 101", Some("172.16.0.77/32"), 101));
        targets[0].route.address = None;
        assert_eq!(numbers(&facts, &targets), (vec![(101, 4101), (102, 4102)], vec![]));
    }
}
