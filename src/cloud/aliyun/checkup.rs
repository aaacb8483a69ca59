//! A look at the account's side of the surroundings: which credentials, who we are, whether the endpoints answer, the clock.
//!
//! Must never change anything in the cloud, and never need more of it than to answer.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;

use super::client::{Api, Call};
use super::credentials::{Passed, Provenance, before_broken};
use super::endpoints::{Endpoint, Product, Side};
use super::http::{Http, NoAnswer, Parts};
use super::{Aliyun, AliyunConfig, Env};
use crate::core::checkup::{Checkup, Finding, Identity, PassedOver, Reached, Used};
use crate::ports::{Clock, CloudError};

/// How long the question who we are may be repeated.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at everything, also where something is broken.
pub async fn checkup(config: &AliyunConfig, env: &Env, clock: Arc<dyn Clock>) -> Checkup {
    let mut checkup = Checkup::default();
    let mut config = config.clone();
    config.tuning.retry_budget = config.tuning.retry_budget.min(PATIENCE);
    let setup = config.setup(env);
    let places = match config.places(&setup) {
        Ok(places) => places,
        Err(error) => {
            checkup.findings.push(problem(&error));
            return checkup;
        }
    };
    checkup.findings.extend(outside(&config, setup.side, &places));
    match Http::new(&config.tuning, false) {
        Ok(http) => reach(&http, places, clock.as_ref(), &mut checkup).await,
        Err(why) => checkup.findings.push(Finding::problem(format!("HTTP cannot be set up: {why}"))),
    }
    match Aliyun::new(&config, env, Arc::clone(&clock)) {
        Ok(cloud) => who(&cloud.api, &mut checkup).await,
        Err(error) => {
            checkup.findings.push(problem(&error));
            checkup.passed = before_broken(&setup).into_iter().map(passed_over).collect();
        }
    }
    checkup.judge(clock.now_ms());
    checkup
}

/// Products that are asked on the internet although those inside VPCs are meant: no such host of them is known.
pub(super) fn outside(config: &AliyunConfig, side: Side, places: &[(Product, Endpoint); 3]) -> Vec<Finding> {
    let given = [&config.ecs_endpoint, &config.vpc_endpoint, &config.sts_endpoint].map(Option::is_some);
    let meant = places.iter().zip(given).filter(|(_, given)| side == Side::Vpc && !given);
    let outside = meant.filter(|((_, endpoint), _)| !endpoint.is_internal());
    outside
        .map(|((product, endpoint), _)| {
            let (name, host) = (product.name(), &endpoint.host);
            Finding::warning(format!(
                "no host inside VPCs is known for {name} in {}, so {host} on the internet is used; name one by \
                 cloud.endpoints.{name}",
                config.region
            ))
        })
        .collect()
}

fn problem(error: &CloudError) -> Finding {
    Finding::problem(error.to_string())
}

/// Asks every endpoint for anything at all: also a refusal is an answer, and has a date.
async fn reach(http: &Http, places: [(Product, Endpoint); 3], clock: &dyn Clock, checkup: &mut Checkup) {
    let ask = async |(product, endpoint): (Product, Endpoint)| {
        let (begun, began_ms) = (Instant::now(), clock.now_ms());
        let parts = Parts { headers: &[("accept", "application/json")], form: None, limit: None };
        let answer = http.send(Method::GET, &format!("{}/", endpoint.url()), parts).await;
        (product, endpoint, answer, begun.elapsed(), began_ms)
    };
    let [ecs, vpc, sts] = places.map(ask);
    let answers: [_; 3] = tokio::join!(ecs, vpc, sts).into();
    for (product, endpoint, answer, took, began_ms) in answers {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (name, url) = (product.name().to_owned(), endpoint.url());
        match &answer {
            Ok(answer) if answer.status >= 500 || answer.status == 407 => checkup.findings.push(
                Finding::warning(format!("{url} answers {}; a proxy or the service is in trouble", answer.status)),
            ),
            Ok(_) => {}
            Err(NoAnswer::NotSent(why) | NoAnswer::Lost(why)) => checkup.findings.push(Finding::problem(format!(
                "{url} does not answer: {why}; look at the way there (route, DNS, proxy), or choose the endpoints by \
                 cloud.network or cloud.endpoints.{name}"
            ))),
        }
        if let Some(date_ms) = answer.as_ref().ok().and_then(|answer| answer.date_ms) {
            // The date is in whole seconds and of some moment of the exchange: the middle of both is the best guess.
            let ours = began_ms + i64::try_from(took_ms / 2).unwrap_or_default();
            let ahead = ours - (date_ms + 500);
            let nearer =
                checkup.clock_ahead_ms.is_none_or(|known| ahead.unsigned_abs() < known.unsigned_abs());
            checkup.clock_ahead_ms = if nearer { Some(ahead) } else { checkup.clock_ahead_ms };
        }
        let internal = endpoint.is_internal();
        let took_ms = answer.is_ok().then_some(took_ms);
        checkup.endpoints.push(Reached { product: name, url, internal, took_ms });
    }
}

fn passed_over(Passed { source, why }: Passed) -> PassedOver {
    PassedOver { source: source.word().to_owned(), why }
}

/// Asks who we are, and tells how the keys for that were found.
async fn who(api: &Api, checkup: &mut Checkup) {
    match api.read(&Call::read(Product::Sts, "GetCallerIdentity")).await {
        Ok(answer) => {
            let field = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
            let (account, arn, kind) = (field("AccountId"), field("Arn"), field("IdentityType"));
            if kind == "Account" {
                checkup.findings.push(Finding::warning(
                    "the keys are the account's own and may do everything; use those of a RAM user or role",
                ));
            }
            checkup.identity = Some(Identity { account, arn, kind });
        }
        Err(error) => checkup.findings.push(problem(&error)),
    }
    let Provenance { used, passed, warnings, expires_ms } = api.credentials.provenance();
    checkup.credentials =
        used.map(|(source, origin)| Used { source: source.word().to_owned(), origin, expires_ms });
    checkup.passed = passed.into_iter().map(passed_over).collect();
    checkup.findings.extend(warnings.into_iter().map(Finding::warning));
}
