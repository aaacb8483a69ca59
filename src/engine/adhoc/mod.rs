//! One question to many hosts, outside of any run: a command, a greeting, the facts, a file.
//!
//! Needs no cloud (but to find the address of a host whose inventory names none) and no journal. Must never leave a command
//! running that was called off.

mod facts;
mod ping;
mod push;
mod run;
mod status;

use std::net::Ipv4Addr;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{EngineError, Stop, fleet, target};
use crate::core::adhoc::Answer;
use crate::core::event::{Event, HostOutcome, Stage};
use crate::core::inventory::{BecomeDesired, BecomeMethod, HostLogin};
use crate::core::model::{HostName, Secret};
use crate::ports::{
    Cloud, EventSink, Exec, Method, Output, Privilege, Session, SshError, SshErrorKind, Transport, ViewScope,
};

pub use facts::facts;
pub use ping::{Pong, ping};
pub use push::{Content, PushOrder, push};
pub use run::{Commands, RunOrder, run};
pub use status::{StatusOrder, status};

/// The doors that ad-hoc verbs use.
#[derive(Clone)]
pub struct Field {
    /// SSH.
    pub transport: Arc<dyn Transport>,
    /// Where events go.
    pub events: Arc<dyn EventSink>,
    /// Ends commands under way and begins nothing new.
    pub stop: Stop,
    /// How many hosts are worked on at once.
    pub forks: usize,
    /// Answers for whoever becomes somebody else, and was given no password of its own.
    pub become_password: Option<Secret<String>>,
}

/// A host and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The host.
    pub host: HostLogin,
    /// Its address; `None` if nobody knows it.
    pub address: Option<Ipv4Addr>,
}

/// Finds the hosts' addresses: the inventory's, else the instance's primary private address.
///
/// # Errors
/// The cloud is needed and cannot be read.
pub async fn locate(cloud: Option<&dyn Cloud>, hosts: Vec<HostLogin>) -> Result<Vec<Visit>, EngineError> {
    let nowhere = hosts.iter().filter(|host| host.address.is_none());
    let instances: Vec<_> = nowhere.filter_map(|host| host.instance.clone()).collect();
    let view = match cloud {
        Some(cloud) if !instances.is_empty() => {
            Some(cloud.view(&ViewScope { instances, ..ViewScope::default() }).await?)
        }
        _ => None,
    };
    let visits = hosts.into_iter().map(|host| {
        let primary = |instance| Some(view.as_ref()?.instances.get(instance)?.primary_ip);
        let address = host.address.or_else(|| primary(host.instance.as_ref()?));
        Visit { host, address }
    });
    Ok(visits.collect())
}

/// What is done on one host.
#[async_trait]
trait Work: Send + Sync + 'static {
    /// What it brings.
    type Value: Send + 'static;
    /// Its name in events.
    const STAGE: Stage;
    /// Does it.
    async fn on(&self, guest: &Guest<'_>) -> Result<(HostOutcome, Self::Value), SshError>;
}

/// A host that is logged in to.
struct Guest<'a> {
    visit: &'a Visit,
    session: &'a dyn Session,
    field: &'a Field,
}

impl Guest<'_> {
    /// Runs a command, and ends it on the host if somebody wants to stop.
    async fn exec(&self, mut exec: Exec) -> Result<Output, SshError> {
        let (wish, wished) = watch::channel(false);
        exec.cancel = Some(wished);
        exec.privilege = exec.privilege.or_else(|| self.visit.host.becomes.as_ref().map(privilege));
        if let Some(privilege) = &mut exec.privilege {
            privilege.password = privilege.password.take().or_else(|| self.field.become_password.clone());
        }
        let work = self.session.exec(&exec);
        tokio::pin!(work);
        tokio::select! {
            result = &mut work => return result,
            () = self.field.stop.uttered() => {}
        }
        // A command that has just ended does not listen any more.
        let _ = wish.send(true);
        work.await
    }
}

/// Who the inventory wants to be there, where the command line says nothing.
fn privilege(becomes: &BecomeDesired) -> Privilege {
    let method = match becomes.method {
        BecomeMethod::Sudo => Method::Sudo,
        BecomeMethod::Doas => Method::Doas,
    };
    Privilege { method, user: becomes.user.clone(), password: None }
}

/// Does the work on all hosts.
async fn everywhere<W: Work>(field: &Field, visits: Vec<Visit>, work: W) -> Vec<Answer<W::Value>> {
    let names: Vec<_> = visits.iter().map(|visit| visit.host.name.clone()).collect();
    field.events.emit(Event::StageStarted { stage: W::STAGE, hosts: visits.len() });
    let work = Arc::new(work);
    let answers = fleet::each(field.forks, visits, |visit| {
        let (field, work) = (field.clone(), Arc::clone(&work));
        async move {
            let answer = at_one(&field, &visit, &*work).await;
            let (host, outcome) = (answer.host.clone(), answer.outcome.clone());
            field.events.emit(Event::HostDone { stage: W::STAGE, host, outcome });
            answer
        }
    })
    .await;
    let lost = |host: HostName| {
        let outcome = HostOutcome::Unknown("working on it failed unexpectedly".to_owned());
        let done = Event::HostDone { stage: W::STAGE, host: host.clone(), outcome: outcome.clone() };
        field.events.emit(done);
        Answer { host, outcome, is_lost: false, ms: 0, value: None }
    };
    let answers = names.into_iter().zip(answers);
    let answers = answers.map(|(host, answer)| answer.unwrap_or_else(|| lost(host))).collect();
    field.events.emit(Event::StageFinished { stage: W::STAGE });
    answers
}

async fn at_one<W: Work>(field: &Field, visit: &Visit, work: &W) -> Answer<W::Value> {
    let begun = Instant::now();
    let (outcome, is_lost, value) = match field.stop.not_begun() {
        Some(reason) => (HostOutcome::Skipped(reason), false, None),
        None => logged_in(field, visit, work).await,
    };
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Answer { host: visit.host.name.clone(), outcome, is_lost, ms, value }
}

/// How it went, whether the connection was lost after the login, and what it brought.
async fn logged_in<W: Work>(field: &Field, visit: &Visit, work: &W) -> (HostOutcome, bool, Option<W::Value>) {
    let Some(address) = visit.address else {
        let why =
            "its address is not known: the inventory names none, and the cloud does not know the instance";
        return (HostOutcome::Unreachable(why.to_owned()), false, None);
    };
    let connecting = async {
        let target = target::named(&visit.host.name, &visit.host.ssh, address)?;
        field.transport.connect(&target).await
    };
    let session = tokio::select! {
        result = connecting => match result {
            Ok(session) => session,
            Err(error) => return (HostOutcome::Unreachable(error.message), false, None),
        },
        () = field.stop.uttered() => {
            let why = "called off before the command was begun".to_owned();
            return (HostOutcome::Skipped(why), false, None);
        }
    };
    let result = work.on(&Guest { visit, session: &*session, field }).await;
    session.close().await;
    match result {
        Ok((outcome, value)) => (outcome, false, Some(value)),
        Err(SshError { kind: kind @ (SshErrorKind::Unreachable | SshErrorKind::Lost), message }) => {
            (HostOutcome::Unreachable(message), kind == SshErrorKind::Lost, None)
        }
        Err(error) => (HostOutcome::Failed(error.message), false, None),
    }
}
