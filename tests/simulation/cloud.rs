//! The simulated cloud's door, as the port promises it: writes that are carried out, refused or of unknown outcome; looks that
//! may be a moment old; waiting that never takes one odd look for a refusal.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use async_trait::async_trait;
use egressctl::core::model::{AllocationId, EniId, InstanceId};
use egressctl::core::observed::{ChargeType, CloudView, Eip, EipHolder, EipStatus, Eni, EniStatus, Instance};
use egressctl::ports::{
    Cloud, CloudError, CloudErrorKind, EipGoal, EniGoal, EniSpec, InstanceGoal, ViewScope,
};
use tokio::time::{Instant, sleep};

use super::faults::{Faults, Way};
use super::region::{Kept, Request};
use super::universe::{Event, Universe};

/// How long a call that meets "busy" is repeated.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const POLL: Duration = Duration::from_secs(1);
/// How long a record that was there may be missing before that is believed.
const ABSENCE: Duration = Duration::from_secs(60);
/// A refusal is believed when it has been seen for so long: longer than any look lags behind.
const DOUBT: Duration = Duration::from_secs(4);
/// How long an interface may stay as it is before that is taken as a refusal to attach.
const ATTACH_GRACE: Duration = Duration::from_secs(15);

/// One controller's way to the cloud.
pub(crate) struct SimCloud {
    pub(crate) universe: Universe,
    pub(crate) life: u64,
}

fn error(kind: CloudErrorKind, action: &str, message: &str) -> CloudError {
    let (action, message) = (action.to_owned(), message.to_owned());
    CloudError { kind, action, code: None, message, request_id: None }
}

/// What one look says of a goal.
enum Seen {
    Reached,
    Pending,
    Missed(String),
}

impl SimCloud {
    async fn write(&self, request: Request, token: Option<&str>) -> Result<Option<EniId>, CloudError> {
        let action = request.action();
        let host = self.universe.state().host_of(&request).unwrap_or(usize::MAX);
        let began = Instant::now();
        loop {
            self.universe.point(self.life).await;
            let (way, there, back, ticket) = {
                let mut state = self.universe.state();
                let sent = Event::Sent { life: self.life, host, request: request.clone() };
                state.happened(Instant::now(), &sent);
                let faults = state.faults;
                let way = faults.way(&mut state.rng);
                if way != Way::Fine {
                    state.excuse(host);
                }
                let (there, back) = (state.rng.u64(20..400), state.rng.u64(20..400));
                if let Way::Throttled(seconds) = way {
                    state.throttled = Some(Instant::now() + Duration::from_secs(seconds));
                }
                let turned_away = state.throttled.is_some_and(|until| Instant::now() < until);
                let after = Duration::from_millis(match way {
                    Way::Slow(late) => late,
                    _ => there,
                });
                let arrives = match way {
                    Way::Refused | Way::Account | Way::LostRequest => false,
                    _ => !turned_away,
                };
                let ticket = arrives.then(|| state.send(host, &request, token, after));
                if let (Way::Twice(again), true) = (way, arrives) {
                    state.send_copy(host, &request, token, after + Duration::from_millis(again));
                }
                if turned_away {
                    state.excuse(host);
                }
                (way, there, back, ticket)
            };
            sleep(Duration::from_millis(there + back)).await;
            self.universe.point(self.life).await;
            match way {
                Way::Refused => return Err(error(CloudErrorKind::Refused, action, "refused")),
                Way::Account => return Err(error(CloudErrorKind::Account, action, "forbidden")),
                Way::LostRequest | Way::LostAnswer | Way::Slow(_) => {
                    sleep(Duration::from_secs(10)).await;
                    return Err(error(CloudErrorKind::Unknown, action, "no answer"));
                }
                Way::Fine | Way::Throttled(_) | Way::Twice(_) => {}
            }
            let done = ticket.and_then(|ticket| self.universe.state().answer(ticket));
            let busy = match done {
                Some(Ok((answer, _))) => return Ok(answer),
                Some(Err((CloudErrorKind::Busy, what))) => what,
                Some(Err((kind, what))) => return Err(error(kind, action, what)),
                None => "throttled",
            };
            if began.elapsed() >= PATIENCE {
                return Err(error(CloudErrorKind::Busy, action, busy));
            }
            sleep(Duration::from_secs(3)).await;
        }
    }

    /// Looks until the goal is reached, or missed for a while.
    async fn until<T: Clone>(
        &self,
        within: Duration,
        read: impl Fn(&Universe, Instant) -> Option<T> + Send,
        mut judge: impl FnMut(&T, Duration) -> Seen + Send,
    ) -> Result<T, CloudError> {
        let start = Instant::now();
        let (mut doubt, mut present): (Option<(String, Instant)>, Instant) = (None, start);
        loop {
            sleep(Duration::from_millis(100)).await;
            self.universe.living(self.life).await;
            let (lag, blind) = {
                let mut state = self.universe.state();
                let faults = state.faults;
                (faults.lag(&mut state.rng), Faults::hits(&mut state.rng, faults.rate / 4))
            };
            match read(&self.universe, Instant::now().checked_sub(lag).unwrap_or(start)) {
                _ if blind => {}
                Some(record) => {
                    present = Instant::now();
                    match judge(&record, start.elapsed()) {
                        Seen::Reached => return Ok(record),
                        Seen::Missed(why) => match &doubt {
                            Some((same, since)) if *same == why && since.elapsed() > DOUBT => {
                                return Err(error(CloudErrorKind::Refused, "Describe", &why));
                            }
                            Some((same, _)) if *same == why => {}
                            _ => doubt = Some((why, Instant::now())),
                        },
                        Seen::Pending => doubt = None,
                    }
                }
                None if present.elapsed() >= ABSENCE => {
                    return Err(error(CloudErrorKind::NotFound, "Describe", "it does not exist"));
                }
                None => {}
            }
            if start.elapsed() >= within {
                return Err(error(CloudErrorKind::Late, "Describe", "not there in time"));
            }
            sleep(POLL).await;
        }
    }
}

#[async_trait]
impl Cloud for SimCloud {
    async fn view(&self, scope: &ViewScope) -> Result<CloudView, CloudError> {
        sleep(Duration::from_millis(300)).await;
        self.universe.living(self.life).await;
        let mut state = self.universe.state();
        let faults = state.faults;
        if Faults::hits(&mut state.rng, faults.rate / 4) {
            state.injected += 1;
            return Err(error(CloudErrorKind::Busy, "Describe", "throttled"));
        }
        let lag = faults.lag(&mut state.rng);
        let then = Instant::now().checked_sub(lag).filter(|then| *then > state.began);
        Ok(state.region.view(scope, then.unwrap_or_else(Instant::now)))
    }

    async fn make_post_paid(&self, instance: &InstanceId, token: &str) -> Result<(), CloudError> {
        self.write(Request::PostPaid(instance.clone()), Some(token)).await.map(drop)
    }

    async fn convert_public_ip(&self, instance: &InstanceId) -> Result<(), CloudError> {
        self.write(Request::Convert(instance.clone()), None).await.map(drop)
    }

    async fn create_eni(&self, spec: &EniSpec, token: &str) -> Result<EniId, CloudError> {
        let made = self.write(Request::Create(spec.clone()), Some(token)).await?;
        made.ok_or_else(|| error(CloudErrorKind::Unknown, "CreateNetworkInterface", "no id"))
    }

    async fn delete_eni(&self, eni: &EniId) -> Result<(), CloudError> {
        match self.write(Request::Delete(eni.clone()), None).await {
            Err(error) if error.kind == CloudErrorKind::NotFound => Ok(()),
            other => other.map(drop),
        }
    }

    async fn attach_eni(&self, eni: &EniId, instance: &InstanceId) -> Result<(), CloudError> {
        self.write(Request::Attach(eni.clone(), instance.clone()), None).await.map(drop)
    }

    async fn detach_eni(&self, eni: &EniId, instance: &InstanceId) -> Result<(), CloudError> {
        self.write(Request::Detach(eni.clone(), instance.clone()), None).await.map(drop)
    }

    async fn associate_eip(
        &self,
        eip: &AllocationId,
        to: &EipHolder,
        private_ip: Option<Ipv4Addr>,
        token: &str,
    ) -> Result<(), CloudError> {
        self.write(Request::Associate(eip.clone(), to.clone(), private_ip), Some(token)).await.map(drop)
    }

    async fn unassociate_eip(
        &self,
        eip: &AllocationId,
        from: &EipHolder,
        _: Option<Ipv4Addr>,
        token: &str,
    ) -> Result<(), CloudError> {
        self.write(Request::Unassociate(eip.clone(), from.clone()), Some(token)).await.map(drop)
    }

    async fn await_instance(
        &self,
        id: &InstanceId,
        goal: &InstanceGoal,
        within: Duration,
    ) -> Result<Instance, CloudError> {
        let read = |universe: &Universe, then| {
            universe.state().region.instances.get(id).and_then(|kept| kept.at(then)).cloned()
        };
        let judge = |it: &Instance, _| {
            let reached = match goal {
                InstanceGoal::PublicIpConverted => it.public_ip.is_none() && it.eip.is_some(),
                InstanceGoal::PostPaid => it.charge_type == ChargeType::PostPaid,
            };
            if reached { Seen::Reached } else { Seen::Pending }
        };
        self.until(within, read, judge).await
    }

    async fn await_eni(&self, id: &EniId, goal: &EniGoal, within: Duration) -> Result<Eni, CloudError> {
        let read = |universe: &Universe, then| {
            universe.state().region.enis.get(id).and_then(|kept| kept.at(then)).cloned()
        };
        let mut moving = false;
        let judge = |eni: &Eni, waited| match (goal, &eni.status) {
            (_, EniStatus::Deleting) => Seen::Missed("it is being deleted".to_owned()),
            (EniGoal::Available, EniStatus::Available) => Seen::Reached,
            (EniGoal::InUse(at), EniStatus::InUse) if eni.instance.as_ref() == Some(at) => Seen::Reached,
            (EniGoal::InUse(_), EniStatus::Attaching | EniStatus::Detaching | EniStatus::InUse) => {
                moving = true;
                Seen::Pending
            }
            (EniGoal::InUse(_), EniStatus::Available) if moving || waited > ATTACH_GRACE => {
                Seen::Missed("it fell back to Available".to_owned())
            }
            _ => Seen::Pending,
        };
        self.until(within, read, judge).await
    }

    async fn await_eip(
        &self,
        id: &AllocationId,
        goal: &EipGoal,
        within: Duration,
    ) -> Result<Eip, CloudError> {
        let read = |universe: &Universe, then| {
            universe.state().region.eips.get(id).and_then(|kept| kept.at(then)).cloned()
        };
        let mut moving = false;
        let judge = |eip: &Eip, _| match (goal, &eip.status, &eip.holder) {
            (EipGoal::Available, EipStatus::Available, _) => Seen::Reached,
            (EipGoal::BoundTo(at), EipStatus::InUse, Some(holder)) if holder == at => Seen::Reached,
            (EipGoal::BoundTo(_), EipStatus::InUse, Some(_)) => Seen::Missed("bound elsewhere".to_owned()),
            (EipGoal::BoundTo(_), EipStatus::Associating, _) => {
                moving = true;
                Seen::Pending
            }
            (EipGoal::BoundTo(_), EipStatus::Available, _) if moving => {
                Seen::Missed("it fell back to Available".to_owned())
            }
            _ => Seen::Pending,
        };
        self.until(within, read, judge).await
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }
}

impl super::universe::State {
    /// The host that a request is about.
    pub(crate) fn host_of(&self, request: &Request) -> Option<usize> {
        let by_instance = |id: &InstanceId| self.hosts.iter().position(|host| host.instance == *id);
        let by_tag = |tags: &BTreeMap<String, String>| {
            let tag = tags.get(egressctl::core::plan::OWNER_TAG)?;
            self.hosts.iter().position(|host| host.instance.as_str() == tag)
        };
        let by_eni = |id: &EniId| by_tag(&self.region.enis.get(id).and_then(Kept::last)?.tags);
        let by_eip = |id: &AllocationId| {
            let address = self.region.eips.get(id).and_then(Kept::now)?.address;
            self.hosts.iter().position(|host| host.public == address)
        };
        match request {
            Request::PostPaid(id) | Request::Convert(id) => by_instance(id),
            Request::Create(spec) => by_tag(&spec.tags),
            Request::Delete(id) => by_eni(id),
            Request::Attach(_, id) | Request::Detach(_, id) => by_instance(id),
            Request::Associate(id, ..) | Request::Unassociate(id, _) => by_eip(id),
        }
    }

    /// Everything that a request names is this host's.
    pub(crate) fn names_only(&self, host: usize, request: &Request) -> bool {
        let instance = &self.hosts[host].instance;
        let ours = |id: &EniId| {
            let eni = self.region.enis.get(id).and_then(Kept::last);
            eni.is_some_and(|eni| {
                eni.tags.get(egressctl::core::plan::OWNER_TAG).map(String::as_str) == Some(instance.as_str())
            })
        };
        let held = |holder: &EipHolder| match holder {
            EipHolder::Instance(id) => id == instance,
            EipHolder::Eni(id) => ours(id),
            EipHolder::Other(..) => false,
        };
        match request {
            Request::PostPaid(_) | Request::Convert(_) | Request::Create(_) => true,
            Request::Delete(id) => ours(id),
            Request::Attach(eni, id) | Request::Detach(eni, id) => id == instance && ours(eni),
            Request::Associate(_, to, _) => held(to),
            Request::Unassociate(_, from) => held(from),
        }
    }
}
