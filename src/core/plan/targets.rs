//! The policy routes that a host should have: of the interface that carries the EIP, and of further ones that are attached.
//!
//! Must never take an interface for a host's that the cloud does not show at it.

use super::{Code, Finding, RouteForm, RouteTarget};
use crate::core::inventory::{HostDesired, OtherDesired};
use crate::core::model::{EniId, gateway_of};
use crate::core::observed::{CloudView, Eni, EniStatus, Instance};

/// A route that a host should have. Its numbers count for what is not written, as far as the host has no others.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) route: RouteTarget,
    /// The table that the inventory writes.
    pub(super) table: Option<u32>,
    /// The priority that the inventory writes.
    pub(super) priority: Option<u32>,
    /// The interface, if it is not the one that carries the EIP.
    pub(super) other: Option<EniId>,
}

impl Target {
    /// The one of the interface that carries the EIP.
    pub(super) fn of_eip(route: RouteTarget, desired: &HostDesired) -> Self {
        let (table, priority) = desired.route.is_written;
        Self {
            table: table.then_some(route.table),
            priority: priority.then_some(route.priority),
            other: None,
            route,
        }
    }

    /// What it is of, for people.
    pub(super) fn name(&self) -> String {
        self.other.as_ref().map_or_else(|| "the secondary interface".to_owned(), ToString::to_string)
    }

    /// The key of the inventory under which its numbers are.
    pub(super) const fn key(&self) -> &'static str {
        if self.other.is_some() { "route.others" } else { "route" }
    }
}

/// Those of the further interfaces, in the order of the inventory. What is wrong with one is a finding.
pub(super) fn others(
    view: &CloudView,
    desired: &HostDesired,
    instance: &Instance,
    own: Option<&Eni>,
    findings: &mut Vec<Finding>,
) -> Vec<Target> {
    let mut targets = Vec::new();
    for (other, further) in desired.route.others.iter().zip(1..) {
        match one(view, desired, instance, own, (other, further)) {
            Ok(target) => targets.push(target),
            Err(finding) => findings.push(finding.coded(Code::OtherInterface)),
        }
    }
    targets
}

fn one(
    view: &CloudView,
    desired: &HostDesired,
    instance: &Instance,
    own: Option<&Eni>,
    (other, further): (&OtherDesired, u32),
) -> Result<Target, Finding> {
    let id = &other.eni;
    let here = |eni: &&Eni| eni.instance.as_ref() == Some(&instance.id);
    let Some(eni) = view.enis.get(id).filter(here) else {
        return Err(Finding::refusal(
            format!("interface {id} is not attached to {}", instance.id),
            "route.others names it, and a host can have a route only for an interface that it has",
            "attach it, or correct route.others in the inventory",
        ));
    };
    if eni.primary {
        return Err(Finding::refusal(
            format!("interface {id} is the primary one"),
            "the primary interface and the main table stay as they are",
            "take it out of route.others in the inventory",
        ));
    }
    if own.is_some_and(|own| own.id == eni.id) {
        return Err(Finding::refusal(
            format!("interface {id} is the one that carries the EIP"),
            "it has a route already, whose table and priority are route.table and route.priority",
            "take it out of route.others in the inventory",
        ));
    }
    if eni.status != EniStatus::InUse {
        return Err(Finding::refusal(
            format!("interface {id} is {:?}", eni.status),
            "another change of it is under way",
            "wait until it is InUse, then plan again",
        ));
    }
    let cidr = view.vswitches.get(&eni.vswitch).map(|vswitch| vswitch.cidr);
    let way = cidr.and_then(|cidr| Some((cidr, gateway_of(cidr)?)));
    let (cidr, gateway) = way.ok_or_else(|| {
        Finding::refusal(
            format!("vSwitch {} of interface {id} was not found, or has no room for a gateway", eni.vswitch),
            "the gateway of its route is not known",
            "see to it that the vSwitch may be read, or take the interface out of route.others",
        )
    })?;
    Ok(Target {
        route: RouteTarget {
            mac: Some(eni.mac),
            address: Some(eni.primary_ip),
            gateway,
            primary_ip: instance.primary_ip,
            table: other.table.unwrap_or(desired.route.table),
            priority: other.priority.unwrap_or(desired.route.priority),
            owner: None,
            // It leads to the primary address what comes in by the EIP, which is another interface's.
            shim: false,
            // Of two routes to one place the kernel takes only those that differ, and the order is to be the inventory's.
            form: RouteForm::new(desired.route.form.worse_by(further), cidr.prefix_len()),
        },
        table: other.table,
        priority: other.priority,
        other: Some(id.clone()),
    })
}
