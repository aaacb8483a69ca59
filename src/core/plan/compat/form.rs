//! What the documented form costs, and where it would lose the host.

use std::net::IpAddr;

use crate::core::observed::Facts;
use crate::core::observed::facts::Address;
use crate::core::plan::{Code, Finding, RouteTarget};

/// With two ways into one subnet it is up to the order of the routes by which of them the primary answers its neighbours.
pub(super) fn documented(
    facts: &Facts,
    target: &RouteTarget,
    primary: Option<&Address>,
    found: &mut Vec<Finding>,
) {
    let Some(form) = target.form.documented() else { return };
    let subnet = target.subnet();
    let shared = primary.is_some_and(|primary| primary.net.trunc() == subnet);
    let neighbour = match facts.system.caller {
        Some(IpAddr::V4(caller)) if subnet.contains(&caller) && caller != target.primary_ip => Some(caller),
        _ => None,
    };
    let fix = "let route.form be slash32, which has no second way into the subnet";
    let finding = match neighbour {
        Some(caller) if !shared => Finding::refusal(
            format!(
                "this login comes from {caller}, in the interface's subnet {subnet}, where the primary is not"
            ),
            "answers of the primary to it would leave by the interface, and the host would be out of reach at once",
            fix,
        ),
        Some(caller) if form.connected == 0 => Finding::refusal(
            format!(
                "this login comes from {caller}, and both interfaces would have a route to its subnet {subnet}"
            ),
            "after the primary's link goes down and up, answers to it leave by the other interface: nobody can log in \
             from there any more",
            fix,
        ),
        None if !shared => Finding::warning(
            format!("the documented form: the main table gets a route to {subnet} by the interface"),
            "the primary answers hosts there by the interface, whose source check may drop that",
            fix,
        ),
        _ if form.connected == 0 => Finding::warning(
            format!(
                "the documented form: the interface has a route to its subnet {subnet}, as good as the primary's"
            ),
            "after a link goes down and up, or a boot in another order, the primary answers its own subnet by the \
             interface, and hosts there cannot reach it by its private address",
            fix,
        ),
        _ => Finding::warning(
            format!(
                "the documented form: the interface has a route to its subnet {subnet} and a default route, both with the \
                 metric {}",
                form.metric
            ),
            "while the primary's are gone, its answers leave by the interface, whose source check may drop them",
            fix,
        ),
    };
    found.push(finding.coded(Code::DocumentedForm));
}
