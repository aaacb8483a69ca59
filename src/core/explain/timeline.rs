//! A host's part of a run as moments: what was decided and done, when, and how long it took.

use serde::Serialize;

use crate::core::event::HostOutcome;
use crate::core::model::HostName;
use crate::core::plan::StepKind;
use crate::core::report::OutcomeKind;
use crate::core::run::RunNote;
use crate::core::saga::{Effect, End, Record};

/// Something that was written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// When, milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: i64,
    /// What, as a line of plain text; not escaped.
    pub what: String,
    /// How long it took, milliseconds, where its beginning was written down as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// `16:15:02.123`, in UTC.
#[must_use]
pub fn time_of(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms)
        .map_or_else(|_| at_ms.to_string(), |time| time.strftime("%H:%M:%S.%3f").to_string())
}

/// The moments of a host, in the order of time.
pub(super) fn moments(host: &HostName, notes: &[(i64, RunNote)], records: &[(i64, Record)]) -> Vec<Moment> {
    let own = notes.iter().find_map(|(_, note)| match note {
        RunNote::Wave { number, hosts, .. } if hosts.contains(host) => Some(*number),
        _ => None,
    });
    let moment = |at_ms: &i64, what: String| Moment { at_ms: *at_ms, what, took_ms: None };
    // What was decided after the host's part had ended is nothing to it.
    let over = |note: &RunNote| matches!(note, RunNote::HostEnded { host: ended, .. } if ended == host);
    let until = notes.iter().rposition(|(_, note)| over(note)).map_or(notes.len(), |at| at + 1);
    let notes = &notes[..until];
    let told = |(at, note): &(i64, RunNote)| Some(moment(at, note_of(host, own, note)?));
    let (ends, decisions): (Vec<_>, Vec<_>) = notes.iter().partition(|(_, note)| over(note));
    let mut all: Vec<Moment> = decisions.into_iter().filter_map(told).collect();
    let mut begun: Vec<(StepKind, bool, i64)> = Vec::new();
    for (at, record) in records {
        let mut what = moment(at, record_of(record));
        match record {
            Record::Intent(op) => begun.push((op.kind(), false, *at)),
            Record::UndoIntent(step) => begun.push((*step, true, *at)),
            _ => {
                let since = ended_by(record)
                    .and_then(|ended| begun.iter().rev().find(|(step, undo, _)| (*step, *undo) == ended));
                what.took_ms = since.and_then(|(_, _, since)| u64::try_from(at - since).ok());
            }
        }
        all.push(what);
    }
    all.extend(ends.into_iter().filter_map(told));
    // Where the clock does not tell, a decision comes before what follows from it, and the end after all.
    all.sort_by_key(|moment| moment.at_ms);
    all
}

fn note_of(host: &HostName, own: Option<usize>, note: &RunNote) -> Option<String> {
    match note {
        RunNote::Planned(planned) => Some(format!("planned and approved by {}", planned.by)),
        RunNote::Wave { number, of, hosts } if hosts.contains(host) => {
            Some(format!("wave {number} of {of} begins: {}", crate::core::plan::hosts(hosts.len())))
        }
        RunNote::Waiting { wave } if own.is_none_or(|own| own >= *wave) => {
            Some(format!("wave {wave} waits for an approval"))
        }
        RunNote::Approved { wave, by } if own.is_none_or(|own| own >= *wave) => {
            Some(format!("wave {wave} is approved by {by}"))
        }
        RunNote::Stopped(reason) => Some(format!("nothing new begins: {reason}")),
        RunNote::HostEnded { host: ended, outcome } if ended == host => {
            Some(format!("the host's part is over: {}", outcome_of(outcome)))
        }
        RunNote::Watchdog { bound, .. } if bound.contains(host) => {
            Some("the run's process died; its watchdog bound the EIP".to_owned())
        }
        RunNote::Watchdog { failed, .. } if failed.contains(host) => {
            Some("the run's process died; its watchdog could not tell whether the EIP is bound".to_owned())
        }
        RunNote::Watchdog { .. } => Some("the run's process died".to_owned()),
        RunNote::Resumed { by } => Some(format!("the run is resumed by {by}")),
        RunNote::Wave { .. }
        | RunNote::Waiting { .. }
        | RunNote::Approved { .. }
        | RunNote::HostEnded { .. } => None,
    }
}

/// `reverted: verify: …`
pub(super) fn outcome_of(outcome: &HostOutcome) -> String {
    let label = OutcomeKind::of(outcome).label();
    outcome.reason().map_or_else(|| label.to_owned(), |reason| format!("{label}: {reason}"))
}

/// The step that a record ends, and whether it is the undoing of it.
const fn ended_by(record: &Record) -> Option<(StepKind, bool)> {
    match record {
        Record::Done(step, _) | Record::Refused(step, _) | Record::Unknown(step, _) => Some((*step, false)),
        Record::Undone(step, _) | Record::UndoFailed(step, _) => Some((*step, true)),
        _ => None,
    }
}

fn record_of(record: &Record) -> String {
    match record {
        Record::Began(began) => {
            let steps: Vec<&str> = began.ops.iter().map(|op| op.kind().label()).collect();
            format!("begins on {}: {}", began.instance, steps.join(", "))
        }
        Record::Intent(op) => format!("{}: about to", op.kind().label()),
        Record::Done(step, effect) => format!("{}: done{}", step.label(), effect_of(effect)),
        // The reasons of these two begin with the step's name.
        Record::Refused(_, reason) => format!("refused: {reason}"),
        Record::Unknown(_, reason) => format!("cannot be told: {reason}"),
        Record::TurnedBack(reason) => format!("turned back: {reason}"),
        Record::Retried => "somebody asked to try it again".to_owned(),
        Record::UndoIntent(step) => format!("undo {}: about to", step.label()),
        Record::Undone(step, None) => format!("undo {}: done", step.label()),
        Record::Undone(step, Some(note)) => format!("undo {}: done; {note}", step.label()),
        Record::UndoFailed(step, reason) => format!("undo {}: failed: {reason}", step.label()),
        Record::Ended(End::Committed) => "committed: everything is done and verified".to_owned(),
        Record::Ended(End::Unwound(reason)) => format!("everything was taken back: {reason}"),
        Record::Ended(End::Stuck(reason)) => format!("a human is needed: {reason}"),
    }
}

fn effect_of(effect: &Effect) -> String {
    match effect {
        Effect::Nothing => String::new(),
        Effect::Converted { allocation, address } => format!(", {address} is {allocation}"),
        Effect::EniCreated { eni, .. } => format!(", {eni}"),
        Effect::EniAttached { eni, mac, address } => format!(", {eni} ({address}, {mac})"),
        Effect::Persisted { .. } | Effect::Configured { .. } => {
            let files: Vec<String> =
                effect.files().into_iter().flat_map(|(files, _)| files).map(|file| file.path).collect();
            if files.is_empty() {
                ", no file was changed".to_owned()
            } else {
                format!(", changed {}", files.join(", "))
            }
        }
    }
}
