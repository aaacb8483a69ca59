//! What is left of a saved plan now: a host that is not as it was is refused, and it alone.

use super::{Fingerprint, SavedHost, SavedPlan};
use crate::core::inventory::HostDesired;
use crate::core::plan::{Code, Finding, HostPlan, Observed, Plan, Verdict, differences};

impl SavedPlan {
    /// The plan to follow for these hosts: what was saved where everything is as it was, else a refusal with what has
    /// changed. `now` is the plan of the same hosts as they are now, in the same order; hosts that are not in this file are
    /// left out.
    #[must_use]
    pub fn still_good(&self, hosts: &[&HostDesired], observed: &Observed, now: &Plan) -> Plan {
        let kept = hosts.iter().zip(&now.hosts).filter_map(|(desired, now)| {
            let saved = self.hosts.iter().find(|saved| saved.plan.host == desired.name)?;
            Some(host(saved, now, &Fingerprint::of(desired, observed)))
        });
        Plan { hosts: kept.collect() }
    }

    /// The hosts of this file that are not among these any more, as stale ones.
    #[must_use]
    pub fn gone(&self, hosts: &[&HostDesired]) -> Plan {
        let known = |saved: &&SavedHost| !hosts.iter().any(|host| host.name == saved.plan.host);
        let gone = self.hosts.iter().filter(known);
        Plan {
            hosts: gone.map(|saved| stale(&saved.plan, "the inventory does not have it any more")).collect(),
        }
    }
}

fn host(saved: &SavedHost, now: &HostPlan, fingerprint: &Fingerprint) -> HostPlan {
    match (saved.plan.verdict, now.verdict) {
        // What was not to be touched is not touched, whatever it is like by now.
        (Verdict::Refused | Verdict::Unreachable | Verdict::Stale, _) => saved.plan.clone(),
        (_, Verdict::Unreachable) => now.clone(),
        (Verdict::Change | Verdict::Unchanged, _) => {
            let parts = saved.fingerprint.difference(fingerprint);
            let parts = parts.map(|parts| format!("not as it was when the plan was made: {parts}"));
            match (parts, differences(&saved.plan, now)) {
                (None, None) => saved.plan.clone(),
                (Some(parts), None) => stale(&saved.plan, &parts),
                (None, Some(steps)) => stale(&saved.plan, &steps),
                (Some(parts), Some(steps)) => stale(&saved.plan, &format!("{parts}; {steps}")),
            }
        }
    }
}

fn stale(plan: &HostPlan, what: &str) -> HostPlan {
    let why = "what was reviewed is not what would be done";
    HostPlan {
        verdict: Verdict::Stale,
        steps: Vec::new(),
        findings: vec![Finding::refusal(what, why, "plan again").coded(Code::PlanStale)],
        ..plan.clone()
    }
}
