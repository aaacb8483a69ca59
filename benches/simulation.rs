//! The simulation at length: `cargo bench --bench simulation -- --host-runs 1000000 --seed 1`. Prints the seed, what was
//! lived through, and the whole story of a seed that breaks an invariant.

// The suite uses the rest of it.
#[allow(dead_code, unused_imports)]
#[cfg(test)]
#[path = "../tests/simulation/mod.rs"]
mod sim;

use std::process::ExitCode;

fn value(name: &str) -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)?.parse().ok()
}

fn main() -> ExitCode {
    let seed = value("--seed").unwrap_or(1);
    let host_runs = value("--host-runs").unwrap_or(20_000);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let threads = value("--threads").map_or(threads, |count| usize::try_from(count).unwrap_or(1));
    egressctl::ui::say(&format!("--seed {seed} --host-runs {host_runs} --threads {threads}\n"));
    let began = std::time::Instant::now();
    let tally = sim::seeds(seed, host_runs, threads);
    for (seed, violations, log) in &tally.broken {
        let log = log.join("\n");
        egressctl::ui::say(&format!("{log}\n--seed {seed} breaks: {violations:#?}\n"));
    }
    egressctl::ui::say(&format!(
        "{} host-runs in {} stories, {} events, {} faults, {} kills, {} broken, {:.1} s\n{:?}\n",
        tally.host_runs,
        tally.seeds,
        tally.events,
        tally.injected,
        tally.kills,
        tally.broken.len(),
        began.elapsed().as_secs_f64(),
        tally.outcomes,
    ));
    if tally.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
