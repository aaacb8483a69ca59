//! One seed, one story: a fleet is drawn, an operator begins, may be killed and followed by another, and at last everything
//! that goes wrong ends, so that what is left can be finished, taken back, and compared with what was said of it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use egressctl::core::model::RunId;
use egressctl::core::observed::{ChargeType, Instance, InstanceStatus, InternetChargeType};
use tokio::time::{Instant, sleep};

use super::faults::Faults;
use super::host::{Host, Nature};
use super::operator::{Life, Operator, Verb, desired};
use super::region::{Kept, Region, fixed};
use super::tally::{Tally, word};
use super::universe::{Event, State, Universe};

/// The instance type of every host.
const TYPE: &str = "ecs.g7.large";

/// Takes seeds from `first` on until so many host-runs are done, on so many threads.
pub(crate) fn seeds(first: u64, host_runs: u64, threads: usize) -> Tally {
    let (next, done) = (AtomicU64::new(first), AtomicU64::new(0));
    let total = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = Tally::default();
                while done.load(Ordering::Relaxed) < host_runs && own.broken.len() < 20 {
                    let tally = one(next.fetch_add(1, Ordering::Relaxed));
                    done.fetch_add(tally.host_runs, Ordering::Relaxed);
                    own.add(tally);
                }
                total.lock().unwrap().add(own);
            });
        }
    });
    total.into_inner().unwrap()
}

/// Lives one seed's story.
pub(crate) fn one(seed: u64) -> Tally {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    // All of it in the runtime: outside of it the clock is the real one.
    runtime.unwrap().block_on(async { Story::draw(seed).live().await })
}

/// A story under way.
pub(crate) struct Story {
    seed: u64,
    pub(crate) universe: Universe,
    rng: fastrand::Rng,
    forks: usize,
    lives: u64,
    pub(crate) runs: Vec<(RunId, usize)>,
    tally: Tally,
}

fn instance(host: &Host) -> Instance {
    Instance {
        id: host.instance.clone(),
        status: InstanceStatus::Running,
        zone: "cn-beijing-h".parse().unwrap(),
        vpc: Some("vpc-1".parse().unwrap()),
        vswitch: Some("vsw-1".parse().unwrap()),
        image: Some("m-1".to_owned()),
        instance_type: TYPE.to_owned(),
        charge_type: ChargeType::PostPaid,
        internet_charge_type: InternetChargeType::PayByTraffic,
        bandwidth_out_mbps: 5,
        expires: None,
        public_ip: Some(host.public),
        eip: None,
        primary_ip: host.primary_ip,
        security_groups: vec!["sg-1".parse().unwrap()],
        locks: Vec::new(),
        started: None,
        io_optimized: None,
    }
}

impl Story {
    fn draw(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let count = rng.usize(1..=6);
        let nature = |rng: &mut fastrand::Rng| match rng.u32(0..40) {
            0..=9 => Nature::Hijacks,
            10 => Nature::Babbles,
            11 => Nature::Impostor,
            _ => Nature::Plain,
        };
        let natures: Vec<Nature> = (0..count).map(|_| nature(&mut rng)).collect();
        let faults = Faults::draw(&mut rng);
        let quota = if rng.u32(0..20) == 0 { count / 2 } else { usize::MAX };
        let forks = rng.usize(1..=count + 2);
        let story = Self::of(seed, rng, &natures, faults, quota, forks);
        {
            let mut state = story.universe.state();
            let mut rng = state.rng.fork();
            for host in 0..count {
                if faults.rate > 0 && rng.u32(0..12) == 0 {
                    let from = Instant::now() + Duration::from_secs(rng.u64(0..200));
                    state.hosts[host].cut = Some((from, from + Duration::from_secs(rng.u64(1..300))));
                }
                if faults.rate > 0 && rng.u32(0..10) == 0 {
                    state.power_off(host, Duration::from_secs(rng.u64(0..200)), rng.u64(5..60));
                }
                if rng.u32(0..40) == 0 {
                    state.edit(host, Duration::from_secs(rng.u64(0..120)));
                }
            }
        }
        story
    }

    pub(crate) fn of(
        seed: u64,
        mut rng: fastrand::Rng,
        natures: &[Nature],
        faults: Faults,
        quota: usize,
        forks: usize,
    ) -> Self {
        let hosts: Vec<Host> = natures.iter().enumerate().map(|(n, nature)| Host::new(n, *nature)).collect();
        let mut region = Region::new(fixed(TYPE), quota);
        for host in &hosts {
            region.instances.insert(host.instance.clone(), Kept::new(Instant::now(), instance(host)));
        }
        let universe = Universe::new(rng.fork(), region, hosts, faults, forks);
        let tally = Tally { seeds: 1, host_runs: natures.len() as u64, ..Tally::default() };
        Self { seed, universe, rng, forks, lives: 0, runs: Vec::new(), tally }
    }

    fn run_id(&self) -> RunId {
        format!("20261122T161500Z-{:04x}", self.runs.len()).parse().unwrap()
    }

    /// A run of this kind under a new id.
    pub(crate) fn verb(&mut self, rollback: Option<RunId>, book: usize) -> Verb {
        let id = self.run_id();
        self.runs.push((id.clone(), book));
        match rollback {
            None => Verb::Apply(id),
            Some(of) => Verb::Rollback(of, id),
        }
    }

    pub(crate) async fn life(&mut self, verb: &Verb, book: usize, kill_at: Option<u64>) -> bool {
        self.lives += 1;
        let hosts = self.universe.state().hosts.iter().map(desired).collect();
        let (life, forks) = (self.lives, self.forks);
        let operator = Operator { universe: self.universe.clone(), life, book, forks, hosts };
        let ended = operator.live(verb, kill_at).await;
        drop(operator);
        let mut state = self.universe.state();
        let (run, rollback) = match verb {
            Verb::Apply(run) => (run, false),
            Verb::Rollback(_, run) => (run, true),
            Verb::Resume(run, rollback) => (run, *rollback),
        };
        state.replay(run);
        match ended {
            Life::Killed => {
                self.tally.kills += 1;
                return true;
            }
            Life::Nothing => {}
            Life::Reports(reports) => {
                state.judge(run, rollback, &reports);
                for report in &reports {
                    *self.tally.outcomes.entry(word(&report.outcome)).or_default() += 1;
                }
            }
        }
        false
    }

    async fn live(mut self) -> Tally {
        self.trouble().await;
        self.rest().await;
        if self.rng.u32(0..3) == 0 {
            self.take_back().await;
        }
        self.end()
    }

    pub(crate) fn end(mut self) -> Tally {
        let state = self.universe.state();
        (self.tally.events, self.tally.injected) = (state.events, state.injected);
        let mut digest = DefaultHasher::new();
        state.told().hash(&mut digest);
        self.tally.digest = digest.finish();
        if !state.violations.is_empty() {
            self.tally.broken.push((self.seed, state.violations.clone(), state.told().to_vec()));
        }
        drop(state);
        self.tally
    }

    /// Operators begin, are killed, and are followed by others while things go wrong.
    async fn trouble(&mut self) {
        let kills = self.rng.usize(0..=3);
        let mut book = 0;
        let mut verb = self.verb(None, book);
        for life in 0..=kills {
            let points = 40 * self.tally.host_runs;
            let kill_at = (life < kills).then(|| self.rng.u64(1..points));
            if !self.life(&verb, book, kill_at).await {
                return;
            }
            // Nobody begins again before what was under way has arrived.
            // A host that the dead one has claimed is free after a while, or after a boot.
            let wait = if self.rng.bool() { 30..200 } else { 600..800 };
            sleep(Duration::from_secs(self.rng.u64(wait))).await;
            let (last, back) = match &verb {
                Verb::Apply(run) => (run.clone(), false),
                Verb::Rollback(_, run) => (run.clone(), true),
                Verb::Resume(run, back) => (run.clone(), *back),
            };
            let begun = self.universe.state().books[book].runs.iter().any(|run| run.id == last);
            verb = match self.rng.u32(0..5) {
                0 if begun => self.verb(Some(last), book),
                2 | 3 if begun => Verb::Resume(last, back),
                1 => {
                    book = 1 - book;
                    self.verb(None, book)
                }
                _ => self.verb(None, book),
            };
        }
    }

    /// Nothing goes wrong any more: the fleet can be finished, and is then left alone.
    pub(crate) async fn rest(&mut self) {
        {
            let mut state = self.universe.state();
            (state.faults, state.throttled) = (Faults::NONE, None);
            state.region.lift_quota();
            state.hosts.iter_mut().for_each(|host| host.cut = None);
        }
        sleep(Duration::from_secs(700)).await;
        self.apply_all().await;
        if !self.unfinished().is_empty() {
            // What a human is told to do: take back what could not be finished, then begin again.
            for (run, book) in self.runs.clone().into_iter().rev() {
                if self.universe.state().books[book].runs.iter().any(|known| known.id == run) {
                    let verb = self.verb(Some(run), book);
                    self.life(&verb, book, None).await;
                }
            }
            self.apply_all().await;
        }
        let (writes, changes) = {
            let mut state = self.universe.state();
            state.happened(Instant::now(), &Event::Rest);
            for index in 0..state.hosts.len() {
                if is_honest(&state, index) && !state.is_final(index) {
                    state.violate(&format!("end: host {index} cannot be finished"));
                }
                if !is_honest(&state, index) && state.hosts[index].changes > 0 {
                    state.violate(&format!("end: host {index} tells nothing true and was changed"));
                }
            }
            counters(&state)
        };
        let verb = self.verb(None, 0);
        self.life(&verb, 0, None).await;
        let mut state = self.universe.state();
        let (writes, changes) = (counters(&state).0 - writes, counters(&state).1 - changes);
        state.happened(Instant::now(), &Event::Again { writes, changes });
    }

    /// Each operator applies: only the one whose journal knows it finds an EIP that is bound to nothing.
    async fn apply_all(&mut self) {
        for book in [0, 1] {
            let verb = self.verb(None, book);
            self.life(&verb, book, None).await;
        }
    }

    /// The hosts that tell the truth and are not finished.
    fn unfinished(&self) -> Vec<usize> {
        let state = self.universe.state();
        (0..state.hosts.len()).filter(|index| is_honest(&state, *index) && !state.is_final(*index)).collect()
    }

    /// One of the runs is taken back.
    async fn take_back(&mut self) {
        let (run, book) = self.runs[self.rng.usize(0..self.runs.len())].clone();
        if self.universe.state().books[book].runs.iter().any(|known| known.id == run) {
            let verb = self.verb(Some(run), book);
            self.life(&verb, book, None).await;
            self.universe.state().happened(Instant::now(), &Event::Rest);
        }
    }
}

fn is_honest(state: &State, index: usize) -> bool {
    matches!(state.hosts[index].nature, Nature::Plain | Nature::Hijacks)
}

fn counters(state: &State) -> (u64, u64) {
    (state.region.writes, state.hosts.iter().map(|host| host.changes).sum())
}
