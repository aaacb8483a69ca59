//! `plan()`: from desired and observed to steps, one host after the other, each with its reasons.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::targets::{self, Target};
use super::{
    Code, Finding, HostPlan, Known, Op, Plan, RouteForm, RouteTarget, Severity, Step, Verdict, address,
    egress, eni, fleet, group, host, notes, subnet,
};
use crate::core::inventory::{HostDesired, Limits};
use crate::core::model::{HostName, InstanceId, gateway_of};
use crate::core::observed::{CloudView, Eni, Facts, Instance, InstanceStatus, Observation, VSwitch};
use crate::core::template::Templates;

/// Everything that was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The cloud's records.
    pub cloud: CloudView,
    /// What each host said.
    pub facts: BTreeMap<HostName, Observation<Facts>>,
    /// Inbound addresses by earlier runs, for hosts that have none now: a run may have ended between two calls.
    pub former: BTreeMap<InstanceId, Ipv4Addr>,
}

/// What planning depends on besides desired and observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// The time of planning, milliseconds since 1970-01-01T00:00:00Z.
    pub now_ms: i64,
    /// What the account may have, as far as the inventory says.
    pub limits: Limits,
    /// What was looked at.
    pub reach: Reach,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    /// The cloud and the hosts.
    #[default]
    Everything,
    /// The cloud alone: the hosts' own part is left out, and nothing may be applied.
    Cloud,
}

/// Compares desired and observed, host by host, and then sees whether there is room for all of them.
#[must_use]
pub fn plan(hosts: &[&HostDesired], observed: &Observed, templates: &Templates, policy: &Policy) -> Plan {
    let mut plan =
        Plan { hosts: hosts.iter().map(|host| plan_host(host, observed, templates, policy)).collect() };
    fleet::check(&mut plan, &observed.cloud, &policy.limits);
    plan
}

fn plan_host(desired: &HostDesired, observed: &Observed, templates: &Templates, policy: &Policy) -> HostPlan {
    let mut host = HostPlan {
        host: desired.name.clone(),
        instance: desired.instance.clone(),
        verdict: Verdict::Unchanged,
        steps: Vec::new(),
        findings: Vec::new(),
        known: Known::default(),
        egress: Vec::new(),
    };
    if let Err(finding) = fill(&mut host, desired, observed, templates, policy) {
        host.findings.push(finding);
    }
    host.findings.sort();
    // What is wrong with a host is said once, for however many routes it is in the way.
    host.findings.dedup();
    host.verdict = match host.findings.first().map(|finding| finding.severity) {
        Some(Severity::Refusal) => Verdict::Refused,
        Some(Severity::Unreachable) => Verdict::Unreachable,
        _ if host.steps.is_empty() => Verdict::Unchanged,
        _ => Verdict::Change,
    };
    if host.verdict == Verdict::Change {
        host.steps.push(Step {
            op: Op::Verify,
            why: "the outcome is what the probes see, not what the calls answered".to_owned(),
            diff: Vec::new(),
        });
    } else {
        host.steps.clear();
    }
    host
}

/// Collects steps and findings; an error is a refusal that leaves nothing more to look at.
fn fill(
    host: &mut HostPlan,
    desired: &HostDesired,
    observed: &Observed,
    templates: &Templates,
    policy: &Policy,
) -> Result<(), Finding> {
    let view = &observed.cloud;
    let instance = view.instances.get(&desired.instance).ok_or_else(|| {
        Finding::refusal(
            format!("there is no instance {} in this region", desired.instance),
            "it was released, or the id or the region is wrong",
            "correct the inventory",
        )
        .coded(Code::InstanceMissing)
    })?;
    check_instance(instance, &mut host.findings)?;
    let own = eni::find(view, desired, instance, &mut host.findings);
    host.known.eni = own.map(eni::remember);
    match egress::expected_egress(view, instance) {
        Ok(addresses) => host.egress = addresses,
        Err(finding) => host.findings.push(finding),
    }
    let place = address::find(observed, instance, own.map(|eni| &eni.id))?;
    address::remember(&place, &mut host.known);
    let vswitch = eni::vswitch(view, desired, instance, own)?;
    let target = route_target(desired, instance, own, vswitch.cidr)?;
    if let Some(address) =
        target.address.filter(|a| view.forwards.iter().any(|forward| forward.internal_ip == *a))
    {
        host.findings.push(
            Finding::refusal(
                format!("a DNAT entry leads to {address}, the secondary interface"),
                "an EIP cannot be bound to an address that a DNAT entry uses",
                "remove the DNAT entry, then plan again",
            )
            .coded(Code::DnatOnEni),
        );
    }

    let convert = match &place {
        address::Place::Static(ip) => {
            address::convert(view, desired, instance, *ip, policy, &mut host.findings)
        }
        address::Place::Eip(_) => Vec::new(),
    };
    let interface = eni::steps(view, desired, instance, own, vswitch, &mut host.findings);
    let mut targets = vec![Target::of_eip(target, desired)];
    targets.extend(targets::others(view, desired, instance, own, &mut host.findings));
    let facts = observed.facts.get(&desired.name);
    let configure = match policy.reach {
        Reach::Everything => host::steps(desired, facts, templates, targets, host)?,
        Reach::Cloud => Vec::new(),
    };
    let eip = match &place {
        address::Place::Static(_) => None,
        address::Place::Eip(eip) => Some(*eip),
    };
    let cutover = address::cutover(eip, instance, own.map(|eni| &eni.id), &mut host.findings);
    if !cutover.is_empty() {
        of_move(host, view, desired, instance, own, vswitch);
    }
    host.steps = [convert, interface, configure, cutover].concat();
    if policy.reach == Reach::Everything {
        host.findings.extend(unprovable(facts, host.steps.is_empty()));
    }
    Ok(())
}

/// What matters only because an address will move.
fn of_move(
    host: &mut HostPlan,
    view: &CloudView,
    desired: &HostDesired,
    instance: &Instance,
    own: Option<&Eni>,
    vswitch: &VSwitch,
) {
    subnet::check(view, instance, vswitch, &mut host.findings);
    let groups = own.map_or_else(|| group::wanted(desired, instance), |eni| eni.security_groups.clone());
    let (port, source) = (desired.verify.inbound_port, desired.verify.source);
    host.findings.extend(group::check_inbound(view, &groups, port, source));
    let primary = instance.primary_ip;
    if let Some(entry) = view.forwards.iter().find(|entry| !entry.any_port && entry.internal_ip == primary) {
        host.findings.push(
            Finding::refusal(
                format!("DNAT entry {} leads from {} to {primary}", entry.id, entry.external_ip),
                "an EIP cannot be bound to an address that a DNAT entry uses, so nothing could be taken back",
                format!("remove DNAT entry {}, then plan again", entry.id),
            )
            .coded(Code::DnatOnHost),
        );
    }
    host.findings.extend(notes::of_move(view, instance, own, host.known.inbound, &host.egress));
}

/// A host that cannot ask an echo service can never prove its egress address: whatever was done would be taken back.
fn unprovable(facts: Option<&Observation<Facts>>, idle: bool) -> Option<Finding> {
    let asks = matches!(facts, Some(Observation::Seen(facts)) if facts.http_client.is_some());
    let what = "neither curl nor wget is on the host";
    let fix = "install curl or wget, then plan again";
    let finding = if idle {
        Finding::warning(what, "its egress address cannot be probed", fix)
    } else {
        let why =
            "its egress address cannot be probed, so the change would be made, not proven, and taken back";
        Finding::refusal(what, why, fix)
    };
    (!asks).then_some(finding.coded(Code::NoHttpClient))
}

fn check_instance(instance: &Instance, findings: &mut Vec<Finding>) -> Result<(), Finding> {
    if instance.vpc.is_none() {
        return Err(Finding::refusal(
            "the instance is in the classic network",
            "only instances in a VPC can have secondary interfaces and EIPs",
            "migrate it to a VPC first",
        )
        .coded(Code::ClassicNetwork));
    }
    if instance.status != InstanceStatus::Running {
        findings.push(
            Finding::refusal(
                format!("the instance is {:?}", instance.status),
                "its host part can only be done and proven while it runs",
                "start it, then plan again",
            )
            .coded(Code::InstanceNotRunning),
        );
    }
    if !instance.locks.is_empty() {
        findings.push(
            Finding::refusal(
                format!("the instance is locked ({})", instance.locks.join(", ")),
                "the cloud refuses changes of a locked instance",
                "settle the account or the security lock, then plan again",
            )
            .coded(Code::InstanceLocked),
        );
    }
    Ok(())
}

fn gateway(cidr: ipnet::Ipv4Net) -> Result<Ipv4Addr, Finding> {
    gateway_of(cidr).ok_or_else(|| {
        Finding::refusal(
            format!("vSwitch range {cidr} is too small"),
            "it has no room for a gateway",
            "choose another vSwitch in eni.vswitch",
        )
        .coded(Code::VswitchTooSmall)
    })
}

fn route_target(
    desired: &HostDesired,
    instance: &Instance,
    own: Option<&Eni>,
    cidr: ipnet::Ipv4Net,
) -> Result<RouteTarget, Finding> {
    Ok(RouteTarget {
        mac: own.map(|eni| eni.mac),
        address: own.map(|eni| eni.primary_ip).or(desired.eni.primary_ip),
        gateway: gateway(cidr)?,
        primary_ip: instance.primary_ip,
        table: desired.route.table,
        priority: desired.route.priority,
        owner: None,
        shim: desired.route.shim,
        form: RouteForm::new(desired.route.form, cidr.prefix_len()),
    })
}
