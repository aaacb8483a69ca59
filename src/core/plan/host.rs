//! The host's part of a plan: one step for each policy route, each planned on what the step before it leaves.
//!
//! Must never plan one route of a host if another one is refused.

use super::route::{FileChange, HostChanges, HostObstacle, RouteChange, RoutePart, after, unified_diff};
use super::targets::Target;
use super::{Code, Finding, HostPlan, Op, Other, RouteTarget, Step, compat, numbers, owner, route};
use crate::core::inventory::HostDesired;
use crate::core::model::{EniId, MacAddr};
use crate::core::observed::{Facts, Observation};
use crate::core::template::Templates;

/// The steps. An interface that is not attached yet is not on the host, so its part is a preview.
pub(super) fn steps(
    desired: &HostDesired,
    facts: Option<&Observation<Facts>>,
    templates: &Templates,
    mut targets: Vec<Target>,
    host: &mut HostPlan,
) -> Result<Vec<Step>, Finding> {
    let facts = match facts {
        Some(Observation::Seen(facts)) => facts,
        unseen => {
            let reason = match unseen {
                Some(Observation::Unseen(reason)) => reason.as_str(),
                _ => "it was not looked at",
            };
            return Err(Finding::unreachable(
                format!("the host could not be looked at: {reason}"),
                "what it has and needs is unknown",
                "make it reachable by SSH, then plan again",
            )
            .coded(Code::HostUnreachable));
        }
    };
    if let Some(instance) = facts.instance.as_ref().filter(|instance| **instance != desired.instance) {
        return Err(Finding::refusal(
            format!("the host says it is {instance}, the inventory says {}", desired.instance),
            "the address leads to another host than the one the cloud steps would change",
            "correct the instance or the address in the inventory",
        )
        .coded(Code::HostMistaken));
    }
    host.findings.extend(numbers::settle(facts, &mut targets));
    // The main table can lead to the internet through one of them: before that one is done, no other can be proven.
    targets.sort_by_key(|target| !leads_out(facts, &target.route));
    let ours: Vec<MacAddr> = targets.iter().filter_map(|target| target.route.mac).collect();
    let (mut seen, mut steps, mut refused) = (facts.clone(), Vec::new(), false);
    for target in targets {
        let choice = owner::choose(&seen, &target.route, desired.route.persist);
        tell(host, choice.findings);
        let route = target.route.kept_by(choice.owner);
        tell(host, compat::findings(&seen, &route, &ours));
        match route::host_changes(&seen, &route, templates) {
            Ok(changes) => {
                tell(host, changes.warnings.clone());
                if !changes.is_empty() {
                    seen = after(&seen, &route, &changes.files);
                    let new = |it: &RouteChange| it.part == RoutePart::Rule && it.line.starts_with('+');
                    let was_there = !changes.routes.iter().any(new);
                    let other = target.other.map(|eni| Other { eni, was_there });
                    steps.push(step(route, other, changes));
                }
            }
            Err(obstacles) => {
                refused = true;
                let refusals = obstacles.into_iter().map(|found| {
                    let found = of_other(found, target.other.as_ref());
                    Finding::refusal(found.what, found.why, found.fix)
                        .coded(Code::named(&found.code))
                        .of_host()
                });
                host.findings.extend(refusals);
            }
        }
    }
    if refused {
        steps.clear();
    }
    Ok(steps)
}

/// What is found for each of several routes is said once.
fn tell(host: &mut HostPlan, found: Vec<Finding>) {
    for finding in found.into_iter().map(Finding::of_host) {
        if !host.findings.contains(&finding) {
            host.findings.push(finding);
        }
    }
}

/// An obstacle to one route among several, which is in the way of its numbers and not of the host.
fn of_other(found: HostObstacle, other: Option<&EniId>) -> HostObstacle {
    let of_numbers = ["table-taken", "priority-taken", "source-taken"].contains(&found.code.as_str());
    match other.filter(|_| of_numbers) {
        Some(eni) => HostObstacle {
            what: format!("{} (for {eni})", found.what),
            fix: format!(
                "{} (of {eni}, in route.others)",
                found.fix.replace(": route.", ": the ").replace(" in the inventory", "")
            ),
            ..found
        },
        None => found,
    }
}

fn leads_out(facts: &Facts, route: &RouteTarget) -> bool {
    let dev = facts.internet_route.as_ref().map(|choice| &choice.dev);
    facts.links.iter().any(|link| Some(link.mac) == route.mac && Some(&link.name) == dev)
}

fn step(route: RouteTarget, other: Option<Other>, changes: HostChanges) -> Step {
    let file = |change: &FileChange| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let diff = unified_diff(&text(&change.before), &text(&change.after), &change.path);
        let diff: Vec<String> = diff.lines().map(str::to_owned).collect();
        let mode = format!("mode {:o} -> {:o}", change.mode_before, change.mode_after);
        let same = change.mode_before == change.mode_after;
        diff.into_iter().chain((!same).then_some(mode)).collect::<Vec<_>>()
    };
    let of =
        other.as_ref().map_or_else(|| "the secondary interface".to_owned(), |other| other.eni.to_string());
    Step {
        why: format!("replies from {of} must leave by it, now and after a reboot"),
        op: Op::Configure { route, other },
        diff: changes
            .routes
            .into_iter()
            .map(|change| change.line)
            .chain(changes.files.iter().flat_map(file))
            .collect(),
    }
}
