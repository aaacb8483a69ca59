//! Hosts begun wave by wave: who is at work, who has ended, and what the next wave waits for.
//!
//! Must never begin a host after the wish to stop, and never let a slow one hold up others as long as the budget bears it.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Terms;
use super::book::Book;
use crate::core::event::{Event, HostOutcome, Stage};
use crate::core::inventory::HostDesired;
use crate::core::plan::{HostPlan, Plan};
use crate::core::report::HostReport;
use crate::core::run::RunNote;
use crate::engine::Discovered;
use crate::engine::apply::{one_host, outcome_of, report_of, task};
use crate::engine::fleet::{Crew, alone};
use crate::engine::rollback::unexpected;

/// A run under way.
pub(super) struct Rolling<'a> {
    hosts: &'a [&'a HostDesired],
    discovered: &'a Discovered,
    plan: &'a Plan,
    book: Book,
    crew: Crew<HostReport>,
    reports: Vec<Option<HostReport>>,
    /// That hosts will not begin any more was said.
    told: bool,
}

impl<'a> Rolling<'a> {
    pub(super) fn new(
        book: Book,
        hosts: &'a [&'a HostDesired],
        discovered: &'a Discovered,
        plan: &'a Plan,
    ) -> Self {
        let crew = Crew::new(book.world.settings.forks);
        Self { hosts, discovered, plan, book, crew, reports: vec![None; plan.hosts.len()], told: false }
    }

    /// What came of every host, in the order of the plan.
    pub(super) fn reports(self) -> Vec<HostReport> {
        let reports = self.reports.into_iter().zip(&self.plan.hosts);
        reports.map(|(report, plan)| report.unwrap_or_else(|| lost(plan))).collect()
    }

    /// Hosts that nothing will be done to end before the first wave, unreachable ones among them.
    pub(super) async fn untouched(&mut self) {
        for (at, plan) in self.plan.hosts.iter().enumerate() {
            if let Some(outcome) = outcome_of(plan) {
                self.end(at, report_of(plan, outcome), false);
            }
        }
        self.drain().await;
        self.book.heed_budget();
    }

    pub(super) async fn waves(&mut self, waves: &[Vec<usize>], terms: &Terms) {
        for (before, wave) in waves.iter().enumerate() {
            let number = before + 1;
            if before > 0 {
                self.pause(number, terms).await;
            }
            if terms.rollout.waves.is_some() && self.book.world.stop.reason().is_none() {
                self.announce(number, waves.len(), wave).await;
            }
            for at in wave {
                self.begin(*at).await;
            }
            if number < waves.len() {
                self.until_borne(number == 1).await;
                let at_work = self.crew.at_work();
                if self.book.world.stop.reason().is_none() {
                    self.emit(Event::WaveFinished { wave: number, of: waves.len(), at_work });
                }
            }
        }
    }

    async fn announce(&self, number: usize, of: usize, wave: &[usize]) {
        let hosts = wave.iter().filter_map(|at| self.plan.hosts.get(*at)).map(|plan| plan.host.clone());
        self.book.note_or_stop(RunNote::Wave { number, of, hosts: hosts.collect() }).await;
        self.emit(Event::WaveStarted { wave: number, of, hosts: wave.len() });
    }

    /// Begins a host as soon as there is a place for it, or ends it as skipped.
    async fn begin(&mut self, at: usize) {
        let (Some(plan), Some(host)) = (self.plan.hosts.get(at), self.hosts.get(at)) else { return };
        let stop = self.book.world.stop.clone();
        let place = tokio::select! {
            biased;
            () = stop.uttered() => None,
            place = self.crew.place() => Some(place),
        };
        if let (Some(reason), Some(skipped)) = (stop.reason(), stop.not_begun()) {
            if !self.told {
                self.told = true;
                self.book.note_or_stop(RunNote::Stopped(reason.clone())).await;
                self.emit(Event::Stopped { reason });
            }
            self.end(at, report_of(plan, HostOutcome::Skipped(skipped)), false);
            return;
        }
        let task = task(&self.book.world, self.book.run.as_str(), host, self.discovered, plan);
        let (book, plan) = (self.book.clone(), plan.clone());
        self.crew.begin(at, async move {
            // Kept until the end is counted, also after a panic; whoever drops this drops the host's task with it.
            let _place = place;
            let (run, approved) = (book.run.clone(), plan.clone());
            let report = alone(async move { one_host(&task, &run, &approved).await }).await;
            book.ended(true, report.unwrap_or_else(|| lost(&plan))).await
        });
    }

    /// Ends a host that was not begun; it needs no place for that.
    fn end(&mut self, at: usize, report: HostReport, counts: bool) {
        let book = self.book.clone();
        self.crew.begin(at, async move { book.ended(counts, report).await });
    }

    /// Ends every host without a line in the journal, which takes none.
    pub(super) fn end_all(&mut self, outcome: impl Fn(&HostPlan) -> HostOutcome) {
        for (plan, slot) in self.plan.hosts.iter().zip(&mut self.reports) {
            let report = report_of(plan, outcome(plan));
            let (host, outcome) = (report.name.clone(), report.outcome.clone());
            self.book.world.events.emit(Event::HostDone { stage: Stage::Apply, host, outcome });
            *slot = Some(report);
        }
    }

    /// Waits until the hosts still at work could all fail without spending the budget, or, for the canaries, until all have
    /// ended.
    async fn until_borne(&mut self, all: bool) {
        let stop = self.book.world.stop.clone();
        loop {
            while let Some(ended) = self.crew.ended() {
                self.take(Some(ended));
            }
            let at_work = self.crew.at_work();
            if at_work == 0 || (!all && self.book.ledger(|ledger| ledger.bears(at_work))) {
                return;
            }
            tokio::select! {
                ended = self.crew.next() => self.take(ended),
                () = stop.uttered() => return,
            }
        }
    }

    /// Soaks and waits for an approval, if that was agreed on; hosts still at work go on meanwhile.
    async fn pause(&mut self, wave: usize, terms: &Terms) {
        let stop = self.book.world.stop.clone();
        if terms.rollout.soak_ms > 0 && stop.reason().is_none() {
            self.emit(Event::Soaking { wave, ms: terms.rollout.soak_ms });
            let book = self.book.clone();
            let end = Instant::now() + Duration::from_millis(terms.rollout.soak_ms);
            self.meanwhile(async move {
                tokio::select! {
                    () = book.world.stop.uttered() => {}
                    () = sleep_until(end) => {}
                }
            })
            .await;
        }
        if terms.rollout.asks(wave) && stop.reason().is_none() {
            self.book.note_or_stop(RunNote::Waiting { wave }).await;
            self.emit(Event::Waiting { wave });
            let approval = self.book.clone().approval(wave, terms.clone());
            self.meanwhile(approval).await;
        }
    }

    /// Takes in hosts that end until `wait` is over.
    async fn meanwhile(&mut self, wait: impl Future<Output = ()>) {
        tokio::pin!(wait);
        loop {
            if self.crew.at_work() == 0 {
                return wait.await;
            }
            tokio::select! {
                () = &mut wait => return,
                ended = self.crew.next() => self.take(ended),
            }
        }
    }

    fn take(&mut self, ended: Option<(usize, Option<HostReport>)>) {
        if let Some((at, report)) = ended
            && let Some(slot) = self.reports.get_mut(at)
        {
            *slot = report;
        }
    }

    pub(super) async fn drain(&mut self) {
        while self.crew.at_work() > 0 {
            let ended = self.crew.next().await;
            self.take(ended);
        }
    }

    fn emit(&self, event: Event) {
        self.book.world.events.emit(event);
    }
}

/// The report of a host whose task came to no end of its own.
fn lost(plan: &HostPlan) -> HostReport {
    report_of(plan, unexpected())
}
