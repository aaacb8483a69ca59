//! One host and its cloud in memory: what a write does, what an answer tells of it, and what of both goes wrong.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use egressctl::core::model::{AllocationId, EniId, InstanceId, RunId};
use egressctl::core::observed::{CloudView, Eip, EipHolder, EipStatus, Eni, EniStatus, Instance};
use egressctl::core::plan::StepKind;
use egressctl::core::saga::Record;
use egressctl::journal::MemoryJournal;
use egressctl::ports::{
    Cloud, CloudError, CloudErrorKind, EipGoal, EniGoal, EniSpec, InstanceGoal, Journal, ViewScope,
};
use tokio::time::Instant;

pub(super) use super::fault::Fault;
use super::state::{ENI_ADDRESS, State};

type Act = Box<dyn FnOnce(&mut State) + Send>;

struct Inner {
    state: State,
    faults: BTreeMap<(&'static str, usize), Fault>,
    pending: Vec<(Instant, &'static str, Act)>,
    blind: bool,
    slow: BTreeMap<&'static str, Duration>,
    views: usize,
    writes: Vec<&'static str>,
    wrongs: Vec<String>,
}

/// The cloud, and the host's state with it.
#[derive(Clone)]
pub(super) struct FakeCloud {
    inner: Arc<Mutex<Inner>>,
    pub journal: Arc<MemoryJournal>,
    run: RunId,
}

fn error(kind: CloudErrorKind, action: &str, message: &str) -> CloudError {
    CloudError { kind, action: action.to_owned(), code: None, message: message.to_owned(), request_id: None }
}

impl FakeCloud {
    pub(super) fn new(state: State, journal: Arc<MemoryJournal>, run: RunId) -> Self {
        let inner = Inner {
            state,
            faults: BTreeMap::new(),
            pending: Vec::new(),
            blind: false,
            slow: BTreeMap::new(),
            views: 0,
            writes: Vec::new(),
            wrongs: Vec::new(),
        };
        Self { inner: Arc::new(Mutex::new(inner)), journal, run }
    }

    /// The same cloud as another run sees it.
    pub(super) fn of_run(&self, run: RunId) -> Self {
        Self { run, ..self.clone() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap();
        let now = Instant::now();
        let (due, rest) = std::mem::take(&mut inner.pending).into_iter().partition(|(at, ..)| *at <= now);
        inner.pending = rest;
        let due: Vec<(Instant, &'static str, Act)> = due;
        for (_, _, act) in due {
            act(&mut inner.state);
        }
        inner
    }

    /// The `nth` call of the action (from 1) goes wrong; 0 means every call.
    pub(super) fn fault(&self, action: &'static str, nth: usize, fault: Fault) {
        self.inner().faults.insert((action, nth), fault);
    }

    /// Every call of the action takes this long.
    pub(super) fn slow(&self, action: &'static str, takes: Duration) {
        self.inner().slow.insert(action, takes);
    }

    pub(super) fn heal(&self) {
        let mut inner = self.inner();
        inner.faults.clear();
        inner.blind = false;
    }

    pub(super) fn state(&self) -> State {
        self.inner().state.clone()
    }

    pub(super) fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.inner().state)
    }

    pub(super) fn writes(&self) -> Vec<&'static str> {
        self.inner().writes.clone()
    }

    /// How often everything was read.
    pub(super) fn views(&self) -> usize {
        self.inner().views
    }

    /// What must not have happened and has.
    pub(super) fn wrongs(&self) -> Vec<String> {
        self.inner().wrongs.clone()
    }

    /// A write: `may` says why the cloud refuses it in the present state, `act` is its effect.
    async fn write(
        &self,
        action: &'static str,
        steps: (StepKind, StepKind),
        may: impl Fn(&State) -> Result<(), CloudErrorKind>,
        act: impl FnOnce(&mut State) + Send + 'static,
    ) -> Result<(), CloudError> {
        let records = self.journal.records(&self.run).await.unwrap();
        let announced = match records.last() {
            Some((_, _, Record::Intent(op))) => op.kind() == steps.0,
            Some((_, _, Record::UndoIntent(step))) => *step == steps.1,
            _ => false,
        };
        let takes = self.inner().slow.get(action).copied().unwrap_or_default();
        tokio::time::sleep(takes).await;
        let mut inner = self.inner();
        inner.writes.push(action);
        if !announced {
            inner.wrongs.push(format!("{action} without an intent"));
        }
        let nth = inner.writes.iter().filter(|name| **name == action).count();
        let fault = inner.faults.get(&(action, nth)).or_else(|| inner.faults.get(&(action, 0))).copied();
        if inner.pending.iter().any(|(_, name, _)| *name == action) {
            return Err(error(CloudErrorKind::Busy, action, "another change is under way"));
        }
        match fault {
            Some(Fault::Error(kind)) => return Err(error(kind, action, "told to fail")),
            Some(Fault::LostBefore) => return Err(error(CloudErrorKind::Unknown, action, "no answer")),
            Some(Fault::Late) => return Ok(()),
            _ => {}
        }
        may(&inner.state).map_err(|kind| error(kind, action, "not in this state"))?;
        match fault {
            Some(Fault::LostAndSlow(seconds)) => {
                let at = Instant::now() + Duration::from_secs(seconds);
                inner.pending.push((at, action, Box::new(act)));
            }
            _ => act(&mut inner.state),
        }
        match fault {
            Some(Fault::LostAfter | Fault::LostAndSlow(_)) => {
                Err(error(CloudErrorKind::Unknown, action, "no answer"))
            }
            Some(Fault::BlindAfter) => {
                inner.blind = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn until<T>(&self, within: Duration, seen: impl Fn(&State) -> Option<T>) -> Result<T, CloudError> {
        let end = Instant::now() + within;
        loop {
            {
                let inner = self.inner();
                if inner.blind {
                    return Err(error(CloudErrorKind::Account, "Describe", "forbidden"));
                }
                if let Some(found) = seen(&inner.state) {
                    return Ok(found);
                }
            }
            if Instant::now() >= end {
                return Err(error(CloudErrorKind::Late, "Describe", "not there in time"));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

fn free(state: &State, eip: &AllocationId) -> Result<(), CloudErrorKind> {
    let holder = state.view.eips.get(eip).ok_or(CloudErrorKind::NotFound)?.holder.as_ref();
    if holder.is_none() { Ok(()) } else { Err(CloudErrorKind::Busy) }
}

#[async_trait]
impl Cloud for FakeCloud {
    async fn view(&self, _: &ViewScope) -> Result<CloudView, CloudError> {
        let mut inner = self.inner();
        inner.views += 1;
        if inner.blind {
            return Err(error(CloudErrorKind::Account, "Describe", "forbidden"));
        }
        Ok(inner.state.view.clone())
    }

    async fn make_post_paid(&self, _: &InstanceId, _: &str) -> Result<(), CloudError> {
        Err(error(CloudErrorKind::Refused, "ModifyInstanceChargeType", "not in this test"))
    }

    async fn convert_public_ip(&self, instance: &InstanceId) -> Result<(), CloudError> {
        let id = instance.clone();
        let may = |state: &State| match state.view.instances[instance].public_ip {
            Some(_) => Ok(()),
            None => Err(CloudErrorKind::Refused),
        };
        self.write("convert", (StepKind::Convert, StepKind::Convert), may, move |state| {
            let eip: AllocationId = "eip-1".parse().unwrap();
            let record = state.view.instances.get_mut(&id).unwrap();
            let address = record.public_ip.take().unwrap();
            state.view.eips.insert(
                eip.clone(),
                Eip {
                    id: eip.clone(),
                    address,
                    status: EipStatus::Available,
                    holder: None,
                    private_ip: None,
                    business_normal: true,
                    locks: Vec::new(),
                },
            );
            state.bind(&eip, Some(EipHolder::Instance(id)));
        })
        .await
    }

    async fn create_eni(&self, spec: &EniSpec, _: &str) -> Result<EniId, CloudError> {
        let made: EniId = format!("eni-{}", self.state().view.enis.len()).parse().unwrap();
        let (spec, id) = (spec.clone(), made.clone());
        let steps = (StepKind::CreateEni, StepKind::CreateEni);
        self.write(
            "create",
            steps,
            |_| Ok(()),
            move |state| {
                let eni = Eni {
                    id: id.clone(),
                    name: spec.name,
                    status: EniStatus::Available,
                    primary: false,
                    mac: "00:16:3e:aa:bb:02".parse().unwrap(),
                    primary_ip: ENI_ADDRESS,
                    vswitch: spec.vswitch,
                    zone: "cn-beijing-h".parse().unwrap(),
                    security_groups: spec.security_groups,
                    instance: None,
                    source_dest_check: None,
                    tags: spec.tags,
                };
                state.view.enis.insert(id, eni);
            },
        )
        .await?;
        Ok(made)
    }

    async fn delete_eni(&self, eni: &EniId) -> Result<(), CloudError> {
        if !self.state().view.enis.contains_key(eni) {
            return Ok(());
        }
        let id = eni.clone();
        let may = |state: &State| match state.view.enis.get(eni).map(|eni| &eni.status) {
            Some(EniStatus::Available) => Ok(()),
            _ => Err(CloudErrorKind::Busy),
        };
        self.write("delete", (StepKind::CreateEni, StepKind::CreateEni), may, move |state| {
            state.view.enis.remove(&id);
        })
        .await
    }

    async fn attach_eni(&self, eni: &EniId, instance: &InstanceId) -> Result<(), CloudError> {
        let (id, to) = (eni.clone(), instance.clone());
        let may = |state: &State| match state.view.enis.get(eni).map(|eni| &eni.status) {
            Some(EniStatus::Available) => Ok(()),
            Some(_) => Err(CloudErrorKind::Busy),
            None => Err(CloudErrorKind::NotFound),
        };
        self.write("attach", (StepKind::AttachEni, StepKind::AttachEni), may, move |state| {
            let eni = state.view.enis.get_mut(&id).unwrap();
            (eni.status, eni.instance) = (EniStatus::InUse, Some(to));
        })
        .await
    }

    async fn detach_eni(&self, eni: &EniId, _: &InstanceId) -> Result<(), CloudError> {
        let (id, this) = (eni.clone(), eni.clone());
        let may = move |state: &State| match state.view.enis.get(&this) {
            Some(_) => Ok(()),
            None => Err(CloudErrorKind::NotFound),
        };
        if self.state().eip().and_then(|eip| eip.holder.clone()) == Some(EipHolder::Eni(eni.clone())) {
            self.inner().wrongs.push("an interface is detached that holds the EIP".to_owned());
        }
        self.write("detach", (StepKind::AttachEni, StepKind::AttachEni), may, move |state| {
            let eni = state.view.enis.get_mut(&id).unwrap();
            (eni.status, eni.instance) = (EniStatus::Available, None);
        })
        .await
    }

    async fn associate_eip(
        &self,
        eip: &AllocationId,
        to: &EipHolder,
        private_ip: Option<Ipv4Addr>,
        _: &str,
    ) -> Result<(), CloudError> {
        let wanted = matches!(to, EipHolder::Eni(_)).then_some(ENI_ADDRESS);
        if private_ip != wanted {
            self.inner().wrongs.push(format!("associate with {private_ip:?} to {to:?}"));
        }
        let (id, to) = (eip.clone(), to.clone());
        let may = |state: &State| free(state, eip);
        // A plan that found the EIP unbound hands it to the instance when it takes its association back.
        let found_unbound = !self.writes().contains(&"convert");
        let announced = match to {
            EipHolder::Instance(_) if !found_unbound => (StepKind::Unassociate, StepKind::Unassociate),
            _ => (StepKind::Associate, StepKind::Associate),
        };
        self.write("associate", announced, may, move |state| state.bind(&id, Some(to))).await
    }

    async fn unassociate_eip(
        &self,
        eip: &AllocationId,
        from: &EipHolder,
        _: Option<Ipv4Addr>,
        _: &str,
    ) -> Result<(), CloudError> {
        let (id, fence) = (eip.clone(), from.clone());
        let this = eip.clone();
        let may = move |state: &State| {
            let holder = state.view.eips.get(&this).ok_or(CloudErrorKind::NotFound)?.holder.as_ref();
            if holder == Some(&fence) { Ok(()) } else { Err(CloudErrorKind::Busy) }
        };
        let steps = (StepKind::Unassociate, StepKind::Associate);
        self.write("unassociate", steps, may, move |state| state.bind(&id, None)).await
    }

    async fn await_instance(
        &self,
        id: &InstanceId,
        _: &InstanceGoal,
        within: Duration,
    ) -> Result<Instance, CloudError> {
        let converted = |it: &&Instance| it.eip.is_some() && it.public_ip.is_none();
        self.until(within, |state| state.view.instances.get(id).filter(converted).cloned()).await
    }

    async fn await_eni(&self, id: &EniId, goal: &EniGoal, within: Duration) -> Result<Eni, CloudError> {
        if !self.state().view.enis.contains_key(id) {
            return Err(error(CloudErrorKind::NotFound, "Describe", "does not exist"));
        }
        let there = |eni: &&Eni| match goal {
            EniGoal::Available => eni.status == EniStatus::Available,
            EniGoal::InUse(at) => eni.status == EniStatus::InUse && eni.instance.as_ref() == Some(at),
        };
        self.until(within, |state| state.view.enis.get(id).filter(there).cloned()).await
    }

    async fn await_eip(
        &self,
        id: &AllocationId,
        goal: &EipGoal,
        within: Duration,
    ) -> Result<Eip, CloudError> {
        let there = |eip: &&Eip| match goal {
            EipGoal::Available => eip.holder.is_none(),
            EipGoal::BoundTo(to) => eip.holder.as_ref() == Some(to),
        };
        self.until(within, |state| state.view.eips.get(id).filter(there).cloned()).await
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        let mut calls = BTreeMap::new();
        for action in self.writes() {
            *calls.entry(action.to_owned()).or_default() += 1;
        }
        calls
    }
}
