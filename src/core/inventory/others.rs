//! Further interfaces of a host, `route.others`: reading them, and what they must not share, within a host and between hosts.
//!
//! Must never fill in a number: what is not written is chosen when the host has been looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::OtherDesired;
use super::hosts::Host;
use super::mistake::Pos;
use super::node::Node;
use super::read::{Found, Reader};
use super::value;
use super::words::few;
use crate::core::model::EniId;

/// What the inventory says of one further interface.
#[derive(Debug, Clone)]
pub(super) struct Other {
    pub(super) eni: Found<EniId>,
    pub(super) table: Option<Found<u32>>,
    pub(super) priority: Option<Found<u32>>,
}

impl Other {
    /// Without its places.
    pub(super) fn desired(&self) -> OtherDesired {
        let number = |found: &Option<Found<u32>>| found.as_ref().map(|found| found.value);
        OtherDesired {
            eni: self.eni.value.clone(),
            table: number(&self.table),
            priority: number(&self.priority),
        }
    }
}

impl Reader<'_, '_> {
    /// The list `route.others`.
    pub(super) fn others(&mut self, node: &Node) -> Option<Vec<Other>> {
        let expected =
            "a list of interfaces, each with eni, and with table and priority if they are to be certain ones";
        let found = self.list(node, "route.others", expected, |reader, node, label| {
            let fields = reader.fields(node, label, &["eni", "table", "priority"])?;
            let own = |key: &str| format!("{label}.{key}");
            let eni = reader.found(&fields, "eni", |reader, node| {
                reader.text(node, &own("eni"), "an interface id", |text| value::id(text, "eni-"))
            });
            if fields.get("eni").is_none() {
                let message = format!("{label} has no eni");
                reader.collector.add(
                    node.at,
                    message,
                    "expected eni: the id of an interface that is attached to the instance",
                );
            }
            let table =
                reader.found(&fields, "table", |reader, node| reader.route_table(node, &own("table")));
            let priority = reader
                .found(&fields, "priority", |reader, node| reader.route_priority(node, &own("priority")));
            Some(Other { eni: eni?, table, priority })
        })?;
        Some(found.into_iter().map(|other| other.value).collect())
    }

    /// The number of a routing table that is not the kernel's own.
    pub(super) fn route_table(&mut self, node: &Node, label: &str) -> Option<u32> {
        const EXPECTED: &str =
            "a table number from 1 to 4294967295 other than 253, 254 and 255, which are the kernel's own";
        let table = self.number(node, label, 1..=u32::MAX, EXPECTED)?;
        if (253..=255).contains(&table) {
            self.wrong(node, label, EXPECTED);
            return None;
        }
        Some(table)
    }

    /// The priority of a rule.
    pub(super) fn route_priority(&mut self, node: &Node, label: &str) -> Option<u32> {
        self.number(node, label, 1..=32765, "a rule priority from 1 to 32765, before the kernel's own rules")
    }

    /// An interface is one host's and there once, and what is written for one host is written once. What a group or the
    /// defaults say for many hosts is one mistake.
    pub(super) fn check_others(&mut self, hosts: &[Host]) {
        let mut told: BTreeSet<Pos> = BTreeSet::new();
        let mut users: BTreeMap<&EniId, Vec<(Pos, &str)>> = BTreeMap::new();
        for host in hosts {
            let Some(others) = &host.settings.others else { continue };
            let mut enis: BTreeMap<&EniId, Pos> = BTreeMap::new();
            let number = |found: &Option<Found<u32>>| found.as_ref().map(|found| (found.value, found.at));
            let mut tables: BTreeMap<u32, Pos> = number(&host.settings.table).into_iter().collect();
            let mut priorities: BTreeMap<u32, Pos> = number(&host.settings.priority).into_iter().collect();
            for other in &others.value {
                let eni = &other.eni;
                if let Some(place) = enis.insert(&eni.value, eni.at) {
                    if told.insert(eni.at) {
                        let message = format!("interface {} is there twice, first at {place}", eni.value);
                        self.collector.add(eni.at, message, "expected each interface once");
                    }
                    continue;
                }
                if let Some(name) = &host.name {
                    users.entry(&eni.value).or_default().push((eni.at, name.value.as_str()));
                }
                for (what, seen, found) in
                    [("table", &mut tables, &other.table), ("priority", &mut priorities, &other.priority)]
                {
                    let Some(found) = found else { continue };
                    if let Some(place) = seen.insert(found.value, found.at)
                        && told.insert(found.at)
                    {
                        let message =
                            format!("{what} {} is there twice on one host, first at {place}", found.value);
                        let expected = format!(
                            "expected another {what}, or none: then the next one that is free is taken"
                        );
                        self.collector.add(found.at, message, expected);
                    }
                }
            }
        }
        for (eni, users) in users {
            let names: Vec<&str> = users.iter().map(|(_, name)| *name).collect();
            // The same name twice is one host twice, which is reported as such.
            let several = names.iter().any(|name| *name != names[0]);
            if let Some((at, _)) = users.get(1).filter(|_| several) {
                let message = format!("interface {eni} is there for several hosts: {}", few(&names));
                self.collector.add(
                    *at,
                    message,
                    "expected each interface at the one host that it is attached to",
                );
            }
        }
    }
}
