//! How logins to one address are spread: an ordinary sshd drops at random from the tenth on that has not logged in
//! (`MaxStartups 10:30:100`), and one of OpenSSH 9.8 or later shuts an address out that fails too often
//! (`PerSourcePenalties authfail:5s noauth:1s min:15s`). Several hosts of a fleet may stand behind one address.
//!
//! Must never slow down logins to different addresses, nor those of a login that has just worked there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::cache::lock;
use crate::ports::{AuthMethod, Hop, SshError, SshErrorKind, Target};

/// From this many addresses on, those that nobody waits for are forgotten, unless they have refused somebody lately.
const MANY: usize = 256;
/// A pause after a connection that we broke off before the login: sshd has forgiven it by then.
const AFTER_NO_LOGIN: Duration = Duration::from_millis(1250);
/// The same after a login that was refused.
const AFTER_REFUSAL: Duration = Duration::from_millis(6250);
/// How long a refused login is not tried again. It may get better: a host that boots lets nobody in for a while.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Turns, by address.
pub(super) struct Pacing {
    at_once: usize,
    doors: Mutex<HashMap<(IpAddr, u16), Arc<Door>>>,
}

/// One address.
struct Door {
    turns: Arc<Semaphore>,
    /// Held by whoever tries a login that has not worked yet: if it is refused, it is refused once, not once for each host.
    pilot: Arc<tokio::sync::Mutex<()>>,
    book: Mutex<Book>,
}

/// What happened at an address.
#[derive(Default)]
struct Book {
    admitted: Vec<Entrant>,
    refused: Vec<(Entrant, Instant, SshError)>,
    not_before: Option<Instant>,
}

/// Who comes, and over which jump hosts, behind which the same address may be another host.
#[derive(Clone, PartialEq, Eq)]
struct Entrant {
    user: String,
    auth: Vec<AuthMethod>,
    jumps: Vec<Hop>,
}

/// Leave to log in, as long as it is held.
pub(super) struct Turn {
    door: Arc<Door>,
    entrant: Entrant,
    _pilot: Option<OwnedMutexGuard<()>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Pacing {
    /// Lets this many at a time go to one address, once the first has come in.
    pub(super) fn new(at_once: usize) -> Self {
        Self { at_once: at_once.max(1), doors: Mutex::default() }
    }

    /// Waits for a turn at the target's address.
    ///
    /// # Errors
    /// Why the same login was refused there a moment ago.
    pub(super) async fn turn(&self, target: &Target) -> Result<Turn, SshError> {
        let door = self.door((target.address, target.port));
        let Target { user, auth, jumps, .. } = target.clone();
        let entrant = Entrant { user, auth, jumps };
        let check = || door.refusal(&entrant).map_or(Ok(()), Err);
        let (pilot, permit) = loop {
            let mut pilot = None;
            if !door.has_admitted(&entrant) {
                pilot = Some(Arc::clone(&door.pilot).lock_owned().await);
                // Somebody else has tried it meanwhile.
                if door.has_admitted(&entrant) {
                    pilot = None;
                }
            }
            check()?;
            let permit = Arc::clone(&door.turns).acquire_owned().await.ok();
            check()?;
            // What was admitted may be in doubt again by the time that it is let in.
            if pilot.is_some() || door.has_admitted(&entrant) {
                break (pilot, permit);
            }
        };
        let not_before = lock(&door.book).not_before;
        if let (Some(at), true) = (not_before, pilot.is_some()) {
            sleep_until(at).await;
        }
        Ok(Turn { door, entrant, _pilot: pilot, _permit: permit })
    }

    fn door(&self, at: (IpAddr, u16)) -> Arc<Door> {
        let mut doors = lock(&self.doors);
        if doors.len() >= MANY {
            doors.retain(|_, door| Arc::strong_count(door) > 1 || door.is_notable());
        }
        let fresh = || {
            let turns = Arc::new(Semaphore::new(self.at_once));
            Arc::new(Door { turns, pilot: Arc::default(), book: Mutex::default() })
        };
        Arc::clone(doors.entry(at).or_insert_with(fresh))
    }
}

impl Door {
    fn has_admitted(&self, entrant: &Entrant) -> bool {
        lock(&self.book).admitted.contains(entrant)
    }

    fn refusal(&self, entrant: &Entrant) -> Option<SshError> {
        let mut book = lock(&self.book);
        book.refused.retain(|(_, at, _)| at.elapsed() < REMEMBERED);
        book.refused.iter().find(|(who, ..)| who == entrant).map(|(.., error)| error.clone())
    }

    fn is_notable(&self) -> bool {
        lock(&self.book).refused.iter().any(|(_, at, _)| at.elapsed() < REMEMBERED)
    }
}

impl Turn {
    /// Writes down how it went, for those who wait.
    pub(super) fn ended<T>(self, result: &Result<T, SshError>) {
        let mut book = lock(&self.door.book);
        let now = Instant::now();
        match result.as_ref().map_err(|error| error.kind) {
            // Where nobody answers, nobody counts.
            Ok(_) | Err(SshErrorKind::Unreachable) => {
                if !book.admitted.contains(&self.entrant) {
                    book.admitted.push(self.entrant.clone());
                }
            }
            // From here on one after the other, whoever it is: the next one may fail as well.
            Err(SshErrorKind::Auth) => {
                book.admitted.clear();
                book.not_before = Some(now + AFTER_REFUSAL);
                let error = result.as_ref().err().cloned();
                book.refused.extend(error.map(|error| (self.entrant.clone(), now, error)));
            }
            Err(_) => {
                book.admitted.clear();
                book.not_before = book.not_before.max(Some(now + AFTER_NO_LOGIN));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{HostKeyPolicy, Keepalive};

    fn target(address: [u8; 4], port: u16, user: &str) -> Target {
        Target {
            address: address.into(),
            port,
            user: user.to_owned(),
            auth: vec![AuthMethod::Password],
            host_key: HostKeyPolicy::Pinned(vec![]),
            jumps: vec![],
            connect_within: Duration::from_secs(1),
            keepalive: Keepalive::default(),
            algorithms: Default::default(),
        }
    }

    fn here() -> Target {
        target([10, 0, 0, 1], 22, "me")
    }

    fn failed(kind: SshErrorKind) -> Result<(), SshError> {
        Err(SshError { kind, message: "no".to_owned() })
    }

    /// Whether something does not happen by itself.
    async fn is_waiting(future: impl Future) -> bool {
        tokio::time::timeout(Duration::from_secs(600), future).await.is_err()
    }

    async fn seconds_until(future: impl Future) -> f64 {
        let begun = Instant::now();
        future.await;
        begun.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_limited_for_each_address_once_somebody_is_in() {
        let pacing = Pacing::new(2);
        let first = pacing.turn(&here()).await.ok().unwrap();
        assert!(is_waiting(pacing.turn(&here())).await, "nobody knows yet whether the login works");
        let elsewhere = [target([10, 0, 0, 1], 23, "me"), target([10, 0, 0, 2], 22, "me")];
        let _others = (pacing.turn(&elsewhere[0]).await, pacing.turn(&elsewhere[1]).await);
        first.ended(&Ok(()));
        let second = pacing.turn(&here()).await;
        let _third = pacing.turn(&here()).await;
        assert!(is_waiting(pacing.turn(&here())).await);
        drop(second);
        assert!(!is_waiting(pacing.turn(&here())).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_login_is_not_tried_again_and_others_wait() {
        let pacing = Pacing::new(2);
        let turn = pacing.turn(&here()).await.ok().unwrap();
        turn.ended(&failed(SshErrorKind::Auth));
        let refused = seconds_until(async { assert!(pacing.turn(&here()).await.is_err()) }).await;
        assert!(refused < 0.1, "{refused}");
        let other = target([10, 0, 0, 1], 22, "another");
        let waited = seconds_until(async { pacing.turn(&other).await.ok().unwrap().ended(&Ok(())) }).await;
        assert!((6.0..7.0).contains(&waited), "{waited}");
        assert!(seconds_until(pacing.turn(&other)).await < 0.1, "whoever is in does not wait");
        tokio::time::sleep(REMEMBERED).await;
        assert!(pacing.turn(&here()).await.is_ok(), "a refusal is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_for_a_turn_does_not_try_what_was_refused_meanwhile() {
        let pacing = Arc::new(Pacing::new(2));
        pacing.turn(&here()).await.ok().unwrap().ended(&Ok(()));
        let (first, second) =
            (pacing.turn(&here()).await.ok().unwrap(), pacing.turn(&here()).await.ok().unwrap());
        let waiting = tokio::spawn({
            let pacing = Arc::clone(&pacing);
            async move { pacing.turn(&here()).await.is_err() }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        first.ended(&failed(SshErrorKind::Auth));
        assert!(waiting.await.unwrap(), "one refusal is enough");
        second.ended(&failed(SshErrorKind::HostKeyChanged));
        let other = target([10, 0, 0, 1], 22, "another");
        let _pilot = pacing.turn(&other).await.ok().unwrap();
        let third = target([10, 0, 0, 1], 22, "third");
        assert!(is_waiting(pacing.turn(&third)).await, "one after the other again");
    }

    #[tokio::test(start_paused = true)]
    async fn connections_that_lead_to_no_login_come_once_a_second_and_dead_addresses_cost_nothing() {
        let pacing = Pacing::new(2);
        let many = async |kind: SshErrorKind| {
            for _ in 0..10 {
                pacing.turn(&here()).await.ok().unwrap().ended(&failed(kind));
            }
        };
        let waited = seconds_until(many(SshErrorKind::HostKeyChanged)).await;
        assert!((11.0..12.0).contains(&waited), "{waited}");
        tokio::time::sleep(AFTER_NO_LOGIN).await;
        assert!(seconds_until(many(SshErrorKind::Unreachable)).await < 0.1);
    }

    #[tokio::test]
    async fn addresses_that_nobody_waits_for_are_forgotten() {
        let pacing = Pacing::new(1);
        for n in 0..5000u32 {
            drop(pacing.turn(&target(n.to_be_bytes(), 22, "me")).await);
        }
        assert!(lock(&pacing.doors).len() <= MANY);
    }
}
