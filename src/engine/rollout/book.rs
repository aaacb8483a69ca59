//! What a run over many hosts writes down: into the journal, into the failure budget, and for whoever watches.
//!
//! Must never let anything begin after a line that could not be written.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::Terms;
use crate::core::event::{Event, Stage};
use crate::core::model::RunId;
use crate::core::report::{HostReport, duration};
use crate::core::rollout::Ledger;
use crate::core::run::RunNote;
use crate::engine::World;
use crate::ports::{Approval, JournalError};

/// How often the journal is looked at for an approval that another process has written.
const POLL: Duration = Duration::from_secs(1);

/// What every host's task writes into.
#[derive(Clone)]
pub(super) struct Book {
    pub(super) world: World,
    pub(super) run: RunId,
    ledger: Arc<Mutex<Ledger>>,
}

impl Book {
    pub(super) fn new(world: &World, run: &RunId, ledger: Ledger) -> Self {
        Self { world: world.clone(), run: run.clone(), ledger: Arc::new(Mutex::new(ledger)) }
    }

    /// Writes a line about the run.
    pub(super) async fn note(&self, note: RunNote) -> Result<(), JournalError> {
        self.world.journal.note(&self.run, self.world.clock.now_ms(), &note).await
    }

    /// The same; a line that cannot be written stops the run before the next effect.
    pub(super) async fn note_or_stop(&self, note: RunNote) {
        if let Err(error) = self.note(note).await {
            self.world.stop.because(error.to_string());
        }
    }

    pub(super) fn ledger<T>(&self, act: impl FnOnce(&mut Ledger) -> T) -> T {
        act(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A host's part is over. The budget is looked at first: what it forbids must not begin meanwhile.
    pub(super) async fn ended(&self, counts: bool, report: HostReport) -> HostReport {
        let (host, outcome) = (report.name.clone(), report.outcome.clone());
        if counts {
            self.ledger(|ledger| ledger.ended(&outcome));
            self.heed_budget();
        }
        self.note_or_stop(RunNote::HostEnded { host: host.clone(), outcome: outcome.clone() }).await;
        self.world.events.emit(Event::HostDone { stage: Stage::Apply, host, outcome });
        report
    }

    pub(super) fn heed_budget(&self) {
        if let Some(reason) = self.ledger(|ledger| ledger.spent()) {
            self.world.stop.because(reason);
        }
    }

    /// Returns when the wave is approved, here or through the journal, or when nothing may begin any more.
    pub(super) async fn approval(self, wave: usize, terms: Terms) {
        let within = terms.rollout.approve_within_ms;
        let late = async {
            match within {
                Some(ms) => sleep(Duration::from_millis(ms)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.world.stop.uttered() => {}
            approval = terms.gate.ask(&self.run, wave) => match approval {
                Approval::Given => {
                    let by = self.world.claims.operator.to_string();
                    self.note_or_stop(RunNote::Approved { wave, by: by.clone() }).await;
                    self.world.events.emit(Event::Approved { wave, by });
                }
                Approval::Denied => self.world.stop.because(format!("wave {wave} was not approved")),
            },
            by = self.approved_elsewhere(wave) => match by {
                Ok(by) => self.world.events.emit(Event::Approved { wave, by }),
                Err(error) => self.world.stop.because(error.to_string()),
            },
            () = late => {
                let time = duration(within.unwrap_or_default());
                self.world.stop.because(format!("nobody approved wave {wave} within {time}"));
            }
        }
    }

    /// Who has approved the wave from another process.
    async fn approved_elsewhere(&self, wave: usize) -> Result<String, JournalError> {
        loop {
            let notes = self.world.journal.notes(&self.run).await?;
            // What was approved before the run was gone on with was about other waves.
            let since =
                notes.into_iter().rev().take_while(|(_, note)| !matches!(note, RunNote::Resumed { .. }));
            let by = since.into_iter().find_map(|(_, note)| match note {
                RunNote::Approved { wave: approved, by } if approved == wave => Some(by),
                _ => None,
            });
            if let Some(by) = by {
                return Ok(by);
            }
            sleep(POLL).await;
        }
    }
}
