//! How many connections are left for each host once all of them share the SNAT addresses.

use std::collections::BTreeMap;

use crate::core::model::InstanceId;
use crate::core::observed::CloudView;
use crate::core::plan::egress::snat_entry;
use crate::core::plan::{Code, Finding, Plan, Verdict};

/// Connections to one destination that one SNAT address carries at the same time (the vendor's limits page).
const CONNECTIONS: usize = 55_000;
/// Addresses that one SNAT entry takes (the same page).
const MOST_ADDRESSES: usize = 64;
/// Connections to one destination below which a host may run dry.
const FEW: usize = 1_000;

/// Warns where many hosts share few addresses. Hosts that are not in the plan share them as well and are not counted.
pub(super) fn check(plan: &mut Plan, view: &CloudView) {
    let entry_of = |instance: &InstanceId| {
        let instance = view.instances.get(instance)?;
        snat_entry(view, instance).ok()
    };
    let mut users: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let hosts = &mut plan.hosts;
    for host in hosts.iter().filter(|h| matches!(h.verdict, Verdict::Change | Verdict::Unchanged)) {
        if let Some(entry) = entry_of(&host.instance) {
            let (sharing, addresses) = users.entry(&entry.id).or_insert((0, entry.addresses.len()));
            *sharing += 1;
            *addresses = entry.addresses.len();
        }
    }
    for host in hosts.iter_mut().filter(|host| host.verdict == Verdict::Change) {
        let Some(entry) = entry_of(&host.instance) else { continue };
        let Some((sharing, addresses)) = users.get(entry.id.as_str()) else { continue };
        let share = CONNECTIONS * addresses / sharing;
        if share >= FEW {
            continue;
        }
        let needed = (FEW * sharing).div_ceil(CONNECTIONS);
        let fix = if needed > MOST_ADDRESSES {
            format!(
                "spread the hosts over several SNAT entries: one takes {MOST_ADDRESSES} addresses at most"
            )
        } else {
            format!(
                "add EIPs to the SNAT entry ({needed} give each host {FEW} connections), or watch the gateway's \
                     metrics from wave to wave"
            )
        };
        let shared = if *addresses == 1 { "1 address".to_owned() } else { format!("{addresses} addresses") };
        host.findings.push(
            Finding::warning(
                format!(
                    "{sharing} hosts of this inventory will share {shared} of SNAT entry {}: about {share} \
                     connections to one destination for each",
                    entry.id
                ),
                format!("an address carries {CONNECTIONS} connections to one destination; beyond them new ones are dropped"),
                fix,
            )
            .coded(Code::SnatHeadroom),
        );
    }
}
