//! The simulated hosts' door: connections that are refused, break or hang, and scripts that run in whole, in part or not.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use egressctl::ports::{
    Exec, ExitStatus, HostKey, HostKeyPolicy, Output, Session, SshError, SshErrorKind, Target, Transport,
};
use tokio::time::{Instant, sleep};

use super::faults::Run;
use super::host::Nature;
use super::script::{APPLY_STEPS, Kind, REVERT_STEPS, Script};
use super::universe::{CANARY, Event, State, Universe};

/// One controller's way to the hosts.
pub(crate) struct SimTransport {
    pub(crate) universe: Universe,
    pub(crate) life: u64,
}

struct SimSession {
    universe: Universe,
    life: u64,
    host: usize,
    key: HostKey,
}

fn broken(kind: SshErrorKind, message: &str) -> SshError {
    SshError { kind, message: message.to_owned() }
}

#[async_trait]
impl Transport for SimTransport {
    async fn connect(&self, target: &Target) -> Result<Box<dyn Session>, SshError> {
        self.universe.living(self.life).await;
        let (wait, found) = {
            let mut state = self.universe.state();
            let IpAddr::V4(address) = target.address else {
                return Err(broken(SshErrorKind::Unreachable, "no such address"));
            };
            let host = state.host_at(address).filter(|host| state.hosts[*host].is_up(Instant::now()));
            (Duration::from_millis(state.rng.u64(20..300)), host)
        };
        let Some(host) = found else {
            sleep(target.connect_within).await;
            self.universe.living(self.life).await;
            return Err(broken(SshErrorKind::Unreachable, "no answer"));
        };
        sleep(wait).await;
        self.universe.living(self.life).await;
        let key = self.universe.state().hosts[host].key.clone();
        if matches!(&target.host_key, HostKeyPolicy::Pinned(wanted) if !wanted.contains(&key)) {
            return Err(broken(SshErrorKind::HostKeyChanged, "another host key"));
        }
        Ok(Box::new(SimSession { universe: self.universe.clone(), life: self.life, host, key }))
    }
}

#[async_trait]
impl Session for SimSession {
    fn host_key(&self) -> &HostKey {
        &self.key
    }

    async fn exec(&self, exec: &Exec) -> Result<Output, SshError> {
        let (once, text) = Script::unwrap(&exec.command.to_string());
        let script = Script::read(&text);
        let script = script.ok_or_else(|| broken(SshErrorKind::Protocol, "no such script"))?;
        self.universe.point(self.life).await;
        let (run, took) = {
            let mut state = self.universe.state();
            if script.changes() {
                let (life, host, text) = (self.life, self.host, text.clone());
                state.happened(Instant::now(), &Event::Script { life, host, text });
            }
            let faults = state.faults;
            let run = faults.run(&mut state.rng, steps(script.kind));
            if run != Run::Fine {
                state.excuse(self.host);
            }
            (run, Duration::from_millis(state.rng.u64(50..1_500)))
        };
        sleep(took).await;
        self.universe.living(self.life).await;
        if run == Run::LostBefore || !self.universe.state().hosts[self.host].is_up(Instant::now()) {
            return Err(broken(SshErrorKind::Lost, "the connection broke"));
        }
        let kept = |key: &String| self.universe.state().hosts[self.host].answers.contains_key(key);
        if script.value("phase").as_deref() == Some("change") && !once.as_ref().is_some_and(kept) {
            self.await_device(&script).await;
        }
        let stdout = {
            let mut state = self.universe.state();
            if state.hosts[self.host].off.is_some() {
                return Err(broken(SshErrorKind::Lost, "the connection broke"));
            }
            state.run_once(self.host, once, &script, run)
        };
        if let Run::Falls(_) = run {
            return Err(broken(SshErrorKind::Lost, "the connection broke"));
        }
        self.universe.point(self.life).await;
        match run {
            Run::LostAfter => return Err(broken(SshErrorKind::Lost, "the connection broke")),
            Run::Late => {
                sleep(exec.wall).await;
                self.universe.living(self.life).await;
                return Err(broken(SshErrorKind::Timeout, "it did not end in time"));
            }
            _ => {}
        }
        let mut stdout = stdout.into_bytes();
        if run == Run::CutOff {
            stdout.truncate(stdout.len() / 2);
        }
        Ok(Output { stdout, stderr: CANARY.into(), status: ExitStatus::Code(0), truncated: false })
    }

    async fn close(self: Box<Self>) {}
}

impl SimSession {
    /// The apply script waits for a device that is late.
    async fn await_device(&self, script: &Script<'_>) {
        let seconds = script.value("wait_seconds").and_then(|text| text.parse().ok()).unwrap_or(0);
        for _ in 0..seconds {
            let there = {
                let state = self.universe.state();
                let host = &state.hosts[self.host];
                host.device == script.mac() || host.off.is_some()
            };
            if there {
                return;
            }
            sleep(Duration::from_secs(1)).await;
            self.universe.living(self.life).await;
        }
    }
}

const fn steps(kind: Kind) -> usize {
    match kind {
        Kind::Apply => APPLY_STEPS,
        Kind::Revert => REVERT_STEPS,
        Kind::Facts | Kind::Probe | Kind::Stage | Kind::Lease => 0,
    }
}

impl State {
    /// Runs a script on a host, unless it is one that has been run: then its answer is given again.
    fn run_once(&mut self, index: usize, once: Option<String>, script: &Script<'_>, run: Run) -> String {
        let Some(key) = once else { return self.run(index, script, run) };
        if let Some(answer) = self.hosts[index].answers.get(&key) {
            return format!("egressctl-once read\n{answer}");
        }
        let answer = self.run(index, script, run);
        if self.hosts[index].off.is_none() {
            self.hosts[index].answers.insert(key, answer.clone());
        }
        format!("egressctl-once first\n{answer}")
    }

    /// Runs a script on a host, in part if the host falls meanwhile, and gives what it prints.
    fn run(&mut self, index: usize, script: &Script<'_>, run: Run) -> String {
        let now = Instant::now();
        if self.hosts[index].nature == Nature::Babbles {
            return "\u{1b}[2J@@ begin 0 17\negressctl-facts 9\n".repeat(40);
        }
        let name = match script.kind {
            Kind::Facts | Kind::Probe => {
                // An echo service may be silent while nothing else is wrong.
                let silent = run == Run::Fails;
                let egress = |source| (!silent).then(|| self.egress(index, source));
                return self.hosts[index].prints(script, egress);
            }
            Kind::Lease => return self.hosts[index].lease(script, now),
            Kind::Stage => "stage",
            Kind::Apply => "apply",
            Kind::Revert => "revert",
        };
        let greeting = format!("egressctl-{name} 1\n");
        if run == Run::Fails {
            let mut guard = "";
            if script.kind == Kind::Apply && self.hosts[index].guarded_until().is_some() {
                self.hosts[index].take_back();
                self.hosts[index].guard = None;
                self.note_hijack(index);
                guard = "guard rolledback\n";
            }
            return format!("{greeting}{guard}result failed told-to unchanged it was told to fail\n");
        }
        if let Run::Falls(part) = run {
            let _ = script.run(&mut self.hosts[index], part, now);
            self.happened(now, &Event::Host { host: index, what: "was changed in part" });
            let seconds = self.rng.u64(5..40);
            self.power_off(index, Duration::ZERO, seconds);
            return String::new();
        }
        if script.kind == Kind::Stage {
            let seconds = script.value("seconds").and_then(|text| text.parse().ok()).unwrap_or(0);
            self.hosts[index].watched = Some(now + Duration::from_secs(seconds));
            return format!("{greeting}result ok\n");
        }
        let ended = script.run(&mut self.hosts[index], steps(script.kind), now);
        if let Some(until) = self.hosts[index].guarded_until() {
            self.guard(index, until);
        }
        self.note_hijack(index);
        if self.hosts[index].leaves_by_primary() {
            self.hijacked.remove(&index);
        }
        self.happened(now, &Event::Host { host: index, what: "was changed" });
        ended.printed(name)
    }
}
