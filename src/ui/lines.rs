//! Progress as plain lines, for logs: a line per step that ended, per host that did not go well, per stage.
//!
//! Hosts that go well in a stage without steps are counted and not listed.

use std::time::{Duration, Instant};

use super::colour::{Painter, Role};
use super::view::{Ended, View, label, step_label, time};
use crate::core::event::{Event, HostOutcome, Stage};
use crate::core::report::{OutcomeKind, for_terminal};

/// After so long without a line there is one that says how far the work is.
const SILENCE: Duration = Duration::from_secs(30);

/// Makes lines of events.
pub(super) struct Lines {
    painter: Painter,
    view: View,
    last: Option<Instant>,
}

impl Lines {
    pub(super) fn new(painter: Painter) -> Self {
        Self { painter, view: View::default(), last: None }
    }

    /// The lines for an event, ending with `\n`, or nothing.
    pub(super) fn event(&mut self, event: &Event, now: Instant) -> String {
        let text = self.text(event, now);
        if !text.is_empty() {
            self.last = Some(now);
        }
        text
    }

    fn text(&mut self, event: &Event, now: Instant) -> String {
        let ended = self.view.apply(event, now);
        match event {
            Event::StepStarted { .. } | Event::HostSaid { .. } => String::new(),
            Event::WaveStarted { .. }
            | Event::WaveFinished { .. }
            | Event::Soaking { .. }
            | Event::Waiting { .. }
            | Event::Approved { .. }
            | Event::Stopped { .. }
            | Event::BreakerOpened { .. } => self.view.milestone(event).unwrap_or_default(),
            Event::RunStarted { run } => format!("run {run}\n"),
            Event::StageStarted { stage, hosts } => {
                format!("{}: {hosts} {}\n", label(*stage), if *hosts == 1 { "host" } else { "hosts" })
            }
            Event::StageFinished { .. } => match ended {
                Some(Ended::Stage(view)) => view.summary(now),
                _ => String::new(),
            },
            Event::StepFinished { host, step, undo, error } => {
                let took = match ended {
                    Some(Ended::Step(took)) => format!(" ({})", time(took)),
                    _ => String::new(),
                };
                let step = step_label(*step, *undo);
                let end = error.as_ref().map_or_else(
                    || "done".to_owned(),
                    |error| {
                        let text = format!("x failed: {}", for_terminal(error));
                        self.painter.paint(Role::Bad, &text).into_owned()
                    },
                );
                format!("{host}: {step} … {end}{took}\n")
            }
            Event::HostDone { stage, host, outcome } => {
                let kind = OutcomeKind::of(outcome);
                let quiet = matches!(outcome, HostOutcome::Ok)
                    || (matches!(outcome, HostOutcome::Changed)
                        && matches!(stage, Stage::Discover | Stage::Verify));
                if quiet {
                    return String::new();
                }
                let why = outcome.reason().map(|why| format!(": {}", for_terminal(why))).unwrap_or_default();
                let text = format!("{} {}{why}", kind.sign(), kind.label());
                format!("{host}: {}: {}\n", label(*stage), self.painter.paint(Role::of(kind), &text))
            }
        }
    }

    /// The lines for time that has passed.
    pub(super) fn tick(&mut self, now: Instant) -> String {
        let silent = self.last.is_some_and(|last| now.saturating_duration_since(last) >= SILENCE);
        if !silent || self.view.stages.is_empty() {
            return String::new();
        }
        self.last = Some(now);
        let running = self.view.running.len();
        let lines = self.view.stages.iter().map(|view| {
            format!(
                "{}: {}/{} hosts done, {running} steps under way\n",
                label(view.stage),
                view.done(),
                view.hosts
            )
        });
        lines.collect()
    }
}
