//! Many hosts whose EIPs are on their interfaces already, and whose policy routes are missing: to change them takes no call of
//! the cloud, so that a test can say of each host how it goes, and how long.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use egressctl::core::event::{Event, HostOutcome};
use egressctl::core::inventory::HostDesired;
use egressctl::core::model::{HostName, RunId};
use egressctl::core::observed::Facts;
use egressctl::core::plan::{Observed, Plan, Policy, Verdict, plan};
use egressctl::core::report::{HostReport, OutcomeKind};
use egressctl::core::run::RunNote;
use egressctl::engine::{self, Discovered, Terms, World};
use egressctl::ports::{
    Exec, HostKey, Journal, Output, RunMeta, RunVerb, Session, SshError, SshErrorKind, Target, Transport,
};
use egressctl::ssh::double::said;
use serde_json::{Value, json};

use super::rig::{Rig, base, host};
use super::state::Lease;
use crate::support::facts::{frame, printed};

/// How a host goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goes {
    /// Well.
    Fine,
    /// Well, after so many seconds.
    Slow(u64),
    /// Its script fails, and it is taken back.
    Badly,
    /// The same after so many seconds.
    SlowBadly(u64),
    /// The echo services see a wrong address.
    Unverified,
    /// Nobody can say what its script did.
    Lost,
    /// Its task panics.
    Panics,
    /// It could not be looked at for planning.
    Unreachable,
    /// Planning refuses it.
    Refused,
}

pub(super) struct Many {
    pub(super) rig: Rig,
    pub(super) world: World,
    pub(super) plan: Plan,
    hosts: Vec<HostDesired>,
    discovered: Discovered,
    begun: Arc<Mutex<Vec<HostName>>>,
}

fn key() -> HostKey {
    HostKey { openssh: "ssh-ed25519 double".to_owned(), fingerprint: "SHA256:double".to_owned() }
}

fn address(at: usize) -> Ipv4Addr {
    Ipv4Addr::new(172, 16, 0, u8::try_from(at).unwrap() + 20)
}

/// The cloud and the facts of one host, as JSON that speaks of web-1, made to speak of another.
fn records(at: usize, image: &str) -> Value {
    let mut value = serde_json::to_value(base()).unwrap();
    let instance = &mut value["cloud"]["instances"]["i-web1"];
    (instance["public_ip"], instance["image"]) = (Value::Null, json!(image));
    value["cloud"]["eips"]["eip-x"] = json!({
        "id": "eip-x", "address": "203.0.113.11", "status": "InUse", "holder": {"eni": "eni-x"},
        "private_ip": "172.16.0.200", "business_normal": true, "locks": [],
    });
    value["cloud"]["enis"]["eni-x"] = json!({
        "id": "eni-x", "name": "", "status": "InUse", "primary": false, "mac": "00:16:3e:00:00:02",
        "primary_ip": "172.16.0.200", "vswitch": "vsw-1", "zone": "cn-beijing-h", "security_groups": ["sg-1"],
        "instance": "i-web1", "source_dest_check": null, "tags": {"egressctl:instance": "i-web1"},
    });
    value["facts"]["web-1"]["seen"]["links"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "eth1", "mac": "00:16:3e:00:00:02", "up": false, "mtu": 1500}));
    let text = value.to_string();
    let text = text.replace("i-web1", &format!("i-{at}")).replace("\"web-1\"", &format!("\"h{at}\""));
    let text = text.replace("eni-x", &format!("eni-x{at}")).replace("eni-prim", &format!("eni-p{at}"));
    let text = text.replace("eip-x", &format!("eip-{at}"));
    let text = text.replace("203.0.113.11\"", &format!("203.0.113.{}\"", at + 20));
    let text = text.replace("172.16.0.10\"", &format!("{}\"", address(at)));
    let text = text.replace("172.16.0.10/24", &format!("{}/24", address(at)));
    let text = text.replace("172.16.0.200\"", &format!("172.16.0.{}\"", at + 120));
    serde_json::from_str(&text).unwrap()
}

fn add(all: &mut Value, more: Value) {
    match (all, more) {
        (Value::Object(all), Value::Object(more)) => {
            for (key, value) in more {
                match all.get_mut(&key) {
                    Some(old) => add(old, value),
                    None => drop(all.insert(key, value)),
                }
            }
        }
        (all, more) => *all = more,
    }
}

impl Many {
    /// Hosts h0, h1, … of one kind that go like this.
    pub(super) fn new(goes: &[Goes]) -> Self {
        let images: Vec<&str> = goes.iter().map(|_| "debian").collect();
        Self::of_kinds(goes, &images)
    }

    pub(super) fn of_kinds(goes: &[Goes], images: &[&str]) -> Self {
        let mut all = json!({"cloud": {}, "facts": {}, "former": {}});
        let mut hosts = Vec::new();
        for (at, (goes, image)) in goes.iter().zip(images).enumerate() {
            let mut records = records(at, image);
            let name = format!("h{at}");
            match goes {
                Goes::Unreachable => records["facts"][&name] = json!({"unseen": "no answer"}),
                Goes::Refused => {
                    records["cloud"]["instances"][format!("i-{at}")]["status"] = json!("Stopped");
                }
                _ => {}
            }
            add(&mut all, records);
            let (name, instance) = (name.parse().unwrap(), format!("i-{at}").parse().unwrap());
            hosts.push(HostDesired { name, instance, address: Some(address(at)), ..host() });
        }
        let observed: Observed = serde_json::from_value(all).unwrap();
        let keys = hosts.iter().map(|host| (host.name.clone(), key())).collect();
        let rig = Rig::fresh();
        let begun = Arc::new(Mutex::new(Vec::new()));
        rig.cloud.change(|state| state.view = observed.cloud.clone());
        let facts = hosts.iter().map(|host| observed.facts[&host.name].seen().cloned());
        let leases = Arc::new(Mutex::new(vec![Lease::default(); goes.len()]));
        let transport =
            Behaviour { goes: goes.to_vec(), begun: Arc::clone(&begun), facts: facts.collect(), leases };
        let world = World { transport: Arc::new(transport), ..rig.world.clone() };
        let refs: Vec<&HostDesired> = hosts.iter().collect();
        let plan = plan(&refs, &observed, &world.templates, &Policy::default());
        for (goes, plan) in goes.iter().zip(&plan.hosts) {
            let expected = match goes {
                Goes::Unreachable => Verdict::Unreachable,
                Goes::Refused => Verdict::Refused,
                _ => Verdict::Change,
            };
            assert_eq!(plan.verdict, expected, "{plan:#?}");
            assert!(plan.steps.iter().all(|step| step.op.kind().action().is_none()), "{plan:#?}");
        }
        Self { rig, world, plan, hosts, discovered: Discovered { observed, keys }, begun }
    }

    pub(super) fn forks(mut self, forks: usize) -> Self {
        self.world.settings.forks = forks;
        self
    }

    pub(super) fn run(&self) -> &RunId {
        &self.rig.run
    }

    /// Opens the run in the journal and goes through it.
    pub(super) async fn roll(&self, terms: Terms) -> Vec<HostReport> {
        let meta = RunMeta {
            id: self.run().clone(),
            verb: RunVerb::Apply,
            started_ms: 0,
            inventory: "inventory.yaml".to_owned(),
        };
        self.rig.journal.begin(&meta).await.unwrap();
        let hosts: Vec<&HostDesired> = self.hosts.iter().collect();
        engine::rollout(&self.world, self.run(), &hosts, &self.discovered, &self.plan, terms).await
    }

    /// The hosts whose script was run, in order, each once.
    pub(super) fn begun(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in self.begun.lock().unwrap().iter().map(ToString::to_string) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    pub(super) async fn notes(&self) -> Vec<RunNote> {
        let notes = self.rig.journal.notes(self.run()).await.unwrap();
        notes.into_iter().map(|(_, note)| note).collect()
    }

    /// The hosts' outcomes as the journal has them.
    pub(super) async fn in_journal(&self) -> BTreeMap<String, HostOutcome> {
        let ended = self.notes().await.into_iter().filter_map(|note| match note {
            RunNote::HostEnded { host, outcome } => Some((host.to_string(), outcome)),
            _ => None,
        });
        ended.collect()
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.rig.events.0.lock().unwrap().clone()
    }
}

/// One word for each host.
pub(super) fn words(reports: &[HostReport]) -> String {
    let words = reports.iter().map(|report| OutcomeKind::of(&report.outcome).label());
    words.collect::<Vec<_>>().join(" ")
}

/// The hosts' side of the world.
struct Behaviour {
    goes: Vec<Goes>,
    begun: Arc<Mutex<Vec<HostName>>>,
    /// What the hosts say of themselves; nothing of those that cannot be reached.
    facts: Vec<Option<Facts>>,
    leases: Arc<Mutex<Vec<Lease>>>,
}

#[async_trait]
impl Transport for Behaviour {
    async fn connect(&self, target: &Target) -> Result<Box<dyn Session>, SshError> {
        let IpAddr::V4(to) = target.address else { panic!("{target:?}") };
        let at = usize::from(to.octets()[3]) - 20;
        let begun = Arc::clone(&self.begun);
        let (facts, leases) = (self.facts[at].clone().unwrap(), Arc::clone(&self.leases));
        Ok(Box::new(OneHost { at, goes: self.goes[at], begun, key: key(), facts, leases }))
    }
}

struct OneHost {
    at: usize,
    goes: Goes,
    begun: Arc<Mutex<Vec<HostName>>>,
    key: HostKey,
    facts: Facts,
    leases: Arc<Mutex<Vec<Lease>>>,
}

impl OneHost {
    async fn apply(&self) -> Result<Output, SshError> {
        self.begun.lock().unwrap().push(format!("h{}", self.at).parse().unwrap());
        if let Goes::Slow(seconds) | Goes::SlowBadly(seconds) = self.goes {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
        match self.goes {
            Goes::Lost => {
                Err(SshError { kind: SshErrorKind::Lost, message: "the connection broke".to_owned() })
            }
            Goes::Panics => panic!("on purpose"),
            Goes::Badly | Goes::SlowBadly(_) => {
                Ok(said("egressctl-apply 1\nresult failed route reverted no\n"))
            }
            _ => Ok(said("egressctl-apply 1\nresult ok\n")),
        }
    }

    fn probe(&self, script: &str) -> Output {
        let own = format!("203.0.113.{}", self.at + 20);
        let seen = if self.goes == Goes::Unverified { own.as_str() } else { "203.0.113.250" };
        let mut out =
            frame("begin", 0, "egressctl-probe 1") + &frame("instance", 0, &format!("i-{}", self.at));
        for (kind, address) in [("default", seen), ("eni", own.as_str())] {
            for n in 0..2 {
                if script.contains(&format!("{kind}.{n}")) {
                    out += &frame(&format!("{kind}.{n}"), 0, address);
                }
            }
        }
        said(&(out + &frame("end", 0, "")))
    }
}

#[async_trait]
impl Session for OneHost {
    fn host_key(&self) -> &HostKey {
        &self.key
    }

    async fn exec(&self, exec: &Exec) -> Result<Output, SshError> {
        let script = exec.command.to_string();
        if script.contains("egressctl-probe 1") {
            return Ok(self.probe(&script));
        }
        if script.contains("egressctl-facts 1") {
            return Ok(said(&printed(&self.facts)));
        }
        if script.contains("egressctl-lease 1") {
            return Ok(said(&self.leases.lock().unwrap()[self.at].answer(&script)));
        }
        for name in ["stage", "revert"] {
            if script.contains(&format!("egressctl-{name} 1")) {
                return Ok(said(&format!("egressctl-{name} 1\nresult ok\n")));
            }
        }
        self.apply().await
    }

    async fn close(self: Box<Self>) {}
}
