//! Drift: what is not any more, or not yet, as the inventory wants it, told by cause. One change made by hand is one finding,
//! however many steps it would take to repair.
//!
//! Pure. Must never tell a consequence as a finding of its own: an interface that is gone takes its routes with it.

mod show;

pub use show::{audit_json, audit_text};

use serde::{Deserialize, Serialize};

use crate::core::inventory::HostDesired;
use crate::core::model::{HostName, InstanceId, Owner};
use crate::core::plan::route::{HostChanges, RouteChange, RoutePart, after, host_changes};
use crate::core::plan::{HostPlan, Observed, Op, Plan, RouteTarget, Severity, StepKind, Verdict, owner};
use crate::core::template::Templates;

/// What an audit found, host by host in the order of the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// One entry per selected host.
    pub hosts: Vec<HostAudit>,
}

/// What an audit found on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostAudit {
    /// The host.
    pub host: HostName,
    /// Its instance.
    pub instance: InstanceId,
    /// It could not be looked at, and why; what it has is unknown then, and nothing is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<String>,
    /// What differs; empty if it is as desired.
    pub drift: Vec<Drift>,
}

/// One difference between what is and what the inventory wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// What kind.
    pub kind: DriftKind,
    /// What was seen, or what is missing.
    pub what: String,
    /// What to do about it; empty if applying repairs it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fix: String,
}

/// Kinds of drift, the ones that cut a host off first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// The EIP is bound to nothing: nobody reaches the host from outside.
    EipUnbound,
    /// The EIP is on the instance: outbound traffic leaves from it.
    EipOnInstance,
    /// The secondary interface does not exist.
    InterfaceGone,
    /// The secondary interface is not attached.
    InterfaceDetached,
    /// The secondary interface has other security groups than it should have.
    SecurityGroups,
    /// The host was never moved to the shared egress address.
    NotMigrated,
    /// Something stands in the way of what is desired.
    Refused,
    /// The primary interface's default route, or a route of the main table through the secondary interface.
    MainTable,
    /// The secondary interface's device is down.
    Device,
    /// Its address on the host.
    Address,
    /// Its routing table.
    Table,
    /// Its rule.
    Rule,
    /// The compatibility shim.
    Shim,
    /// What keeps it over a reboot.
    Persistence,
}

impl DriftKind {
    /// For people.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::EipUnbound => "EIP bound to nothing",
            Self::EipOnInstance => "EIP on the instance",
            Self::InterfaceGone => "secondary interface gone",
            Self::InterfaceDetached => "secondary interface not attached",
            Self::SecurityGroups => "security groups differ",
            Self::NotMigrated => "not migrated yet",
            Self::Refused => "in the way",
            Self::MainTable => "main table differs",
            Self::Device => "device is down",
            Self::Address => "address differs",
            Self::Table => "routing table differs",
            Self::Rule => "rule differs",
            Self::Shim => "compatibility shim differs",
            Self::Persistence => "persistence differs",
        }
    }
}

impl Audit {
    /// How many hosts differ.
    #[must_use]
    pub fn drifted(&self) -> usize {
        self.hosts.iter().filter(|host| !host.drift.is_empty()).count()
    }

    /// Exit code: 2 if a host differs, else 4 if a host could not be looked at, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.drifted(), self.hosts.iter().any(|host| host.unreachable.is_some())) {
            (1.., _) => 2,
            (0, true) => 4,
            (0, false) => 0,
        }
    }
}

/// Finds the causes behind a plan. `hosts` and `plan` are in the same order.
#[must_use]
pub fn audit(hosts: &[&HostDesired], observed: &Observed, plan: &Plan, templates: &Templates) -> Audit {
    let hosts = hosts.iter().zip(&plan.hosts).map(|(desired, plan)| {
        let unreachable = (plan.verdict == Verdict::Unreachable).then(|| plan.reason());
        let mut drift = drift_of(plan, observed, templates);
        drift.extend(security_groups(desired, plan, observed));
        drift.sort_by_key(|drift| drift.kind);
        HostAudit { host: plan.host.clone(), instance: plan.instance.clone(), unreachable, drift }
    });
    Audit { hosts: hosts.collect() }
}

fn drift_of(plan: &HostPlan, observed: &Observed, templates: &Templates) -> Vec<Drift> {
    if plan.verdict == Verdict::Refused {
        let refusals = plan.findings.iter().filter(|finding| finding.severity == Severity::Refusal);
        // What an interface that was deleted has left behind on the host is in the way of the next one.
        let gone = plan.known.eni.is_none() && left_behind(plan, observed);
        let kind = if gone { DriftKind::InterfaceGone } else { DriftKind::Refused };
        let drift =
            refusals.map(|finding| Drift { kind, what: finding.what.clone(), fix: finding.fix.clone() });
        return drift.take(if gone { 1 } else { usize::MAX }).collect();
    }
    let has = |kind: StepKind| plan.steps.iter().any(|step| step.op.kind() == kind);
    let drift = |kind: DriftKind, what: String| Drift { kind, what, fix: String::new() };
    let address = plan.known.inbound.map_or_else(|| "its EIP".to_owned(), |address| address.to_string());
    let interface = plan.known.eni.as_ref().map_or_else(String::new, |eni| eni.id.to_string());
    if has(StepKind::Convert) || (has(StepKind::CreateEni) && has(StepKind::Unassociate)) {
        let steps = plan.steps.iter().filter(|step| step.op.kind() != StepKind::Verify).count();
        return vec![drift(
            DriftKind::NotMigrated,
            format!("it leaves from {address}; {steps} steps are to be done"),
        )];
    }
    if has(StepKind::CreateEni) {
        let what = format!("{address} needs an interface to be bound to");
        return vec![drift(DriftKind::InterfaceGone, what)];
    }
    if has(StepKind::AttachEni) {
        return vec![drift(
            DriftKind::InterfaceDetached,
            format!("{interface} is not attached to {}", plan.instance),
        )];
    }
    let mut found = Vec::new();
    if has(StepKind::Unassociate) {
        found.push(drift(DriftKind::EipOnInstance, format!("{address} belongs on {interface}")));
    } else if has(StepKind::Associate) {
        found.push(drift(DriftKind::EipUnbound, format!("{address} belongs on {interface}")));
    }
    found.extend(on_host(plan, observed, templates));
    found
}

/// Whether something on the host still brings the route back after a reboot.
fn left_behind(plan: &HostPlan, observed: &Observed) -> bool {
    let facts = observed.facts.get(&plan.host).and_then(|facts| facts.seen());
    facts.is_some_and(owner::is_kept)
}

/// What differs on the host itself.
fn on_host(plan: &HostPlan, observed: &Observed, templates: &Templates) -> Vec<Drift> {
    let targets = plan.steps.iter().filter_map(|step| match &step.op {
        Op::Configure { route, .. } => Some(route),
        _ => None,
    });
    let Some(seen) = observed.facts.get(&plan.host).and_then(|facts| facts.seen()) else { return Vec::new() };
    let (mut facts, mut found) = (seen.clone(), Vec::new());
    for target in targets {
        // What is in the way has made the plan a refusal already.
        let Ok(changes) = host_changes(&facts, target, templates) else { continue };
        found.extend(of_route(target, &changes));
        facts = after(&facts, target, &changes.files);
    }
    found
}

/// What differs of one route.
fn of_route(target: &RouteTarget, changes: &HostChanges) -> Vec<Drift> {
    let of = |part: RoutePart| changes.routes.iter().filter(move |change| change.part == part);
    let mut found = Vec::new();
    let mut tell = |kind: DriftKind, changes: Vec<&RouteChange>| {
        if !changes.is_empty() {
            let what = changes.iter().map(|change| change.line.as_str()).collect::<Vec<_>>().join("; ");
            found.push(Drift { kind, what, fix: String::new() });
        }
    };
    let down = of(RoutePart::Device).next().is_some();
    let addresses: Vec<_> = of(RoutePart::Address).collect();
    // An address with a prefix brings the kernel's own route of that prefix.
    let brought = |change: &&RouteChange| !addresses.is_empty() && change.line.contains(" proto kernel ");
    let main = of(RoutePart::Primary).chain(of(RoutePart::Main)).filter(|change| !brought(change));
    tell(DriftKind::MainTable, main.collect());
    tell(DriftKind::Device, of(RoutePart::Device).collect());
    // A device that goes down takes its routes with it.
    if !down {
        tell(DriftKind::Address, addresses.clone());
        tell(DriftKind::Table, of(RoutePart::Table).collect());
    }
    tell(DriftKind::Rule, of(RoutePart::Rule).collect());
    tell(DriftKind::Shim, of(RoutePart::Shim).collect());
    for file in &changes.files {
        let what = if file.after.is_none() {
            format!("{} is of an older way of keeping the route", file.path)
        } else if file.before == file.after {
            format!("{} has mode {:04o}, it should have {:04o}", file.path, file.mode_before, file.mode_after)
        } else if target.owner == Some(Owner::RcLocal) {
            format!("the block in {} is missing or was edited", file.path)
        } else {
            format!("{} is missing or was edited", file.path)
        };
        found.push(Drift { kind: DriftKind::Persistence, what, fix: String::new() });
    }
    found
}

/// An interface with other security groups lets other packets in; applying does not change them.
fn security_groups(desired: &HostDesired, plan: &HostPlan, observed: &Observed) -> Option<Drift> {
    let eni = observed.cloud.enis.get(&plan.known.eni.as_ref()?.id)?;
    let instance = observed.cloud.instances.get(&plan.instance)?;
    let named = &desired.eni.security_groups;
    let wanted = if named.is_empty() { &instance.security_groups } else { named };
    let mut lists = [wanted.clone(), eni.security_groups.clone()];
    lists.iter_mut().for_each(|list| list.sort());
    let [wanted, seen] = lists;
    let list = |ids: &[_]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    (wanted != seen).then(|| Drift {
        kind: DriftKind::SecurityGroups,
        what: format!("{} has {}, it should have {}", eni.id, list(&seen), list(&wanted)),
        fix: "change them in the console, or name them in eni.security_groups".to_owned(),
    })
}
