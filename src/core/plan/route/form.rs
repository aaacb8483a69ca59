//! How the secondary interface stands in the main table: not at all, or as the vendor's procedure has it.
//!
//! Must never give it a route there that is better than the primary's.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::RouteTarget;
use crate::core::inventory::Form;
use crate::core::model::{IfName, Owner};
use crate::core::observed::Facts;
use crate::core::observed::facts::{Link, MAIN_TABLE, Route};
use crate::core::plan::owner::gives_metric;

/// How the secondary interface stands in the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteForm {
    /// With a `/32` address: the main table knows nothing of it.
    #[default]
    Slash32,
    /// As the vendor's procedure has it.
    Documented(Documented),
}

/// The vendor's procedure: the address has the vSwitch's prefix, so the kernel has a route to the vSwitch by the interface,
/// and the main table has a default route by it that is worse than the primary's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Documented {
    /// The vSwitch's prefix length.
    pub prefix: u8,
    /// Metric of the default route.
    pub metric: u32,
    /// Metric of the route to the vSwitch: `metric`, or 0 as the kernel makes it where the owner cannot say another.
    pub connected: u32,
}

/// A route of the main table by the secondary interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MainRoute {
    /// Where it leads.
    pub destination: Ipv4Net,
    /// It leads through the vSwitch's gateway; otherwise straight to the destination.
    pub via_gateway: bool,
    /// Its metric.
    pub metric: u32,
}

impl RouteForm {
    /// What the inventory asks for on a vSwitch of this prefix.
    #[must_use]
    pub fn new(form: Form, prefix: u8) -> Self {
        match form {
            Form::Slash32 => Self::Slash32,
            Form::Documented { metric } => Self::Documented(Documented { prefix, metric, connected: 0 }),
        }
    }

    pub(super) fn is_slash32(&self) -> bool {
        *self == Self::Slash32
    }

    /// What is said of the documented form.
    #[must_use]
    pub fn documented(&self) -> Option<Documented> {
        match self {
            Self::Slash32 => None,
            Self::Documented(documented) => Some(*documented),
        }
    }
}

impl RouteTarget {
    /// The prefix length of the address.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.form.documented().map_or(32, |documented| documented.prefix)
    }

    /// The address with its prefix length, once it is known.
    #[must_use]
    pub fn net(&self) -> Option<Ipv4Net> {
        Ipv4Net::new(self.address?, self.prefix()).ok()
    }

    /// The vSwitch; the address itself, as it were, in the `/32` form.
    #[must_use]
    pub fn subnet(&self) -> Ipv4Net {
        Ipv4Net::new(self.gateway, self.prefix()).map(|net| net.trunc()).unwrap_or_default()
    }

    /// The routes by the interface that the main table should have, and no others.
    #[must_use]
    pub fn main_routes(&self) -> Vec<MainRoute> {
        let Some(Documented { metric, connected, .. }) = self.form.documented() else { return Vec::new() };
        vec![
            MainRoute { destination: self.subnet(), via_gateway: false, metric: connected },
            MainRoute { destination: Ipv4Net::default(), via_gateway: true, metric },
        ]
    }

    /// The target with its owner. In the documented form the route to the vSwitch is worse than the primary's, as a DHCP
    /// client with a metric would make it, unless the owner cannot say so.
    #[must_use]
    pub fn kept_by(mut self, owner: Option<Owner>) -> Self {
        self.owner = owner;
        if let RouteForm::Documented(documented) = &mut self.form {
            let worse = owner.is_none_or(gives_metric);
            documented.connected = if worse { documented.metric } else { 0 };
        }
        self
    }

    /// Metric of the primary's own route to the interface's vSwitch, if it has one.
    pub(in crate::core::plan) fn primary_metric(&self, facts: &Facts) -> Option<u32> {
        let dev = facts.addresses.iter().find(|address| address.net.addr() == self.primary_ip);
        let dev = dev.map(|address| &address.dev);
        let own =
            |route: &&Route| route.table == MAIN_TABLE && route.dev.as_ref() == dev && route.via.is_none();
        let routes = facts.routes.iter().filter(own).filter(|route| route.destination == self.subnet());
        routes.map(|route| route.metric).min()
    }

    /// Whether a route of the main table by the interface is as this one should be. A manager that gives the route to the
    /// vSwitch the larger metric makes it no better.
    pub(super) fn is_main_route(&self, wanted: &MainRoute, route: &Route) -> bool {
        let via = wanted.via_gateway.then_some(self.gateway);
        let worse =
            !wanted.via_gateway && Some(route.metric) == self.form.documented().map(|form| form.metric);
        route.destination == wanted.destination
            && route.via == via
            && (route.metric == wanted.metric || worse)
    }
}

/// A route of the main table that the scripts would have to replace or remove, and could not give back as it was: what is
/// where the primary's default route should be and is not the interface's alone, or has the interface among several ways.
pub(super) fn cannot_be_given_back(route: &Route, primary_has_one: bool, link: Option<&Link>) -> bool {
    let by = |word: &str| route.text.split_whitespace().any(|other| other == word);
    let dev = link.map(|link| link.name.as_str());
    if by("nexthop") && dev.is_some_and(by) {
        return true;
    }
    let replaced = !primary_has_one && route.destination.prefix_len() == 0 && route.metric == 0;
    let elsewhere = route.dev.as_ref().map(IfName::as_str) != dev;
    replaced && (by("nhid") || route.dev.is_none() || elsewhere)
}
