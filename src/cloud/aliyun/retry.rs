//! Repeats what may be repeated, and says truthfully how a call ended.
//!
//! The rule for writes: while the outcome of an attempt is unknown, only the same `ClientToken` may be sent again, and
//! without one nothing may; after a definite refusal that will pass, another token is used. A write that was ever
//! unknown never ends as refused.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::classify::Then;
use super::client::{Api, Call, Failure};
use super::settle::{Look, Sight};
use super::sign::sha256_hex;
use crate::ports::{CloudError, CloudErrorKind};

/// Reads of what belongs to no single host. Hosts that are looked at one after another share their answers for a moment.
const SHARED: [&str; 8] = [
    "DescribeForwardTableEntries",
    "DescribeInstanceTypes",
    "DescribeNatGateways",
    "DescribeRouteEntryList",
    "DescribeSnatTableEntries",
    "DescribeVSwitchAttributes",
    "DescribeVSwitches",
    "DescribeVpcAttribute",
];

/// The longest `ClientToken`.
const TOKEN_MAX: usize = 64;

/// The token of the `n`th definite attempt: the base itself first.
fn token(base: &str, n: u32) -> String {
    if n == 0 {
        return base.to_owned();
    }
    let suffix = format!("-{n}");
    let fits = base.len() + suffix.len() <= TOKEN_MAX;
    let digest = || sha256_hex(base.as_bytes()).split_off(32);
    format!("{}{suffix}", if fits { base.to_owned() } else { digest() })
}

impl Api {
    /// Makes a call that only looks, until it is answered or patience runs out.
    pub(super) async fn read(&self, call: &Call) -> Result<Value, CloudError> {
        if !SHARED.contains(&call.action) {
            return self.call(call, None).await.map(|(answer, _)| answer);
        }
        let key = (call.action, call.params.clone());
        let ttl = self.tuning.shared_for;
        if let Some(answer) = self.shared.get(&key, ttl) {
            return Ok(answer);
        }
        let (answer, _) = self.call(call, None).await?;
        self.shared.put(key, &answer, ttl);
        Ok(answer)
    }

    /// Makes a call that changes something. `look` tells whether the wish is fulfilled when the answer does not. Returns
    /// the answer (null if only looking told) and the `ClientToken` it belongs to.
    pub(super) async fn write(
        &self,
        call: &Call,
        look: &Look,
    ) -> Result<(Value, Option<String>), CloudError> {
        self.call(call, Some(look)).await
    }

    async fn call(&self, call: &Call, look: Option<&Look>) -> Result<(Value, Option<String>), CloudError> {
        let (mut attempt, mut fresh, mut unsure, mut renewed) = (0u32, 0u32, false, false);
        let mut tried = Tried::default();
        loop {
            let token = call.token.as_deref().map(|base| token(base, fresh));
            let Failure { mut error, mut then, retry_after } = match self.send(call, token.as_deref()).await {
                Ok(answer) => return Ok((answer, token)),
                Err(failure) => failure,
            };
            if error.kind == CloudErrorKind::NotFound && self.young.concern(call, self.tuning.absence_grace) {
                // It has only just been made, and not every server knows it yet.
                (then, error.kind) = (Then::Later, CloudErrorKind::Busy);
            }
            unsure = match then {
                Then::Repeat => call.write,
                Then::Fresh => false,
                _ => unsure,
            };
            let again = match then {
                Then::Stop | Then::Look => false,
                Then::Repeat => !call.write || call.token.is_some(),
                Then::Renew => !std::mem::replace(&mut renewed, true),
                Then::Later | Then::Throttled | Then::Slow | Then::Fresh => true,
            };
            let sighted = match look {
                Some(look) if unsure || matches!(then, Then::Look | Then::Later) => {
                    self.sights(look, then == Then::Look).await
                }
                _ => Sight::NotYet,
            };
            match &sighted {
                Sight::Done => return Ok((Value::Null, token)),
                Sight::Never(why) if !unsure && (!again || tried.never(why, self.tuning.refusal_span)) => {
                    error.kind = CloudErrorKind::Refused;
                    error.message = format!("{} ({why})", error.message);
                    return Err(*error);
                }
                Sight::Never(_) => {}
                Sight::NotYet => tried.never = None,
            }
            let (pause, patience) = match then {
                Then::Slow => (retry_after.unwrap_or(self.tuning.slow_pause), self.tuning.slow_budget),
                _ => (self.pause(attempt, retry_after), self.tuning.retry_budget),
            };
            if !again || Instant::now() + pause >= tried.since() + patience {
                if unsure {
                    error.kind = CloudErrorKind::Unknown;
                }
                return Err(*error);
            }
            if !unsure && matches!(then, Then::Later | Then::Fresh) {
                fresh += 1;
            }
            attempt += 1;
            tokio::time::sleep(pause).await;
        }
    }

    /// Looks until two looks agree, because an answer may be older than what it is about: on "done" two in a row, and, where
    /// anything else is `final`, on that for as long as an answer may lag.
    async fn sights(&self, look: &Look, last: bool) -> Sight {
        let (start, mut done) = (Instant::now(), false);
        loop {
            match self.sight(look).await {
                Sight::Done if done => return Sight::Done,
                Sight::Done => done = true,
                other if !last || start.elapsed() >= self.tuning.refusal_span => return other,
                _ => done = false,
            }
            tokio::time::sleep(self.tuning.poll_min).await;
        }
    }

    fn pause(&self, attempt: u32, retry_after: Option<Duration>) -> Duration {
        let step = self.tuning.retry_base.saturating_mul(1 << attempt.min(16)).min(self.tuning.retry_cap);
        (self.tuning.jitter)(step).max(retry_after.unwrap_or_default())
    }
}

/// What the attempts of one call have shown so far.
#[derive(Default)]
struct Tried {
    /// When the first answer came: what it took to be sent at all is no lack of success.
    since: Option<Instant>,
    /// Since when all looks have said that it cannot be, and why.
    never: Option<(String, Instant)>,
}

impl Tried {
    fn since(&mut self) -> Instant {
        *self.since.get_or_insert_with(Instant::now)
    }

    /// Whether it has been so for as long as an answer may lag.
    fn never(&mut self, why: &str, span: Duration) -> bool {
        match &self.never {
            Some((same, since)) if same == why => since.elapsed() >= span,
            _ => {
                self.never = Some((why.to_owned(), Instant::now()));
                false
            }
        }
    }
}

/// A call's action and parameters.
type Question = (&'static str, BTreeMap<String, String>);

/// Answers that are good for a moment.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<BTreeMap<Question, (Instant, Value)>>);

impl Shared {
    fn get(&self, key: &Question, ttl: Duration) -> Option<Value> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(key).filter(|(at, _)| at.elapsed() < ttl).map(|(_, answer)| answer.clone())
    }

    fn put(&self, key: Question, answer: &Value, ttl: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (at, _)| at.elapsed() < ttl);
        all.insert(key, (Instant::now(), answer.clone()));
    }
}

/// What has been made by this process, which not every server may know at once.
#[derive(Debug, Default)]
pub(super) struct Young(Mutex<BTreeMap<String, Instant>>);

impl Young {
    /// Something was made just now.
    pub(super) fn add(&self, id: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(id.to_owned()).or_insert_with(Instant::now);
    }

    /// Whether the call names something made within this time.
    fn concern(&self, call: &Call, grace: Duration) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        call.params.values().any(|value| all.get(value).is_some_and(|made| made.elapsed() < grace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_tokens_differ_and_fit() {
        let long = "x".repeat(TOKEN_MAX);
        for base in ["short", long.as_str()] {
            let all = [token(base, 0), token(base, 1), token(base, 2)];
            assert_eq!(all[0], base);
            assert!(all.iter().all(|t| t.len() <= TOKEN_MAX && t.is_ascii()));
            assert!(all[0] != all[1] && all[1] != all[2]);
            assert_eq!(token(base, 1), all[1]);
        }
    }
}
