//! The simulated region: the cloud's records with their recent past, what a request does to them, and what follows later.
//!
//! The truth is the newest version of a record; a reader may be shown an older one. Must never change but by a request.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use egressctl::core::model::{AllocationId, EniId, InstanceId, MacAddr};
use egressctl::core::observed::{
    ChargeType, CloudView, DefaultRoute, Eip, EipHolder, EipStatus, Eni, EniStatus, Instance, InstanceEip,
    Observation,
};
use egressctl::core::plan::OWNER_TAG;
use egressctl::ports::{CloudErrorKind, EniSpec, ViewScope};
use tokio::time::Instant;

pub(crate) use super::request::{Change, Kept, Request};

/// What a request did: what it answers, and what follows.
pub(crate) type Done = Result<(Option<EniId>, Option<Change>), (CloudErrorKind, &'static str)>;

/// The records.
#[derive(Debug, Clone)]
pub(crate) struct Region {
    pub(crate) instances: BTreeMap<InstanceId, Kept<Instance>>,
    pub(crate) enis: BTreeMap<EniId, Kept<Eni>>,
    pub(crate) eips: BTreeMap<AllocationId, Kept<Eip>>,
    /// vSwitches, SNAT entries, routes and quotas, which nobody changes.
    pub(crate) fixed: CloudView,
    tokens: BTreeMap<String, (Request, Option<EniId>)>,
    /// Requests that had an effect.
    pub(crate) writes: u64,
    quota: usize,
}

impl Region {
    pub(crate) fn new(fixed: CloudView, quota: usize) -> Self {
        let (instances, enis, eips, tokens) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { instances, enis, eips, fixed, tokens, writes: 0, quota }
    }

    /// The interfaces that egressctl made for the instance and that are not on their way out.
    pub(crate) fn ours(&self, instance: &InstanceId) -> Vec<&Eni> {
        let tagged = |eni: &&Eni| eni.tags.get(OWNER_TAG).map(String::as_str) == Some(instance.as_str());
        let stays = |eni: &&Eni| eni.status != EniStatus::Deleting;
        self.enis.values().filter_map(Kept::now).filter(tagged).filter(stays).collect()
    }

    /// The EIP with this address.
    pub(crate) fn eip_of(&self, address: Ipv4Addr) -> Option<&Eip> {
        self.eips.values().filter_map(Kept::now).find(|eip| eip.address == address)
    }

    /// From now on there may be as many interfaces as anybody likes.
    pub(crate) fn lift_quota(&mut self) {
        self.quota = usize::MAX;
    }

    /// Carries a request out: once for each token.
    pub(crate) fn carry_out(&mut self, now: Instant, request: &Request, token: Option<&str>) -> Done {
        if let Some((same, answer)) = token.and_then(|token| self.tokens.get(token)) {
            let other = Err((CloudErrorKind::Refused, "IdempotentParameterMismatch"));
            return if same == request { Ok((answer.clone(), None)) } else { other };
        }
        let (answer, change) = self.begin(now, request)?;
        self.writes += 1;
        if let Some(token) = token {
            self.tokens.insert(token.to_owned(), (request.clone(), answer.clone()));
        }
        Ok((answer, change))
    }

    fn begin(&mut self, now: Instant, request: &Request) -> Done {
        let busy = |what| Err((CloudErrorKind::Busy, what));
        let refused = |what| Err((CloudErrorKind::Refused, what));
        let change = match request {
            Request::PostPaid(id) => Change::PostPaid(id.clone()),
            Request::Convert(id) => match self.instances.get(id).and_then(Kept::now) {
                Some(instance) if instance.public_ip.is_some() => Change::Converted(id.clone()),
                Some(_) => return refused("the instance has no public address"),
                None => return Err((CloudErrorKind::NotFound, "no such instance")),
            },
            Request::Create(spec) => return self.create(now, spec),
            Request::Delete(id) => match self.eni(id)?.status {
                EniStatus::Available => {
                    self.eni_to(now, id, EniStatus::Deleting);
                    Change::Gone(id.clone())
                }
                EniStatus::InUse => return refused("the interface is attached"),
                _ => return busy("the interface is changing"),
            },
            Request::Attach(id, instance) => match self.eni(id)?.status {
                EniStatus::Available => {
                    self.eni_to(now, id, EniStatus::Attaching);
                    Change::Attached(id.clone(), instance.clone())
                }
                EniStatus::InUse => return refused("the interface is attached"),
                _ => return busy("the interface is changing"),
            },
            Request::Detach(id, instance) => {
                let eni = self.eni(id)?;
                match eni.status {
                    EniStatus::InUse if eni.instance.as_ref() == Some(instance) => {
                        self.eni_to(now, id, EniStatus::Detaching);
                        Change::Detached(id.clone())
                    }
                    EniStatus::Available => return Ok((None, None)),
                    EniStatus::InUse => return refused("the interface is attached elsewhere"),
                    _ => return busy("the interface is changing"),
                }
            }
            Request::Associate(id, to, private_ip) => {
                let eip = self.eip(id)?;
                match (&eip.status, &eip.holder) {
                    (EipStatus::Available, None) => {
                        let there = match to {
                            EipHolder::Instance(id) => self.instances.contains_key(id),
                            EipHolder::Eni(id) => self.eni(id)?.status == EniStatus::InUse,
                            EipHolder::Other(..) => false,
                        };
                        if !there {
                            return refused("what it should be bound to is not there");
                        }
                        self.eip_to(now, id, EipStatus::Associating, None);
                        Change::Bound(id.clone(), to.clone(), *private_ip)
                    }
                    (EipStatus::InUse, _) => return refused("the EIP is bound"),
                    _ => return busy("the EIP is changing"),
                }
            }
            Request::Unassociate(id, from) => {
                let eip = self.eip(id)?;
                match (&eip.status, &eip.holder) {
                    (EipStatus::InUse, Some(holder)) if holder == from => {
                        self.eip_to(now, id, EipStatus::Unassociating, Some(from.clone()));
                        Change::Unbound(id.clone())
                    }
                    (EipStatus::InUse | EipStatus::Available, _) => return refused("it is not bound there"),
                    _ => return busy("the EIP is changing"),
                }
            }
        };
        Ok((None, Some(change)))
    }

    fn create(&mut self, now: Instant, spec: &EniSpec) -> Done {
        if self.enis.len() >= self.quota {
            return Err((CloudErrorKind::Refused, "EniLimitExceeded"));
        }
        let owner = spec.tags.get(OWNER_TAG).cloned().unwrap_or_default();
        let of = self.instances.values().filter_map(Kept::now).find(|it| it.id.as_str() == owner);
        let Some(instance) = of.cloned() else {
            return Err((CloudErrorKind::Refused, "no such instance"));
        };
        let number = u32::try_from(self.enis.len()).unwrap_or(u32::MAX);
        let [a, b, c, d] = number.to_be_bytes();
        let id: EniId = format!("eni-{number}").parse().unwrap();
        let eni = Eni {
            id: id.clone(),
            name: spec.name.clone(),
            status: EniStatus::Other("Creating".to_owned()),
            primary: false,
            mac: MacAddr([0x02, 0x16, a, b, c, d]),
            primary_ip: Ipv4Addr::new(172, 20, c, d),
            vswitch: spec.vswitch.clone(),
            zone: instance.zone.clone(),
            security_groups: spec.security_groups.clone(),
            instance: None,
            source_dest_check: None,
            tags: spec.tags.clone(),
        };
        self.enis.insert(id.clone(), Kept::new(now, eni));
        Ok((Some(id.clone()), Some(Change::Available(id))))
    }

    /// What a request began comes to its end.
    pub(crate) fn finish(&mut self, now: Instant, change: &Change) {
        match change {
            Change::PostPaid(id) => self.instance_to(now, id, |it| it.charge_type = ChargeType::PostPaid),
            Change::Converted(id) => {
                let number = id.as_str().trim_start_matches("i-");
                let eip: AllocationId = format!("eip-{number}").parse().unwrap();
                let mut address = None;
                self.instance_to(now, id, |it| {
                    address = it.public_ip.take();
                    it.eip = address.map(|address| InstanceEip { id: eip.clone(), address });
                });
                let Some(address) = address else { return };
                let record = Eip {
                    id: eip.clone(),
                    address,
                    status: EipStatus::InUse,
                    holder: Some(EipHolder::Instance(id.clone())),
                    private_ip: None,
                    business_normal: true,
                    locks: Vec::new(),
                };
                self.eips.insert(eip, Kept::new(now, record));
            }
            Change::Available(id) => self.eni_to(now, id, EniStatus::Available),
            Change::Gone(id) => {
                if let Some(kept) = self.enis.get_mut(id) {
                    kept.set(now, None);
                }
            }
            Change::Attached(id, instance) => self.eni_with(now, id, |eni| {
                (eni.status, eni.instance) = (EniStatus::InUse, Some(instance.clone()));
            }),
            Change::Detached(id) => self.eni_with(now, id, |eni| {
                (eni.status, eni.instance) = (EniStatus::Available, None);
            }),
            Change::Bound(id, to, private_ip) => {
                self.eip_to(now, id, EipStatus::InUse, Some(to.clone()));
                self.eip_with(now, id, |eip| eip.private_ip = *private_ip);
                if let (EipHolder::Instance(instance), Ok(eip)) = (to, self.eip(id)) {
                    let here = InstanceEip { id: eip.id, address: eip.address };
                    self.instance_to(now, instance, |it| it.eip = Some(here));
                }
            }
            Change::Unbound(id) => {
                if let Ok(Eip { holder: Some(EipHolder::Instance(instance)), .. }) = self.eip(id) {
                    self.instance_to(now, &instance, |it| it.eip = None);
                }
                self.eip_to(now, id, EipStatus::Available, None);
            }
        }
    }

    fn eni(&self, id: &EniId) -> Result<Eni, (CloudErrorKind, &'static str)> {
        let eni = self.enis.get(id).and_then(Kept::now).cloned();
        eni.ok_or((CloudErrorKind::NotFound, "no such interface"))
    }

    fn eip(&self, id: &AllocationId) -> Result<Eip, (CloudErrorKind, &'static str)> {
        let eip = self.eips.get(id).and_then(Kept::now).cloned();
        eip.ok_or((CloudErrorKind::NotFound, "no such EIP"))
    }

    fn eni_to(&mut self, now: Instant, id: &EniId, status: EniStatus) {
        self.eni_with(now, id, |eni| eni.status = status);
    }

    fn eni_with(&mut self, now: Instant, id: &EniId, change: impl FnOnce(&mut Eni)) {
        if let Ok(mut eni) = self.eni(id) {
            change(&mut eni);
            self.enis.entry(id.clone()).and_modify(|kept| kept.set(now, Some(eni)));
        }
    }

    fn eip_to(&mut self, now: Instant, id: &AllocationId, status: EipStatus, holder: Option<EipHolder>) {
        self.eip_with(now, id, |eip| (eip.status, eip.holder) = (status, holder));
    }

    fn eip_with(&mut self, now: Instant, id: &AllocationId, change: impl FnOnce(&mut Eip)) {
        if let Ok(mut eip) = self.eip(id) {
            change(&mut eip);
            self.eips.entry(id.clone()).and_modify(|kept| kept.set(now, Some(eip)));
        }
    }

    fn instance_to(&mut self, now: Instant, id: &InstanceId, change: impl FnOnce(&mut Instance)) {
        if let Some(kept) = self.instances.get_mut(id)
            && let Some(mut instance) = kept.now().cloned()
        {
            change(&mut instance);
            kept.set(now, Some(instance));
        }
    }

    /// Everything in the scope as it was then.
    pub(crate) fn view(&self, scope: &ViewScope, then: Instant) -> CloudView {
        let mut view = CloudView {
            vswitches: self.fixed.vswitches.clone(),
            snat: self.fixed.snat.clone(),
            default_routes: self.fixed.default_routes.clone(),
            eni_quantity: self.fixed.eni_quantity.clone(),
            ..CloudView::default()
        };
        for id in &scope.instances {
            if let Some(instance) = self.instances.get(id).and_then(|kept| kept.at(then)) {
                view.instances.insert(id.clone(), instance.clone());
            }
        }
        for eni in self.enis.values().filter_map(|kept| kept.at(then)) {
            let attached = eni.instance.as_ref().is_some_and(|id| view.instances.contains_key(id));
            let tag = eni.tags.get(&scope.owner_tag);
            if attached || tag.is_some_and(|tag| scope.instances.iter().any(|id| id.as_str() == tag)) {
                view.enis.insert(eni.id.clone(), eni.clone());
            }
        }
        for eip in self.eips.values().filter_map(|kept| kept.at(then)) {
            let held = match &eip.holder {
                Some(EipHolder::Instance(id)) => view.instances.contains_key(id),
                Some(EipHolder::Eni(id)) => view.enis.contains_key(id),
                Some(EipHolder::Other(..)) | None => false,
            };
            if held || scope.addresses.contains(&eip.address) {
                view.eips.insert(eip.id.clone(), eip.clone());
            }
        }
        view
    }
}

/// What the region has besides hosts: one vSwitch for all, a NAT gateway, a route to it.
pub(crate) fn fixed(types: &str) -> CloudView {
    let mut view: CloudView =
        serde_json::from_str::<egressctl::core::plan::Observed>(include_str!("../plans/base.json"))
            .unwrap()
            .cloud;
    view.instances.clear();
    view.enis.clear();
    for vswitch in view.vswitches.values_mut() {
        vswitch.cidr = "172.16.0.0/12".parse().unwrap();
        vswitch.free_addresses = 100_000;
    }
    for entry in &mut view.snat {
        entry.source = "172.16.0.0/12".parse().unwrap();
    }
    view.default_routes = view
        .default_routes
        .into_keys()
        .map(|id| (id, DefaultRoute::NatGateway("ngw-1".parse().unwrap())))
        .collect();
    view.eni_quantity = BTreeMap::from([(types.to_owned(), Observation::Seen(3))]);
    view
}
