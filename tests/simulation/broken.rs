//! That each invariant can fail: a finished fleet is broken by hand in one way, and the one check must say so. That a seed is a
//! test case: the same story twice. That the real engine may die at every single moment.

use std::time::Duration;

use egressctl::core::observed::EipStatus;
use tokio::time::Instant;

use super::calm::{After, calm, finished};
use super::invariants::ALL;
use super::region::{Kept, Request};
use super::scenario::one;
use super::universe::{CANARY, Event, State, Window};

/// A way to break the world, and the event at which it must be noticed.
type Break = fn(&mut State) -> Event;

const HOST: Event = Event::Host { host: 0, what: "broken" };

fn with_eip(state: &mut State, change: impl FnOnce(&mut egressctl::core::observed::Eip)) {
    let (id, kept) = state.region.eips.iter().next().unwrap();
    let (id, mut eip) = (id.clone(), kept.now().unwrap().clone());
    change(&mut eip);
    state.region.eips.insert(id, Kept::new(Instant::now(), eip));
}

fn window(state: &mut State, host: usize, seconds: u64) {
    let since = Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
    state.alive = Some(7);
    state.windows.insert(host, Window { since, life: 7, excused: false });
}

const BREAKS: [(&str, Break); 18] = [
    ("I1", |state| {
        state.region.eips.clear();
        HOST
    }),
    ("I1", |state| {
        with_eip(state, |eip| eip.address = "192.0.2.1".parse().unwrap());
        HOST
    }),
    ("I2", |state| {
        with_eip(state, |eip| (eip.status, eip.holder) = (EipStatus::Available, None));
        Event::Rest
    }),
    ("I2", |state| {
        with_eip(state, |eip| (eip.status, eip.holder) = (EipStatus::Available, None));
        Event::Ended { told: vec![false, true] }
    }),
    ("I3", |state| {
        state.hosts[0].rc_local = Some("#!/bin/sh -e\n# site\ntouch /run/booted\nexit 0\n".to_owned());
        let eip = state.region.eips.keys().next().unwrap().clone();
        let home = egressctl::core::observed::EipHolder::Instance(state.hosts[0].instance.clone());
        Event::CarriedOut { host: 0, request: Request::Unassociate(eip, home) }
    }),
    ("I3", |state| {
        state.hosts[0].pretend_guarded();
        let eip = state.region.eips.keys().next().unwrap().clone();
        let home = egressctl::core::observed::EipHolder::Instance(state.hosts[0].instance.clone());
        Event::CarriedOut { host: 0, request: Request::Unassociate(eip, home) }
    }),
    ("I4", |state| {
        let main = state.hosts[0].kernel.routes.get_mut(&super::host::MAIN).unwrap();
        main.push("10.0.0.0/8 dev eth1".to_owned());
        HOST
    }),
    ("I4", |state| {
        state.hosts[0].kernel.primary.clear();
        HOST
    }),
    ("I5", |state| {
        state.hosts[0].kernel.rules.push((32765, "from 172.20.0.0 lookup 101".to_owned()));
        HOST
    }),
    ("I5", |state| {
        state.hosts[0].kernel.routes.remove(&52);
        HOST
    }),
    ("I5", |state| {
        state.hosts[0].rc_local = Some("exit 0\n".to_owned());
        HOST
    }),
    ("I6", |state| {
        window(state, 0, 121);
        HOST
    }),
    ("I6", |state| {
        state.cap = 1;
        window(state, 0, 1);
        window(state, 1, 1);
        HOST
    }),
    ("I7", |state| {
        let instance = state.hosts[0].instance.clone();
        Event::Sent { life: 1, host: 0, request: Request::Convert(instance) }
    }),
    ("I7", |state| {
        let mut second = state.region.ours(&state.hosts[0].instance)[0].clone();
        second.id = "eni-second".parse().unwrap();
        state.region.enis.insert(second.id.clone(), Kept::new(Instant::now(), second));
        HOST
    }),
    ("I8", |_| Event::Again { writes: 1, changes: 0 }),
    ("I9", |state| {
        let other = state.region.ours(&state.hosts[1].instance)[0].id.clone();
        Event::Sent { life: 1, host: 0, request: Request::Delete(other) }
    }),
    ("I10", |_| Event::Told { text: format!("the key is {CANARY}") }),
];

#[test]
fn every_invariant_can_fail() {
    for (number, (name, broken)) in BREAKS.into_iter().enumerate() {
        let said = finished(move |state| {
            let event = broken(state);
            let at = Instant::now();
            let failed = ALL.iter().filter(|(_, check)| check(state, at, &event).is_err());
            failed.map(|(name, _)| *name).collect::<Vec<_>>()
        });
        assert!(said.contains(&name), "break {number}: {name} is not among {said:?}");
    }
    for (name, _) in ALL {
        assert!(BREAKS.iter().any(|(broken, _)| *broken == name), "nothing shows that {name} can fail");
    }
}

#[test]
fn a_finished_fleet_breaks_nothing() {
    for event in [HOST, Event::Rest, Event::Killed, Event::Again { writes: 0, changes: 0 }] {
        let said = finished(|state| {
            let at = Instant::now();
            ALL.iter().filter_map(|(_, check)| check(state, at, &event).err()).collect::<Vec<_>>()
        });
        assert_eq!(said, Vec::<String>::new(), "{event}");
    }
}

#[test]
fn a_seed_tells_the_same_story_every_time() {
    for seed in 100..130 {
        let (first, second) = (one(seed), one(seed));
        assert_eq!((first.digest, first.events), (second.digest, second.events), "seed {seed}");
    }
    assert_ne!(one(100).digest, one(101).digest);
}

#[test]
fn the_engine_may_die_at_every_single_moment() {
    for after in After::ALL {
        let mut deaths = 0;
        for moment in 1.. {
            let tally = calm(moment, after);
            assert_eq!(tally.broken.first(), None, "death at {moment}, then {after:?}");
            if tally.kills == 0 {
                break;
            }
            deaths += tally.kills;
        }
        assert!(deaths > 40, "only {deaths} moments");
    }
}
