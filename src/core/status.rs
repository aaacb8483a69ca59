//! What hosts say of themselves at this moment: their policy routes and what keeps them, the guard over a change, the lease.
//!
//! Pure. Must never say that something is there because somebody meant to bring it about: only what was seen counts.

use std::net::Ipv4Addr;

use serde::Serialize;
use serde_json::{Map, Value};

use super::adhoc::{Answer, Block, outcome_words};
use super::event::HostOutcome;
use super::model::{IfName, Owner};
use super::observed::facts::{MAIN_TABLE, Route};
use super::observed::guards::Standing;
use super::observed::{Facts, GuardState, Guards, LeaseHolder};
use super::plan::owner::keepers;

/// Tables that are the system's own: default, main and local.
const SYSTEM_TABLES: [u32; 3] = [253, MAIN_TABLE, 255];

/// One host at one moment, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostStatus {
    /// Its policy routes, ours and those like ours, by table.
    pub routes: Vec<RouteStatus>,
    /// The guards on it.
    pub guards: Guards,
    /// Who holds it.
    pub lease: Option<LeaseHolder>,
}

/// A policy route of a host: packets from an address go by a table of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteStatus {
    /// The routing table; `None` where a file keeps a route and does not say which.
    pub table: Option<u32>,
    /// The address, if there is a rule for one.
    pub address: Option<Ipv4Addr>,
    /// The rule's priority.
    pub priority: Option<u32>,
    /// The device that has the address.
    pub dev: Option<IfName>,
    /// The next hop of the table's default route.
    pub gateway: Option<Ipv4Addr>,
    /// The metric of the main table's default route by the same device and next hop, which the documented form has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_metric: Option<u32>,
    /// What it lacks at this moment, in words; empty if it is whole.
    pub lacks: Vec<String>,
    /// What brings it back after a reboot; empty if nothing of ours does.
    pub kept_by: Vec<Owner>,
}

impl HostStatus {
    /// From what a host has printed.
    #[must_use]
    pub fn new(facts: &Facts, guards: Guards, lease: Option<LeaseHolder>) -> Self {
        Self { routes: routes(facts), guards, lease }
    }

    /// How it stands: a human is needed where a host could not take everything back.
    #[must_use]
    pub fn outcome(&self) -> HostOutcome {
        let ends = self.guards.standing.iter().filter_map(|guard| guard.end.as_ref());
        match ends.into_iter().find(|end| !end.complete) {
            Some(end) if end.told.is_empty() => {
                HostOutcome::Unknown("it could not take everything back".to_owned())
            }
            Some(end) => HostOutcome::Unknown(format!("it could not take everything back: {}", end.told)),
            None => HostOutcome::Ok,
        }
    }

    /// The fields for machines.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        // Plain data; it cannot fail.
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        }
    }

    fn lines(&self, now_ms: i64) -> Vec<String> {
        let mut lines: Vec<String> = self.routes.iter().map(RouteStatus::line).collect();
        if lines.is_empty() {
            lines.push("route: none".to_owned());
        }
        let guards = &self.guards;
        lines.extend(guards.standing.iter().map(|guard| format!("guard: {}", guard_words(guard))));
        let gone = |tx: &&String| !guards.standing.iter().any(|guard| guard.tx == **tx);
        lines.extend(guards.on_disk.iter().filter(gone).map(|tx| {
            format!(
                "guard: gone with a boot, and the way back of its files is on the disk still: change {tx}"
            )
        }));
        if guards.standing.is_empty() && guards.on_disk.is_empty() {
            lines.push("guard: none".to_owned());
        }
        lines.push(match &self.lease {
            None => "lease: free".to_owned(),
            Some(holder) if holder.left == 0 => {
                format!("lease: that of run {} of {} has expired", holder.run, holder.owner)
            }
            Some(holder) => format!("lease: {}", holder.told(now_ms)),
        });
        lines
    }
}

impl RouteStatus {
    fn line(&self) -> String {
        let mut text = match self.table {
            Some(table) => format!("route: table {table}"),
            None => "route: in a table that is not told".to_owned(),
        };
        if let Some(priority) = self.priority {
            text += &format!(", priority {priority}");
        }
        text += &match self.lacks.as_slice() {
            [] => ": present".to_owned(),
            lacks => format!(": not whole: {}", lacks.join(", ")),
        };
        if let Some(metric) = self.main_metric {
            text += &format!(", and in the main table with metric {metric}");
        }
        let owners: Vec<&str> = self.kept_by.iter().map(|owner| owner.label()).collect();
        match owners.as_slice() {
            [] => text += "; gone with a reboot, nothing of ours keeps it",
            owners => text += &format!("; kept by {}", owners.join(" and ")),
        }
        text
    }
}

/// A guard in words.
fn guard_words(guard: &Standing) -> String {
    match guard.state {
        GuardState::Armed { generation, left } => {
            let over = if generation == 1 { "routes" } else { "routes and files" };
            let at = match (guard.whole, guard.busy) {
                (_, true) => "; a process of the run is at work",
                (true, false) => "",
                (false, false) => "; the change was cut off half-way",
            };
            let left = left.as_secs();
            format!("armed over {over}, taken back in {left} s unless a new connection confirms{at}")
        }
        GuardState::Confirmed => "confirmed".to_owned(),
        GuardState::RolledBack => match &guard.end {
            None => "being taken back".to_owned(),
            Some(end) if end.complete => "taken back, everything is as it was".to_owned(),
            Some(end) => format!("taken back, but not everything: {}", end.told),
        },
    }
}

/// Every rule that sends the packets of one of the host's addresses to a table of its own, and what is kept and has no rule.
fn routes(facts: &Facts) -> Vec<RouteStatus> {
    let keepers = keepers(facts);
    let kept_by = |table: u32| -> Vec<Owner> {
        keepers.iter().filter(|(_, of)| *of == Some(table)).map(|(owner, _)| *owner).collect()
    };
    let mut found: Vec<RouteStatus> = Vec::new();
    for rule in facts.rules.iter().filter(|rule| !rule.more) {
        let Some(address) = rule.from.filter(|from| from.prefix_len() == 32).map(|from| from.addr()) else {
            continue;
        };
        let Some(table) = rule.table.filter(|table| !SYSTEM_TABLES.contains(table)) else { continue };
        let again = found.iter_mut().find(|old| (old.table, old.address) == (Some(table), Some(address)));
        if let Some(again) = again {
            again.lacks.push(format!("another rule for it at priority {}", rule.priority));
            continue;
        }
        let dev = facts.addresses.iter().find(|own| own.net.addr() == address).map(|own| own.dev.clone());
        let kept_by = kept_by(table);
        if dev.is_none() && kept_by.is_empty() {
            continue;
        }
        let mut lacks = Vec::new();
        if dev.is_none() {
            lacks.push(format!("no device has {address}"));
        }
        let mut defaults = facts.routes.iter();
        let default = defaults.find(|route| route.table == table && route.destination.prefix_len() == 0);
        match default {
            None => lacks.push("the table has no default route".to_owned()),
            Some(route) if route.dev != dev => lacks.push("its default route leads elsewhere".to_owned()),
            Some(_) => {}
        }
        found.push(RouteStatus {
            table: Some(table),
            address: Some(address),
            priority: Some(rule.priority),
            dev,
            gateway: default.and_then(|route| route.via),
            main_metric: default.and_then(|default| main_metric(facts, default)),
            lacks,
            kept_by,
        });
    }
    for (owner, table) in &keepers {
        let known = found.iter_mut().find(|route| route.table == *table);
        match known {
            Some(route) if route.kept_by.contains(owner) => {}
            Some(route) => route.kept_by.push(*owner),
            None => found.push(RouteStatus {
                table: *table,
                address: None,
                priority: None,
                dev: None,
                gateway: None,
                main_metric: None,
                lacks: vec!["there is no rule".to_owned()],
                kept_by: vec![*owner],
            }),
        }
    }
    found.sort_by_key(|route| (route.table, route.priority));
    found
}

/// The metric of a route of the main table that is like this one of a table of its own. One that is as good as any is the
/// primary's way, not a worse one beside it.
fn main_metric(facts: &Facts, default: &Route) -> Option<u32> {
    let beside = facts.routes.iter().find(|route| {
        (route.table, route.destination, &route.dev, route.via)
            == (MAIN_TABLE, default.destination, &default.dev, default.via)
    });
    beside.map(|route| route.metric).filter(|metric| *metric > 0)
}

/// What is shown of one host; equal ones are folded. `now_ms`: milliseconds since 1970-01-01T00:00:00Z.
#[must_use]
pub fn status_block(answer: &Answer<HostStatus>, now_ms: i64) -> Block {
    let head = answer.outcome.reason().map(|_| outcome_words(&answer.outcome)).unwrap_or_default();
    let lines = answer.value.iter().flat_map(|status| status.lines(now_ms));
    Block { head, lines: lines.map(|line| format!("  {}", super::report::for_terminal(&line))).collect() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::observed::guards::TakenBack;
    use super::super::observed::{Observation, facts};
    use super::super::plan::Observed;
    use super::*;

    /// The host of the plans' cases, which has nothing of ours, with the given policy routes.
    fn host(rules: &[&str], tables: &[&str], files: &[(&str, &str)]) -> Facts {
        let observed: Observed = serde_json::from_str(include_str!("../../tests/plans/base.json")).unwrap();
        let seen = observed.facts.into_values().next();
        let Some(Observation::Seen(mut facts)) = seen else { panic!("no facts") };
        facts
            .addresses
            .push(facts::Address { dev: "eth1".parse().unwrap(), net: "172.16.0.20/32".parse().unwrap() });
        facts.rules.extend(rules.iter().map(|text| facts::Rule {
            priority: text.split(' ').next().unwrap().parse().unwrap(),
            from: Some("172.16.0.20/32".parse().unwrap()),
            table: Some(101),
            more: false,
            text: (*text).to_owned(),
        }));
        facts.routes.extend(tables.iter().map(|dev| facts::Route {
            table: 101,
            destination: "0.0.0.0/0".parse().unwrap(),
            via: Some("172.16.0.253".parse().unwrap()),
            dev: Some(dev.parse().unwrap()),
            metric: 0,
            onlink: true,
            text: String::new(),
        }));
        facts.files.extend(files.iter().map(|(path, text)| {
            let content = Some((*text).to_owned());
            ((*path).to_owned(), facts::ConfigFile { content, mode: 0o644, obstacle: None })
        }));
        facts
    }

    fn lines(facts: &Facts) -> Vec<String> {
        HostStatus::new(facts, Guards::default(), None).lines(0)
    }

    const FILE: (&str, &str) =
        ("/etc/systemd/network/10-egressctl-101.network", "# egressctl, table 101: policy route\n[Match]\n");

    #[test]
    fn routes_are_told_as_they_are_and_not_as_they_are_meant() {
        let route = |facts: &Facts| lines(facts).remove(0);
        assert_eq!(route(&host(&[], &[], &[])), "route: none");
        assert_eq!(
            route(&host(&["4101"], &["eth1"], &[FILE])),
            "route: table 101, priority 4101: present; kept by systemd-networkd"
        );
        assert!(
            route(&host(&["4101"], &["eth1"], &[]))
                .ends_with("present; gone with a reboot, nothing of ours keeps it")
        );
        assert!(route(&host(&["4101"], &[], &[FILE])).contains("not whole: the table has no default route"));
        assert!(route(&host(&["4101"], &["eth0"], &[FILE])).contains("leads elsewhere"));
        assert!(
            route(&host(&["4101", "4102"], &["eth1"], &[FILE]))
                .contains("another rule for it at priority 4102")
        );
        assert_eq!(
            route(&host(&[], &[], &[FILE])),
            "route: table 101: not whole: there is no rule; kept by systemd-networkd"
        );
        let mut documented = host(&["4101"], &["eth1"], &[FILE]);
        let like = documented.routes.last().unwrap().clone();
        documented.routes.push(facts::Route { table: MAIN_TABLE, metric: 30_000, ..like });
        assert_eq!(
            route(&documented),
            "route: table 101, priority 4101: present, and in the main table with metric 30000; kept by systemd-networkd"
        );
        let mut by_lines = host(&["4101"], &["eth1"], &[]);
        by_lines.rc_local.content =
            Some("#!/bin/sh\n# BEGIN egressctl x\n  table='101'\n# END egressctl\n".to_owned());
        assert!(route(&by_lines).ends_with("present; kept by rc.local"), "{}", route(&by_lines));
    }

    fn standing(state: GuardState, end: Option<TakenBack>) -> Guards {
        let tx = "0123456789abcdef".to_owned();
        let one = Standing { tx, state, whole: true, busy: false, route: None, end };
        Guards { standing: vec![one], on_disk: Vec::new() }
    }

    #[test]
    fn a_host_that_could_not_take_everything_back_needs_a_human() {
        let armed = GuardState::Armed { generation: 2, left: Duration::from_millis(27_900) };
        let status = |guards| HostStatus { routes: Vec::new(), guards, lease: None };
        let waits = status(standing(armed, None));
        assert_eq!(waits.outcome(), HostOutcome::Ok);
        let line = "guard: armed over routes and files, taken back in 27 s unless a new connection confirms";
        assert!(waits.lines(0).iter().any(|seen| seen == line), "{:?}", waits.lines(0));
        let told = |complete, told: &str| Some(TakenBack { complete, told: told.to_owned() });
        assert_eq!(status(standing(GuardState::RolledBack, told(true, ""))).outcome(), HostOutcome::Ok);
        let bad = status(standing(GuardState::RolledBack, told(false, "/etc/x was edited")));
        assert!(matches!(bad.outcome(), HostOutcome::Unknown(why) if why.contains("/etc/x was edited")));
    }
}
