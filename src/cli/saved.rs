//! Plans in files: written by `plan --out`, shown by `show`, followed by `apply FILE`.

use std::fs::{OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::fleet::Fleet;
use super::problem::Problem;
use crate::core::inventory::HostDesired;
use crate::core::plan::Plan;
use crate::core::report::HostReport;
use crate::core::run::RunNote;
use crate::core::saved::{Fingerprint, SavedError, SavedHost, SavedPlan};
use crate::engine::{self, Discovered};

/// Largest file that is read, in bytes: some ten thousand hosts.
const LARGEST: u64 = 256 << 20;

/// A plan from a file.
pub(super) struct Saved {
    pub(super) plan: SavedPlan,
    /// What names this very plan.
    pub(super) hash: String,
    path: String,
}

/// Writes a plan to a file that only its owner may read.
pub(super) fn write(
    path: &Path,
    inventory: &Path,
    fleet: &Fleet,
    discovered: &Discovered,
    plan: &Plan,
) -> Result<(), Problem> {
    let failed = |error: String| Problem::failed(format!("plan {}: {error}", path.display()));
    let inventory = std::path::absolute(inventory).map_err(|error| failed(error.to_string()))?;
    let host = |(desired, plan): (&HostDesired, &crate::core::plan::HostPlan)| SavedHost {
        plan: plan.clone(),
        fingerprint: Fingerprint::of(desired, &discovered.observed),
    };
    let saved = SavedPlan {
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        made_ms: fleet.world.clock.now_ms(),
        by: fleet.world.claims.operator.clone(),
        inventory: inventory.display().to_string(),
        templates: fleet.world.templates.digest().to_owned(),
        hosts: fleet.selected.iter().zip(&plan.hosts).map(host).collect(),
    };
    let (text, _) = saved.encode().map_err(|error| failed(error.to_string()))?;
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| {
        // It may have been there before, and open to everybody.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    })
    .map_err(|error| failed(error.to_string()))
}

/// Reads a plan.
pub(super) fn read(path: &Path) -> Result<Saved, Problem> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
        .map_err(|error| Problem::failed(format!("plan {name}: {error}")))?;
    let (plan, hash) = SavedPlan::decode(&bytes).map_err(|error| {
        let message = format!("plan {name}: {error}");
        match error {
            SavedError::Foreign(_) => Problem::failed(message),
            SavedError::TooNew(_) | SavedError::Edited => Problem::stale(message),
        }
    })?;
    Ok(Saved { plan, hash, path: name })
}

impl Saved {
    /// Refuses a plan that was applied before, or was made with other templates; keeps the fleet to the plan's hosts.
    pub(super) async fn bind(&self, fleet: &mut Fleet) -> Result<(), Problem> {
        let stale = |what: &str| Problem::stale(format!("plan {}: {what}: plan again", self.path));
        if self.plan.templates != fleet.world.templates.digest() {
            return Err(stale("it was made with other templates than those in use now"));
        }
        let journal = &fleet.world.journal;
        for run in journal.runs().await.map_err(Problem::journal)? {
            for (_, note) in journal.notes(&run.id).await.map_err(Problem::journal)? {
                if matches!(&note, RunNote::Planned(planned) if planned.saved.as_ref() == Some(&self.hash)) {
                    return Err(stale(&format!("it was applied before, by run {}", run.id)));
                }
            }
        }
        fleet.selected.retain(|host| self.plan.hosts.iter().any(|saved| saved.plan.host == host.name));
        if fleet.selected.is_empty() {
            return Err(stale("none of its hosts is among the selected ones"));
        }
        Ok(())
    }

    /// What of it is still good for the fleet that [`Saved::bind`] has kept.
    pub(super) fn still_good(&self, fleet: &Fleet, discovered: &Discovered, now: &Plan) -> Plan {
        self.plan.still_good(&fleet.hosts(), &discovered.observed, now)
    }

    /// Reports of its hosts that the inventory does not have any more. Hosts that were left out by `--limit` are not gone.
    pub(super) fn gone(&self, known: &[HostDesired]) -> Vec<HostReport> {
        engine::idle(&self.plan.gone(&known.iter().collect::<Vec<_>>()))
    }
}
