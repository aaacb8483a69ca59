//! How many calls of the cloud's API a plan costs: writes exactly, reads as an estimate with its arithmetic.
//!
//! Pure. Must never promise: how often is looked depends on how long the cloud takes.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Plan, StepKind, Verdict};

/// Records in one page, by what is listed: instances and interfaces, EIPs.
const PAGE: usize = 100;
const EIP_PAGE: usize = 50;
/// Calls about what is shared by all hosts: types, vSwitches, routes, gateways and the entries of theirs.
const SHARED: usize = 7;
/// How long a state usually takes, in seconds: 2 to 8 have been seen.
const STATE_SECONDS: usize = 5;
/// Looks at three kinds of record that are made once a second; then they are 2 s (EIPs) and 8 s (two kinds) apart.
const HASTE: usize = 120;
/// Waits that earn a hasty look.
const EARNED: usize = 100;
/// How long the session of a role usually lasts, in seconds.
const SESSION_SECONDS: usize = 3600;

/// What a plan costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calls {
    /// Writes by action.
    pub writes: BTreeMap<&'static str, usize>,
    /// Reads, and how their number comes about.
    pub reads: Vec<(usize, String)>,
}

impl Calls {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> usize {
        self.writes.values().sum::<usize>() + self.reads.iter().map(|(count, _)| count).sum::<usize>()
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let reads: usize = self.reads.iter().map(|(count, _)| count).sum();
        let mut text = format!("API reads: about {reads}, and calls in all about {}:\n", self.total());
        for (count, formula) in &self.reads {
            let _ = writeln!(text, "    {count} {formula}");
        }
        text
    }

    /// Why this is more than the budget of a day bears; `None` if it is not.
    #[must_use]
    pub fn over(&self, budget: u64, spent: usize) -> Option<String> {
        let (writes, total) = (self.writes.values().sum::<usize>(), self.total());
        let sum = u64::try_from(total + spent).unwrap_or(u64::MAX);
        (sum > budget).then(|| {
            format!(
                "the plan is over the budget of {budget} calls a day: {writes} writes + about {} reads, and {spent} writes of \
                 today's runs by the journal, are {sum}; change fewer hosts (--limit), or raise --calls-per-day \
                 (cloud.calls_per_day); nothing was changed",
                total - writes
            )
        })
    }
}

/// What the plan costs when so many hosts are worked on at once.
#[must_use]
pub fn calls(plan: &Plan, forks: usize) -> Calls {
    let (hosts, changed) = (plan.hosts.len(), plan.count(Verdict::Change));
    let records = |hosts: usize| 3 * hosts.div_ceil(PAGE) + hosts.div_ceil(EIP_PAGE);
    let look = if hosts == 0 { 0 } else { records(hosts) + SHARED };
    let mut reads = vec![(look, format!("to plan {hosts} hosts, in pages of {PAGE} and {EIP_PAGE}"))];
    let steps = || plan.hosts.iter().flat_map(|host| &host.steps);
    let waits = steps().filter(|step| step.op.kind().action().is_some()).count();
    if changed > 0 {
        let lots = changed.div_ceil(forks.max(1));
        let lot = records(changed.min(forks.max(1)));
        reads.push((
            lots * lot + SHARED,
            format!("to look again before hosts begin: {lots} lots of up to {forks} x {lot} + {SHARED}"),
        ));
    }
    let mut sessions = usize::from(hosts > 0);
    if waits > 0 {
        let seconds = waits * STATE_SECONDS / changed.min(forks.max(1)).max(1);
        let polls = (3 * seconds).min(HASTE + waits / EARNED + seconds / 2 + seconds / 4);
        reads.push((
            polls,
            format!(
                "to wait for {waits} states of about {STATE_SECONDS} s, {} hosts at once: {seconds} s of looking",
                changed.min(forks)
            ),
        ));
        sessions += seconds / SESSION_SECONDS;
    }
    if sessions > 0 {
        reads.push((sessions, "of STS, where the keys are a role's, for an hour each".to_owned()));
    }
    Calls { writes: plan.writes(), reads }
}

/// Whether a step begun is a write of the API.
#[must_use]
pub const fn is_write(step: StepKind) -> bool {
    step.action().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::plan::{HostPlan, Known, Op, Step};

    fn plan_of(hosts: usize) -> Plan {
        let host = |n: usize| HostPlan {
            host: format!("h{n}").parse().unwrap(),
            instance: format!("i-{n}").parse().unwrap(),
            verdict: Verdict::Change,
            steps: [
                Op::ConvertPublicIp { instance: "i-1".parse().unwrap(), address: [203, 0, 113, 1].into() },
                Op::AssociateEip,
                Op::Verify,
            ]
            .map(|op| Step { op, why: String::new(), diff: Vec::new() })
            .into(),
            findings: Vec::new(),
            known: Known::default(),
            egress: Vec::new(),
        };
        Plan { hosts: (0..hosts).map(host).collect() }
    }

    #[test]
    fn writes_are_counted_and_reads_are_shared() {
        let one = calls(&plan_of(1), 20);
        assert_eq!(one.writes.values().sum::<usize>(), 2);
        let many = calls(&plan_of(1_000), 20);
        assert_eq!(many.writes.values().sum::<usize>(), 2_000);
        assert!(many.total() - 2_000 < 1_000 * (one.total() - 2) / 10, "{many:?}");
        assert_eq!(calls(&plan_of(0), 20).total(), 0);
        let text = many.text();
        assert!(text.contains("50 lots of up to 20"), "{text}");
    }

    #[test]
    fn a_budget_is_refused_with_its_arithmetic() {
        let calls = calls(&plan_of(10), 20);
        let total = u64::try_from(calls.total()).unwrap();
        assert_eq!(calls.over(total, 0), None);
        let why = calls.over(total, 1).unwrap();
        assert!(why.contains("20 writes") && why.contains(&format!("are {}", total + 1)), "{why}");
    }
}
