//! The guard of a simulated host: armed by a change, told to stay by a confirmation, else taken back by the host alone.
//!
//! Must never know of the engine: it changes by scripts, by time, and by the power.

use std::time::Duration;

use egressctl::core::model::MacAddr;
use tokio::time::Instant;

use super::host::{Host, Kernel, MAIN};
use super::script::{Ended, Script};
use super::universe::{Due, Event, State};

/// What a host keeps of a change that is not confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guard {
    tx: String,
    generation: u8,
    /// When the host takes the change back; `None` if it has done so.
    until: Option<Instant>,
    kernel: Kernel,
    device: Option<MacAddr>,
    file: (Option<String>, u32),
    wrote: Option<String>,
}

impl Host {
    /// When the host acts by itself.
    pub(crate) fn guarded_until(&self) -> Option<Instant> {
        self.guard.as_ref()?.until
    }

    /// A guard that nobody has confirmed, put there by hand.
    pub(crate) fn pretend_guarded(&mut self) {
        let (kernel, device, file) =
            (self.kernel.clone(), self.device, (self.rc_local.clone(), self.rc_mode));
        let until = Some(Instant::now() + Duration::from_secs(60));
        self.guard =
            Some(Guard { tx: String::new(), generation: 1, until, kernel, device, file, wrote: None });
    }

    /// One phase of the change; `steps` is how much of it is done before the power goes, all of it otherwise.
    pub(crate) fn phase(&mut self, script: &Script<'_>, steps: usize, now: Instant) -> Ended {
        match script.value("phase").as_deref() {
            Some("change") => self.begin(script, steps, now),
            Some("confirm") => self.confirm(script, now),
            Some("look") => self.found(now).unwrap_or(Ended::Failed("gone")),
            _ => Ended::Failed("no-phase"),
        }
    }

    /// What the guard says, if there is one.
    fn found(&mut self, now: Instant) -> Option<Ended> {
        let guard = self.guard.as_ref()?;
        match guard.until {
            Some(until) => Some(Ended::Armed(guard.generation, until.saturating_duration_since(now))),
            None => {
                self.guard = None;
                Some(Ended::Failed("rolled-back"))
            }
        }
    }

    fn begin(&mut self, script: &Script<'_>, steps: usize, now: Instant) -> Ended {
        let tx = script.value("guard_tx").unwrap_or_default();
        if let Some(guard) = &self.guard {
            match (guard.tx == tx, guard.until) {
                (false, Some(_)) => return Ended::Failed("guarded"),
                (true, Some(_)) => return self.found(now).unwrap_or(Ended::Failed("gone")),
                (true, None) if script.value("begin_again").as_deref() != Some("yes") => {
                    self.guard = None;
                    return Ended::Failed("rolled-back");
                }
                (_, None) => self.guard = None,
            }
        }
        if let Some(ended) = script.refuses(self) {
            return ended;
        }
        let was = self.clone();
        script.bring_about(self, steps);
        let (moved, file) = (self.kernel != was.kernel, script.file_differs(self));
        if !moved && !file {
            return Ended::Ok;
        }
        self.guard = Some(Guard {
            tx,
            generation: 1,
            until: None,
            kernel: was.kernel,
            device: self.device,
            file: (self.rc_local.clone(), self.rc_mode),
            wrote: None,
        });
        self.arm(if moved { 1 } else { 2 }, script, now);
        if !moved {
            self.write(script);
        }
        self.found(now).unwrap_or(Ended::Failed("gone"))
    }

    fn arm(&mut self, generation: u8, script: &Script<'_>, now: Instant) {
        let seconds = script.value("guard_seconds").and_then(|text| text.parse().ok()).unwrap_or(0);
        if let Some(guard) = &mut self.guard {
            (guard.generation, guard.until) = (generation, Some(now + Duration::from_secs(seconds)));
        }
    }

    fn write(&mut self, script: &Script<'_>) {
        script.write_file(self);
        if let Some(guard) = &mut self.guard {
            guard.wrote.clone_from(&self.rc_local);
        }
    }

    fn confirm(&mut self, script: &Script<'_>, now: Instant) -> Ended {
        let generation = script.value("generation").and_then(|text| text.parse().ok()).unwrap_or(0);
        let Some(guard) = &self.guard else { return Ended::Failed("gone") };
        if guard.until.is_none() || guard.generation != generation {
            return self.found(now).unwrap_or(Ended::Failed("gone"));
        }
        let holds = script.address().is_some_and(|address| self.leads(address));
        let file = script.file_differs(self);
        if !holds || (file && script.refuses(self).is_some()) {
            self.take_back();
            return self.found(now).unwrap_or(Ended::Failed("gone"));
        }
        if generation == 1 && file {
            self.arm(2, script, now);
            self.write(script);
            return self.found(now).unwrap_or(Ended::Failed("gone"));
        }
        self.guard = None;
        self.changes += 1;
        Ended::Confirmed
    }

    /// The host's own way back: what it was, as far as it still is what the change has made of it.
    pub(crate) fn take_back(&mut self) {
        let Some(mut guard) = self.guard.take().filter(|guard| guard.until.is_some()) else { return };
        self.give_back(&guard);
        self.kernel.rules.clone_from(&guard.kernel.rules);
        if guard.device == self.device {
            (self.kernel.link, self.kernel.nets) = (guard.kernel.link, guard.kernel.nets.clone());
            self.kernel.routes.clone_from(&guard.kernel.routes);
        } else {
            self.kernel.routes.retain(|table, _| *table == MAIN || guard.kernel.routes.contains_key(table));
        }
        guard.until = None;
        self.guard = Some(guard);
    }

    fn give_back(&mut self, guard: &Guard) {
        if guard.wrote.is_some() && self.rc_local == guard.wrote {
            (self.rc_local, self.rc_mode) = guard.file.clone();
        }
    }

    /// The power goes: the guard with it, and at the next boot the files are taken back where something can do so.
    pub(crate) fn forget_guard(&mut self) {
        if let Some(guard) = self.guard.take().filter(|guard| guard.until.is_some())
            && self.restores_at_boot
        {
            self.give_back(&guard);
        }
    }
}

impl State {
    /// The host acts by itself then, unless somebody confirms before.
    pub(crate) fn guard(&mut self, host: usize, until: Instant) {
        self.schedule(until, Due::Guard { host });
    }

    pub(crate) fn guard_acts(&mut self, host: usize, at: Instant) {
        if self.hosts[host].guarded_until().is_some_and(|until| until <= at) {
            self.hosts[host].take_back();
            self.note_hijack(host);
            self.happened(at, &Event::Host { host, what: "took its change back" });
        }
    }
}
