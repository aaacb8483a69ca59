//! The difference between a host's facts and the policy route it should have.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::MainRoute;
use super::form::cannot_be_given_back;
use super::{HostChanges, HostObstacle, RouteChange, RoutePart, RouteTarget, obstacle};
use crate::core::model::{IfName, gateway_of};
use crate::core::observed::facts::{Address, Facts, Link, MAIN_TABLE, Route, Rule};
use crate::core::plan::{owner, shim};
use crate::core::template::Templates;

const UNKNOWN: &str = "(known after apply)";

/// What the host lacks, or everything that is in the way of it.
///
/// # Errors
/// All obstacles at once, never an empty list.
pub fn host_changes(
    facts: &Facts,
    target: &RouteTarget,
    templates: &Templates,
) -> Result<HostChanges, Vec<HostObstacle>> {
    let mut look = Look { facts, target, obstacles: Vec::new(), changes: HostChanges::default() };
    look.system();
    if look.obstacles.is_empty() {
        look.network();
        look.files(templates);
    }
    if look.obstacles.is_empty() { Ok(look.changes) } else { Err(look.obstacles) }
}

struct Look<'a> {
    facts: &'a Facts,
    target: &'a RouteTarget,
    obstacles: Vec<HostObstacle>,
    changes: HostChanges,
}

impl Look<'_> {
    fn refuse(&mut self, code: &str, what: impl Into<String>, why: &str, fix: &str) {
        self.obstacles.push(obstacle(code, what, why, fix));
    }

    fn plus(&mut self, part: RoutePart, line: impl AsRef<str>) {
        self.changes.routes.push(RouteChange { part, line: format!("+ {}", line.as_ref()) });
    }

    fn minus(&mut self, part: RoutePart, line: impl AsRef<str>) {
        self.changes.routes.push(RouteChange { part, line: format!("- {}", line.as_ref()) });
    }

    /// What everything else rests on.
    fn system(&mut self) {
        if self.facts.uid != 0 {
            let what = format!("the session has user id {}", self.facts.uid);
            let fix = "log in as root, or let the login use sudo -n";
            self.refuse("not-root", what, "routes and /etc/rc.local are root's", fix);
        }
        if !self.facts.iproute.contains("iproute2") {
            let seen = if self.facts.iproute.is_empty() { "none" } else { &self.facts.iproute };
            let what = format!("ip(8) on the host is not iproute2's: {seen:?}");
            self.refuse(
                "no-iproute2",
                what,
                "policy routes need it",
                "install the package iproute2 (iproute)",
            );
        }
    }

    fn network(&mut self) {
        let primary =
            self.facts.addresses.iter().find(|address| address.net.addr() == self.target.primary_ip);
        let Some(primary) = primary else {
            let what = format!(
                "no device of the host has the instance's primary address {}",
                self.target.primary_ip
            );
            return self.refuse("no-primary", what, "this may be another host", "check host and instance id");
        };
        let with_mac: Vec<&Link> =
            self.facts.links.iter().filter(|link| Some(link.mac) == self.target.mac).collect();
        let link = match with_mac.as_slice() {
            [] => None,
            [link] => Some(*link),
            _ => {
                let what = format!("{} devices have the interface's hardware address", with_mac.len());
                let fix = "take the interface out of bonds and bridges";
                return self.refuse(
                    "ambiguous-device",
                    what,
                    "the interface cannot be told from others",
                    fix,
                );
            }
        };
        if link.is_some_and(|link| link.name == primary.dev) {
            let what =
                format!("{} has both the primary address and the interface's hardware address", primary.dev);
            let fix = "check the interface's record in the cloud";
            return self.refuse("same-device", what, "the primary must not be touched", fix);
        }
        self.collisions(link);
        if self.obstacles.is_empty() {
            self.main_table(primary, link);
            self.device(link);
            self.table(link);
            self.rule();
            self.shim(link);
        }
    }

    fn is_ours(&self, rule: &Rule) -> bool {
        let from = self.target.address.map(Ipv4Net::from);
        !rule.more && from.is_some() && rule.from == from && rule.table == Some(self.target.table)
    }

    fn collisions(&mut self, link: Option<&Link>) {
        let (facts, target) = (self.facts, self.target);
        let dev = link.map(|link| &link.name);
        let foreign = facts.routes.iter().filter(|route| route.table == target.table);
        if let Some(route) = foreign.clone().find(|route| route.dev.is_none() || route.dev.as_ref() != dev) {
            let what = format!("routing table {} is in use: {:?}", target.table, short(&route.text));
            let why = "its routes would decide about our packets";
            self.refuse("table-taken", what, why, "choose another one: route.table in the inventory");
        }
        for rule in &facts.rules {
            if self.is_ours(rule) {
                continue;
            }
            let of_address =
                rule.from.is_some_and(|from| from.prefix_len() == 32 && Some(from.addr()) == target.address);
            if rule.priority == target.priority {
                let what = format!("rule priority {} is in use: {:?}", rule.priority, short(&rule.text));
                let fix = "choose another one: route.priority in the inventory";
                self.obstacles.push(obstacle(
                    "priority-taken",
                    what,
                    "the order of the two would be open",
                    fix,
                ));
            } else if of_address && rule.priority < target.priority && !rule.more {
                let what = format!("another rule for the same address comes first: {:?}", short(&rule.text));
                let fix = "remove it, or give the same table in the inventory (route.table)";
                self.obstacles.push(obstacle("source-taken", what, "ours would never be asked", fix));
            }
        }
    }

    /// The primary keeps or gets back its default route, nothing in main leads through the interface, and packets to the
    /// internet leave by the primary.
    fn main_table(&mut self, primary: &Address, link: Option<&Link>) {
        let facts = self.facts;
        let main = || facts.routes.iter().filter(|route| route.table == MAIN_TABLE);
        let through = |dev: &IfName| {
            let dev = dev.clone();
            main().filter(move |route| route.dev.as_ref() == Some(&dev))
        };
        let own = through(&primary.dev).any(is_default);
        if let Some(route) = main().find(|route| cannot_be_given_back(route, own, link)) {
            return self.refuse(
                "main-taken",
                format!("the main table has a route that could not be given back as it was: {}", route.text),
                "it stands where the primary's default route should be, or leads by the interface among other ways",
                "give the primary a default route of its own, and take the interface out of routes by several ways",
            );
        }
        if !own {
            let Some(gateway) = gateway_of(primary.net) else {
                let what = format!(
                    "{} has no default route, and {} does not tell its gateway",
                    primary.dev, primary.net
                );
                return self.refuse(
                    "no-default",
                    what,
                    "the host has no egress",
                    "repair the primary's route first",
                );
            };
            self.plus(
                RoutePart::Primary,
                format!("ip -4 route replace default via {gateway} dev {}", primary.dev),
            );
        }
        let ours: Vec<&Route> = link.map(|link| through(&link.name).collect()).unwrap_or_default();
        self.beside_primary(&through(&primary.dev).collect::<Vec<_>>(), &ours, link);
        let elsewhere = facts
            .internet_route
            .as_ref()
            .filter(|choice| choice.dev != primary.dev && link.is_none_or(|link| link.name != choice.dev));
        if let Some(choice) = elsewhere {
            let what = format!("packets to the internet leave by {} with {}", choice.dev, choice.source);
            let why = "then the SNAT entry does not decide the egress address";
            self.refuse(
                "egress-elsewhere",
                what,
                why,
                "leave this host out, or take the other way (a VPN?) down",
            );
        }
        let source = facts
            .internet_route
            .as_ref()
            .filter(|choice| choice.dev == primary.dev)
            .map(|choice| choice.source);
        if let Some(source) = source.filter(|source| *source != self.target.primary_ip) {
            let what =
                format!("packets to the internet leave with {source}, not with {}", self.target.primary_ip);
            let fix = "remove the src of the default route";
            self.refuse("egress-source", what, "the SNAT entry may not cover that address", fix);
        }
    }

    /// What leads by the interface in the main table is what the form has there, and nothing of it is better than the
    /// primary's.
    fn beside_primary(&mut self, primary: &[&Route], ours: &[&Route], link: Option<&Link>) {
        let target = self.target;
        let wanted = target.main_routes();
        let is_wanted = |route: &&&Route| wanted.iter().any(|wanted| target.is_main_route(wanted, route));
        for route in ours.iter().filter(|route| !is_wanted(route)) {
            self.minus(RoutePart::Main, format!("ip -4 route del table main {}", route.text));
        }
        let best = primary.iter().filter(|route| is_default(route)).map(|route| route.metric).min();
        if let Some(best) =
            best.filter(|best| target.form.documented().is_some_and(|form| form.metric <= *best))
        {
            self.refuse(
                "metric-too-small",
                format!("the primary's default route has the metric {best}, and route.metric is not larger"),
                "the interface would take over the host's egress",
                "give a larger route.metric, or leave it to its default",
            );
        }
        let dev = link.map_or(UNKNOWN, |link| link.name.as_str());
        for wanted in &wanted {
            let text = self.main_words(wanted, dev);
            if !ours.iter().any(|route| target.is_main_route(wanted, route)) {
                // The kernel makes the route to the subnet when it gets the address.
                if !wanted.via_gateway && !self.has_address(link) {
                    continue;
                }
                self.plus(RoutePart::Main, format!("ip -4 route append table main {text}"));
            } else if self.comes_first(wanted, primary, ours) {
                self.minus(RoutePart::Main, format!("ip -4 route del table main {text}"));
                self.plus(RoutePart::Main, format!("ip -4 route append table main {text}"));
            }
        }
    }

    fn has_address(&self, link: Option<&Link>) -> bool {
        let wanted = self.target.net();
        let mut there = self.facts.addresses.iter();
        there.any(|there| Some(there.net) == wanted && link.is_some_and(|link| link.name == there.dev))
    }

    /// Of two equal routes the first one is taken, and ours is before the primary's: after its link went down and up, say.
    fn comes_first(&self, wanted: &MainRoute, primary: &[&Route], ours: &[&Route]) -> bool {
        let place = |of: &[&Route]| {
            let equal = |route: &&Route| {
                route.table == MAIN_TABLE
                    && route.destination == wanted.destination
                    && route.via.is_none()
                    && route.metric == wanted.metric
                    && of.iter().any(|other| std::ptr::eq(*other, *route))
            };
            self.facts.routes.iter().position(|route| equal(&route))
        };
        !wanted.via_gateway && place(ours).zip(place(primary)).is_some_and(|(ours, theirs)| ours < theirs)
    }

    fn main_words(&self, wanted: &MainRoute, dev: &str) -> String {
        let way = if wanted.via_gateway {
            format!("default via {} dev {dev}", self.target.gateway)
        } else {
            format!("{} dev {dev} proto kernel scope link src {}", wanted.destination, self.address())
        };
        if wanted.metric == 0 { way } else { format!("{way} metric {}", wanted.metric) }
    }

    fn device(&mut self, link: Option<&Link>) {
        let net = format!("{}/{}", self.address(), self.target.prefix());
        let metric = self.target.form.documented().map_or(0, |form| form.connected);
        let flag = if metric == 0 { String::new() } else { format!(" metric {metric}") };
        let Some(link) = link else {
            self.plus(RoutePart::Device, format!("ip link set dev {UNKNOWN} up"));
            return self.plus(RoutePart::Address, format!("ip -4 addr add {net} dev {UNKNOWN}{flag}"));
        };
        if !link.up {
            self.plus(RoutePart::Device, format!("ip link set dev {} up", link.name));
        }
        let wanted = self.target.net();
        let facts = self.facts;
        let there = || facts.addresses.iter().filter(|address| address.dev == link.name);
        if !there().any(|address| Some(address.net) == wanted) {
            self.plus(RoutePart::Address, format!("ip -4 addr add {net} dev {}{flag}", link.name));
        }
        for other in there().filter(|address| Some(address.net) != wanted) {
            self.minus(RoutePart::Address, format!("ip -4 addr del {} dev {}", other.net, other.dev));
        }
    }

    fn table(&mut self, link: Option<&Link>) {
        let (facts, target) = (self.facts, self.target);
        let right = |route: &&Route| {
            is_default(route) && route.via == Some(target.gateway) && route.onlink && route.metric == 0
        };
        let there = || facts.routes.iter().filter(|route| route.table == target.table);
        if !there().any(|route| right(&route)) {
            let dev = link.map_or(UNKNOWN, |link| link.name.as_str());
            self.plus(
                RoutePart::Table,
                format!(
                    "ip -4 route replace default via {} dev {dev} onlink table {}",
                    target.gateway, target.table
                ),
            );
        }
        for route in there().filter(|route| !right(route)) {
            self.minus(RoutePart::Table, format!("ip -4 route del {} table {}", route.text, target.table));
        }
    }

    fn rule(&mut self) {
        let (facts, target) = (self.facts, self.target);
        let add = format!(
            "ip -4 rule add from {} lookup {} pref {}",
            self.address(),
            target.table,
            target.priority
        );
        let ours: Vec<u32> =
            facts.rules.iter().filter(|rule| self.is_ours(rule)).map(|rule| rule.priority).collect();
        let mut kept = false;
        let mut surplus = Vec::new();
        for priority in ours {
            if priority == target.priority && !kept {
                kept = true;
            } else {
                surplus.push(priority);
            }
        }
        if !kept {
            self.plus(RoutePart::Rule, add);
        }
        for priority in surplus {
            let address = self.address();
            self.minus(
                RoutePart::Rule,
                format!("ip -4 rule del from {address} lookup {} pref {priority}", target.table),
            );
        }
    }

    fn shim(&mut self, link: Option<&Link>) {
        let shim::Look { lines, obstacles, warnings } =
            shim::look(self.facts, self.target, link.map(|link| &link.name));
        let part = RoutePart::Shim;
        self.changes.routes.extend(lines.into_iter().map(|line| RouteChange { part, line }));
        self.obstacles.extend(obstacles);
        self.changes.warnings.extend(warnings);
    }

    fn files(&mut self, templates: &Templates) {
        match owner::file_changes(self.facts, self.target, templates) {
            Ok(owner::FileChanges { files, reload, findings }) => {
                self.changes.files = files;
                self.changes.reload = reload;
                self.changes.warnings.extend(findings);
            }
            Err(obstacles) => self.obstacles.extend(obstacles),
        }
    }

    fn address(&self) -> String {
        self.target.address.as_ref().map_or_else(|| UNKNOWN.to_owned(), Ipv4Addr::to_string)
    }
}

fn is_default(route: &Route) -> bool {
    route.destination.prefix_len() == 0 && route.dev.is_some()
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}
