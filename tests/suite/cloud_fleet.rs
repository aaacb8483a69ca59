//! Whole fleets against a cloud that goes wrong: the real client and the real engine, the emulator over loopback HTTP with a
//! fault file that was drawn, the simulation's hosts, in virtual time. Whatever happens, it ends well.

mod draw;
mod ground;
mod story;
mod watch;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use story::{Told, one};

/// Stories of one run of the suite, beginning with this seed.
const FIRST: u64 = 1;
const STORIES: u64 = 100;

/// Seeds that have broken something once.
const REGRESSIONS: [u64; 0] = [];

fn tell(seed: u64, told: &Told) {
    let log = told.log.join("\n");
    panic!("{log}\nEGRESSCTL_FLEET_SEED={seed} breaks: {:#?}", told.wrongs);
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_goes_wrong_with_the_cloud_every_fleet_comes_to_its_end() {
    if let Some(seed) = number("EGRESSCTL_FLEET_SEED") {
        let told = one(seed);
        if !told.wrongs.is_empty() {
            tell(seed, &told);
        }
        return;
    }
    let (first, stories) = (
        number("EGRESSCTL_FLEET_FIRST").unwrap_or(FIRST),
        number("EGRESSCTL_FLEET_STORIES").unwrap_or(STORIES),
    );
    let threads = number("EGRESSCTL_FLEET_THREADS").and_then(|count| usize::try_from(count).ok());
    let threads = threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(2);
    let next = AtomicU64::new(0);
    let broken = Mutex::new(Vec::<(u64, Told)>::new());
    let sums = Mutex::new(std::collections::BTreeMap::<&str, usize>::new());
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let old = usize::try_from(number).ok().and_then(|at| REGRESSIONS.get(at).copied());
                    let seed = old.unwrap_or_else(|| first + number - REGRESSIONS.len() as u64);
                    if seed >= first + stories && old.is_none() {
                        return;
                    }
                    let told = one(seed);
                    let mut sums = sums.lock().unwrap();
                    for (what, count) in [
                        ("stories", 1),
                        ("hosts", told.hosts),
                        ("calls", told.calls),
                        ("calls hit", told.hit),
                        ("lives", told.lives),
                    ] {
                        *sums.entry(what).or_default() += count;
                    }
                    for outcome in &told.outcomes {
                        *sums.entry(*outcome).or_default() += 1;
                    }
                    drop(sums);
                    if !told.wrongs.is_empty() {
                        broken.lock().unwrap().push((seed, told));
                    }
                }
            });
        }
    });
    let sums = sums.into_inner().unwrap();
    let seconds = began.elapsed().as_secs_f64();
    eprintln!("seeds {first}..{} and {REGRESSIONS:?} in {seconds:.1} s: {sums:?}", first + stories);
    let mut broken = broken.into_inner().unwrap();
    broken.sort_by_key(|(seed, _)| *seed);
    for (seed, told) in &broken {
        eprintln!("EGRESSCTL_FLEET_SEED={seed} breaks: {:#?}", told.wrongs);
    }
    if let Some((seed, told)) = broken.first() {
        tell(*seed, told);
    }
    assert!(sums["stories"] as u64 >= stories && sums["calls hit"] > 0, "{sums:?}");
}
