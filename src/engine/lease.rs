//! The lease on a host: taken before its part begins, renewed while it lasts, given back when it is over.
//!
//! Must never be taken for more than it is: a lease that could not be renewed in time is lost.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::ops::HostTask;
use super::{World, script};
use crate::core::event::HostOutcome;
use crate::core::inventory::HostDesired;
use crate::core::model::{Operator, RunId};
use crate::core::observed::lease::{LeaseEnd, LeaseReport, parse_lease};
use crate::core::template::{LeaseParams, LeaseVerb};
use crate::ports::Session;

/// How long a lease holds unless it is renewed.
const TTL: Duration = Duration::from_secs(600);

/// What is known of a lease of ours.
#[derive(Debug)]
pub(super) struct Hold(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Until when it surely holds.
    until: Instant,
    lost: Option<String>,
    notes: Vec<String>,
}

impl Hold {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the lease is not ours any more; `None` if it surely is.
    pub(super) fn lost(&self) -> Option<String> {
        let state = self.state();
        let late = Instant::now() >= state.until;
        state.lost.clone().or_else(|| late.then(|| "it could not be renewed in time".to_owned()))
    }

    fn renewed(&self, asked: Instant, answer: Result<LeaseReport, String>) {
        let mut state = self.state();
        match answer {
            Ok(LeaseReport { end: LeaseEnd::Renewed, .. }) => state.until = asked + TTL,
            Ok(LeaseReport { holder: Some(holder), .. }) => {
                state.lost = Some(format!("run {} of {} has taken it", holder.run, holder.owner));
            }
            Ok(_) => state.lost = Some("it is not on the host any more".to_owned()),
            Err(reason) => state.notes.push(format!("the lease could not be renewed: {reason}")),
        }
    }
}

/// A lease that is ours. Dropping it ends the renewals and leaves the lease to expire.
pub(super) struct Lease {
    task: HostTask,
    run: RunId,
    nonce: String,
    hold: Arc<Hold>,
    renewals: AbortHandle,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewals.abort();
    }
}

impl Lease {
    /// Takes the host's lease over this connection.
    pub(super) async fn acquire(
        task: &HostTask,
        run: &RunId,
        session: &dyn Session,
    ) -> Result<Self, HostOutcome> {
        let (asked, nonce) = (Instant::now(), nonce(task, run));
        let owner = &task.world.claims.operator;
        let params = params(LeaseVerb::Acquire, run, owner, &nonce);
        let nothing = |reason: String| format!("{reason}; nothing was changed");
        let report = ask(&task.world, &task.host, session, &params)
            .await
            .map_err(|error| HostOutcome::Unreachable(nothing(error)))?;
        let state = State { until: asked + TTL, lost: None, notes: Vec::new() };
        let hold = Arc::new(Hold(Mutex::new(state)));
        match (report.end, report.holder) {
            (LeaseEnd::Taken, before) => {
                let others = before.filter(|before| before.run != *run);
                hold.state().notes.extend(others.map(|before| {
                    format!("the expired lease of run {} of {} was taken over", before.run, before.owner)
                }));
            }
            (LeaseEnd::Held, Some(holder)) => {
                let told = holder.told(task.world.clock.now_ms());
                let host = &task.host.name;
                let remedy = format!("if it is dead, free the host by `egressctl lock release {host}`");
                return Err(HostOutcome::Locked(nothing(format!("{told}; {remedy}"))));
            }
            (LeaseEnd::Refused(why), _) => {
                return Err(HostOutcome::Refused(nothing(format!("the host cannot keep a lease: {why}"))));
            }
            (end, _) => {
                let reason = format!("the lease script answered {end:?} to a wish to take it");
                return Err(HostOutcome::Failed(nothing(reason)));
            }
        }
        let renewals = tokio::spawn(keep(task.clone(), run.clone(), nonce.clone(), Arc::clone(&hold)));
        Ok(Self { task: task.clone(), run: run.clone(), nonce, hold, renewals: renewals.abort_handle() })
    }

    /// What is known of it, for those who act under it.
    pub(super) fn hold(&self) -> Arc<Hold> {
        Arc::clone(&self.hold)
    }

    /// Gives it back, and tells what people should know about it.
    pub(super) async fn release(self) -> Vec<String> {
        self.renewals.abort();
        let owner = &self.task.world.claims.operator;
        let params = params(LeaseVerb::Release, &self.run, owner, &self.nonce);
        let answer = connect_and_ask(&self.task.world, &self.task.host, self.task.address, &params).await;
        let mut notes = std::mem::take(&mut self.hold.state().notes);
        match answer {
            Ok(LeaseReport { end: LeaseEnd::Lost, holder: Some(holder) }) => {
                notes.push(format!("the lease was lost to run {} of {}", holder.run, holder.owner));
            }
            Ok(_) => {}
            Err(reason) => notes.push(format!(
                "the lease could not be given back and ends by itself in {} minutes: {reason}",
                TTL.as_secs() / 60
            )),
        }
        notes
    }
}

/// Renews the lease until it is given back or lost.
async fn keep(task: HostTask, run: RunId, nonce: String, hold: Arc<Hold>) {
    loop {
        tokio::time::sleep(TTL / 3).await;
        let asked = Instant::now();
        let owner = &task.world.claims.operator;
        let answer = {
            let params = params(LeaseVerb::Renew, &run, owner, &nonce);
            connect_and_ask(&task.world, &task.host, task.address, &params).await
        };
        hold.renewed(asked, answer);
        if hold.state().lost.is_some() {
            return;
        }
    }
}

pub(super) fn params<'a>(
    verb: LeaseVerb,
    run: &'a RunId,
    owner: &'a Operator,
    nonce: &'a str,
) -> LeaseParams<'a> {
    LeaseParams { verb, run, owner, nonce, seconds: u32::try_from(TTL.as_secs()).unwrap_or(u32::MAX) }
}

/// Asks over a connection of its own.
pub(super) async fn connect_and_ask(
    world: &World,
    host: &HostDesired,
    address: Ipv4Addr,
    params: &LeaseParams<'_>,
) -> Result<LeaseReport, String> {
    let text = world.templates.lease_script(params).map_err(|error| error.to_string())?;
    let answer = script::alone(world, host, address, "lease", text).await?;
    parse_lease(&answer).map_err(|error| error.to_string())
}

async fn ask(
    world: &World,
    host: &HostDesired,
    session: &dyn Session,
    params: &LeaseParams<'_>,
) -> Result<LeaseReport, String> {
    let text = world.templates.lease_script(params).map_err(|error| error.to_string())?;
    let answer = script::run(world, host, session, "lease", text).await?;
    parse_lease(&answer).map_err(|error| error.to_string())
}

/// Different for every taking: a process that was thought dead must not pass for the one that has come after it.
fn nonce(task: &HostTask, run: &RunId) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let (now, process) = (task.world.clock.now_ms(), std::process::id());
    let digest = Sha256::digest(format!("{run}|{}|{process}|{now}|{count}", task.host.name));
    let mut nonce = data_encoding::HEXLOWER.encode(&digest);
    nonce.truncate(16);
    nonce
}
