//! The budget of calls: what a plan costs of the cloud's API, and the refusal of one that costs too much.

use clap::Args;

use super::fleet::Fleet;
use super::problem::Problem;
use crate::core::plan::{Calls, Plan, calls, is_write};
use crate::core::saga::Record;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// The budget's options.
#[derive(Debug, Args)]
pub(super) struct CallsArgs {
    /// Refuse a plan that costs more calls of the cloud's API than this, writes of today's runs included [default: cloud.calls_per_day]
    #[arg(long, value_name = "N", env = "EGRESSCTL_CALLS_PER_DAY")]
    calls_per_day: Option<u64>,
}

impl CallsArgs {
    /// What the plan costs.
    pub(super) fn cost(fleet: &Fleet, plan: &Plan) -> Calls {
        calls(plan, fleet.world.settings.forks)
    }

    /// Refuses the plan if it is over the budget of this day (UTC).
    pub(super) async fn heed(&self, fleet: &Fleet, plan: &Plan) -> Result<(), Problem> {
        let Some(budget) = self.calls_per_day.or(fleet.calls_per_day) else { return Ok(()) };
        if plan.is_empty() {
            return Ok(());
        }
        let over = Self::cost(fleet, plan).over(budget, spent(fleet).await?);
        over.map_or(Ok(()), |why| Err(Problem::failed(why)))
    }
}

/// The writes of today's runs, as far as the journal tells: begun steps that write to the cloud, and their undoing. Reads are
/// not in the journal.
async fn spent(fleet: &Fleet) -> Result<usize, Problem> {
    let (journal, now) = (&fleet.world.journal, fleet.world.clock.now_ms());
    let midnight = now - now.rem_euclid(DAY);
    let mut writes = 0;
    let runs = journal.runs().await.map_err(Problem::journal)?;
    // Newest first; one that began the day before yesterday may be gone on with, but hardly is.
    for run in runs.iter().take_while(|run| run.started_ms >= midnight - 2 * DAY) {
        let records = journal.records(&run.id).await.map_err(Problem::journal)?;
        writes += records.iter().filter(|(_, at, record)| *at >= midnight && step(record)).count();
    }
    Ok(writes)
}

fn step(record: &Record) -> bool {
    match record {
        Record::Intent(op) => is_write(op.kind()),
        Record::UndoIntent(step) => is_write(*step),
        _ => false,
    }
}
