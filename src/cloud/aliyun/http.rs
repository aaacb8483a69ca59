//! HTTP with limits: one exchange, a bounded answer, and a clear word on whether the request can have arrived.
//!
//! Must never follow a redirect or repeat a request.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};

use super::tuning::Tuning;

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// How long an idle connection is kept.
const POOL_IDLE: Duration = Duration::from_secs(10);

/// What the other side said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `x-acs-retry-after`, which is in milliseconds.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// No connection: the request cannot have had an effect.
    NotSent(String),
    /// The request may have arrived.
    Lost(String),
}

/// The HTTP clients: one that obeys the proxy settings of the environment, one that never uses a proxy.
pub(super) struct Http {
    proxied: Option<Client>,
    direct: Client,
    limit: Duration,
}

impl Http {
    /// Sets up the clients; `public` says whether any endpoint needs TLS.
    ///
    /// # Errors
    /// TLS cannot be set up, for example without any CA certificates on this machine.
    pub(super) fn new(tuning: &Tuning, public: bool) -> Result<Self, String> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Losing the race to install it is as good as winning it.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let builder = || {
            Client::builder()
                .user_agent(concat!("egressctl/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(tuning.connect_timeout)
                .read_timeout(tuning.read_timeout)
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                // Servers drop idle connections; a write that meets such a drop would be of unknown outcome.
                .pool_idle_timeout(POOL_IDLE)
        };
        let build = |builder: reqwest::ClientBuilder| builder.build().map_err(|error| chain(&error));
        Ok(Self {
            proxied: if public { Some(build(builder())?) } else { None },
            // Plain HTTP only, so no CA certificates are loaded for it.
            direct: build(builder().no_proxy().tls_certs_only([]))?,
            limit: tuning.request_timeout,
        })
    }

    /// Sends one request with an empty body.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        limit: Option<Duration>,
    ) -> Result<Answer, NoAnswer> {
        let client = if url.starts_with("https:") { self.proxied.as_ref() } else { Some(&self.direct) };
        let client = client.ok_or_else(|| NoAnswer::NotSent("TLS is not set up".to_owned()))?;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let bad = || NoAnswer::NotSent(format!("the value of {name} cannot be sent in a header"));
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
            value.set_sensitive(true);
            map.insert(key, value);
        }
        let request = client.request(method, url).headers(map).body("").timeout(limit.unwrap_or(self.limit));
        let mut response = request.send().await.map_err(|error| {
            // A failure to connect comes before the first byte of the request.
            if error.is_connect() || error.is_builder() {
                NoAnswer::NotSent(chain(&error.without_url()))
            } else {
                NoAnswer::Lost(chain(&error.without_url()))
            }
        })?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("x-acs-retry-after")
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .filter(|ms| *ms > 0)
            .map(Duration::from_millis);
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let Some(chunk) = chunk.map_err(|error| NoAnswer::Lost(chain(&error.without_url())))? else {
                return Ok(Answer { status, retry_after, body });
            };
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(NoAnswer::Lost(format!("the answer is larger than {MAX_ANSWER} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
    }
}

/// An error with its causes: the outer text alone seldom tells why.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
