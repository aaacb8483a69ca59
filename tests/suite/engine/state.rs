//! The host and its cloud as they are, and what the internet sees of them.

use std::net::Ipv4Addr;

use egressctl::core::model::{AllocationId, EniId};
use egressctl::core::observed::{CloudView, Eip, EipHolder, EipStatus, Eni, InstanceEip};

use super::rig::base;

pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 11);
pub(super) const SNAT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 250);
pub(super) const ENI_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 20);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub view: CloudView,
    /// The host's policy route is there.
    pub route: bool,
    /// The egress probes are answered.
    pub echo: bool,
    /// Who holds the host.
    pub lease: Lease,
}

/// The lease on the host: nonce and run of its holder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lease(pub Option<(String, String)>);

impl Lease {
    /// What the lease script does and prints.
    pub(super) fn answer(&mut self, script: &str) -> String {
        let value = |key: &str| {
            let line = script.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap().trim_matches('\'').to_owned()
        };
        let (nonce, run) = (value("nonce"), value("run"));
        let holder = match &self.0 {
            Some((nonce, run)) => format!("holder {nonce} {run} bob@elsewhere 1795363200 300\n"),
            None => String::new(),
        };
        let ours = self.0.as_ref().is_some_and(|(held, _)| *held == nonce);
        let free = self.0.as_ref().is_none_or(|(_, held)| *held == run);
        let (holder, result) = match value("verb").as_str() {
            "acquire" if free => {
                self.0 = Some((nonce, run));
                (holder, "taken")
            }
            "renew" if ours => (String::new(), "renewed"),
            "release" if ours || self.0.is_none() => {
                self.0 = None;
                (String::new(), "released")
            }
            "show" if self.0.is_none() => (holder, "free"),
            "acquire" | "show" => (holder, "held"),
            _ => (holder, "lost"),
        };
        format!("egressctl-lease 1\n{holder}result {result}\n")
    }
}

impl State {
    /// A host that nothing has been done to.
    pub(super) fn untouched() -> Self {
        Self { view: base().cloud, route: false, echo: true, lease: Lease::default() }
    }

    pub(super) fn eip(&self) -> Option<&Eip> {
        self.view.eips.values().next()
    }

    pub(super) fn ours(&self) -> Vec<&Eni> {
        self.view.enis.values().filter(|eni| !eni.primary).collect()
    }

    /// Whether a connection from the internet reaches the host.
    pub(super) fn reached(&self) -> bool {
        let instance = self.view.instances.values().next().unwrap();
        let by_eni = |id: &EniId| {
            self.view.enis.get(id).is_some_and(|eni| eni.instance.as_ref() == Some(&instance.id))
        };
        instance.public_ip.is_some()
            || match self.eip().and_then(|eip| eip.holder.as_ref()) {
                Some(EipHolder::Instance(_)) => true,
                Some(EipHolder::Eni(id)) => by_eni(id) && self.route,
                _ => false,
            }
    }

    /// The address the host's own packets leave from.
    pub(super) fn egress(&self) -> Ipv4Addr {
        let instance = self.view.instances.values().next().unwrap();
        let own = matches!(self.eip().and_then(|eip| eip.holder.as_ref()), Some(EipHolder::Instance(_)));
        if own || instance.public_ip.is_some() { ADDRESS } else { SNAT }
    }

    pub(super) fn bind(&mut self, eip: &AllocationId, holder: Option<EipHolder>) {
        let record = self.view.eips.get_mut(eip).unwrap();
        record.status = if holder.is_some() { EipStatus::InUse } else { EipStatus::Available };
        record.holder = holder;
        let record = record.clone();
        let (id, address) = (record.id, record.address);
        for instance in self.view.instances.values_mut() {
            let here = record.holder == Some(EipHolder::Instance(instance.id.clone()));
            instance.eip = here.then(|| InstanceEip { id: id.clone(), address });
        }
    }
}
