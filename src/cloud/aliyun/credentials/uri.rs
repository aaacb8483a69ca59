//! Keys that a URI answers with, as the metadata service writes them.

use reqwest::{Method, Url};
use serde_json::Value;

use super::provider::Reach;
use super::session::{Session, Trouble, session};
use crate::cloud::aliyun::http::{NoAnswer, Parts, is_near};
use crate::core::model::Secret;

/// Names the URI.
pub(super) const VARIABLE: &str = "ALIBABA_CLOUD_CREDENTIALS_URI";

/// Where to ask. The whole URI may be a secret: it is never shown.
pub(super) struct Uri(Secret<String>);

impl Uri {
    /// # Errors
    /// A phrase that says what is wrong.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let fine =
            Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if fine {
            Ok(Self(Secret::new(text.to_owned())))
        } else {
            Err(format!("{VARIABLE} is no http(s) URL"))
        }
    }

    /// What is unsafe about it.
    pub(super) fn warning(&self) -> Option<String> {
        let open = !self.needs_tls() && !is_near(self.0.expose());
        open.then(|| format!("the URI of {VARIABLE} gives keys over a network without TLS; use https"))
    }

    pub(super) fn needs_tls(&self) -> bool {
        self.0.expose().to_ascii_lowercase().starts_with("https:")
    }

    pub(super) async fn ask(&self, reach: &Reach<'_>) -> Result<Session, Trouble> {
        let what = format!("the URI of {VARIABLE}");
        let parts = Parts { headers: &[("accept", "application/json")], form: None, limit: None };
        // The lower-case scheme decides on TLS.
        let url = Url::parse(self.0.expose()).map_err(|_| Trouble::broken(format!("{what} is no URL")))?;
        let answer = reach.http.send(Method::GET, url.as_str(), parts).await.map_err(|error| {
            let (NoAnswer::NotSent(why) | NoAnswer::Lost(why)) = error;
            Trouble::passing(format!("no answer from {what}: {why}"))
        })?;
        if answer.status != 200 {
            return Err(Trouble::passing(format!("{what} answers {}", answer.status)));
        }
        let object: Value = serde_json::from_slice(&answer.body)
            .map_err(|_| Trouble::broken(format!("{what} does not answer with JSON")))?;
        // A code is not always given; a code of failure is.
        if object.get("Code").is_some_and(|code| code != "Success") {
            return Err(Trouble::passing(format!("{what} gives no keys")));
        }
        session(&object, reach.now_ms).map_err(|gives| Trouble::passing(format!("{what} gives {gives}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_url_is_refused_and_open_ones_are_warned_of() {
        let of = |text: &str| Uri::new(text).map(|uri| (uri.needs_tls(), uri.warning().is_some()));
        assert_eq!(of("http://127.0.0.1:8080/keys?token=x"), Ok((false, false)));
        assert_eq!(of("http://localhost/keys"), Ok((false, false)));
        assert_eq!(of("HTTPS://keys.example/"), Ok((true, false)));
        assert_eq!(of("http://keys.example/"), Ok((false, true)));
        for bad in ["", "keys", "file:///canary", "ftp://canary", "http://"] {
            assert!(of(bad).is_err_and(|what| !what.contains("canary")), "{bad}");
        }
    }
}
