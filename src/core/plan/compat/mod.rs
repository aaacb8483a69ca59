//! What on a host will not go along with a second interface: found in its facts, said with its remedy before anything is
//! changed.
//!
//! Pure. Must never refuse what merely needs a person's attention.

mod form;
mod others;
mod services;
#[cfg(test)]
pub(super) mod tests;

use super::{Finding, RouteTarget};
use crate::core::model::{IfName, MacAddr};
use crate::core::observed::Facts;

/// Everything that was found. `ours` are the interfaces that get a route, this one and others. A host about whose system nothing
/// is known gives nothing.
#[must_use]
pub fn findings(facts: &Facts, target: &RouteTarget, ours: &[MacAddr]) -> Vec<Finding> {
    let primary = facts.addresses.iter().find(|address| address.net.addr() == target.primary_ip);
    let dev = primary.map(|primary| &primary.dev);
    let mut found = Vec::new();
    services::sockets(facts, target, &mut found);
    services::containers(facts, target, &mut found);
    services::firewall(facts, target, dev, &mut found);
    others::who_writes_the_network(facts, target, &mut found);
    others::kernel(facts, target, &mut found);
    others::room(facts, &mut found);
    others::second_way_out(facts, dev, ours, &mut found);
    form::documented(facts, target, primary, &mut found);
    found
}

/// Words of a list, cut short.
fn list(items: &[String]) -> String {
    const MOST: usize = 5;
    let more = items.len().saturating_sub(MOST);
    let shown = items.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// The device of the secondary interface, where it is there already.
fn secondary<'a>(facts: &'a Facts, target: &RouteTarget) -> Option<&'a IfName> {
    facts.links.iter().find(|link| Some(link.mac) == target.mac).map(|link| &link.name)
}
