//! The leases on hosts, for `egressctl lock`: who holds which host, and freeing what a dead run still holds.

use std::process::ExitCode;

use serde_json::json;

use super::apply::confirm;
use super::fleet::{Fleet, FleetArgs};
use super::problem::Problem;
use crate::core::inventory::HostDesired;
use crate::core::model::HostName;
use crate::core::observed::lease::LeaseHolder;
use crate::core::plan::hosts as plural;
use crate::engine::{self, HeldBy};
use crate::ui::table;

/// Exit code where a host could not be asked.
const UNREACHABLE: u8 = 4;

/// Lists who holds which of the selected hosts.
pub(super) async fn list(args: &FleetArgs) -> Result<ExitCode, Problem> {
    let fleet = args.open()?;
    let hosts = fleet.hosts();
    let held = engine::leases(&fleet.world, &hosts).await?;
    let now = fleet.world.clock.now_ms();
    if args.show.json {
        let rows = hosts.iter().zip(&held).map(|(host, held)| {
            json!({ "host": host.name, "lease": held.as_ref().ok(), "error": held.as_ref().err() })
        });
        let document = json!({ "leases": rows.collect::<Vec<_>>() });
        fleet.ui.out(&format!("{document:#}\n"));
    } else {
        let rows: Vec<Vec<String>> =
            hosts.iter().zip(&held).filter_map(|(host, held)| row(host, held, now)).collect();
        if rows.is_empty() {
            fleet.ui.out(&format!("Nobody holds any of {}.\n", plural(hosts.len())));
        } else {
            let headers = ["host", "run", "whose", "until (UTC)"].map(str::to_owned);
            fleet.ui.out(&table::render(&headers, &rows));
        }
    }
    let all = held.iter().all(Result::is_ok);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(UNREACHABLE) })
}

/// A line of the list; nothing for a host that nobody holds.
fn row(host: &HostDesired, held: &HeldBy, now_ms: i64) -> Option<Vec<String>> {
    let name = host.name.to_string();
    match held {
        Ok(None) => None,
        Ok(Some(holder)) => {
            let until = if holder.left == 0 { "expired".to_owned() } else { holder.until(now_ms) };
            Some(vec![name, holder.run.to_string(), holder.owner.to_string(), until])
        }
        Err(reason) => Some(vec![name, "?".to_owned(), reason.clone(), String::new()]),
    }
}

/// Frees these hosts, after telling who is overridden.
pub(super) async fn release(names: &[HostName], args: &FleetArgs, yes: bool) -> Result<ExitCode, Problem> {
    let fleet = args.open()?;
    let known = |name: &HostName| {
        let host = fleet.selected.iter().find(|host| host.name == *name);
        host.ok_or_else(|| Problem::failed(format!("there is no host {name} among the selected ones")))
    };
    let hosts = names.iter().map(known).collect::<Result<Vec<&HostDesired>, Problem>>()?;
    let held = engine::leases(&fleet.world, &hosts).await?;
    let now = fleet.world.clock.now_ms();
    let mut all = true;
    let mut holders: Vec<(&HostDesired, LeaseHolder)> = Vec::new();
    for (host, held) in hosts.into_iter().zip(held) {
        let told = match &held {
            Ok(None) => "nobody holds it".to_owned(),
            Ok(Some(holder)) => holder.told(now),
            Err(reason) => reason.clone(),
        };
        fleet.ui.out(&format!("{}: {told}\n", host.name));
        all &= held.is_ok();
        holders.extend(held.ok().flatten().map(|holder| (host, holder)));
    }
    if !holders.is_empty() {
        if !yes {
            let question = format!("Free {} over their heads?", plural(holders.len()));
            confirm(&fleet.ui, &question, "look at who holds them, then add --yes")?;
        }
        all &= free(&fleet, &holders).await?;
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(UNREACHABLE) })
}

async fn free(fleet: &Fleet, holders: &[(&HostDesired, LeaseHolder)]) -> Result<bool, Problem> {
    let ends = engine::release_leases(&fleet.world, holders).await?;
    for ((host, _), end) in holders.iter().zip(&ends) {
        let told = end.as_ref().map_or_else(String::as_str, |()| "free");
        fleet.ui.out(&format!("{}: {told}\n", host.name));
    }
    Ok(ends.iter().all(Result::is_ok))
}
