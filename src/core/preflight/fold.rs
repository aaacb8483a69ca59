//! One entry for what is found on many hosts.

use std::collections::BTreeMap;

use crate::core::model::HostName;
use crate::core::plan::{Code, Finding, Plan, Severity};

/// One kind of finding, and everything of that kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// How much it matters.
    pub severity: Severity,
    /// What kind of thing it is.
    pub code: Code,
    /// Why it matters.
    pub why: String,
    /// What exactly was found, the case with the most hosts first.
    pub cases: Vec<Case>,
}

/// What exactly was found on these hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What was found.
    pub what: String,
    /// What to do about it.
    pub fix: String,
    /// The hosts, in the order of the plan.
    pub hosts: Vec<HostName>,
}

impl Folded {
    /// All hosts, in the order of the cases; a host with two such findings is counted twice.
    pub fn hosts(&self) -> impl Iterator<Item = &HostName> {
        self.cases.iter().flat_map(|case| &case.hosts)
    }
}

/// Folds the findings that `keep` keeps: the weightiest first, then those with the most hosts.
#[must_use]
pub fn fold(plan: &Plan, keep: impl Fn(&Finding) -> bool) -> Vec<Folded> {
    /// What and fix, with the place of the first host, and the hosts.
    type Cases<'p> = BTreeMap<(&'p str, &'p str), (usize, Vec<HostName>)>;
    let mut found: BTreeMap<(Severity, Code, &str), Cases<'_>> = BTreeMap::new();
    for (place, host) in plan.hosts.iter().enumerate() {
        for finding in host.findings.iter().filter(|finding| keep(finding)) {
            let kind = (finding.severity, finding.code, finding.why.as_str());
            let case = (finding.what.as_str(), finding.fix.as_str());
            let cases = found.entry(kind).or_default();
            cases.entry(case).or_insert_with(|| (place, Vec::new())).1.push(host.host.clone());
        }
    }
    let mut folded: Vec<Folded> = found
        .into_iter()
        .map(|((severity, code, why), cases)| {
            let mut cases: Vec<_> = cases.into_iter().collect();
            cases.sort_by_key(|(_, (place, hosts))| (std::cmp::Reverse(hosts.len()), *place));
            let case = |((what, fix), (_, hosts)): ((&str, &str), (usize, Vec<HostName>))| Case {
                what: what.to_owned(),
                fix: fix.to_owned(),
                hosts,
            };
            let cases = cases.into_iter().map(case).collect();
            Folded { severity, code, why: why.to_owned(), cases }
        })
        .collect();
    folded.sort_by_key(|it| (it.severity, std::cmp::Reverse(it.hosts().count()), it.code));
    folded
}
