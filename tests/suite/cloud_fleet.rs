//! Whole fleets against a cloud that goes wrong: the real client and the real engine, the emulator over loopback HTTP with a
//! fault file that was drawn, the simulation's hosts, in virtual time. Whatever happens, it ends well.

mod draw;
mod ground;
mod life;
mod story;
mod watch;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use egressctl::core::event::HostOutcome;

use draw::{Drawn, Start, Worst};
use story::{Told, one, told};

/// Stories of one run of the suite, beginning with this seed.
const FIRST: u64 = 1;
const STORIES: u64 = 60;

/// Stories that have broken something once: where the hosts begin, and what goes wrong.
const CASES: [(&str, &[Start], &str, Worst); 3] = [
    (
        "several looks in a row may be old",
        &[Start::Fresh, Start::Converted, Start::EniAttached, Start::EniCreated, Start::Fresh],
        "{seed: 5, delays: {associate: 1s..3s, unassociate: 1s..3s}, rules: [{do: {stale: {by: 0ms..3s}}}]}",
        Worst::Delays,
    ),
    (
        "an accepted request that came to nothing is tried again under another token",
        &[Start::Fresh],
        "rules: [{action: UnassociateEipAddress, nth: 1, do: falls_back}]",
        Worst::Blocks,
    ),
    (
        "more than one request in a row may be lost",
        &[Start::Fresh, Start::Converted],
        "rules: [{action: AttachNetworkInterface, nth: 1-4, do: lost_request}, {action: ConvertNatPublicIpToEip, nth: 1-2, do: lost_request}]",
        Worst::Delays,
    ),
];

fn tell(which: &str, told: &Told) {
    let log = told.log.join("\n");
    panic!("{log}\n{which} breaks: {:#?}", told.wrongs);
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn what_has_broken_something_once_does_not_do_so_again() {
    for (what, starts, faults, worst) in CASES {
        for seed in 1..=8 {
            let drawn = Drawn { starts: starts.to_vec(), faults: faults.to_owned(), worst };
            let told = told(fastrand::Rng::with_seed(seed), drawn);
            if !told.wrongs.is_empty() {
                tell(&format!("{what}, seed {seed}"), &told);
            }
        }
    }
}

/// One host whose EIP is told to leave the instance, and does not: going on with the run is enough, without a new one.
#[test]
fn what_a_human_was_needed_for_is_done_by_the_same_run() {
    let (_, starts, faults, worst) = CASES[1];
    let drawn = Drawn { starts: starts.to_vec(), faults: faults.to_owned(), worst };
    let (first, second) = story::stuck_and_resumed(drawn);
    assert!(matches!(first, HostOutcome::Unknown(_)), "{first:?}");
    assert_eq!(second, HostOutcome::Changed);
}

#[test]
fn whatever_goes_wrong_with_the_cloud_every_fleet_comes_to_its_end() {
    if let Some(seed) = number("EGRESSCTL_FLEET_SEED") {
        let told = one(seed);
        if !told.wrongs.is_empty() {
            tell(&format!("EGRESSCTL_FLEET_SEED={seed}"), &told);
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
                    if number >= stories {
                        return;
                    }
                    let seed = first + number;
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
    eprintln!("seeds {first}..{} in {seconds:.1} s: {sums:?}", first + stories);
    let mut broken = broken.into_inner().unwrap();
    broken.sort_by_key(|(seed, _)| *seed);
    for (seed, told) in &broken {
        eprintln!("EGRESSCTL_FLEET_SEED={seed} breaks: {:#?}", told.wrongs);
    }
    if let Some((seed, told)) = broken.first() {
        tell(&format!("EGRESSCTL_FLEET_SEED={seed}"), told);
    }
    assert!(sums["stories"] as u64 >= stories && sums["calls hit"] > 0, "{sums:?}");
}
