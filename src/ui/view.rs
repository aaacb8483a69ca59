//! What is going on, folded from the events: the state that bars and lines show.
//!
//! Must never print; and never fail on events in an unexpected order, because a display must not stop the work.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::core::event::{Event, Stage};
use crate::core::model::{HostName, RunId};
use crate::core::plan::{StepKind, hosts as plural};
use crate::core::report::{OutcomeKind, for_terminal};

/// The state of one command.
#[derive(Debug, Default)]
pub(super) struct View {
    /// The stages that have begun and not ended, in the order in which they began.
    pub(super) stages: Vec<StageView>,
    /// Steps under way, by host.
    pub(super) running: BTreeMap<HostName, Running>,
    /// Hosts that did not go well in the stages under way: the latest last.
    pub(super) trouble: Vec<(HostName, OutcomeKind, String)>,
    /// The run, once it has begun.
    run: Option<RunId>,
}

/// A stage under way.
#[derive(Debug, Clone)]
pub(super) struct StageView {
    /// Which.
    pub(super) stage: Stage,
    /// How many hosts take part.
    pub(super) hosts: usize,
    /// How many ended, by how.
    pub(super) ended: BTreeMap<OutcomeKind, usize>,
    /// When it began.
    pub(super) since: Instant,
}

/// A step under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    /// Which.
    pub(super) step: StepKind,
    /// It is being undone.
    pub(super) undo: bool,
    /// When it began.
    pub(super) since: Instant,
}

/// What an event ended, with the time it took.
#[derive(Debug)]
pub(super) enum Ended {
    /// A step.
    Step(Duration),
    /// A stage.
    Stage(StageView),
}

impl View {
    /// Takes an event in; tells what it ended.
    pub(super) fn apply(&mut self, event: &Event, now: Instant) -> Option<Ended> {
        match event {
            Event::RunStarted { run } => {
                self.run = Some(run.clone());
                None
            }
            Event::HostSaid { .. }
            | Event::WaveStarted { .. }
            | Event::WaveFinished { .. }
            | Event::Soaking { .. }
            | Event::Waiting { .. }
            | Event::Approved { .. }
            | Event::Stopped { .. }
            | Event::BreakerOpened { .. } => None,
            Event::StageStarted { stage, hosts } => {
                let ended = BTreeMap::new();
                self.stages.push(StageView { stage: *stage, hosts: *hosts, ended, since: now });
                None
            }
            Event::StageFinished { stage } => {
                let at = self.stages.iter().position(|view| view.stage == *stage)?;
                let ended = self.stages.remove(at);
                if self.stages.is_empty() {
                    self.running.clear();
                    self.trouble.clear();
                }
                Some(Ended::Stage(ended))
            }
            Event::HostDone { stage, host, outcome } => {
                self.running.remove(host);
                let kind = OutcomeKind::of(outcome);
                if let Some(view) = self.stages.iter_mut().find(|view| view.stage == *stage) {
                    *view.ended.entry(kind).or_default() += 1;
                }
                if let Some(reason) = outcome.reason() {
                    self.trouble.push((host.clone(), kind, for_terminal(reason)));
                }
                None
            }
            Event::StepStarted { host, step, undo } => {
                self.running.insert(host.clone(), Running { step: *step, undo: *undo, since: now });
                None
            }
            Event::StepFinished { host, .. } => {
                let running = self.running.remove(host)?;
                Some(Ended::Step(now.saturating_duration_since(running.since)))
            }
        }
    }

    /// The line about waves that an event leaves behind, ending with `\n`.
    pub(super) fn milestone(&self, event: &Event) -> Option<String> {
        let text = match event {
            Event::WaveStarted { wave, of, hosts } => format!("wave {wave} of {of}: {}", plural(*hosts)),
            Event::WaveFinished { wave, of, at_work: 0 } => format!("wave {wave} of {of} is over"),
            Event::WaveFinished { wave, of, at_work } => {
                format!("wave {wave} of {of} holds nobody up any more, {} still at work", plural(*at_work))
            }
            Event::Soaking { wave, ms } => {
                format!("wave {wave} begins in {}, if nothing goes wrong", time(Duration::from_millis(*ms)))
            }
            Event::Waiting { wave } => {
                let run = self.run.as_ref().map_or("RUN", RunId::as_str);
                format!("wave {wave} waits for an approval: egressctl approve {run} --wave {wave}")
            }
            Event::Approved { wave, by } => format!("wave {wave} was approved by {}", for_terminal(by)),
            Event::BreakerOpened { reason } => {
                format!("no EIP is moved any more: {}", for_terminal(reason))
            }
            Event::Stopped { reason } => format!("nothing new begins: {}", for_terminal(reason)),
            _ => return None,
        };
        Some(format!("{text}\n"))
    }
}

impl StageView {
    /// How many hosts are done.
    pub(super) fn done(&self) -> usize {
        self.ended.values().sum()
    }

    /// `3 failed, 1 unreachable`; empty if all is well.
    pub(super) fn trouble(&self) -> String {
        let bad =
            self.ended.iter().filter(|(kind, _)| !matches!(kind, OutcomeKind::Ok | OutcomeKind::Changed));
        bad.map(|(kind, count)| format!("{count} {}", kind.label())).collect::<Vec<_>>().join(", ")
    }

    /// The line that stays when the stage is over.
    pub(super) fn summary(&self, now: Instant) -> String {
        let trouble = self.trouble();
        let trouble = if trouble.is_empty() { trouble } else { format!(", {trouble}") };
        let passed = time(now.saturating_duration_since(self.since));
        format!("{}: {}/{} hosts done{trouble} ({passed})\n", label(self.stage), self.done(), self.hosts)
    }

    /// When the rest will be done, if it goes on as it has gone so far.
    pub(super) fn remaining(&self, now: Instant) -> Option<Duration> {
        let (done, left) = (u32::try_from(self.done()).ok()?, u32::try_from(self.hosts).ok()?);
        let passed = now.saturating_duration_since(self.since);
        (done > 0 && left > done).then(|| passed / done * (left - done))
    }
}

/// A stage's name.
pub(super) const fn label(stage: Stage) -> &'static str {
    match stage {
        Stage::Discover => "discover",
        Stage::Apply => "apply",
        Stage::Verify => "verify",
        Stage::Rollback => "rollback",
        Stage::Run => "run",
        Stage::Ping => "ping",
        Stage::Facts => "facts",
        Stage::Push => "push",
        Stage::Status => "status",
        Stage::Confirm => "confirm",
    }
}

/// A step's name, said as what is being done.
pub(super) fn step_label(step: StepKind, undo: bool) -> String {
    format!("{}{}", if undo { "undo " } else { "" }, step.label())
}

/// A duration for people.
pub(super) fn time(passed: Duration) -> String {
    crate::core::report::duration(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
}
