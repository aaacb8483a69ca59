//! One seed, one story: a fleet is made, something goes wrong with its cloud, runs are begun, killed, gone on with and taken back;
//! then nothing goes wrong any more, and everything must come to its end.

use std::sync::Arc;
use std::time::Duration;

use egressctl::core::event::HostOutcome;
use egressctl::core::inventory::HostDesired;
use egressctl::core::model::{RunId, gateway_of};
use egressctl::core::plan::OWNER_TAG;
use egressctl::core::report::HostReport;
use egressctl::engine;
use egressctl::journal::MemoryJournal;
use egressctl::lab::emulator::faults::FaultFile;
use egressctl::lab::emulator::{self, Emulator};
use egressctl::ports::{Clock, Cloud, EniGoal, EniSpec, InstanceGoal, Journal};
use fastrand::Rng;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

use super::draw::{Drawn, Start, Worst};
use super::ground::Ground;
use super::life::{House, SimClock, Verb, key, work};
use super::watch::Watch;
use crate::sim::host::{Host, Nature, Place};
use crate::sim::operator::desired;
use crate::sim::tally::word;

/// Longer than any lease, any transition and any quota's window.
const CALM: Duration = Duration::from_secs(900);

/// What came of a story.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) hosts: usize,
    pub(super) calls: usize,
    pub(super) hit: usize,
    pub(super) lives: usize,
    pub(super) outcomes: Vec<&'static str>,
    /// What must not be and was.
    pub(super) wrongs: Vec<String>,
    /// Everything that happened, for people.
    pub(super) log: Vec<String>,
}

/// A story under way.
pub(super) struct Story {
    rng: Rng,
    drawn: Drawn,
    house: House,
    emulator: Arc<Emulator>,
    hosts: Vec<HostDesired>,
    watch: Watch,
    runs: Vec<RunId>,
    /// Those of them that take another back.
    back: Vec<RunId>,
    told: Told,
}

/// Lives one seed's story.
pub(super) fn one(seed: u64) -> Told {
    let mut rng = Rng::with_seed(seed);
    let drawn = Drawn::draw(&mut rng);
    told(rng, drawn)
}

/// The outcome of a story's only host, and the one of going on with that run once nothing goes wrong any more.
pub(super) fn stuck_and_resumed(drawn: Drawn) -> (HostOutcome, HostOutcome) {
    runtime().block_on(async {
        let mut story = Story::begin(Rng::with_seed(1), drawn).await;
        story.emulator.set_faults(FaultFile::parse("case", &story.drawn.faults).unwrap());
        let mut first = story.life(&Verb::Apply, &[0], None).await.unwrap();
        story.emulator.set_faults(FaultFile::default());
        let run = story.runs[0].clone();
        let mut second = story.life(&Verb::Resume(run), &[0], None).await.unwrap();
        (first.remove(0).outcome, second.remove(0).outcome)
    })
}

/// One thread, and a clock that goes on when nothing is left to do.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// Lives a story in virtual time; the emulator and the client talk over loopback sockets.
pub(super) fn told(rng: Rng, drawn: Drawn) -> Told {
    // All of it in the runtime: outside of it the clock is the real one.
    runtime().block_on(async { Story::begin(rng, drawn).await.live().await })
}

impl Story {
    async fn begin(mut rng: Rng, drawn: Drawn) -> Self {
        let spec = drawn.spec(rng.u64(..));
        let hosts: Vec<Host> = spec
            .hosts
            .iter()
            .map(|host| {
                let place = Place {
                    name: host.name.clone(),
                    instance: host.instance.clone(),
                    primary_ip: host.address,
                    gateway: gateway_of(host.cidr).unwrap(),
                    public: host.public,
                };
                let nature = if rng.u32(0..4) == 0 { Nature::Hijacks } else { Nature::Plain };
                Host::at(place, host.index, nature)
            })
            .collect();
        let mut wanted: Vec<HostDesired> = hosts.iter().map(desired).collect();
        for (host, start) in wanted.iter_mut().zip(&drawn.starts) {
            host.allow.charge_type_change = *start == Start::PrePaid { consent: true };
        }
        let ground = Ground::new(hosts);
        let clock = Arc::new(SimClock(Instant::now()));
        let emulator = Emulator::new(&spec, Arc::new(ground.clone()), key(), emulator::Tuning::default());
        let emulator = Arc::new(emulator.with_clock(Arc::clone(&clock) as Arc<dyn Clock>));
        let doors = [TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await];
        let doors = doors.map(Result::unwrap);
        let endpoints = doors.each_ref().map(|door| format!("http://{}", door.local_addr().unwrap()));
        let [ecs, vpc] = doors;
        tokio::spawn(emulator::serve(ecs, vpc, Arc::clone(&emulator)));
        let watch = Watch::new(&wanted, &ground, Arc::clone(&emulator));
        let told = Told { hosts: wanted.len(), ..Told::default() };
        let journal = Arc::new(MemoryJournal::new());
        Self {
            rng,
            drawn,
            house: House { ground, endpoints, clock, journal },
            emulator,
            hosts: wanted,
            watch,
            runs: Vec::new(),
            back: Vec::new(),
            told,
        }
    }

    fn note(&mut self, text: String) {
        let at = self.house.clock.0.elapsed().as_secs_f64();
        self.told.log.push(format!("{at:>9.3} {text}"));
    }

    fn wrong(&mut self, text: String) {
        self.note(format!("WRONG {text}"));
        self.told.wrongs.push(text);
    }

    /// The hosts of these positions, until the verb ends or its time is up.
    async fn life(
        &mut self,
        verb: &Verb,
        among: &[usize],
        dies: Option<Duration>,
    ) -> Option<Vec<HostReport>> {
        self.told.lives += 1;
        let world = self.house.world();
        let id: RunId = format!("20261122T161500Z-{:04x}", self.runs.len()).parse().unwrap();
        let run = if let Verb::Resume(run) = verb { run.clone() } else { id };
        if !self.runs.contains(&run) {
            self.runs.push(run.clone());
        }
        if let Verb::Rollback(_) = verb {
            self.back.push(run.clone());
        }
        self.note(format!("{verb:?} as {run} of {among:?}, dies {dies:?}"));
        let hosts: Vec<HostDesired> = among.iter().map(|index| self.hosts[*index].clone()).collect();
        let hosts: Vec<&HostDesired> = hosts.iter().collect();
        let work = work(&world, verb, &run, &hosts);
        let ended = self.watch.over(timeout(dies.unwrap_or(Duration::from_secs(4 * 3600)), work)).await;
        let wrongs = self.watch.take();
        wrongs.into_iter().for_each(|wrong| self.wrong(wrong));
        match ended {
            Err(_) => {
                if dies.is_none() {
                    self.wrong(format!("{verb:?} does not end"));
                }
                None
            }
            Ok(Err(why)) => {
                self.note(format!("it could not begin: {why}"));
                None
            }
            Ok(Ok(reports)) => {
                for report in &reports {
                    self.note(format!("  {} {:?}", report.name, report.outcome));
                    self.told.outcomes.push(word(&report.outcome));
                }
                Some(reports)
            }
        }
    }

    async fn live(mut self) -> Told {
        self.note(format!("{:?}", self.drawn.starts));
        self.prepare().await;
        self.note(self.drawn.faults.clone());
        let file = FaultFile::parse("drawn", &self.drawn.faults).unwrap_or_else(|why| panic!("{why}"));
        self.emulator.set_faults(file);
        self.trouble().await;
        self.emulator.set_faults(FaultFile::default());
        sleep(CALM).await;
        self.settle().await;
        self.finish().await;
        let calls = self.emulator.calls();
        self.told.calls = calls.len();
        self.told.hit = calls.iter().filter(|call| call.fault.is_some()).count();
        if !self.told.wrongs.is_empty() {
            for call in calls.iter().filter(|call| call.write || call.code.is_some() || call.fault.is_some())
            {
                let (at, hosts) = (call.at.as_secs_f64(), call.hosts.join(" "));
                let (code, fault) =
                    (call.code.as_deref().unwrap_or("-"), call.fault.as_deref().unwrap_or("-"));
                self.told.log.push(format!("call {at:>9.3} {} {hosts} {code} {fault}", call.action));
            }
        }
        self.told
    }

    fn with(&self, wanted: impl Fn(Start) -> bool) -> Vec<usize> {
        (0..self.hosts.len()).filter(|index| wanted(self.drawn.starts[*index])).collect()
    }

    /// Brings the hosts into the states in which the story begins, by calls that all go well.
    async fn prepare(&mut self) {
        let cloud = self.house.client();
        for index in
            self.with(|start| matches!(start, Start::Converted | Start::EniCreated | Start::EniAttached))
        {
            let (start, host) = (self.drawn.starts[index], self.hosts[index].clone());
            if start == Start::Converted || self.rng.bool() {
                cloud.convert_public_ip(&host.instance).await.unwrap();
                let (goal, within) = (InstanceGoal::PublicIpConverted, Duration::from_secs(60));
                cloud.await_instance(&host.instance, &goal, within).await.unwrap();
            }
            if start == Start::Converted {
                continue;
            }
            let spec = EniSpec {
                name: host.eni.name.clone(),
                vswitch: "vsw-lab-a".parse().unwrap(),
                security_groups: vec!["sg-lab".parse().unwrap()],
                primary_ip: None,
                resource_group: None,
                tags: [(OWNER_TAG.to_owned(), host.instance.to_string())].into(),
            };
            let eni = cloud.create_eni(&spec, &format!("prepare-{index}")).await.unwrap();
            if start == Start::EniAttached {
                cloud.attach_eni(&eni, &host.instance).await.unwrap();
                let goal = EniGoal::InUse(host.instance.clone());
                cloud.await_eni(&eni, &goal, Duration::from_secs(60)).await.unwrap();
            }
        }
        drop(cloud);
        let done = self.with(|start| start == Start::Done);
        if !done.is_empty() {
            self.life(&Verb::Apply, &done, None).await;
        }
        for index in self.with(|start| matches!(start, Start::Killed(_))) {
            if let Start::Killed(after) = self.drawn.starts[index] {
                self.life(&Verb::Apply, &[index], Some(Duration::from_millis(after))).await;
            }
        }
        sleep(CALM).await;
    }

    /// The runs that hosts are in the middle of.
    async fn unfinished(&self) -> Vec<RunId> {
        let latest = self.house.journal.latest().await.unwrap();
        let open = |run: &&RunId| latest.iter().any(|latest| latest.run == **run && !latest.ended);
        self.runs.iter().filter(open).cloned().collect()
    }

    /// While things go wrong.
    async fn trouble(&mut self) {
        let all: Vec<usize> = (0..self.hosts.len()).collect();
        for run in self.unfinished().await {
            if self.rng.u32(0..3) > 0 {
                self.life(&Verb::Resume(run), &all, None).await;
            }
        }
        let mut dies = (self.rng.u32(0..3) == 0).then(|| Duration::from_millis(self.rng.u64(0..90_000)));
        let reports = self.life(&Verb::Apply, &all, dies).await;
        self.judge(reports.as_deref(), false);
        for _ in 0..self.rng.u32(0..3) {
            let last = self.runs[self.rng.usize(..self.runs.len())].clone();
            let verb = match self.rng.u32(0..5) {
                0 => Verb::Apply,
                1 => Verb::Rollback(last),
                _ => Verb::Resume(last),
            };
            let wait = if self.rng.bool() { 5 } else { 700 };
            sleep(Duration::from_secs(wait)).await;
            dies = (self.rng.u32(0..3) == 0).then(|| Duration::from_millis(self.rng.u64(0..60_000)));
            let reports = self.life(&verb, &all, dies).await;
            let back = match &verb {
                Verb::Apply => false,
                Verb::Rollback(_) => true,
                Verb::Resume(run) => self.back.contains(run),
            };
            self.judge(reports.as_deref(), back);
        }
    }

    /// Compares a report with the world.
    fn judge(&mut self, reports: Option<&[HostReport]>, back: bool) {
        for report in reports.unwrap_or_default() {
            let index = self.hosts.iter().position(|host| host.name == report.name).unwrap();
            let start = self.drawn.starts[index];
            let is = self.watch.state(index);
            let agrees = match &report.outcome {
                HostOutcome::Ok | HostOutcome::Changed if back => is.home,
                HostOutcome::Ok | HostOutcome::Changed => is.is_final(),
                HostOutcome::Reverted(why) => !why.is_empty() && is.is_back(start),
                HostOutcome::Unknown(why) => !why.is_empty(),
                HostOutcome::Refused(why) | HostOutcome::Failed(why) => !why.is_empty(),
                _ => true,
            };
            if !agrees {
                self.wrong(format!("{} is told to be {:?}, and is {is:?}", report.name, report.outcome));
            }
            let stuck = matches!(report.outcome, HostOutcome::Unknown(_));
            if stuck && self.drawn.worst < Worst::Blocks {
                self.wrong(format!(
                    "{} needs a human for something that passes: {:?}",
                    report.name, report.outcome
                ));
            }
            let moved = matches!(report.outcome, HostOutcome::Reverted(_));
            if moved && self.drawn.worst == Worst::Delays {
                self.wrong(format!(
                    "{} was taken back for something that passes: {:?}",
                    report.name, report.outcome
                ));
            }
        }
    }

    /// Nothing goes wrong any more: whatever was begun ends done or unwound.
    async fn settle(&mut self) {
        let all: Vec<usize> = (0..self.hosts.len()).collect();
        for run in self.unfinished().await.into_iter().rev() {
            self.life(&Verb::Resume(run), &all, None).await;
        }
        for run in self.stuck().await {
            self.life(&Verb::Resume(run), &all, None).await;
        }
        let reports = self.life(&Verb::Apply, &all, None).await;
        for report in reports.unwrap_or_default() {
            let refused = matches!(report.outcome, HostOutcome::Refused(_));
            let index = self.hosts.iter().position(|host| host.name == report.name).unwrap();
            let fine = matches!(report.outcome, HostOutcome::Ok | HostOutcome::Changed);
            if !(fine || refused && self.drawn.starts[index].is_refused()) {
                self.wrong(format!("{} cannot be finished: {:?}", report.name, report.outcome));
            }
        }
    }

    /// The runs that a human was needed for.
    async fn stuck(&self) -> Vec<RunId> {
        let mut runs = Vec::new();
        for run in self.runs.iter().rev() {
            let world = self.house.world();
            let left = engine::unfinished(&world, run).await;
            if left.is_ok_and(|left| !left.stuck.is_empty()) {
                runs.push(run.clone());
            }
        }
        runs
    }

    /// Everything is as it should be, and stays so.
    async fn finish(&mut self) {
        sleep(CALM).await;
        for index in 0..self.hosts.len() {
            let (is, start) = (self.watch.state(index), self.drawn.starts[index]);
            let fine = if start.is_refused() { is.home && is.enis == 0 } else { is.is_final() };
            if !fine {
                self.wrong(format!("at the end {} ({start:?}) is {is:?}", self.hosts[index].name));
            }
        }
        let all: Vec<usize> = (0..self.hosts.len()).collect();
        let changes =
            |story: &Self| story.house.ground.inner().hosts.iter().map(|host| host.changes).sum::<u64>();
        let before = (self.emulator.writes(), changes(self));
        self.life(&Verb::Apply, &all, None).await;
        if before != (self.emulator.writes(), changes(self)) {
            self.wrong("a finished fleet was changed again".to_owned());
        }
        for wrong in self.watch.orphans() {
            self.wrong(wrong);
        }
    }
}
