//! A run as a whole: the plan in short, the waves, how every host ended, and how to go on.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use serde_json::json;

use super::timeline::outcome_of;
use crate::core::event::HostOutcome;
use crate::core::model::{HostName, RunId};
use crate::core::plan::{Verdict, hosts as plural};
use crate::core::report::{OutcomeKind, for_terminal};
use crate::core::rollout::{Progress, Rollout};
use crate::core::run::RunNote;
use crate::core::saga::{End, Record};

/// Longest reason shown for a host, characters.
const REASON: usize = 160;

/// What the journal knows of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunStory {
    /// The run.
    pub run: RunId,
    /// What it does, in words.
    pub what: String,
    /// The inventory as given.
    pub inventory: String,
    /// When it began, milliseconds since 1970-01-01T00:00:00Z.
    pub started_ms: i64,
    /// Who approved the plan, as `user@bastion`.
    pub by: Option<String>,
    /// How many hosts have which verdict in the plan.
    pub plan: BTreeMap<&'static str, usize>,
    /// How it goes over its hosts.
    pub rollout: Option<Rollout>,
    /// The hosts in the order of the plan, or in which they began.
    pub hosts: Vec<HostStory>,
    /// The wave that waits for an approval.
    pub waiting: Option<usize>,
    /// Why nothing new began any more.
    pub stopped: Option<String>,
    /// How many hosts the run could still do.
    pub left: usize,
}

/// A host's part of it in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostStory {
    /// The host.
    pub host: HostName,
    /// Its wave, if it was in one that began.
    pub wave: Option<usize>,
    /// It was begun.
    pub begun: bool,
    /// How it ended, if that is written down.
    pub outcome: Option<HostOutcome>,
}

/// How a host's part ended by its own records; `None` if they do not come to an end.
pub fn end_of<'r>(records: impl IntoIterator<Item = &'r Record>) -> Option<HostOutcome> {
    let ends = records.into_iter().filter_map(|record| match record {
        Record::Ended(End::Committed) => Some(HostOutcome::Changed),
        Record::Ended(End::Unwound(reason)) => Some(HostOutcome::Reverted(reason.clone())),
        Record::Ended(End::Stuck(reason)) => Some(HostOutcome::Unknown(reason.clone())),
        _ => None,
    });
    ends.last()
}

/// The story of a run by its notes and its hosts' records. `head` is what is known of it besides: id, what it does, inventory,
/// and when it began.
#[must_use]
pub fn story(
    head: (RunId, String, String, i64),
    notes: &[(i64, RunNote)],
    records: &[(HostName, i64, Record)],
) -> RunStory {
    let progress = Progress::of(notes.iter().map(|(_, note)| note));
    let mut of_host: BTreeMap<&HostName, Vec<&Record>> = BTreeMap::new();
    let mut order: Vec<&HostName> = Vec::new();
    if let Some(planned) = &progress.planned {
        order.extend(planned.plan.hosts.iter().map(|host| &host.host));
    }
    for (host, _, record) in records {
        of_host.entry(host).or_default().push(record);
        if of_host.get(host).is_some_and(|own| own.len() == 1) && progress.planned.is_none() {
            order.push(host);
        }
    }
    let mut plan = BTreeMap::new();
    for host in progress.planned.iter().flat_map(|planned| &planned.plan.hosts) {
        *plan.entry(verdict(host.verdict)).or_default() += 1;
    }
    let hosts = order.into_iter().map(|host| {
        let own = of_host.get(host);
        let by_records = || end_of(own.into_iter().flatten().copied());
        HostStory {
            host: host.clone(),
            wave: progress.wave_of(host).map(|(number, _)| number),
            begun: own.is_some(),
            outcome: progress.ended.get(host).cloned().or_else(by_records),
        }
    });
    let (run, what, inventory, started_ms) = head;
    RunStory {
        run,
        what,
        inventory,
        started_ms,
        by: progress.planned.as_ref().map(|planned| planned.by.clone()),
        plan,
        rollout: progress.planned.as_ref().map(|planned| planned.rollout.clone()),
        hosts: hosts.collect(),
        waiting: progress.waiting,
        stopped: progress.stopped.clone(),
        left: progress.left().len(),
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unchanged => "unchanged",
        Verdict::Change => "to change",
        Verdict::Refused => "refused",
        Verdict::Unreachable => "unreachable",
        Verdict::Stale => "stale",
    }
}

/// The story for people. Lines end with `\n`.
#[must_use]
pub fn story_text(story: &RunStory) -> String {
    // Writing to a String cannot fail.
    let mut out = format!("run {}: {} of {}\n", story.run, story.what, for_terminal(&story.inventory));
    if let Some(by) = &story.by {
        let counts: Vec<String> =
            story.plan.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
        let _ = writeln!(out, "plan: {}, approved by {}", counts.join(", "), for_terminal(by));
    }
    if let Some(waves) = story.rollout.as_ref().and_then(|rollout| rollout.waves.as_ref()) {
        let _ = writeln!(out, "waves: {waves}");
    }
    out.push('\n');
    for host in &story.hosts {
        let wave = host.wave.map(|wave| format!("  wave {wave}")).unwrap_or_default();
        let _ = match &host.outcome {
            Some(outcome) => {
                let text: String = for_terminal(&outcome_of(outcome)).chars().take(REASON).collect();
                writeln!(out, "{} {}{wave}  {text}", OutcomeKind::of(outcome).sign(), host.host)
            }
            None if host.begun => writeln!(out, "? {}{wave}  begun, no end is written down", host.host),
            None => writeln!(out, ". {}{wave}  not begun", host.host),
        };
    }
    if let Some(reason) = &story.stopped {
        let _ = write!(out, "\nnothing new began: {}\n", for_terminal(reason));
    }
    if let Some(wave) = story.waiting {
        let _ = write!(out, "\nwave {wave} waits for an approval: egressctl approve {}\n", story.run);
    } else if story.left > 0 {
        let left = plural(story.left);
        let _ = write!(out, "\n{left} left, if it is not under way: egressctl resume {}\n", story.run);
    }
    out
}

/// The story for machines: `{"schema_version":1,"run":{…}}`.
#[must_use]
pub fn story_json(story: &RunStory) -> String {
    format!("{:#}\n", json!({ "schema_version": 1, "run": story }))
}
