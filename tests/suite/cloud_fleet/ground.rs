//! The hosts of a fleet and what lies between them and the internet: the emulator plugs and binds here, the engine's scripts run
//! here. The hosts are those of the simulation.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use egressctl::core::model::{InstanceId, MacAddr};
use egressctl::lab::fabric::{Fabric, Port};
use egressctl::lab::spec::SNAT_ADDRESS;
use egressctl::ports::{
    Exec, ExitStatus, HostKey, HostKeyPolicy, Output, Session, SshError, SshErrorKind, Target, Transport,
};
use tokio::time::{Instant, sleep};

use crate::sim::host::Host;
use crate::sim::script::{APPLY_STEPS, Ended, Kind, REVERT_STEPS, Script};

#[derive(Default)]
pub(super) struct Inner {
    pub(super) hosts: Vec<Host>,
    /// Public addresses, and the private ones they are translated to.
    pub(super) bindings: BTreeMap<Ipv4Addr, Ipv4Addr>,
}

/// Hosts and bindings.
#[derive(Clone, Default)]
pub(super) struct Ground(Arc<Mutex<Inner>>);

impl Ground {
    pub(super) fn new(hosts: Vec<Host>) -> Self {
        let bindings = hosts.iter().map(|host| (host.public, host.primary_ip)).collect();
        Self(Arc::new(Mutex::new(Inner { hosts, bindings })))
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl Inner {
    /// The internet reaches the host by its public address.
    pub(super) fn inbound(&self, index: usize) -> bool {
        let host = &self.hosts[index];
        let bound = self.bindings.get(&host.public);
        bound.is_some_and(|to| *to == host.primary_ip || (host.device.is_some() && host.leads(*to)))
    }

    fn host_at(&self, address: Ipv4Addr) -> Option<usize> {
        self.hosts.iter().position(|host| host.primary_ip == address).or_else(|| {
            let host = self.hosts.iter().position(|host| host.public == address)?;
            self.inbound(host).then_some(host)
        })
    }

    /// The address that packets from this source are seen as; `None` is the primary's.
    fn egress(&self, index: usize, source: Option<Ipv4Addr>) -> Ipv4Addr {
        let host = &self.hosts[index];
        let bound = self.bindings.get(&host.public);
        let by_eni = source.map_or_else(|| !host.leaves_by_primary(), |address| host.leads(address));
        let own = bound.is_some_and(|to| (*to == host.primary_ip) != by_eni);
        if own { host.public } else { SNAT_ADDRESS }
    }
}

#[async_trait]
impl Fabric for Ground {
    async fn plug(&self, instance: &InstanceId, port: &Port) -> Result<(), String> {
        let mut inner = self.inner();
        let host = inner.hosts.iter_mut().find(|host| host.instance == *instance);
        host.ok_or("no such host")?.plug(port.mac, port.address, Instant::now());
        Ok(())
    }

    async fn unplug(&self, instance: &InstanceId, _: MacAddr) -> Result<(), String> {
        let mut inner = self.inner();
        let host = inner.hosts.iter_mut().find(|host| host.instance == *instance);
        host.ok_or("no such host")?.unplug();
        Ok(())
    }

    async fn bind(&self, public: Ipv4Addr, private: Ipv4Addr) -> Result<(), String> {
        self.inner().bindings.insert(public, private);
        Ok(())
    }

    async fn unbind(&self, public: Ipv4Addr) -> Result<(), String> {
        self.inner().bindings.remove(&public);
        Ok(())
    }
}

fn broken(kind: SshErrorKind, message: &str) -> SshError {
    SshError { kind, message: message.to_owned() }
}

#[async_trait]
impl Transport for Ground {
    async fn connect(&self, target: &Target) -> Result<Box<dyn Session>, SshError> {
        let IpAddr::V4(address) = target.address else {
            return Err(broken(SshErrorKind::Unreachable, "no such address"));
        };
        let found = self.inner().host_at(address);
        let Some(index) = found else {
            sleep(target.connect_within).await;
            return Err(broken(SshErrorKind::Unreachable, "no answer"));
        };
        sleep(Duration::from_millis(40)).await;
        let key = self.inner().hosts[index].key.clone();
        if matches!(&target.host_key, HostKeyPolicy::Pinned(wanted) if !wanted.contains(&key)) {
            return Err(broken(SshErrorKind::HostKeyChanged, "another host key"));
        }
        Ok(Box::new(OneSession { ground: self.clone(), index, key }))
    }
}

struct OneSession {
    ground: Ground,
    index: usize,
    key: HostKey,
}

#[async_trait]
impl Session for OneSession {
    fn host_key(&self) -> &HostKey {
        &self.key
    }

    async fn exec(&self, exec: &Exec) -> Result<Output, SshError> {
        let (once, text) = Script::unwrap(&exec.command.to_string());
        let script = Script::read(&text).ok_or_else(|| broken(SshErrorKind::Protocol, "no such script"))?;
        sleep(Duration::from_millis(60)).await;
        let seconds = script.value("wait_seconds").and_then(|text| text.parse().ok()).unwrap_or(0);
        for _ in 0..if script.kind == Kind::Apply { seconds } else { 0 } {
            if self.ground.inner().hosts[self.index].device == script.mac() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        let mut inner = self.ground.inner();
        let stdout = match once {
            None => run(&mut inner, self.index, &script),
            Some(key) => match inner.hosts[self.index].answers.get(&key) {
                Some(answer) => format!("egressctl-once read\n{answer}"),
                None => {
                    let answer = run(&mut inner, self.index, &script);
                    inner.hosts[self.index].answers.insert(key, answer.clone());
                    format!("egressctl-once first\n{answer}")
                }
            },
        };
        let status = ExitStatus::Code(0);
        Ok(Output { stdout: stdout.into_bytes(), stderr: Vec::new(), status, truncated: false })
    }

    async fn close(self: Box<Self>) {}
}

fn run(inner: &mut Inner, index: usize, script: &Script<'_>) -> String {
    let now = Instant::now();
    let (name, steps) = match script.kind {
        Kind::Facts | Kind::Probe => {
            return inner.hosts[index].prints(script, |source| Some(inner.egress(index, source)));
        }
        Kind::Lease => return inner.hosts[index].lease(script, now),
        Kind::Stage => {
            let seconds = script.value("seconds").and_then(|text| text.parse().ok()).unwrap_or(0);
            inner.hosts[index].watched = Some(now + Duration::from_secs(seconds));
            return "egressctl-stage 1\nresult ok\n".to_owned();
        }
        Kind::Apply => ("apply", APPLY_STEPS),
        Kind::Revert => ("revert", REVERT_STEPS),
    };
    match script.run(&mut inner.hosts[index], steps) {
        Ended::Ok => format!("egressctl-{name} 1\nresult ok\n"),
        Ended::Failed(code) => format!("egressctl-{name} 1\nresult failed {code} unchanged\n"),
    }
}
