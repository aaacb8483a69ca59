//! The saga by enumeration: every step, every way a step can go, and every pair of moments at which the controller dies.
//!
//! The machine is the real one; the world is a small one without time. The same enumeration is run on machines that are wrong
//! on purpose, and must find every one of them out.

mod drive;
mod machine;
mod world;

use egressctl::core::saga::{End, Record};

use self::drive::{Driver, Stop};
use self::machine::{Machine, Mutant};
use self::world::{Fault, Step, World, began};

/// Ways in which one step goes.
const FAULTS: [Fault; 6] =
    [Fault::None, Fault::Refused, Fault::LostBefore, Fault::LostAfter, Fault::Stale, Fault::UndoFails];

/// More moments than any run has.
const NEVER: usize = usize::MAX;

/// One case: where things go wrong, and the two moments of death, counted over the whole run.
#[derive(Debug, Clone, Copy)]
struct Case {
    step: Step,
    fault: Fault,
    /// The probes fail, so that everything is taken back.
    unproven: bool,
    deaths: [usize; 2],
}

/// What enumerating brought.
#[derive(Debug, Default)]
struct Found {
    cases: usize,
    /// Committed, unwound, stuck.
    ends: [usize; 3],
    wrong: Vec<String>,
}

/// Runs a case to its end: each death is followed by another controller with nothing but the journal.
fn live(mutant: Option<Mutant>, case: Case) -> Result<(usize, End), String> {
    let mut world = World::new(case.step, case.fault, case.unproven);
    let mut journal = vec![Record::Began(Box::new(began()))];
    let mut moments = 0;
    for death in [case.deaths[0], case.deaths[1], NEVER] {
        let machine = Machine::replay(mutant, &journal)?;
        let mut driver = Driver { machine, journal: &mut journal, world: &mut world, moments, death };
        let stop = driver.run();
        moments = driver.moments;
        match stop {
            // Whoever comes next may be in time for what the host is waiting for, or not.
            Stop::Died if moments.is_multiple_of(2) => world.late(),
            Stop::Died => {}
            Stop::Wrong(why) => return Err(why),
            Stop::Ended(end) => {
                agree(&end, &world)?;
                back_from(mutant, &mut journal, &mut world, &end)?;
                return Ok((moments, end));
            }
        }
    }
    Err("it does not end".to_owned())
}

/// What an end claims must be so.
fn agree(end: &End, world: &World) -> Result<(), String> {
    if let Some(wrong) = world.wrongs.first() {
        return Err(wrong.clone());
    }
    match end {
        End::Committed if world.is_final() => Ok(()),
        End::Unwound(why) if !why.is_empty() && world.is_back() => Ok(()),
        End::Stuck(why) if !why.is_empty() => Ok(()),
        other => Err(format!("{other:?}, but the world is {world:?}")),
    }
}

/// Whatever the end was, it can be taken back once nothing goes wrong any more.
fn back_from(
    mutant: Option<Mutant>,
    journal: &mut Vec<Record>,
    world: &mut World,
    end: &End,
) -> Result<(), String> {
    if matches!(end, End::Unwound(_)) {
        return Ok(());
    }
    world.heal();
    journal.push(Record::TurnedBack("asked for".to_owned()));
    let machine = Machine::replay(mutant, journal)?;
    match (Driver { machine, journal, world, moments: 0, death: NEVER }).run() {
        Stop::Ended(end @ End::Unwound(_)) => agree(&end, world),
        other => Err(format!("taken back after {end:?}: {other:?}")),
    }
}

/// Every case, in the order of their deaths; stops early at the first thing that is wrong if it is only asked for one.
fn enumerate(mutant: Option<Mutant>, first_only: bool) -> Found {
    let mut found = Found::default();
    for step in began().ops.iter().map(Step::of) {
        for fault in FAULTS {
            for unproven in [false, true] {
                let case = |deaths| Case { step, fault, unproven, deaths };
                // How many moments there are is known when nobody dies; a second controller may have a few more.
                let moments = live(mutant, case([NEVER; 2])).map_or(120, |(moments, _)| moments);
                let firsts = (0..moments).chain([NEVER]);
                for first in firsts {
                    for second in (first.saturating_add(1)..first.saturating_add(moments)).chain([NEVER]) {
                        let case = case([first, second]);
                        found.cases += 1;
                        match live(mutant, case) {
                            Ok((_, End::Committed)) => found.ends[0] += 1,
                            Ok((_, End::Unwound(_))) => found.ends[1] += 1,
                            Ok((_, End::Stuck(_))) => found.ends[2] += 1,
                            Err(why) => found.wrong.push(format!("{case:?}: {why}")),
                        }
                        if first_only && !found.wrong.is_empty() {
                            return found;
                        }
                    }
                }
            }
        }
    }
    found
}

#[test]
fn every_step_fault_and_pair_of_deaths_ends_in_one_of_three_ways_that_are_true() {
    let found = enumerate(None, false);
    assert_eq!(found.wrong.first(), None, "{} of {} cases", found.wrong.len(), found.cases);
    assert!(found.cases > 100_000, "{}", found.cases);
    assert!(found.ends.iter().all(|count| *count > 1_000), "{:?}", found.ends);
}

#[test]
fn every_wrong_machine_is_found_out() {
    for mutant in Mutant::ALL {
        let found = enumerate(Some(mutant), true);
        assert!(!found.wrong.is_empty(), "{mutant:?} passes {} cases", found.cases);
    }
}
