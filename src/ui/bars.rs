//! Progress on a terminal: a few lines that are drawn over themselves. The only user of indicatif.
//!
//! Must never grow with the number of hosts, and never draw more than ten times a second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use console::{Term, truncate_str};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::colour::{Painter, Role};
use super::view::{Ended, StageView, View, label, step_label, time};
use crate::core::event::Event;

/// Time between two drawings.
pub(super) const PERIOD: Duration = Duration::from_millis(100);
/// Lines for single hosts.
const HOSTS: usize = 8;
/// Of these, lines for hosts that did not go well.
const TROUBLE: usize = 4;
/// Characters of a bar.
const BAR: usize = 24;
/// Width where the terminal does not tell.
const WIDTH: usize = 80;

/// The lines at the bottom of the terminal.
pub(super) struct Bars {
    painter: Painter,
    view: View,
    place: ProgressBar,
    width: fn() -> usize,
    drawn: Option<Instant>,
}

impl Bars {
    pub(super) fn on_stderr(painter: Painter) -> Self {
        let width = || Term::stderr().size_checked().map_or(WIDTH, |(_, columns)| usize::from(columns));
        Self::on(painter, ProgressDrawTarget::stderr(), width)
    }

    pub(super) fn on(painter: Painter, target: ProgressDrawTarget, width: fn() -> usize) -> Self {
        let place = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            place.set_style(style);
        }
        Self { painter, view: View::default(), place, width, drawn: None }
    }

    /// Takes an event in; it is shown when the next drawing is due. Returns a line that is to stay, if there is one.
    pub(super) fn event(&mut self, event: &Event, now: Instant) -> Option<String> {
        match self.view.apply(event, now) {
            Some(Ended::Stage(stage)) => Some(stage.summary(now)),
            Some(Ended::Step(_)) => None,
            None => self.view.milestone(event),
        }
    }

    /// Draws if it is due.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.drawn.is_some_and(|drawn| now.saturating_duration_since(drawn) < PERIOD) {
            return;
        }
        self.drawn = Some(now);
        let lines = frame(&self.view, now, (self.width)(), self.painter);
        self.place.set_message(lines.join("\n"));
    }

    /// Takes the lines away while something else is written.
    pub(super) fn suspend(&self, write: impl FnOnce()) {
        self.place.suspend(write);
    }

    /// Takes the lines away for good.
    pub(super) fn finish(&self) {
        self.place.finish_and_clear();
    }
}

/// The lines to show, none wider than `width`.
pub(super) fn frame(view: &View, now: Instant, width: usize, painter: Painter) -> Vec<String> {
    let mut lines: Vec<String> = view.stages.iter().map(|stage| total(stage, now, painter)).collect();
    if lines.is_empty() {
        return lines;
    }
    lines.extend(in_flight(view));
    for (host, kind, reason) in view.trouble.iter().rev().take(TROUBLE) {
        let text = format!("  {} {host}: {}: {reason}", kind.sign(), kind.label());
        lines.push(painter.paint(Role::of(*kind), &text).into_owned());
    }
    let room = HOSTS - view.trouble.len().min(TROUBLE);
    let mut slowest: Vec<_> = view.running.iter().collect();
    slowest.sort_by_key(|(host, running)| (running.since, *host));
    lines.extend(slowest.iter().take(room).map(|(host, running)| {
        let passed = now.saturating_duration_since(running.since);
        format!("    {host}: {} {}", step_label(running.step, running.undo), time(passed))
    }));
    // One column stays free: a line that fills the last one makes some terminals go on to the next.
    lines.iter().map(|line| truncate_str(line, width.saturating_sub(1), "…").into_owned()).collect()
}

fn total(stage: &StageView, now: Instant, painter: Painter) -> String {
    let done = stage.done();
    let full = (BAR * done.min(stage.hosts)).checked_div(stage.hosts).unwrap_or(BAR);
    let bar = format!("{}{}", "#".repeat(full), "-".repeat(BAR - full));
    let trouble = stage.trouble();
    let trouble = if trouble.is_empty() {
        trouble
    } else {
        format!("  {}", painter.paint(Role::Bad, &format!("x {trouble}")))
    };
    let left =
        stage.remaining(now).map(|left| format!("  about {} left", time(rough(left)))).unwrap_or_default();
    let passed = time(rough(now.saturating_duration_since(stage.since)));
    format!("{:<8} [{bar}] {done}/{} hosts  {passed}{left}{trouble}", label(stage.stage), stage.hosts)
}

/// Whole seconds: tenths that run say nothing about a stage.
const fn rough(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

/// How many hosts are in which step.
fn in_flight(view: &View) -> Option<String> {
    let mut counts = BTreeMap::new();
    for running in view.running.values() {
        *counts.entry((running.undo, running.step)).or_insert(0_usize) += 1;
    }
    let texts: Vec<String> =
        counts.iter().map(|((undo, step), count)| format!("{} {count}", step_label(*step, *undo))).collect();
    (!texts.is_empty()).then(|| format!("  under way: {}", texts.join(", ")))
}
