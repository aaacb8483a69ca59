//! The cloud's API in the lab: ECS 2014-05-26, VPC 2016-04-28 and what sessions need of STS, with signatures verified, states
//! that take their time, and effects on the lab's network.
//!
//! A call goes straight through: [`wire`] takes it apart, [`verify`] tells who sends it, [`actions`] change the [`state`]
//! or read it, [`effects`] carry out what takes time, [`log`] keeps it. Must never share code with the client that it
//! tests, and must never be kinder than the vendor's documents are.

mod actions;
mod answer;
mod effects;
mod errors;
mod log;
#[cfg(test)]
mod loopback;
mod params;
mod serve;
mod state;
mod tokens;
mod tuning;
mod verify;
mod wire;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

pub use log::CallRecord;
pub use serve::serve;
pub use tuning::Tuning;
pub use verify::AccessKey;

use self::actions::{Action, Context, Done, Product, Task};
use self::answer::Body;
use self::errors::{ACTION_UNKNOWN, ApiError, VERSION_UNKNOWN};
use self::params::Params;
use self::state::Cloud;
use self::tokens::{Begin, Tokens};
use self::verify::{Caller, Verifier};
use self::wire::Request;
use super::fabric::Fabric;
use super::spec::LabSpec;
use crate::core::model::{EniId, MacAddr, Secret};
use crate::ports::Clock;

/// HTTP status and body of an answer.
type Answer = (u16, Value);

/// The emulated cloud.
pub struct Emulator {
    verifier: Verifier,
    cloud: Mutex<Cloud>,
    tokens: Mutex<Tokens>,
    log: log::Log,
    fabric: Arc<dyn Fabric>,
    tuning: Tuning,
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

    /// Also gives sessions for this token of an identity provider.
    #[must_use]
    pub fn with_identity(self, provider_arn: &str, token: Secret<String>) -> Self {
        self.verifier.sessions().believe(provider_arn, token);
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

    /// Answers one request and logs it.
    async fn answer(self: Arc<Self>, request: Request, host: String) -> Answer {
        let at = self.log.elapsed();
        let (name, version) = (request.action(), request.version());
        let product = Product::of(&version);
        let action = product.and_then(|product| actions::find(product, &name));
        let params = request.params();
        let result = match self.admit(&request, product, action) {
            Ok((caller, action)) => self.run(action, caller, &params).await,
            Err(error) => Err(error),
        };
        let request_id = self.request_id();
        self.log.add(CallRecord {
            action: name,
            product: product.map_or(version, |product| product.as_str().to_owned()),
            write: action.is_some_and(|action| action.write) && !params.flag("DryRun").unwrap_or(false),
            code: result.as_ref().err().map(|error| error.code.to_owned()),
            request_id: request_id.clone(),
            at,
        });
        match result {
            Ok(mut body) => {
                body.insert("RequestId".to_owned(), request_id.into());
                (200, Value::Object(body))
            }
            Err(error) => (error.status, answer::error_body(&error, &request_id, &host)),
        }
    }

    fn admit(
        &self,
        request: &Request,
        product: Option<Product>,
        action: Option<&'static Action>,
    ) -> Result<(Caller, &'static Action), ApiError> {
        let caller = match action {
            Some(action) if action.unsigned => Caller::Nobody,
            _ => self.verifier.verify(request)?,
        };
        product.ok_or(VERSION_UNKNOWN)?;
        let known =
            action.filter(|_| request.path == "/" && ["GET", "POST"].contains(&request.method.as_str()));
        Ok((caller, known.ok_or(ACTION_UNKNOWN)?))
    }

    /// Runs an action once for its `ClientToken`, if it has one.
    async fn run(
        self: &Arc<Self>,
        action: &'static Action,
        caller: Caller,
        params: &Params,
    ) -> Result<Body, ApiError> {
        let Some(token) = params.get("ClientToken").filter(|_| action.token) else {
            return self.run_once(action, caller, params).await;
        };
        let (key, essence) = ((action.name, token.to_owned()), params.essence());
        if let Begin::Known(body) = self.tokens().begin(&key, &essence)? {
            return Ok(body);
        }
        let result = self.run_once(action, caller, params).await;
        self.tokens().finish(key, essence, result.as_ref().ok().cloned());
        result
    }

    async fn run_once(
        self: &Arc<Self>,
        action: &'static Action,
        caller: Caller,
        params: &Params,
    ) -> Result<Body, ApiError> {
        let now_ms = self.verifier.now_ms();
        let Done { body, task } = action.run(&mut Context {
            cloud: &mut self.cloud(),
            params,
            tuning: &self.tuning,
            now_ms,
            caller,
            sessions: self.verifier.sessions(),
        })?;
        match task {
            Some(task @ Task::Created) => Arc::clone(self).carry_out(task).await,
            Some(task) => drop(tokio::spawn(Arc::clone(self).carry_out(task))),
            None => {}
        }
        Ok(body)
    }

    /// An error answer for what is not even a request of the API; it is logged as a call without a name.
    fn refuse(&self, error: &ApiError, host: &str) -> Answer {
        let request_id = self.request_id();
        self.log.add(CallRecord {
            action: String::new(),
            product: String::new(),
            write: false,
            code: Some(error.code.to_owned()),
            request_id: request_id.clone(),
            at: self.log.elapsed(),
        });
        (error.status, answer::error_body(error, &request_id, host))
    }

    /// In the vendor's form, and the same for the same lab and count.
    fn request_id(&self) -> String {
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        let (high, low) =
            (tuning::dice(self.seed ^ 1, 2 * count), tuning::dice(self.seed ^ 1, 2 * count + 1));
        let text = format!("{high:016X}{low:016X}");
        format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
    }
}
