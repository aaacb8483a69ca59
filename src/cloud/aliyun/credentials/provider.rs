//! The ways to get keys, each by one request or none.
//!
//! Must never decide between sources: that is `chain`.

use std::sync::Arc;

use super::Keys;
use super::external::External;
use super::metadata::Metadata;
use super::session::{Session, Trouble, Why};
use super::sts::{Oidc, Role};
use super::uri::Uri;
use crate::cloud::aliyun::http::Http;
use crate::cloud::aliyun::tuning::Tuning;

/// How often a source is asked that may answer the next time.
const ATTEMPTS: u32 = 3;

/// One way to get keys.
pub(super) enum Provider {
    /// They are known and do not change.
    Fixed(Arc<Keys>),
    /// Of the instance's RAM role.
    Metadata(Metadata),
    /// Of a RAM role, by other keys.
    Role(Box<Role>),
    /// Of a RAM role, by an identity provider's token.
    Oidc(Box<Oidc>),
    /// What a program prints.
    External(External),
    /// What a URI answers.
    Uri(Uri),
}

/// What asking takes.
#[derive(Clone, Copy)]
pub(super) struct Reach<'a> {
    pub(super) http: &'a Http,
    pub(super) now_ms: i64,
    pub(super) tuning: &'a Tuning,
    /// Told of every call of the API that is about to be sent.
    pub(super) count: &'a (dyn Fn(&str) + Sync),
}

impl Provider {
    /// Fresh keys; what may pass is tried again.
    pub(super) async fn fetch(&self, reach: &Reach<'_>) -> Result<Session, Trouble> {
        let mut attempt = 0;
        loop {
            match self.ask(reach).await {
                Err(Trouble { why: Why::Passing | Why::Silent, .. }) if attempt + 1 < ATTEMPTS => {
                    let step = reach.tuning.retry_base.saturating_mul(1 << attempt);
                    tokio::time::sleep((reach.tuning.jitter)(step)).await;
                    attempt += 1;
                }
                ended => return ended,
            }
        }
    }

    async fn ask(&self, reach: &Reach<'_>) -> Result<Session, Trouble> {
        match self {
            Self::Fixed(keys) => Ok(Session::lasting(Arc::clone(keys))),
            Self::Metadata(metadata) => metadata.ask(reach).await,
            // A role's keys may be another role's, to any depth.
            Self::Role(role) => Box::pin(role.ask(reach)).await,
            Self::Oidc(oidc) => oidc.ask(reach).await,
            Self::External(external) => external.ask(reach).await,
            Self::Uri(uri) => uri.ask(reach).await,
        }
    }

    /// Whether asking takes TLS.
    pub(super) fn needs_tls(&self) -> bool {
        match self {
            Self::Fixed(_) | Self::Metadata(_) | Self::External(_) => false,
            Self::Role(role) => role.endpoint.scheme == "https" || role.base.needs_tls(),
            Self::Oidc(oidc) => oidc.endpoint.scheme == "https",
            Self::Uri(uri) => uri.needs_tls(),
        }
    }
}
