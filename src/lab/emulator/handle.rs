//! One request from its arrival to its answer: verified, met by its fate, carried out once for its token, logged.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::actions::{self, Action, Context, Done, Product, Task};
use super::answer::{self, Body};
use super::errors::{ACTION_UNKNOWN, ApiError, ENI_UNKNOWN, HOLDER_UNKNOWN, VERSION_UNKNOWN};
use super::faults::{Call, Ending, Fate, GarbageBody, Subjects};
use super::log::CallRecord;
use super::params::Params;
use super::state::Cloud;
use super::tokens::Begin;
use super::verify::Caller;
use super::wire::Request;
use super::{Emulator, tuning};

/// What goes back over the connection.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    /// Status, body, and `x-acs-retry-after`.
    Answer(u16, Value, Option<Duration>),
    /// Something else under this status.
    Garbage(u16, GarbageBody),
    /// Nothing: the connection is closed.
    Closed,
    /// Nothing: the connection is reset.
    Reset,
}

/// An admitted call.
#[derive(Clone)]
struct Admitted {
    action: &'static Action,
    caller: Caller,
    params: Params,
    named: Vec<String>,
}

impl Emulator {
    /// Answers one request and logs it.
    pub(super) async fn answer(self: Arc<Self>, request: Request, host: String) -> Reply {
        let at = self.log.elapsed();
        let (name, version) = (request.action(), request.version());
        let product = Product::of(&version);
        let action = product.and_then(|product| actions::find(product, &name));
        let mut params = request.params();
        let write = action.is_some_and(|action| action.write) && !params.flag("DryRun").unwrap_or(false);
        let admitted = self.admit(&request, product, action);
        let subjects = Subjects::of(&params, &self.cloud());
        let fate = match &admitted {
            Ok((_, action)) => {
                self.faults().fate(&Call { action: action.name, write: action.write, subjects: &subjects })
            }
            Err(_) => Fate::default(),
        };
        params.shuffle = fate.shuffle;
        tokio::time::sleep(fate.before).await;
        let result = match admitted {
            Ok((caller, action)) => {
                let call = Admitted { action, caller, params, named: subjects.named };
                self.meet(call, &fate).await
            }
            Err(error) => Some(Err(error)),
        };
        tokio::time::sleep(fate.after).await;
        let request_id = self.request_id();
        self.log.add(CallRecord {
            action: name,
            product: product.map_or(version, |product| product.as_str().to_owned()),
            write,
            code: result.as_ref().and_then(|result| result.as_ref().err()).map(|error| error.code.to_owned()),
            fault: (!fate.names.is_empty()).then(|| fate.names.join(", ")),
            hosts: subjects.hosts,
            request_id: request_id.clone(),
            at,
        });
        match (fate.ending, result) {
            (Ending::Reset, _) => Reply::Reset,
            (Ending::Garbage(garbage), _) => Reply::Garbage(garbage.status, garbage.body),
            (Ending::LostAnswer, _) | (_, None) => Reply::Closed,
            (_, Some(Ok(mut body))) => {
                body.insert("RequestId".to_owned(), request_id.into());
                Reply::Answer(200, Value::Object(body), None)
            }
            (_, Some(Err(error))) => {
                let body = answer::error_body(&error, &request_id, &host);
                Reply::Answer(error.status, body, error.retry_after)
            }
        }
    }

    fn admit(
        &self,
        request: &Request,
        product: Option<Product>,
        action: Option<&'static Action>,
    ) -> Result<(Caller, &'static Action), ApiError> {
        let caller = self.verifier.verify(request)?;
        product.ok_or(VERSION_UNKNOWN)?;
        let known =
            action.filter(|_| request.path == "/" && ["GET", "POST"].contains(&request.method.as_str()));
        Ok((caller, known.ok_or(ACTION_UNKNOWN)?))
    }

    /// Carries the call out as its fate has it; `None` if it has no effect that anybody is told of.
    async fn meet(self: &Arc<Self>, call: Admitted, fate: &Fate) -> Option<Result<Body, ApiError>> {
        let refusal = match &fate.ending {
            Ending::LostRequest | Ending::Reset => return None,
            Ending::Garbage(garbage) if !garbage.effect => return None,
            Ending::Refused(error) if is_gateways(error) => return Some(Err(error.clone())),
            Ending::Refused(error) => Some(error.clone()),
            Ending::Honest | Ending::LostAnswer | Ending::Garbage(_) => None,
        };
        let result = self.run(&call, refusal, fate).await;
        if let Some(later) = fate.again.filter(|_| result.is_ok()) {
            let cloud = Arc::clone(self);
            drop(tokio::spawn(async move {
                tokio::time::sleep(later).await;
                // Whoever sent it has its answer already.
                let _ = cloud.run(&call, None, &Fate::default()).await;
            }));
        }
        Some(result)
    }

    /// Runs an action once for its `ClientToken`, if it has one.
    async fn run(
        self: &Arc<Self>,
        call: &Admitted,
        refusal: Option<ApiError>,
        fate: &Fate,
    ) -> Result<Body, ApiError> {
        let token = call.params.get("ClientToken").filter(|_| call.action.token);
        let Some(token) = token else { return self.run_once(call, refusal, fate).await };
        let (key, essence) = ((call.action.name, token.to_owned()), call.params.essence());
        if let Begin::Known(result) = self.tokens().begin(&key, &essence)? {
            return result;
        }
        let result = self.run_once(call, refusal, fate).await;
        self.tokens().finish(key, essence, result.clone(), self.faults().file.failed_tokens);
        result
    }

    async fn run_once(
        self: &Arc<Self>,
        call: &Admitted,
        refusal: Option<ApiError>,
        fate: &Fate,
    ) -> Result<Body, ApiError> {
        if let Some(error) = refusal {
            return Err(error);
        }
        let Admitted { action, caller, params, .. } = call;
        let (now_ms, tuning) = (self.verifier.now_ms(), self.tuning_now());
        let act = |cloud: &mut Cloud| {
            action.run(&mut Context { cloud, params, tuning: &tuning, now_ms, caller: *caller })
        };
        if !action.write {
            return act(&mut self.seen(fate.stale)).map(|done| done.body);
        }
        self.stuck.repeated(&call.named);
        if call.named.iter().any(|id| self.is_hidden(id)) {
            return Err(if action.product == Product::Vpc { HOLDER_UNKNOWN } else { ENI_UNKNOWN }.into());
        }
        let Done { body, task } = self.change(act)?;
        if let (Some(time), Some(id)) =
            (fate.course.hidden, body.get("NetworkInterfaceId").and_then(Value::as_str))
        {
            self.hide(id, time);
        }
        let course = fate.course.clone();
        match task {
            Some(task @ Task::Created) => Arc::clone(self).carry_out(task, course).await,
            Some(task) => drop(tokio::spawn(Arc::clone(self).carry_out(task, course))),
            None => {}
        }
        Ok(body)
    }

    /// An error answer for what is not even a request of the API; it is logged as a call without a name.
    pub(super) fn refuse(&self, error: &ApiError, host: &str) -> Reply {
        let request_id = self.request_id();
        self.log.add(CallRecord {
            action: String::new(),
            product: String::new(),
            write: false,
            code: Some(error.code.to_owned()),
            fault: None,
            hosts: Vec::new(),
            request_id: request_id.clone(),
            at: self.log.elapsed(),
        });
        Reply::Answer(error.status, answer::error_body(error, &request_id, host), None)
    }

    /// In the vendor's form, and the same for the same lab and count.
    fn request_id(&self) -> String {
        let count = self.requests.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (high, low) =
            (tuning::dice(self.seed ^ 1, 2 * count), tuning::dice(self.seed ^ 1, 2 * count + 1));
        let text = format!("{high:016X}{low:016X}");
        format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
    }
}

/// Nothing of such a request is kept, so that its token may be sent again, as the vendor tells clients to.
fn is_gateways(error: &ApiError) -> bool {
    error.code.starts_with("Throttling") || error.status >= 500
}
