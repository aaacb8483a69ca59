//! One host's part of a run: why it was planned so, what was decided, what was done, how it ended.

use std::fmt::Write;

use serde::Serialize;
use serde_json::json;

use super::end_of;
use super::timeline::{Moment, moments, outcome_of, time_of};
use crate::core::event::HostOutcome;
use crate::core::model::{HostName, RunId};
use crate::core::plan::{Detail, HostPlan, Plan, plan_text};
use crate::core::report::{duration, for_terminal};
use crate::core::rollout::Progress;
use crate::core::run::RunNote;
use crate::core::saga::Record;

/// What the journal knows of a host in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The host.
    pub host: HostName,
    /// The run.
    pub run: RunId,
    /// Its plan with findings, steps and reasons; absent where the run has kept none.
    pub plan: Option<HostPlan>,
    /// Who approved it, as `user@bastion`.
    pub by: Option<String>,
    /// Its wave, from 1, and how many there are.
    pub wave: Option<(usize, usize)>,
    /// What was written down of it, in the order of time.
    pub moments: Vec<Moment>,
    /// How it ended; absent while it is under way, and where the run was killed before.
    pub outcome: Option<HostOutcome>,
}

/// Explains a host by the notes of a run and its own records; `None` if neither speaks of it.
#[must_use]
pub fn explain(
    host: &HostName,
    run: &RunId,
    notes: &[(i64, RunNote)],
    records: &[(i64, Record)],
) -> Option<Explanation> {
    let mut progress = Progress::of(notes.iter().map(|(_, note)| note));
    let planned = progress.planned.take();
    let by = planned.as_ref().map(|planned| planned.by.clone());
    let plan = planned.and_then(|planned| planned.plan.hosts.into_iter().find(|plan| plan.host == *host));
    let ended = progress.ended.get(host).cloned();
    if plan.is_none() && ended.is_none() && records.is_empty() {
        return None;
    }
    Some(Explanation {
        host: host.clone(),
        run: run.clone(),
        by: by.filter(|_| plan.is_some()),
        plan,
        wave: progress.wave_of(host),
        moments: moments(host, notes, records),
        outcome: ended.or_else(|| end_of(records.iter().map(|(_, record)| record))),
    })
}

/// The explanation for people. Lines end with `\n`.
#[must_use]
pub fn explain_text(explanation: &Explanation) -> String {
    let Explanation { host, run, plan, by, wave, moments, outcome } = explanation;
    // Writing to a String cannot fail.
    let mut out = format!("{host} in run {run}\n");
    match plan {
        Some(plan) => {
            let by = by.as_deref().map(for_terminal).unwrap_or_default();
            let _ = write!(out, "\nPlanned, and approved by {by}:\n\n");
            let text = plan_text(&Plan { hosts: vec![plan.clone()] }, Detail::Folded);
            // The totals of a plan of one host say nothing more.
            out.extend(text.split_inclusive('\n').take_while(|line| !line.starts_with("Plan: ")));
        }
        None => out.push_str("\nThe run has kept no plan of it.\n"),
    }
    if let Some((number, of)) = wave {
        let _ = write!(out, "\nWave {number} of {of}.\n");
    }
    out.push('\n');
    for moment in moments {
        let took = moment.took_ms.map(|ms| format!(" ({})", duration(ms))).unwrap_or_default();
        let _ = writeln!(out, "{}  {}{took}", time_of(moment.at_ms), for_terminal(&moment.what));
    }
    let end = outcome.as_ref().map_or_else(
        || format!("no end is written down: it is under way, or the run was killed; egressctl resume {run}"),
        |outcome| for_terminal(&outcome_of(outcome)),
    );
    let _ = write!(out, "\nEnd: {end}\n");
    out
}

/// The explanation for machines: `{"schema_version":1,"explanation":{…}}`.
#[must_use]
pub fn explain_json(explanation: &Explanation) -> String {
    format!("{:#}\n", json!({ "schema_version": 1, "explanation": explanation }))
}
