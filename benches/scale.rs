//! What a thousand hosts cost: `cargo bench --bench scale`. The records of a simulated fleet's run go into a real journal on
//! disk, all hosts at once, and the processor time of that is divided by their steps; the peak of the memory is that of the
//! whole program, the simulated cloud and hosts included.

// The suite uses the rest of it.
#[allow(dead_code, unused_imports)]
#[cfg(test)]
#[path = "../tests/simulation/mod.rs"]
mod sim;

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use egressctl::core::model::{HostName, RunId};
use egressctl::core::saga::Record;
use egressctl::journal::SqliteJournal;
use egressctl::ports::{Journal, JournalError, RunMeta, RunVerb};

/// Goals: milliseconds of processor time for each step of a host, and megabytes of memory.
const GOALS: (f64, f64) = (1.0, 300.0);

/// Processor time of this process so far, milliseconds.
fn cpu_ms() -> f64 {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    clock.tv_sec as f64 * 1e3 + clock.tv_nsec as f64 / 1e6
}

/// The most memory that was resident, megabytes.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes / 1024.0)
}

/// Appends everything, all hosts at once, and tells how much processor time that took.
fn append_all(records: BTreeMap<HostName, Vec<Record>>) -> Result<f64, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let journal = Arc::new(SqliteJournal::open(&folder.path().join("journal.sqlite"))?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let id: RunId = "20261122T161500Z-0000".parse()?;
    let run =
        RunMeta { id: id.clone(), verb: RunVerb::Apply, started_ms: 0, inventory: "scale.yaml".to_owned() };
    let before = cpu_ms();
    runtime.block_on(async {
        journal.begin(&run).await?;
        let mut tasks = tokio::task::JoinSet::new();
        for (host, records) in records {
            let (journal, id) = (Arc::clone(&journal), id.clone());
            tasks.spawn(async move {
                for record in records {
                    journal.append(&id, &host, 0, &record).await?;
                }
                Ok::<_, JournalError>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    Ok(cpu_ms() - before)
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let hosts = std::env::args().skip_while(|argument| argument != "--hosts").nth(1);
    let hosts = hosts.and_then(|count| count.parse().ok()).unwrap_or(1_000);
    let records = sim::fleet(hosts);
    let appends: usize = records.values().map(Vec::len).sum();
    let intents = records.values().flatten().filter(|record| matches!(record, Record::Intent(_)));
    let steps = intents.count();
    let (each, peak) = (append_all(records)? / steps as f64, peak_mb());
    egressctl::ui::say(&format!(
        "{hosts} hosts, {steps} steps, {appends} appends\n\
         journal: {each:.3} ms of processor time per host-step, {:.2} x the goal\n\
         memory: {peak:.0} MB at the peak, {:.2} x the goal\n",
        each / GOALS.0,
        peak / GOALS.1,
    ));
    Ok(if each < GOALS.0 && peak < GOALS.1 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
