//! Whether a host's plan is still the one that was approved, and if not, what has changed.

use std::fmt::Debug;

use super::{HostPlan, Step, Verdict};
use crate::core::text::clean_line;

/// Longest line of a diff that is quoted, in characters.
const LINE: usize = 120;

/// What of this host's plan is not as approved, as one sentence; `None` if nothing is. Findings that do not change what is
/// done do not count.
#[must_use]
pub fn differences(approved: &HostPlan, now: &HostPlan) -> Option<String> {
    let reason = |what: &str| match now.reason() {
        reason if reason.is_empty() => what.to_owned(),
        reason => format!("{what}: {reason}"),
    };
    if approved.instance != now.instance {
        return Some(format!("its instance is {} now, and was {}", now.instance, approved.instance));
    }
    if approved.verdict != now.verdict {
        return Some(match now.verdict {
            Verdict::Unchanged => "it is as desired already: somebody has done it since".to_owned(),
            Verdict::Change => "there is something to do now".to_owned(),
            Verdict::Refused => reason("it would be refused now"),
            Verdict::Unreachable => reason("it cannot be looked at now"),
            Verdict::Stale => reason("it is stale"),
        });
    }
    steps(&approved.steps, &now.steps)
        .or_else(|| part("its inbound address", &approved.known.inbound, &now.known.inbound))
        .or_else(|| part("its EIP", &approved.known.eip, &now.known.eip))
        .or_else(|| part("its secondary interface", &approved.known.eni, &now.known.eni))
        .or_else(|| part("the address it should leave from", &approved.egress, &now.egress))
}

fn part<T: PartialEq + Debug>(what: &str, approved: &T, now: &T) -> Option<String> {
    (approved != now).then(|| format!("{what} is not what it was: {now:?}, was {approved:?}"))
}

fn steps(approved: &[Step], now: &[Step]) -> Option<String> {
    let kinds = |steps: &[Step]| -> Vec<&str> { steps.iter().map(|step| step.op.kind().label()).collect() };
    let (before, after) = (kinds(approved), kinds(now));
    if before != after {
        return Some(format!("its steps would be {} now, and were {}", after.join(", "), before.join(", ")));
    }
    approved.iter().zip(now).find_map(|(approved, now)| {
        let label = now.op.kind().label();
        if approved.op != now.op {
            return Some(format!("the step {label:?} would have other values now"));
        }
        if approved.diff == now.diff {
            return None;
        }
        let new = now.diff.iter().find(|line| !approved.diff.contains(line));
        let gone = approved.diff.iter().find(|line| !now.diff.contains(line));
        let quote = |line: &String| format!("{:?}", clean_line(line.as_bytes(), LINE));
        Some(match (new, gone) {
            (Some(new), _) => format!("the step {label:?} would change something else now: {}", quote(new)),
            (None, Some(gone)) => {
                format!("the step {label:?} would not change {} any more", quote(gone))
            }
            (None, None) => format!("the step {label:?} would change things in another order now"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::gateway_of;
    use crate::core::plan::{Finding, Known, Op, RouteTarget};

    fn plan() -> HostPlan {
        let route = RouteTarget {
            mac: None,
            address: None,
            gateway: gateway_of("172.16.0.0/24".parse().unwrap()).unwrap(),
            primary_ip: [172, 16, 0, 10].into(),
            table: 101,
            priority: 4101,
            owner: Some(crate::core::model::Owner::RcLocal),
            shim: false,
            form: Default::default(),
        };
        let step =
            |op| Step { op, why: "because".to_owned(), diff: vec!["+ a".to_owned(), "+ b".to_owned()] };
        HostPlan {
            host: "web-1".parse().unwrap(),
            instance: "i-web1".parse().unwrap(),
            verdict: Verdict::Change,
            steps: vec![step(Op::Configure { route, other: None }), step(Op::Verify)],
            findings: Vec::new(),
            known: Known::default(),
            egress: vec![[203, 0, 113, 250].into()],
        }
    }

    #[test]
    fn every_part_counts_and_remarks_do_not() {
        type Change = fn(&mut HostPlan);
        let cases: [(&str, Change); 10] = [
            ("its instance is i-web2", |plan| plan.instance = "i-web2".parse().unwrap()),
            ("as desired already", |plan| plan.verdict = Verdict::Unchanged),
            ("refused now: x; fix: y", |plan| {
                plan.verdict = Verdict::Refused;
                plan.findings.push(Finding::refusal("x", "", "y"));
            }),
            ("would be verify now, and were configure host, verify", |plan| drop(plan.steps.remove(0))),
            ("other values", |plan| {
                if let Op::Configure { route, .. } = &mut plan.steps[0].op {
                    route.table = 102;
                }
            }),
            ("something else now: \"+ c\\\\u{1b}\"", |plan| plan.steps[0].diff.push("+ c\u{1b}".to_owned())),
            ("would not change \"+ b\" any more", |plan| drop(plan.steps[0].diff.pop())),
            ("another order", |plan| plan.steps[0].diff.reverse()),
            ("its inbound address", |plan| plan.known.inbound = Some([1, 2, 3, 4].into())),
            ("should leave from", |plan| plan.egress.clear()),
        ];
        for (words, change) in cases {
            let mut now = plan();
            change(&mut now);
            let told = differences(&plan(), &now).unwrap_or_else(|| panic!("{words}"));
            assert!(told.contains(words), "{words}: {told}");
        }
        let mut now = plan();
        now.findings.push(Finding::note("a", "b"));
        now.steps[0].why = "because of another thing".to_owned();
        assert_eq!(differences(&plan(), &now), None);
    }
}
