//! The cloud's API in the lab: ECS 2014-05-26, VPC 2016-04-28 and the one STS action, with signatures verified, states
//! that take their time, and effects on the lab's network.
//!
//! A call goes straight through ([`handle`]): [`wire`] takes it apart, [`verify`] tells who sends it, [`faults`] tell what
//! goes wrong with it, [`actions`] change the [`state`] or read it, [`effects`] carry out what takes time, [`log`] keeps it. Must never share code with the client that it
//! tests, and must never be kinder than the vendor's documents are.

mod actions;
mod answer;
mod door;
mod effects;
mod errors;
pub mod faults;
mod handle;
mod history;
mod log;
#[cfg(test)]
mod loopback;
mod params;
mod serve;
mod state;
mod stuck;
mod tokens;
mod tuning;
mod verify;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

pub use log::{CallRecord, Summary};
pub use serve::serve;
pub use tuning::Tuning;
pub use verify::AccessKey;

use self::faults::{FaultFile, Faults};
use self::state::Cloud;
use self::tokens::Tokens;
use self::verify::Verifier;
use super::fabric::Fabric;
use super::spec::LabSpec;
use crate::core::model::{EniId, MacAddr, Secret};
use crate::ports::Clock;

/// The emulated cloud.
pub struct Emulator {
    verifier: Verifier,
    cloud: Mutex<Cloud>,
    tokens: Mutex<Tokens>,
    log: log::Log,
    fabric: Arc<dyn Fabric>,
    tuning: Tuning,
    faults: Mutex<Arc<Faults>>,
    stuck: stuck::Stuck,
    history: history::History,
    hidden: Mutex<BTreeMap<String, Instant>>,
    seed: u64,
    rolls: AtomicU64,
    requests: AtomicU64,
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

struct WallClock;

impl Clock for WallClock {
    fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond()
    }
}

impl Emulator {
    /// The cloud of this lab at its beginning, for the holder of this key. The fabric must already be in the blueprint's
    /// state: nothing is plugged or bound for what exists from the beginning.
    #[must_use]
    pub fn new(spec: &LabSpec, fabric: Arc<dyn Fabric>, key: AccessKey, tuning: Tuning) -> Self {
        let clock = Arc::new(WallClock);
        Self {
            cloud: Mutex::new(Cloud::new(spec, clock.now_ms())),
            verifier: Verifier::new(key, clock),
            tokens: Mutex::default(),
            log: log::Log::new(),
            fabric,
            tuning,
            faults: Mutex::new(Arc::new(Faults::new(FaultFile::default(), spec.seed))),
            stuck: stuck::Stuck::default(),
            history: history::History::default(),
            hidden: Mutex::default(),
            seed: spec.seed,
            rolls: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        }
    }

    /// Also accepts these session credentials: a key that is valid together with its security token only.
    #[must_use]
    pub fn with_session(mut self, key: AccessKey, token: Secret<String>) -> Self {
        self.verifier.add_session(key, token);
        self
    }

    /// Takes the date of signatures and the lab's beginning from another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.cloud().began_ms = clock.now_ms();
        self.verifier.set_clock(clock);
        self
    }

    /// All calls so far, accepted and refused.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        self.log.calls()
    }

    /// The calls so far, counted.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.log.summary()
    }

    /// How many calls so far were meant to change something, refused ones included, dry runs not.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.log.calls().iter().filter(|call| call.write).count()
    }

    /// Effects on the network that failed.
    #[must_use]
    pub fn fabric_failures(&self) -> Vec<String> {
        self.log.failures()
    }

    /// The whole cloud as JSON, in canonical order: equal states give equal values.
    #[must_use]
    pub fn snapshot(&self) -> Value {
        serde_json::to_value(&*self.cloud()).unwrap_or_default()
    }

    /// The network interface with this hardware address.
    #[must_use]
    pub fn eni_with(&self, mac: MacAddr) -> Option<EniId> {
        self.cloud().enis.values().find(|eni| eni.mac == mac).map(|eni| eni.id.clone())
    }

    fn cloud(&self) -> MutexGuard<'_, Cloud> {
        self.cloud.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn roll(&self) -> u64 {
        tuning::dice(self.seed, self.rolls.fetch_add(1, Ordering::Relaxed))
    }

    /// From now on this goes wrong, and nothing else; what hangs because of earlier faults is let go.
    pub fn set_faults(&self, file: FaultFile) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(Faults::new(file, self.seed));
        self.hidden().clear();
        self.stuck.release();
    }

    fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The tuning with the quotas of the fault file.
    fn tuning_now(&self) -> Tuning {
        let quotas = self.faults().file.quotas;
        Tuning {
            eip_quota: quotas.eip.unwrap_or(self.tuning.eip_quota),
            eni_quota: quotas.eni.unwrap_or(self.tuning.eni_quota),
            ..self.tuning.clone()
        }
    }

    /// Changes the cloud; what it was is kept for reads that lag behind, if there are any.
    fn change<T>(&self, act: impl FnOnce(&mut Cloud) -> T) -> T {
        let memory = self.faults().memory();
        let mut cloud = self.cloud();
        if let Some(memory) = memory {
            self.history.note(&cloud, memory);
        }
        act(&mut cloud)
    }

    /// The cloud as a read sees it.
    fn seen(&self, stale: Option<Duration>) -> Cloud {
        let mut seen = stale
            .and_then(|age| self.history.before(age))
            .map_or_else(|| self.cloud().clone(), |then| (*then).clone());
        seen.enis.retain(|id, _| !self.is_hidden(id.as_str()));
        seen
    }

    fn hidden(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hide(&self, id: &str, time: Duration) {
        self.hidden().insert(id.to_owned(), Instant::now() + time);
    }

    fn is_hidden(&self, id: &str) -> bool {
        self.hidden().get(id).is_some_and(|until| Instant::now() < *until)
    }
}
