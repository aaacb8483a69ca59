//! Looks at the cloud all the time: what must hold at every moment, and how a host stands.

use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use egressctl::core::inventory::HostDesired;
use egressctl::core::plan::OWNER_TAG;
use egressctl::lab::emulator::Emulator;
use serde_json::Value;

use super::draw::Start;
use super::ground::Ground;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(400);

/// How a host stands in the cloud and by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stand {
    /// Its public address is at the instance.
    pub(super) home: bool,
    /// Its EIP is on our interface, which is attached.
    pub(super) moved: bool,
    /// Interfaces of ours, and their states.
    pub(super) enis: usize,
    states: Vec<String>,
    /// It sends from the interface, now and after a boot.
    route: bool,
    eip: String,
}

impl Stand {
    pub(super) const fn is_final(&self) -> bool {
        self.moved && self.route && self.enis == 1
    }

    /// It is as it was before the story, but for a conversion.
    pub(super) fn is_back(&self, start: Start) -> bool {
        let had = matches!(start, Start::EniCreated | Start::EniAttached | Start::Killed(_) | Start::Done);
        self.home && !self.moved && (had || self.enis == 0)
    }
}

/// The watch.
pub(super) struct Watch {
    ids: Vec<(String, String, Ipv4Addr)>,
    ground: Ground,
    emulator: Arc<Emulator>,
    wrongs: Vec<String>,
}

impl Watch {
    pub(super) fn new(hosts: &[HostDesired], ground: &Ground, emulator: Arc<Emulator>) -> Self {
        let publics: Vec<Ipv4Addr> = ground.inner().hosts.iter().map(|host| host.public).collect();
        let names = hosts.iter().map(|host| (host.name.to_string(), host.instance.to_string()));
        let ids = names.zip(publics).map(|((name, instance), public)| (name, instance, public)).collect();
        Self { ids, ground: ground.clone(), emulator, wrongs: Vec::new() }
    }

    /// Looks while something is done.
    pub(super) async fn over<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                ended = &mut work => {
                    self.look();
                    return ended;
                }
                () = tokio::time::sleep(EVERY) => self.look(),
            }
        }
    }

    /// What was wrong since the last time.
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.wrongs)
    }

    fn look(&mut self) {
        let seen = self.emulator.snapshot();
        let mut wrongs = Vec::new();
        for (name, instance, public) in &self.ids {
            let enis = ours(&seen, instance).len();
            if enis > 1 {
                wrongs.push(format!("{name} has {enis} interfaces of ours"));
            }
            let text = public.to_string();
            let own = usize::from(seen["instances"][instance]["public"] == text.as_str());
            let eips = values(&seen["eips"]).filter(|eip| eip["address"] == text.as_str()).count();
            if own + eips != 1 {
                wrongs.push(format!("{name}: {text} is there {own} times static and {eips} times as EIP"));
            }
        }
        wrongs.retain(|wrong| !self.wrongs.contains(wrong));
        self.wrongs.extend(wrongs);
    }

    /// How a host stands.
    pub(super) fn state(&self, index: usize) -> Stand {
        let seen = self.emulator.snapshot();
        let (_, instance, public) = &self.ids[index];
        let public = public.to_string();
        let enis = ours(&seen, instance);
        let eip = values(&seen["eips"]).find(|eip| eip["address"] == public.as_str());
        let is = |eip: &&Value, kind: &str, id: &str| eip["status"] == "InUse" && eip["holder"][kind] == id;
        let at_home = eip.filter(|eip| is(eip, "Instance", instance)).is_some();
        let attached =
            enis.iter().find(|eni| eni["status"] == "InUse" && eni["instance"] == instance.as_str());
        let on_it = |eni: &&Value| eip.is_some_and(|eip| is(&eip, "Eni", eni["id"].as_str().unwrap()));
        let inner = self.ground.inner();
        let host = &inner.hosts[index];
        let route = attached.is_some_and(|eni| {
            let (mac, address) = (eni["mac"].as_str().unwrap(), eni["address"].as_str().unwrap());
            let (mac, address) = (mac.parse().unwrap(), address.parse().unwrap());
            host.leads(address) && host.persists(mac, address) && host.leaves_by_primary()
        });
        Stand {
            home: (seen["instances"][instance]["public"] == public.as_str() || at_home)
                && inner.inbound(index),
            moved: attached.copied().filter(on_it).is_some() && (inner.inbound(index) || !route),
            enis: enis.len(),
            states: enis.iter().map(|eni| eni["status"].as_str().unwrap().to_owned()).collect(),
            route,
            eip: eip.map_or_else(String::new, |eip| format!("{} {}", eip["status"], eip["holder"])),
        }
    }

    /// What is left of ours and used by nobody.
    pub(super) fn orphans(&self) -> Vec<String> {
        let seen = self.emulator.snapshot();
        let enis = values(&seen["enis"]).filter(|eni| eni["primary"] == false && eni["status"] != "InUse");
        let eips = values(&seen["eips"]).filter(|eip| eip["status"] != "InUse");
        let enis = enis.map(|eni| format!("orphan {}", eni["id"]));
        enis.chain(eips.map(|eip| format!("unbound {}", eip["address"]))).collect()
    }
}

fn values(map: &Value) -> impl Iterator<Item = &Value> {
    map.as_object().unwrap().values()
}

/// Interfaces of ours; one whose deletion was accepted is none any more.
fn ours<'a>(seen: &'a Value, instance: &str) -> Vec<&'a Value> {
    let ours = values(&seen["enis"]).filter(|eni| eni["tags"][OWNER_TAG] == instance);
    ours.filter(|eni| eni["status"] != "Deleting").collect()
}
