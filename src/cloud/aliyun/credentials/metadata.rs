//! Keys of the instance's RAM role, from the metadata service.
//!
//! Must never ask without a token where `ALIBABA_CLOUD_IMDSV1_DISABLED` forbids it.

use reqwest::Method;
use serde_json::Value;

use super::error;
use super::provider::Reach;
use super::session::{Session, Trouble, Why, session};
use crate::cloud::aliyun::env::Env;
use crate::cloud::aliyun::http::{METADATA, NoAnswer, Parts};
use crate::core::model::Secret;

/// Lifetime asked for the metadata token, seconds.
const TOKEN_TTL: &str = "21600";
const TTL_HEADER: &str = "X-aliyun-ecs-metadata-token-ttl-seconds";
const TOKEN_HEADER: &str = "X-aliyun-ecs-metadata-token";
/// Where the roles are.
const FOLDER: &str = "meta-data/ram/security-credentials/";

/// How to ask the metadata service.
pub(super) struct Metadata {
    base: String,
    /// The role, if it is named.
    role: Option<String>,
    /// Answers without a token are asked for where there are no tokens.
    tokenless: bool,
}

impl Metadata {
    /// The service at `base`, for this role or else for the instance's own.
    ///
    /// # Errors
    /// The environment forbids it.
    pub(super) fn new(base: Option<&str>, role: Option<String>, env: &Env) -> Result<Self, &'static str> {
        if env.is_true("ALIBABA_CLOUD_ECS_METADATA_DISABLED") {
            return Err("ALIBABA_CLOUD_ECS_METADATA_DISABLED forbids the RAM role");
        }
        let base =
            base.map_or_else(|| format!("http://{METADATA}"), |base| base.trim_end_matches('/').to_owned());
        let role = role.or_else(|| env.get("ALIBABA_CLOUD_ECS_METADATA"));
        Ok(Self { base, role, tokenless: !env.is_true("ALIBABA_CLOUD_IMDSV1_DISABLED") })
    }

    /// The hardened exchange: a token first, then everything with the token.
    pub(super) async fn ask(&self, reach: &Reach<'_>) -> Result<Session, Trouble> {
        let token = match self.get(reach, Method::PUT, "api/token", Some((TTL_HEADER, TOKEN_TTL))).await {
            Ok((200, token)) => Some(token),
            Ok((status, _)) if !self.tokenless => return Err(Trouble::passing(refused(status, "api/token"))),
            // Old instances know no tokens. Hardened ones then refuse everything else.
            Ok(_) => None,
            Err(trouble) => return Err(trouble),
        };
        let header = token.as_ref().map(|token| (TOKEN_HEADER, token.expose().as_str()));
        let role = match &self.role {
            Some(role) => role.clone(),
            None => match self.get(reach, Method::GET, FOLDER, header).await? {
                (200, role) => role.expose().clone(),
                (404, _) => {
                    let why = "the metadata service knows no RAM role of this instance";
                    return Err(Trouble { error: error(why), why: Why::Absent });
                }
                (status, _) => return Err(Trouble::passing(refused(status, FOLDER))),
            },
        };
        let fine = !role.is_empty() && role.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !fine {
            return Err(Trouble::broken(format!("{role:.80?} is not the name of a RAM role")));
        }
        let path = format!("{FOLDER}{role}");
        let text = match self.get(reach, Method::GET, &path, header).await? {
            (200, text) => text,
            (404, _) => {
                let why = format!(
                    "the metadata service does not know the RAM role {role}; attach it to this instance"
                );
                return Err(Trouble::broken(why));
            }
            (status, _) => return Err(Trouble::passing(refused(status, &path))),
        };
        let answer: Value = serde_json::from_str(text.expose()).map_err(|_| {
            Trouble::broken(format!("the metadata service does not know the RAM role {role}"))
        })?;
        if answer.get("Code").and_then(Value::as_str) != Some("Success") {
            return Err(Trouble::passing(format!(
                "the metadata service gives no keys for the RAM role {role}"
            )));
        }
        session(&answer, reach.now_ms).map_err(|what| {
            Trouble::passing(format!("the metadata service gives {what}, for the RAM role {role}"))
        })
    }

    async fn get(
        &self,
        reach: &Reach<'_>,
        method: Method,
        path: &str,
        header: Option<(&str, &str)>,
    ) -> Result<(u16, Secret<String>), Trouble> {
        let url = format!("{}/latest/{path}", self.base);
        let limit = Some(reach.tuning.metadata_timeout);
        let parts = Parts { headers: header.as_slice(), form: None, limit };
        let answer = reach.http.send(method, &url, parts).await.map_err(|no_answer| {
            let source = "the metadata service, which would know the keys of the RAM role";
            let (NoAnswer::NotSent(why) | NoAnswer::Lost(why)) = &no_answer;
            let message = format!("no answer from {source}: {why}");
            match no_answer {
                // Nothing listens there: this is no instance. The time-out of connecting says the same.
                NoAnswer::NotSent(_) => Trouble { error: error(message), why: Why::Absent },
                NoAnswer::Lost(_) => Trouble { error: error(message), why: Why::Silent },
            }
        })?;
        let text = String::from_utf8(answer.body).map_err(|_| {
            Trouble::broken(format!("the metadata service's answer to /latest/{path} is not text"))
        })?;
        Ok((answer.status, Secret::new(text.trim().to_owned())))
    }
}

fn refused(status: u16, path: &str) -> String {
    format!("the metadata service answers {status} to /latest/{path}")
}
