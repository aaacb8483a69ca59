//! The keys that calls are signed with: found by the chosen source, remembered, renewed in time.
//!
//! Must never show a secret, and never look anywhere the chosen source does not say.

mod chain;
mod cli_file;
mod external;
mod file;
mod ini;
mod ini_file;
mod metadata;
mod provider;
mod session;
mod sts;
mod uri;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) use self::chain::{Setup, before_broken};
use self::provider::{Provider, Reach};
use self::session::{Session, Trouble, Why};
use super::http::Http;
use super::tuning::Tuning;
use crate::core::inventory::CredentialSource;
use crate::core::model::Secret;
use crate::ports::{CloudError, CloudErrorKind};

/// Keys that could not be renewed but still hold are used for this long before the next try, milliseconds: calls of a
/// cutover must not wait for a source that does not answer.
const RETRY_MS: i64 = 30_000;

/// A key pair, and the session token of a role.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: Secret<String>,
    pub(super) token: Option<Secret<String>>,
}

/// A source that was not used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) source: CredentialSource,
    pub(super) why: String,
}

/// A source that is there, or may be: the metadata service has to be asked.
struct Candidate {
    source: CredentialSource,
    /// Where exactly, for people.
    origin: String,
    provider: Provider,
}

/// What is known of where the keys came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Provenance {
    /// The source in use, and where exactly it is; nothing before the first keys if there is a choice left.
    pub(super) used: Option<(CredentialSource, String)>,
    pub(super) passed: Vec<Passed>,
    /// What is unsafe about it.
    pub(super) warnings: Vec<String>,
    /// The end of the session, in milliseconds since the epoch.
    pub(super) expires_ms: Option<i64>,
}

/// Where the keys come from, with what was fetched last.
pub(super) struct Credentials {
    candidates: Vec<Candidate>,
    warnings: Vec<String>,
    tuning: Tuning,
    state: Mutex<State>,
    renewing: tokio::sync::Mutex<()>,
}

struct State {
    chosen: Option<usize>,
    passed: Vec<Passed>,
    session: Option<Session>,
    /// Until then nothing is renewed again.
    wait_ms: i64,
    /// How often keys were asked for, and how the last time failed.
    asked: u64,
    failed: Option<CloudError>,
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
    /// Chooses the source. The environment and the files of credentials are read here and never again, but for the token
    /// of an identity provider.
    pub(super) fn new(setup: &Setup<'_>) -> Result<Self, CloudError> {
        let found = chain::look(setup)?;
        let certain = found.certain || setup.source != CredentialSource::Auto;
        let chosen = (found.candidates.len() == 1 && certain).then_some(0);
        let state =
            State { chosen, passed: found.passed, session: None, wait_ms: i64::MIN, asked: 0, failed: None };
        Ok(Self {
            candidates: found.candidates,
            warnings: found.warnings,
            tuning: *setup.tuning,
            state: Mutex::new(state),
            renewing: tokio::sync::Mutex::new(()),
        })
    }

    /// Whether getting keys takes TLS.
    pub(super) fn needs_tls(&self) -> bool {
        self.candidates.iter().any(|candidate| candidate.provider.needs_tls())
    }

    /// Keys that are good now. Callers that come while they are renewed share that renewal: those with keys that still hold
    /// do not wait for it.
    /// `count` is told of every call of the API that this takes.
    pub(super) async fn keys(
        &self,
        http: &Http,
        now_ms: i64,
        count: &(dyn Fn(&str) + Sync),
    ) -> Result<Arc<Keys>, CloudError> {
        let asked = {
            let state = self.state();
            if let Some(keys) = state.fresh(now_ms) {
                return Ok(keys);
            }
            state.asked
        };
        let _renewing = if let Ok(guard) = self.renewing.try_lock() {
            guard
        } else {
            let holding = self.state().holding(now_ms);
            match holding {
                Some(keys) => return Ok(keys),
                None => self.renewing.lock().await,
            }
        };
        {
            let state = self.state();
            if let Some(keys) = state.fresh(now_ms) {
                return Ok(keys);
            }
            if let Some(error) = state.failed.clone().filter(|_| state.asked > asked) {
                return Err(error);
            }
        }
        let reach = Reach { http, now_ms, tuning: &self.tuning, count };
        let fetched = self.fetch(&reach).await;
        let mut state = self.state();
        state.asked += 1;
        match fetched {
            Ok(session) => {
                let keys = Arc::clone(&session.keys);
                (state.session, state.failed) = (Some(session), None);
                Ok(keys)
            }
            // Old keys that still hold are better than none.
            Err(error) => {
                state.wait_ms = now_ms.saturating_add(RETRY_MS);
                state.failed = Some(error.clone());
                state.holding(now_ms).ok_or(error)
            }
        }
    }

    /// Forgets session keys the cloud calls expired. `false` if there is nothing to renew.
    pub(super) fn forget(&self, refused: &Keys) -> bool {
        let mut state = self.state();
        // Somebody else may have renewed them meanwhile.
        if state.session.as_ref().is_some_and(|session| session.keys.id == refused.id) {
            state.session = None;
        }
        let used = state.chosen.and_then(|chosen| self.candidates.get(chosen));
        used.is_some_and(|candidate| !matches!(candidate.provider, Provider::Fixed(_)))
    }

    /// What is known by now.
    pub(super) fn provenance(&self) -> Provenance {
        let state = self.state();
        let used = state.chosen.and_then(|chosen| self.candidates.get(chosen));
        Provenance {
            used: used.map(|candidate| (candidate.source, candidate.origin.clone())),
            passed: state.passed.clone(),
            warnings: self.warnings.clone(),
            expires_ms: state.session.as_ref().and_then(|session| session.expires_ms),
        }
    }

    /// Asks the chosen source; the first time, the first that is there.
    async fn fetch(&self, reach: &Reach<'_>) -> Result<Session, CloudError> {
        let chosen = self.state().chosen;
        if let Some(candidate) = chosen.and_then(|chosen| self.candidates.get(chosen)) {
            return candidate.provider.fetch(reach).await.map_err(|trouble| trouble.error);
        }
        let mut passed = Vec::new();
        for (index, candidate) in self.candidates.iter().enumerate() {
            match candidate.provider.fetch(reach).await {
                Ok(session) => {
                    let mut state = self.state();
                    state.chosen = Some(index);
                    state.passed.extend(passed);
                    // What comes after the winner was not passed over.
                    state.passed.retain(|passed| passed.source < candidate.source);
                    return Ok(session);
                }
                Err(Trouble { error, why: Why::Absent | Why::Silent }) => {
                    passed.push(Passed { source: candidate.source, why: error.message });
                }
                Err(trouble) => {
                    let mut state = self.state();
                    // Asked again, it is the same that were passed over.
                    passed.retain(|passed| !state.passed.contains(passed));
                    state.passed.extend(passed);
                    state.passed.retain(|passed| passed.source < candidate.source);
                    return Err(trouble.error);
                }
            }
        }
        Err(chain::nothing(self.state().passed.iter().chain(&passed)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Keys that need no renewal yet, or must do until the next try.
    fn fresh(&self, now_ms: i64) -> Option<Arc<Keys>> {
        let session = self.session.as_ref()?;
        if now_ms <= session.renew_ms {
            return Some(Arc::clone(&session.keys));
        }
        self.holding(now_ms).filter(|_| now_ms < self.wait_ms)
    }

    /// Keys that have not ended yet.
    fn holding(&self, now_ms: i64) -> Option<Arc<Keys>> {
        let session = self.session.as_ref()?;
        session.expires_ms.is_none_or(|end| now_ms < end).then(|| Arc::clone(&session.keys))
    }
}
