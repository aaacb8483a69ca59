//! A run over many hosts: wave after wave, within the failure budget, every decision in the journal before what follows from
//! it.
//!
//! Must never have an effect before the plan it comes from is in the journal.

mod book;
mod rolling;

use std::sync::Arc;

use async_trait::async_trait;

use super::apply::outcome_of;
use super::{Discovered, World};
use crate::core::event::{Event, HostOutcome, Stage};
use crate::core::inventory::HostDesired;
use crate::core::model::RunId;
use crate::core::plan::Plan;
use crate::core::report::HostReport;
use crate::core::rollout::{Ledger, Rollout, waves};
use crate::core::run::{Planned, RunNote};
use crate::ports::{Approval, Gate, JournalError};

use book::Book;
use rolling::Rolling;

/// On what terms a plan is applied.
#[derive(Clone)]
pub struct Terms {
    /// Waves, budget, pauses and approvals.
    pub rollout: Rollout,
    /// The hash of the saved plan that this is, if it is one.
    pub saved: Option<String>,
    /// Who is asked between waves, besides those who answer through the journal.
    pub gate: Arc<dyn Gate>,
}

/// Nobody is there to be asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unattended;

#[async_trait]
impl Gate for Unattended {
    async fn ask(&self, _: &RunId, _: usize) -> Approval {
        std::future::pending().await
    }
}

/// All hosts in one wave, whatever goes wrong.
impl Default for Terms {
    fn default() -> Self {
        Self { rollout: Rollout::default(), saved: None, gate: Arc::new(Unattended) }
    }
}

/// Applies the plan on these terms. Every host has a report and a line in the journal in the end, also one that was refused,
/// could not be reached, or was not begun because the run was stopped.
pub async fn rollout(
    world: &World,
    run: &RunId,
    hosts: &[&HostDesired],
    discovered: &Discovered,
    plan: &Plan,
    terms: Terms,
) -> Vec<HostReport> {
    let planned = Planned {
        plan: plan.clone(),
        saved: terms.saved.clone(),
        by: world.claims.operator.to_string(),
        rollout: terms.rollout.clone(),
    };
    let noted = world.journal.note(run, world.clock.now_ms(), &RunNote::Planned(Box::new(planned))).await;
    roll(world, run, (hosts, discovered, plan), terms, noted).await
}

/// The same for hosts of a run whose plan is written down already, or could not be.
pub(super) async fn roll(
    world: &World,
    run: &RunId,
    (hosts, discovered, plan): (&[&HostDesired], &Discovered, &Plan),
    terms: Terms,
    noted: Result<(), JournalError>,
) -> Vec<HostReport> {
    world.events.emit(Event::StageStarted { stage: Stage::Apply, hosts: plan.hosts.len() });
    let waves = waves(plan, &discovered.observed.cloud, &terms.rollout);
    let book = Book::new(world, run, Ledger::new(plan, &terms.rollout));
    let mut rolling = Rolling::new(book, hosts, discovered, plan);
    match noted {
        Ok(()) => {
            rolling.untouched().await;
            rolling.waves(&waves, &terms).await;
            rolling.drain().await;
        }
        Err(error) => rolling.end_all(|plan| {
            let failed = || HostOutcome::Failed(format!("{error}; nothing was changed"));
            outcome_of(plan).unwrap_or_else(failed)
        }),
    }
    world.events.emit(Event::StageFinished { stage: Stage::Apply });
    rolling.reports()
}
