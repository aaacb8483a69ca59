//! Everything that exists in a simulation, behind one lock: the region, the hosts, the journals, what is due, and the
//! controller that lives now. Whatever happens goes through [`State::happened`], which lets every invariant look.
//!
//! Time is tokio's, paused; chance is one generator with a seed. Nothing else may decide what happens.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use egressctl::core::model::RunId;
use egressctl::core::observed::{EipHolder, EipStatus, EniStatus};
use egressctl::core::saga::Record;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use super::event::{Event, Window};
use super::faults::Faults;
use super::host::Host;
use super::invariants;
use super::journal::Book;
use super::region::{Change, Done, Kept, Region, Request};

/// The one shared egress address.
pub(crate) const SNAT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 250);
/// A change that takes longer than this is one that goes wrong.
const LONG: Duration = Duration::from_secs(30);
/// What must never come out of a door.
pub(crate) const CANARY: &str = "canary-LTAI5tQ-8c1f";

/// What becomes due later.
#[derive(Debug, Clone)]
pub(crate) enum Due {
    Arrive { host: usize, request: Request, token: Option<String>, ticket: Option<u64> },
    Finish { host: usize, change: Change },
    Plug { host: usize },
    PowerOff { host: usize, seconds: u64 },
    Boot { host: usize },
    Edit { host: usize },
    Guard { host: usize },
}

/// Everything.
pub(crate) struct State {
    pub(crate) rng: fastrand::Rng,
    pub(crate) faults: Faults,
    pub(crate) region: Region,
    pub(crate) hosts: Vec<Host>,
    pub(crate) books: Vec<Book>,
    due: BTreeMap<(Instant, u64), Due>,
    sequence: u64,
    answers: BTreeMap<u64, Done>,
    /// The controller that lives, if one does.
    pub(crate) alive: Option<u64>,
    pub(crate) book: usize,
    /// It dies when so many points have been passed.
    pub(crate) kill_at: Option<u64>,
    pub(crate) points: u64,
    pub(crate) windows: BTreeMap<usize, Window>,
    /// Cutovers that may be open at the same time.
    pub(crate) cap: usize,
    /// Requests are turned away until then.
    pub(crate) throttled: Option<Instant>,
    /// EIPs that have ever existed, by host.
    pub(crate) seen_eips: BTreeMap<usize, Ipv4Addr>,
    /// Hosts whose secondary device was configured by its owner, so that main may lead through it for a while.
    pub(crate) hijacked: BTreeSet<usize>,
    pub(crate) events: u64,
    pub(crate) injected: u64,
    pub(crate) began: Instant,
    log: Vec<String>,
    pub(crate) violations: Vec<String>,
}

/// The way to everything.
#[derive(Clone)]
pub(crate) struct Universe {
    state: Arc<Mutex<State>>,
    pub(crate) death: Arc<Notify>,
}

impl Universe {
    pub(crate) fn new(
        rng: fastrand::Rng,
        region: Region,
        hosts: Vec<Host>,
        faults: Faults,
        cap: usize,
    ) -> Self {
        let state = State {
            rng,
            faults,
            region,
            hosts,
            books: vec![Book::default(), Book::default()],
            due: BTreeMap::new(),
            sequence: 0,
            answers: BTreeMap::new(),
            alive: None,
            book: 0,
            kill_at: None,
            points: 0,
            windows: BTreeMap::new(),
            cap,
            throttled: None,
            seen_eips: BTreeMap::new(),
            hijacked: BTreeSet::new(),
            events: 0,
            injected: 0,
            began: Instant::now(),
            log: Vec::new(),
            violations: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), death: Arc::new(Notify::new()) }
    }

    /// Everything as it is now: what has become due has happened.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(Instant::now());
        state
    }

    /// A point at which the controller may die; whoever is dead goes no further.
    pub(crate) async fn point(&self, life: u64) {
        {
            let mut state = self.state();
            if state.alive == Some(life) {
                state.points += 1;
                if state.kill_at.is_some_and(|at| state.points >= at) {
                    state.kill();
                    self.death.notify_one();
                }
            }
        }
        self.living(life).await;
    }

    /// Waits for ever if the controller is dead.
    pub(crate) async fn living(&self, life: u64) {
        if self.state().alive != Some(life) {
            std::future::pending::<()>().await;
        }
    }
}

impl State {
    fn kill(&mut self) {
        (self.alive, self.kill_at) = (None, None);
        for window in self.windows.values_mut() {
            window.excused = true;
        }
        self.happened(Instant::now(), &Event::Killed);
    }

    pub(crate) fn schedule(&mut self, at: Instant, due: Due) {
        self.sequence += 1;
        self.due.insert((at, self.sequence), due);
    }

    /// Lets a request arrive after a while; its answer can be taken by the number that is returned.
    pub(crate) fn send(
        &mut self,
        host: usize,
        request: &Request,
        token: Option<&str>,
        after: Duration,
    ) -> u64 {
        self.sequence += 1;
        let ticket = self.sequence;
        self.arrive(host, request, token, after, Some(ticket));
        ticket
    }

    /// The same without anybody who waits for an answer.
    pub(crate) fn send_copy(&mut self, host: usize, request: &Request, token: Option<&str>, after: Duration) {
        self.arrive(host, request, token, after, None);
    }

    fn arrive(
        &mut self,
        host: usize,
        request: &Request,
        token: Option<&str>,
        after: Duration,
        ticket: Option<u64>,
    ) {
        let (request, token) = (request.clone(), token.map(str::to_owned));
        self.schedule(Instant::now() + after, Due::Arrive { host, request, token, ticket });
    }

    pub(crate) fn answer(&mut self, ticket: u64) -> Option<Done> {
        self.answers.remove(&ticket)
    }

    pub(crate) fn power_off(&mut self, host: usize, after: Duration, seconds: u64) {
        self.schedule(Instant::now() + after, Due::PowerOff { host, seconds });
    }

    pub(crate) fn edit(&mut self, host: usize, after: Duration) {
        self.schedule(Instant::now() + after, Due::Edit { host });
    }

    fn advance(&mut self, now: Instant) {
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, _), due) = entry.remove_entry();
            self.fall_due(at, due);
        }
    }

    fn fall_due(&mut self, at: Instant, due: Due) {
        match due {
            Due::Arrive { host, request, token, ticket } => {
                let done = self.region.carry_out(at, &request, token.as_deref());
                if let Ok((_, change)) = &done {
                    self.happened(at, &Event::CarriedOut { host, request: request.clone() });
                    if let Some(change) = change {
                        let after = self.faults.transition(&mut self.rng, change);
                        self.schedule(at + after, Due::Finish { host, change: change.clone() });
                        if after > LONG {
                            self.excuse(host);
                        }
                    }
                }
                if let Some(ticket) = ticket {
                    self.answers.insert(ticket, done);
                }
            }
            Due::Finish { host, change } => {
                self.region.finish(at, &change);
                match &change {
                    Change::Attached(..) => {
                        let after = Duration::from_millis(self.rng.u64(0..8_000));
                        self.schedule(at + after, Due::Plug { host });
                    }
                    Change::Detached(_) => self.hosts[host].unplug(),
                    _ => {}
                }
                self.happened(at, &Event::Finished { host, change });
            }
            Due::Plug { host } => {
                let plugged = self.plugged(host);
                if let (Some((mac, address)), None) = (plugged, self.hosts[host].off) {
                    self.hosts[host].plug(mac, address, at);
                    self.note_hijack(host);
                    self.happened(at, &Event::Host { host, what: "plugged" });
                }
            }
            Due::PowerOff { host, seconds } => {
                let until = at + Duration::from_secs(seconds);
                self.hosts[host].fall(until);
                self.excuse(host);
                self.schedule(until, Due::Boot { host });
                self.happened(at, &Event::Host { host, what: "off" });
            }
            Due::Boot { host } => {
                let plugged = self.plugged(host);
                self.hosts[host].boot(plugged);
                self.note_hijack(host);
                self.happened(at, &Event::Host { host, what: "booted" });
            }
            Due::Guard { host } => self.guard_acts(host, at),
            Due::Edit { host } => {
                let host_record = &mut self.hosts[host];
                let line = "# edited".to_owned();
                if let Some(text) =
                    host_record.rc_local.as_mut().filter(|_| !host_record.owners.contains(&line))
                {
                    *text = text.replacen("# site\n", "# site\n# edited\n", 1);
                    host_record.owners.push(line);
                }
                self.happened(at, &Event::Host { host, what: "edited" });
            }
        }
    }

    pub(crate) fn note_hijack(&mut self, host: usize) {
        if !self.hosts[host].leaves_by_primary() {
            self.hijacked.insert(host);
        }
    }

    /// The interface that the cloud has attached to the host.
    fn plugged(&self, host: usize) -> Option<(egressctl::core::model::MacAddr, Ipv4Addr)> {
        let ours = self.region.ours(&self.hosts[host].instance);
        ours.iter().find(|eni| eni.status == EniStatus::InUse).map(|eni| (eni.mac, eni.primary_ip))
    }

    /// Something goes wrong for this host: its window may last longer.
    pub(crate) fn excuse(&mut self, host: usize) {
        self.injected += 1;
        if let Some(window) = self.windows.get_mut(&host) {
            window.excused = true;
        }
    }

    /// Takes note of an event, and lets every invariant look at everything.
    pub(crate) fn happened(&mut self, at: Instant, event: &Event) {
        self.events += 1;
        let time = at.saturating_duration_since(self.began);
        self.log.push(format!("{:>9.3} {event}", time.as_secs_f64()));
        self.follow_windows(at, event);
        for (name, check) in invariants::ALL {
            if let Err(why) = check(self, at, event) {
                self.violate(&format!("{name}: {why}"));
            }
        }
    }

    /// Keeps a violation.
    pub(crate) fn violate(&mut self, what: &str) {
        self.log.push(format!("          VIOLATED {what}"));
        self.violations.push(what.to_owned());
    }

    fn follow_windows(&mut self, at: Instant, event: &Event) {
        let (Event::CarriedOut { host, .. } | Event::Finished { host, .. }) = event else { return };
        let public = self.hosts[*host].public;
        let Some(eip) = self.region.eip_of(public) else { return };
        let open = eip.status != EipStatus::InUse;
        self.seen_eips.insert(*host, public);
        if !open {
            self.windows.remove(host);
        } else if !self.windows.contains_key(host) {
            // Nobody's, if a copy of a request arrived when its sender was dead.
            let life = self.alive.unwrap_or(u64::MAX);
            let window = Window { since: at, life, excused: self.alive.is_none() };
            self.windows.insert(*host, window);
        }
    }

    /// What happened so far, for people.
    pub(crate) fn told(&self) -> &[String] {
        &self.log
    }

    /// The host behind an address, and whether that is its public one: bound to the instance, or to an interface whose
    /// replies find the way back.
    pub(crate) fn host_at(&self, address: Ipv4Addr) -> Option<usize> {
        self.hosts.iter().position(|host| host.primary_ip == address).or_else(|| {
            let host = self.hosts.iter().position(|host| host.public == address)?;
            self.inbound(host).then_some(host)
        })
    }

    /// The internet reaches the host by its public address, if it is up.
    pub(crate) fn inbound(&self, index: usize) -> bool {
        let host = &self.hosts[index];
        let instance = self.region.instances.get(&host.instance).and_then(Kept::now);
        if instance.is_some_and(|instance| instance.public_ip.is_some()) {
            return true;
        }
        match self.region.eip_of(host.public) {
            Some(eip) if eip.status == EipStatus::InUse => match &eip.holder {
                Some(EipHolder::Instance(id)) => *id == host.instance,
                Some(EipHolder::Eni(id)) => {
                    let ours = self.region.ours(&host.instance);
                    ours.iter().any(|eni| {
                        eni.id == *id && eni.status == EniStatus::InUse && host.leads(eni.primary_ip)
                    })
                }
                Some(EipHolder::Other(..)) | None => false,
            },
            _ => false,
        }
    }

    /// The address that packets from this source are seen as; `None` is the primary's.
    pub(crate) fn egress(&self, index: usize, source: Option<Ipv4Addr>) -> Ipv4Addr {
        let host = &self.hosts[index];
        let instance = self.region.instances.get(&host.instance).and_then(Kept::now);
        let held = self.region.eip_of(host.public).filter(|eip| eip.status == EipStatus::InUse);
        let holder = held.and_then(|eip| eip.holder.as_ref());
        let by_eni = match source {
            Some(address) => host.leads(address),
            None => !host.leaves_by_primary(),
        };
        let own = if by_eni {
            matches!(holder, Some(EipHolder::Eni(_)))
        } else {
            matches!(holder, Some(EipHolder::Instance(_)))
                || instance.is_some_and(|instance| instance.public_ip.is_some())
        };
        if own { host.public } else { SNAT }
    }

    /// The last record of a host in the journal of the controller that lives.
    pub(crate) fn last_record(&self, host: usize) -> Option<&(RunId, Record)> {
        self.books.get(self.book)?.last(&self.hosts[host].name)
    }
}
