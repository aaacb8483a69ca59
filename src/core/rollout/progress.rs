//! Where a run has come to, as its notes in the journal tell.

use std::collections::BTreeMap;

use crate::core::event::HostOutcome;
use crate::core::model::HostName;
use crate::core::plan::Verdict;
use crate::core::run::{Planned, RunNote};

/// A run's notes, folded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// What was approved, if the run has come so far.
    pub planned: Option<Planned>,
    /// The waves that have begun: number, of how many, hosts.
    pub waves: Vec<(usize, usize, Vec<HostName>)>,
    /// The wave that waits for an approval.
    pub waiting: Option<usize>,
    /// Why nothing new began any more.
    pub stopped: Option<String>,
    /// How hosts ended.
    pub ended: BTreeMap<HostName, HostOutcome>,
}

impl Progress {
    /// Folds notes in the order in which they were written.
    #[must_use]
    pub fn of<'n>(notes: impl IntoIterator<Item = &'n RunNote>) -> Self {
        let mut all = Self::default();
        for note in notes {
            match note {
                RunNote::Planned(planned) => all.planned = Some((**planned).clone()),
                RunNote::Wave { number, of, hosts } => {
                    all.waiting = None;
                    all.waves.push((*number, *of, hosts.clone()));
                }
                RunNote::Waiting { wave } => all.waiting = Some(*wave),
                RunNote::Approved { wave, .. } => all.waiting = all.waiting.filter(|waiting| waiting != wave),
                RunNote::Stopped(reason) => {
                    all.waiting = None;
                    all.stopped = Some(reason.clone());
                }
                RunNote::HostEnded { host, outcome } => {
                    all.ended.insert(host.clone(), outcome.clone());
                }
                RunNote::Watchdog { .. } => all.waiting = None,
                RunNote::Resumed { .. } => (all.waiting, all.stopped) = (None, None),
            }
        }
        all
    }

    /// The planned hosts of which no end is written down, in the order of the plan: they are under way, or were not begun.
    #[must_use]
    pub fn open(&self) -> Vec<&HostName> {
        let planned = self.planned.iter().flat_map(|planned| &planned.plan.hosts).map(|host| &host.host);
        planned.filter(|host| !self.ended.contains_key(*host)).collect()
    }

    /// The planned hosts with anything left to do that this run could do: without an end, or skipped.
    #[must_use]
    pub fn left(&self) -> Vec<&HostName> {
        let planned = self.planned.iter().flat_map(|planned| &planned.plan.hosts);
        let left = planned
            .filter(|host| host.verdict == Verdict::Change)
            .filter(|host| matches!(self.ended.get(&host.host), None | Some(HostOutcome::Skipped(_))));
        left.map(|host| &host.host).collect()
    }

    /// The wave of a host and how many there are.
    #[must_use]
    pub fn wave_of(&self, host: &HostName) -> Option<(usize, usize)> {
        let wave = self.waves.iter().find(|(_, _, hosts)| hosts.contains(host))?;
        Some((wave.0, wave.1))
    }
}
