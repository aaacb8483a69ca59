//! The keys that calls are signed with, from the environment or from the instance's RAM role.
//!
//! Must never show a secret, and never look anywhere the chosen source does not say.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::sync::Mutex;

use super::env::Env;
use super::http::{Http, NoAnswer};
use crate::core::inventory::CredentialSource;
use crate::core::model::Secret;
use crate::ports::{CloudError, CloudErrorKind};

/// The metadata service's address as seen from an instance.
const METADATA: &str = "http://100.100.100.200";
/// Lifetime asked for the metadata token, seconds.
const TOKEN_TTL: &str = "21600";
/// Session keys are renewed when less than this remains, milliseconds.
const RENEW_BEFORE_MS: i64 = 15 * 60 * 1000;
/// How often the metadata service is asked before giving up.
const ATTEMPTS: u32 = 3;

/// A key pair, and the session token of a role.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: Secret<String>,
    pub(super) token: Option<Secret<String>>,
}

/// Where the keys come from, with what was fetched last.
pub(super) enum Credentials {
    /// Found in the environment once; they do not change.
    Fixed(Arc<Keys>),
    /// Fetched from the metadata service.
    Role { metadata: Metadata, cached: Mutex<Option<Session>> },
}

/// Keys that end.
pub(super) struct Session {
    keys: Arc<Keys>,
    /// Milliseconds since the epoch.
    expires_ms: i64,
}

/// How to ask the metadata service.
pub(super) struct Metadata {
    base: String,
    /// The role, if the environment names it.
    role: Option<String>,
    limit: Duration,
}

fn error(message: impl Into<String>) -> CloudError {
    CloudError {
        kind: CloudErrorKind::Account,
        action: "credentials".to_owned(),
        code: None,
        message: message.into(),
        request_id: None,
    }
}

impl Credentials {
    /// Chooses the source. The environment is read here and never again.
    pub(super) fn new(
        source: CredentialSource,
        env: &Env,
        metadata_base: Option<&str>,
        limit: Duration,
    ) -> Result<Self, CloudError> {
        let found = if source == CredentialSource::EcsRamRole { None } else { from_env(env)? };
        match (source, found) {
            (CredentialSource::Auto | CredentialSource::Environment, Some(keys)) => {
                Ok(Self::Fixed(Arc::new(keys)))
            }
            (CredentialSource::Environment, None) => {
                Err(error("ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET are not set"))
            }
            (CredentialSource::Auto | CredentialSource::EcsRamRole, _) => {
                if env.is_true("ALIBABA_CLOUD_ECS_METADATA_DISABLED") {
                    let why = "ALIBABA_CLOUD_ECS_METADATA_DISABLED forbids the RAM role";
                    return Err(error(match source {
                        CredentialSource::EcsRamRole => why.to_owned(),
                        _ => format!("no access key in the environment, and {why}"),
                    }));
                }
                let base = metadata_base.unwrap_or(METADATA).trim_end_matches('/').to_owned();
                let metadata = Metadata { base, role: env.get("ALIBABA_CLOUD_ECS_METADATA"), limit };
                Ok(Self::Role { metadata, cached: Mutex::new(None) })
            }
        }
    }

    /// Keys that are good now. Callers that come while they are renewed wait for the same renewal.
    pub(super) async fn keys(&self, http: &Http, now_ms: i64) -> Result<Arc<Keys>, CloudError> {
        let (metadata, cached) = match self {
            Self::Fixed(keys) => return Ok(Arc::clone(keys)),
            Self::Role { metadata, cached } => (metadata, cached),
        };
        let mut cached = cached.lock().await;
        if let Some(session) = cached.as_ref().filter(|s| s.expires_ms - now_ms >= RENEW_BEFORE_MS) {
            return Ok(Arc::clone(&session.keys));
        }
        match metadata.session(http).await {
            Ok(session) => Ok(Arc::clone(&cached.insert(session).keys)),
            // Old keys that still hold are better than none.
            Err(error) => match cached.as_ref().filter(|session| session.expires_ms > now_ms) {
                Some(session) => Ok(Arc::clone(&session.keys)),
                None => Err(error),
            },
        }
    }

    /// Forgets session keys the cloud calls expired. `false` if there is nothing to renew.
    pub(super) async fn forget(&self, refused: &Keys) -> bool {
        let Self::Role { cached, .. } = self else { return false };
        let mut cached = cached.lock().await;
        // Somebody else may have renewed them meanwhile.
        if cached.as_ref().is_some_and(|session| session.keys.id == refused.id) {
            *cached = None;
        }
        true
    }
}

fn from_env(env: &Env) -> Result<Option<Keys>, CloudError> {
    let (id, secret) = (env.get("ALIBABA_CLOUD_ACCESS_KEY_ID"), env.get("ALIBABA_CLOUD_ACCESS_KEY_SECRET"));
    match (id, secret) {
        (Some(id), Some(secret)) => {
            let token = env.get("ALIBABA_CLOUD_SECURITY_TOKEN").map(Secret::new);
            Ok(Some(Keys { id, secret: Secret::new(secret), token }))
        }
        (None, None) => Ok(None),
        // Half a key is a mistake, and not the wish to act as somebody else.
        (Some(_), None) => {
            Err(error("ALIBABA_CLOUD_ACCESS_KEY_ID is set but ALIBABA_CLOUD_ACCESS_KEY_SECRET is not"))
        }
        (None, Some(_)) => {
            Err(error("ALIBABA_CLOUD_ACCESS_KEY_SECRET is set but ALIBABA_CLOUD_ACCESS_KEY_ID is not"))
        }
    }
}

impl Metadata {
    async fn session(&self, http: &Http) -> Result<Session, CloudError> {
        let mut last = error("the metadata service was not asked");
        for _ in 0..ATTEMPTS {
            match self.ask(http).await {
                Ok(session) => return Ok(session),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The hardened exchange: a token first, then everything with the token.
    async fn ask(&self, http: &Http) -> Result<Session, CloudError> {
        const TTL: &str = "X-aliyun-ecs-metadata-token-ttl-seconds";
        let token = self.get(http, Method::PUT, "api/token", (TTL, TOKEN_TTL)).await?;
        let header = ("X-aliyun-ecs-metadata-token", token.expose().as_str());
        let folder = "meta-data/ram/security-credentials/";
        let role = match &self.role {
            Some(role) => role.clone(),
            None => self.get(http, Method::GET, folder, header).await?.expose().clone(),
        };
        let fine = !role.is_empty() && role.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !fine {
            return Err(error(format!("{role:.80?} is not the name of a RAM role")));
        }
        let text = self.get(http, Method::GET, &format!("{folder}{role}"), header).await?;
        let answer: Value = serde_json::from_str(text.expose())
            .map_err(|_| error(format!("the metadata service does not know the RAM role {role}")))?;
        let field = |name: &str| {
            let text = answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| {
                error(format!("the metadata service's answer for the RAM role {role} has no {name}"))
            })
        };
        if field("Code")? != "Success" {
            return Err(error(format!("the metadata service gives no keys for the RAM role {role}")));
        }
        let expires: jiff::Timestamp = field("Expiration")?.parse().map_err(|_| {
            error(format!("the metadata service's Expiration for the RAM role {role} is not a time"))
        })?;
        let keys = Keys {
            id: field("AccessKeyId")?,
            secret: Secret::new(field("AccessKeySecret")?),
            token: Some(Secret::new(field("SecurityToken")?)),
        };
        Ok(Session { keys: Arc::new(keys), expires_ms: expires.as_millisecond() })
    }

    async fn get(
        &self,
        http: &Http,
        method: Method,
        path: &str,
        header: (&str, &str),
    ) -> Result<Secret<String>, CloudError> {
        let url = format!("{}/latest/{path}", self.base);
        let answer = http.send(method, &url, &[header], Some(self.limit)).await;
        let answer = answer.map_err(|(NoAnswer::NotSent(why) | NoAnswer::Lost(why))| {
            let source = "the metadata service, which would know the keys of the RAM role";
            error(format!("no answer from {source}: {why}"))
        })?;
        if answer.status != 200 {
            return Err(error(format!("the metadata service answers {} to /latest/{path}", answer.status)));
        }
        let text = String::from_utf8(answer.body)
            .map_err(|_| error(format!("the metadata service's answer to /latest/{path} is not text")))?;
        Ok(Secret::new(text.trim().to_owned()))
    }
}
