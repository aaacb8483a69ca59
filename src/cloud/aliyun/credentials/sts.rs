//! Sessions of RAM roles, asked of STS: by other keys, or by an identity provider's token.
//!
//! Must never put a token into a URL, and never let STS's words carry one out.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::Value;

use super::file;
use super::provider::{Provider, Reach};
use super::session::{Session, Trouble, Why, session};
use crate::cloud::aliyun::classify::Then;
use crate::cloud::aliyun::client::{Call, Failure, clean, exchange, nonce, outcome, stamp};
use crate::cloud::aliyun::endpoints::{Endpoint, Product};
use crate::cloud::aliyun::http::Parts;
use crate::cloud::aliyun::sign::query;
use crate::core::model::Secret;
use crate::ports::CloudErrorKind;

/// The length of a session where nothing else is said, seconds.
pub(super) const USUAL_SECONDS: u32 = 3600;

/// What is asked for, by either way.
pub(super) struct Wanted {
    /// `acs:ram::…:role/…`
    pub(super) arn: String,
    /// What the cloud's logs call us.
    pub(super) session_name: String,
    /// The session's length.
    pub(super) seconds: u32,
    /// A policy that narrows the role's rights.
    pub(super) policy: Option<String>,
}

impl Wanted {
    fn call(&self, action: &'static str) -> Call {
        Call::read(Product::Sts, action)
            .with("RoleArn", &self.arn)
            .with("RoleSessionName", &self.session_name)
            .with("DurationSeconds", &self.seconds)
            .with_some("Policy", self.policy.as_deref())
    }

    fn session(&self, answer: &Value, now_ms: i64) -> Result<Session, Trouble> {
        let credentials = answer.get("Credentials").unwrap_or(&Value::Null);
        session(credentials, now_ms)
            .map_err(|gives| Trouble::passing(format!("STS gives {gives}, for the role {}", self.arn)))
    }

    fn refused(&self, failed: Failure, secrets: &[Option<&Secret<String>>]) -> Trouble {
        let passing = matches!(failed.then, Then::Throttled | Then::Repeat | Then::Later);
        let mut error = *failed.error;
        // No keys, no call: whatever the call was meant to do has certainly not been done.
        error.kind = CloudErrorKind::Account;
        error.message = format!("no session of the role {}: {}", self.arn, clean(&error.message, secrets));
        Trouble { error, why: if passing { Why::Passing } else { Why::Broken } }
    }
}

/// A role, by other keys.
pub(super) struct Role {
    pub(super) base: Provider,
    pub(super) wanted: Wanted,
    pub(super) external_id: Option<String>,
    pub(super) endpoint: Endpoint,
}

impl Role {
    pub(super) async fn ask(&self, reach: &Reach<'_>) -> Result<Session, Trouble> {
        let base = self.base.fetch(reach).await?;
        let call = self.wanted.call("AssumeRole").with_some("ExternalId", self.external_id.as_deref());
        (reach.count)(call.action);
        let sent =
            exchange(reach.http, &self.endpoint, (&call, &call.params), &base.keys, reach.now_ms).await;
        match sent {
            Ok(answer) => self.wanted.session(&answer, reach.now_ms),
            Err(failed) => Err(self.wanted.refused(failed, &[])),
        }
    }
}

/// A role, by an identity provider's token.
pub(super) struct Oidc {
    pub(super) wanted: Wanted,
    pub(super) provider_arn: String,
    /// Read each time: whoever gives the token also renews it.
    pub(super) token_file: PathBuf,
    pub(super) endpoint: Endpoint,
}

impl Oidc {
    pub(super) async fn ask(&self, reach: &Reach<'_>) -> Result<Session, Trouble> {
        let token = file::read(&self.token_file).map_err(Trouble::broken)?.text;
        let token = Secret::new(token.expose().trim().to_owned());
        if token.expose().is_empty() {
            return Err(Trouble::broken(format!("{}: the token is empty", self.token_file.display())));
        }
        let call = self.wanted.call("AssumeRoleWithOIDC").with("OIDCProviderArn", &self.provider_arn);
        // The call carries no signature, so what names it goes with the older form of the API.
        let about = [
            ("Action", call.action.to_owned()),
            ("Format", "JSON".to_owned()),
            ("SignatureNonce", nonce(call.action).map_err(|error| Trouble { error, why: Why::Broken })?),
            ("Timestamp", stamp(reach.now_ms)),
            ("Version", Product::Sts.version().to_owned()),
        ];
        let about = about.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let url = format!("{}/?{}", self.endpoint.url(), query(&about));
        let form = Secret::new(query(&call.clone().with("OIDCToken", token.expose().as_str()).params));
        let headers = [("accept", "application/json")];
        let parts = Parts { headers: &headers, form: Some(&form), limit: None };
        (reach.count)(call.action);
        let answer = reach.http.send(Method::POST, &url, parts).await;
        match outcome(&call, &self.endpoint, answer) {
            Ok(answer) => self.wanted.session(&answer, reach.now_ms),
            Err(failed) => Err(self.wanted.refused(failed, &[Some(&token)])),
        }
    }
}
