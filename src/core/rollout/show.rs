//! The waves for people, before anything is begun.

use std::fmt::Write;

use super::{Approve, Rollout};
use crate::core::plan::{Plan, hosts};
use crate::core::report::{duration, shorten};

/// Groups of host names shown for a wave.
const GROUPS: usize = 6;

/// What will go in which wave, and what stops it; empty without waves.
#[must_use]
pub fn waves_text(plan: &Plan, waves: &[Vec<usize>], rollout: &Rollout) -> String {
    let mut out = String::new();
    if rollout.waves.is_none() || waves.is_empty() {
        return out;
    }
    for (number, wave) in waves.iter().enumerate() {
        let names = wave.iter().filter_map(|at| plan.hosts.get(*at)).map(|host| host.host.as_str());
        let groups = shorten(names);
        let more = groups.len().saturating_sub(GROUPS);
        let more = if more > 0 { format!(" … and {more} more") } else { String::new() };
        let asks = if rollout.asks(number + 1) { ", when approved" } else { "" };
        let names = groups.into_iter().take(GROUPS).collect::<Vec<_>>().join(" ");
        let _ = writeln!(out, "Wave {}: {}{asks}: {names}{more}", number + 1, hosts(wave.len()));
    }
    let soak = match rollout.soak_ms {
        0 => String::new(),
        ms => format!("{} between waves; ", duration(ms)),
    };
    let limit = rollout.limit(waves.iter().map(Vec::len).sum()).unwrap_or_default();
    let within = match (rollout.approve, rollout.approve_within_ms) {
        (Approve::Never, _) | (_, None) => String::new(),
        (_, Some(ms)) => format!(", or when nobody approves within {}", duration(ms)),
    };
    let _ = writeln!(out, "{soak}stops when {} did not go well{within}.", hosts(limit));
    out
}
