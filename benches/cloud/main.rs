//! What a fleet costs in calls of the cloud's API: `cargo bench --bench cloud -- --hosts 1000 --forks 20 --share 10`. The real
//! engine and the real client drive the lab's cloud over HTTP on the loopback interface, whose states take 2 to 8 s; only the
//! hosts' own side is made up. Without `--hosts` only the processor's part is measured.

// The suite uses the rest of it.
#[allow(dead_code, unused_imports)]
#[cfg(test)]
#[path = "../../tests/suite/support/facts.rs"]
mod facts;
mod fleet;
mod processor;
mod region;

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use egressctl::core::event::HostOutcome;
use egressctl::ui::say;

use self::fleet::{Fleet, Options};

fn value<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::args().skip_while(|argument| argument != name).nth(1)?.parse().ok()
}

/// The share of `sorted` below which `part` of it lies.
fn quantile(sorted: &[Duration], part: f64) -> f64 {
    let at = (sorted.len().saturating_sub(1)) as f64 * part;
    sorted.get(at.round() as usize).map_or(f64::NAN, Duration::as_secs_f64)
}

fn distribution(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let parts = [("least", 0.0), ("half", 0.5), ("90 %", 0.9), ("99 %", 0.99), ("most", 1.0)];
    let parts = parts.map(|(name, part)| format!("{name} {:.2} s", quantile(&times, part)));
    say(&format!("{what}: {}\n", parts.join(", ")));
}

fn calls(told: &str, hosts: usize, calls: &BTreeMap<String, u64>) {
    let per = |count: u64| count as f64 / hosts as f64;
    let reads: u64 = calls.iter().filter(|(name, _)| name.starts_with("Describe")).map(|(_, n)| n).sum();
    let writes: u64 = calls.values().sum::<u64>() - reads;
    say(&format!("{told}: {:.3} writes and {:.3} reads per host\n", per(writes), per(reads)));
    for (action, count) in calls {
        say(&format!("    {action}: {count} ({:.3} per host)\n", per(*count)));
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    processor::measure();
    let Some(hosts) = value("--hosts") else { return Ok(ExitCode::SUCCESS) };
    let options = Options {
        hosts,
        forks: value("--forks").unwrap_or(20),
        cutovers: value("--cutovers").unwrap_or(20),
        share: value("--share").unwrap_or(0.5),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let fleet = Fleet::build(&options).await?;
        let began = Instant::now();
        let outcomes = fleet.apply().await?;
        let first = fleet.calls();
        say(&format!("{options:?}: {:.0} s\n", began.elapsed().as_secs_f64()));
        for (outcome, count) in &outcomes {
            say(&format!("    {outcome}: {count}\n"));
        }
        calls("fresh hosts, plan and waits included", hosts, &first);
        let (windows, over) = fleet.windows();
        distribution("unassociate accepted to associate accepted", windows);
        distribution("of that beyond what the cloud itself took", over);
        let wished = fleet.wished().await?;
        say(&format!("finished hosts: {wished} writes planned\n"));
        let second = fleet.calls();
        let new = second.iter().map(|(name, n)| (name.clone(), n - first.get(name).copied().unwrap_or(0)));
        calls("planning them again", hosts, &new.filter(|(_, n)| *n > 0).collect());
        let fine = outcomes.len() == 1
            && outcomes.contains_key(&format!("{:?}", HostOutcome::Changed))
            && wished == 0;
        Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}
