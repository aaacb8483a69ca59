//! One call of the API, sent once: signed, counted, and its answer read as success or as a [`Failure`].
//!
//! Must never repeat anything (see [`retry`](super::retry)) and never let a key into a message.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;

use super::classify::{Then, Verdict, classify};
use super::credentials::{Credentials, Keys};
use super::endpoints::{Endpoint, Product};
use super::http::{Answer, Http, NoAnswer, Parts};
use super::retry::{Shared, Young};
use super::sign::{Signable, hex, is_signed, query, sha256_hex};
use super::throttle::{Throttle, urgent, window_left};
use super::tuning::Tuning;
use crate::core::model::{RegionId, Secret};
use crate::ports::{Clock, CloudError, CloudErrorKind};

/// A call to make.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) product: Product,
    pub(super) action: &'static str,
    pub(super) params: BTreeMap<String, String>,
    /// It changes something.
    pub(super) write: bool,
    /// The base of its `ClientToken`, if the action takes one.
    pub(super) token: Option<String>,
}

impl Call {
    /// A call that only looks.
    pub(super) fn read(product: Product, action: &'static str) -> Self {
        Self { product, action, params: BTreeMap::new(), write: false, token: None }
    }

    /// A call that changes something.
    pub(super) fn write(product: Product, action: &'static str, token: Option<&str>) -> Self {
        let token = token.map(str::to_owned);
        Self { product, action, params: BTreeMap::new(), write: true, token }
    }

    /// With this parameter.
    pub(super) fn with(mut self, name: &str, value: &(impl ToString + ?Sized)) -> Self {
        self.params.insert(name.to_owned(), value.to_string());
        self
    }

    /// With this parameter if there is a value.
    pub(super) fn with_some(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, &value),
            None => self,
        }
    }

    /// With a list as repeated parameters `Name.1`, `Name.2`, …
    pub(super) fn with_list<T: ToString>(self, name: &str, values: impl IntoIterator<Item = T>) -> Self {
        values
            .into_iter()
            .enumerate()
            .fold(self, |call, (n, value)| call.with(&format!("{name}.{}", n + 1), &value))
    }

    /// With a list as one parameter that holds a JSON array of strings.
    pub(super) fn with_json<T: ToString>(self, name: &str, values: impl IntoIterator<Item = T>) -> Self {
        let values: Vec<Value> = values.into_iter().map(|value| Value::String(value.to_string())).collect();
        self.with(name, &Value::Array(values))
    }
}

/// A call that did not succeed, and what that means.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Box<CloudError>,
    pub(super) then: Then,
    pub(super) retry_after: Option<Duration>,
}

/// Everything a call needs.
pub(super) struct Api {
    pub(super) region: RegionId,
    pub(super) ecs: Endpoint,
    pub(super) vpc: Endpoint,
    pub(super) sts: Endpoint,
    pub(super) http: Http,
    pub(super) credentials: Credentials,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tuning: Tuning,
    pub(super) calls: Mutex<BTreeMap<String, u64>>,
    pub(super) throttle: Throttle,
    pub(super) young: Young,
    pub(super) shared: Shared,
}

/// An error of this client's own making.
pub(super) fn error(kind: CloudErrorKind, action: &str, message: impl Into<String>) -> CloudError {
    CloudError { kind, action: action.to_owned(), code: None, message: message.into(), request_id: None }
}

fn failure(error: CloudError, then: Then) -> Failure {
    Failure { error: Box::new(error), then, retry_after: None }
}

impl Api {
    fn count(&self, action: &str) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(action.to_owned()).or_default() += 1;
    }

    /// A "too fast" holds for everybody who wants to call the same.
    fn heed(&self, call: &Call, failed: &Failure) {
        let Some(code) = failed.error.code.as_deref().or(failed.retry_after.map(|_| "")) else { return };
        let pause = match failed.then {
            Then::Slow => self.tuning.slow_pause,
            // Only this one names the window of a minute; the gateway's own limits pass sooner.
            Then::Throttled if code == "Throttling" && !urgent(call.action) => {
                window_left(self.clock.now_ms()).min(self.tuning.throttle_window)
            }
            Then::Throttled => Duration::ZERO,
            _ => return,
        };
        self.throttle.slow_down(call.action, Instant::now(), failed.retry_after.unwrap_or(pause));
    }

    /// Sends the call once, with `token` as its `ClientToken`.
    pub(super) async fn send(&self, call: &Call, token: Option<&str>) -> Result<Value, Failure> {
        let stop = |error| failure(error, Then::Stop);
        // Before it is dated and signed.
        self.throttle.wait(call.action).await;
        let now_ms = self.clock.now_ms();
        let keys = self.credentials.keys(&self.http, now_ms, &|action| self.count(action)).await;
        let keys = keys.map_err(stop)?;
        let mut params = call.params.clone();
        params.insert("RegionId".to_owned(), self.region.to_string());
        params.extend(token.map(|token| ("ClientToken".to_owned(), token.to_owned())));
        let endpoint = match call.product {
            Product::Ecs => &self.ecs,
            Product::Vpc => &self.vpc,
            Product::Sts => &self.sts,
        };
        self.count(call.action);
        match exchange(&self.http, endpoint, (call, &params), &keys, now_ms).await {
            Err(mut failed) => {
                self.heed(call, &failed);
                if failed.then == Then::Renew && !self.credentials.forget(&keys) {
                    failed.then = Then::Stop;
                }
                Err(failed)
            }
            fine => fine,
        }
    }
}

/// Signs a call with all its parameters, sends it once and reads the answer.
pub(super) async fn exchange(
    http: &Http,
    endpoint: &Endpoint,
    (call, params): (&Call, &BTreeMap<String, String>),
    keys: &Keys,
    now_ms: i64,
) -> Result<Value, Failure> {
    let headers = headers(call, &endpoint.host, keys, now_ms).map_err(|error| failure(error, Then::Stop))?;
    let signed = headers.clone().into_iter().filter(|(name, _)| is_signed(name)).collect();
    let signable = Signable { method: "POST", path: "/", params, headers: &signed, body: b"" };
    let authorization = signable.authorization(&keys.id, &keys.secret);
    let mut all: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.push(("authorization", &authorization));
    let url = format!("{}/?{}", endpoint.url(), query(params));
    let answer = http.send(Method::POST, &url, Parts { headers: &all, form: None, limit: None }).await;
    outcome(call, endpoint, answer).map_err(|mut failed| {
        failed.error.message = clean(&failed.error.message, &[Some(&keys.secret), keys.token.as_ref()]);
        failed
    })
}

/// What came of sending a call.
pub(super) fn outcome(
    call: &Call,
    endpoint: &Endpoint,
    answer: Result<Answer, NoAnswer>,
) -> Result<Value, Failure> {
    let host = &endpoint.host;
    match answer {
        Ok(answer) => read(call, &answer),
        Err(NoAnswer::NotSent(why)) => Err(failure(
            error(CloudErrorKind::Busy, call.action, format!("no connection to {host}: {why}")),
            Then::Throttled,
        )),
        Err(NoAnswer::Lost(why)) => Err(failure(
            error(CloudErrorKind::Unknown, call.action, format!("no answer from {host}: {why}")),
            Then::Repeat,
        )),
    }
}

/// What no other request has.
pub(super) fn nonce(action: &str) -> Result<String, CloudError> {
    let mut nonce = [0u8; 16];
    getrandom::fill(&mut nonce)
        .map_err(|why| error(CloudErrorKind::Refused, action, format!("no random nonce: {why}")))?;
    Ok(hex(&nonce))
}

/// A time as requests carry it; the first of 1970 for a clock out of range, which the server refuses.
pub(super) fn stamp(now_ms: i64) -> String {
    let date = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    date.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn headers(
    call: &Call,
    host: &str,
    keys: &Keys,
    now_ms: i64,
) -> Result<BTreeMap<String, String>, CloudError> {
    let mut headers: BTreeMap<String, String> = [
        ("accept", "application/json"),
        ("host", host),
        ("x-acs-action", call.action),
        ("x-acs-version", call.product.version()),
        ("x-acs-date", &stamp(now_ms)),
        ("x-acs-signature-nonce", &nonce(call.action)?),
        ("x-acs-content-sha256", &sha256_hex(b"")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    if let Some(token) = &keys.token {
        headers.insert("x-acs-accesskey-id".to_owned(), keys.id.clone());
        headers.insert("x-acs-security-token".to_owned(), token.expose().clone());
    }
    Ok(headers)
}

/// Reads an answer. Only a JSON object with status 2xx is success; only an error code is a definite refusal.
fn read(call: &Call, answer: &Answer) -> Result<Value, Failure> {
    let body = serde_json::from_slice::<Value>(&answer.body).ok().filter(Value::is_object);
    if (200..300).contains(&answer.status)
        && let Some(body) = body
    {
        return Ok(body);
    }
    let field = |upper: &str, lower: &str| {
        let body = body.as_ref()?;
        let text = body.get(upper).or_else(|| body.get(lower))?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    let retry_after = answer.retry_after;
    let Some(code) = field("Code", "code").filter(|_| answer.status >= 300) else {
        let (kind, then) = match answer.status {
            // The gateway names a time to come back: it turned the request away.
            _ if retry_after.is_some() => (CloudErrorKind::Busy, Then::Throttled),
            429 if !call.write => (CloudErrorKind::Busy, Then::Throttled),
            500.. => (CloudErrorKind::Unknown, Then::Repeat),
            _ if call.write => (CloudErrorKind::Unknown, Then::Repeat),
            _ => (CloudErrorKind::Protocol, Then::Stop),
        };
        let message = format!("status {} without an error code or a JSON answer", answer.status);
        let error = error(kind, call.action, message);
        return Err(Failure { error: Box::new(error), then, retry_after });
    };
    let Verdict { kind, then } = classify(call.action, &code);
    let error = CloudError {
        kind,
        action: call.action.to_owned(),
        message: field("Message", "message").unwrap_or_else(|| "refused without a message".to_owned()),
        request_id: field("RequestId", "requestId").map(|id| word(&id)),
        code: Some(word(&code)),
    };
    Err(Failure { error: Box::new(error), then, retry_after })
}

/// A code or an id fit to be shown: short, printable ASCII.
fn word(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(128).collect()
}

/// A message fit to be shown: short, one line, without any secret that a server may have quoted back.
pub(super) fn clean(message: &str, secrets: &[Option<&Secret<String>>]) -> String {
    let text = secrets
        .iter()
        .flatten()
        .fold(message.to_owned(), |text, secret| text.replace(secret.expose().as_str(), "***"));
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}
