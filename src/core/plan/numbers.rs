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
