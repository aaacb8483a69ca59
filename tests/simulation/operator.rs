//! An operator at a bastion: looks, plans, applies or takes back with the real engine, and may be killed at any point.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use egressctl::core::event::{Event as Told, HostOutcome};
use egressctl::core::inventory::{Context, HostDesired, KeyDesired, parse};
use egressctl::core::model::RunId;
use egressctl::core::plan::{Plan, Policy, plan};
use egressctl::core::report::HostReport;
use egressctl::core::template::Templates;
use egressctl::engine::{
    self, Claims, Cutovers, Discovered, EngineError, Resume, Settings, Stop, Terms, World,
};
use egressctl::ports::{Clock, EventSink, RunMeta, RunVerb};
use tokio::time::{Instant, sleep};

use super::cloud::SimCloud;
use super::host::Host;
use super::journal::SimJournal;
use super::transport::SimTransport;
use super::universe::{Event, Universe};

/// Milliseconds since 1970 at which every simulation begins.
const EPOCH_MS: i64 = 1_795_363_200_000;

static TEMPLATES: OnceLock<Arc<Templates>> = OnceLock::new();
static DESIRED: OnceLock<HostDesired> = OnceLock::new();

const INVENTORY: &str = "cloud: { provider: aliyun, region: cn-beijing }
defaults:
  verify: { echo: [\"http://198.18.0.1/\"] }
hosts:
  - name: one
    instance: i-one
";

/// What the inventory says of a host.
pub(crate) fn desired(host: &Host) -> HostDesired {
    let template = DESIRED.get_or_init(|| {
        let mut hosts = parse("simulation.yaml", INVENTORY, &Context::default()).unwrap().hosts;
        hosts.remove(0)
    });
    let mut desired = template.clone();
    (desired.name, desired.instance) = (host.name.clone(), host.instance.clone());
    desired.eni.name = format!("egress-{}", host.name);
    desired.ssh.keys = vec![KeyDesired { file: "id".into(), public: None, certificate: None }];
    desired
}

struct SimClock(Instant);

impl Clock for SimClock {
    fn now_ms(&self) -> i64 {
        EPOCH_MS + i64::try_from(self.0.elapsed().as_millis()).unwrap_or(0)
    }
}

/// Events of the engine, as the text that a front end would write.
struct Sink(Universe);

impl EventSink for Sink {
    fn emit(&self, event: Told) {
        let text = serde_json::to_string(&event).unwrap_or_default();
        self.0.state().happened(Instant::now(), &Event::Told { text });
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verb {
    Apply(RunId),
    /// The first under the id of the second.
    Rollback(RunId, RunId),
    /// Goes on with a run, which may be a rollback.
    Resume(RunId, bool),
}

/// How a life ended.
#[derive(Debug)]
pub(crate) enum Life {
    Killed,
    /// It could not look, or not begin; nothing was changed.
    Nothing,
    /// With these reports.
    Reports(Vec<HostReport>),
}

/// One process of egressctl.
pub(crate) struct Operator {
    pub(crate) universe: Universe,
    pub(crate) life: u64,
    pub(crate) book: usize,
    pub(crate) forks: usize,
    pub(crate) hosts: Vec<HostDesired>,
}

impl Operator {
    fn world(&self) -> World {
        let (universe, life, book) = (&self.universe, self.life, self.book);
        let began = universe.state().began;
        World {
            cloud: Arc::new(SimCloud { universe: universe.clone(), life }),
            transport: Arc::new(SimTransport { universe: universe.clone(), life }),
            journal: Arc::new(SimJournal { universe: universe.clone(), life, book }),
            clock: Arc::new(SimClock(began)),
            events: Arc::new(Sink(universe.clone())),
            templates: Arc::clone(TEMPLATES.get_or_init(|| Arc::new(Templates::builtin().unwrap()))),
            settings: Settings { forks: self.forks, ..Settings::default() },
            stop: Stop::default(),
            cutovers: Cutovers::default(),
            claims: Claims::new(format!("operator-{book}@bastion-{life}").parse().unwrap()),
        }
    }

    /// Lives until the verb has ended, or until it is killed.
    pub(crate) async fn live(&self, verb: &Verb, kill_at: Option<u64>) -> Life {
        {
            let mut state = self.universe.state();
            (state.alive, state.book) = (Some(self.life), self.book);
            (state.points, state.kill_at) = (0, kill_at);
        }
        let world = self.world();
        let life = tokio::select! {
            biased;
            () = self.universe.death.notified() => Life::Killed,
            life = self.work(&world, verb) => life,
        };
        let mut state = self.universe.state();
        state.alive = None;
        if let Life::Reports(reports) = &life {
            let human = |name| {
                let of_host = reports.iter().find(|report| report.name == name);
                of_host.is_none_or(|report| {
                    !matches!(
                        report.outcome,
                        HostOutcome::Ok | HostOutcome::Changed | HostOutcome::Reverted(_)
                    )
                })
            };
            let told = state.hosts.iter().map(|host| human(host.name.clone())).collect();
            state.happened(Instant::now(), &Event::Ended { told });
        }
        life
    }

    async fn work(&self, world: &World, verb: &Verb) -> Life {
        let hosts: Vec<&HostDesired> = self.hosts.iter().collect();
        if let Verb::Resume(run, _) = verb {
            return self.go_on(world, run, &hosts).await;
        }
        let Some((discovered, plan)) = self.look(world, &hosts).await else { return Life::Nothing };
        let (run, meta) = match verb {
            Verb::Apply(run) => (run, RunVerb::Apply),
            Verb::Rollback(of, run) => (run, RunVerb::Rollback(of.clone())),
            Verb::Resume(..) => return Life::Nothing,
        };
        let meta = RunMeta {
            id: run.clone(),
            verb: meta,
            started_ms: world.clock.now_ms(),
            inventory: "simulation.yaml".to_owned(),
        };
        let backs = match verb {
            Verb::Apply(_) | Verb::Resume(..) => None,
            Verb::Rollback(of, _) => match engine::rollback_hosts(world, of).await {
                Ok(backs) => Some(backs),
                Err(error) => {
                    self.universe.state().violate(&format!("journal: {error}"));
                    return Life::Nothing;
                }
            },
        };
        if world.journal.begin(&meta).await.is_err() {
            return Life::Nothing;
        }
        let reports = match backs {
            None => engine::apply(world, run, &hosts, &discovered, &plan).await,
            Some(backs) => {
                let desired = |name| hosts.iter().find(|host| host.name == name).copied();
                let backs: Vec<_> =
                    backs.into_iter().filter_map(|back| Some((desired(back.host.clone())?, back))).collect();
                engine::rollback(world, run, &backs, &discovered).await
            }
        };
        Life::Reports(reports)
    }

    /// Resumes a run; tries again where the cloud does not let itself be looked at.
    async fn go_on(&self, world: &World, run: &RunId, hosts: &[&HostDesired]) -> Life {
        for _ in 0..10 {
            let how = Resume { begin: Some(Terms::default()), retry_stuck: true };
            match engine::resume(world, run, hosts, None, how).await {
                Ok(reports) => return Life::Reports(reports),
                Err(EngineError::Cloud(_)) => sleep(Duration::from_secs(5)).await,
                Err(EngineError::Journal(_)) => return Life::Nothing,
                Err(error) => {
                    self.universe.state().violate(&format!("resuming: {error}"));
                    return Life::Nothing;
                }
            }
        }
        Life::Nothing
    }

    /// Looks and plans; tries again where the cloud does not let itself be looked at.
    async fn look(&self, world: &World, hosts: &[&HostDesired]) -> Option<(Discovered, Plan)> {
        for _ in 0..10 {
            match engine::discover(world, hosts).await {
                Ok(discovered) => {
                    let policy = Policy { now_ms: world.clock.now_ms(), ..Policy::default() };
                    let plan = plan(hosts, &discovered.observed, &world.templates, &policy);
                    return Some((discovered, plan));
                }
                Err(EngineError::Cloud(_)) => sleep(Duration::from_secs(5)).await,
                Err(error) => {
                    self.universe.state().violate(&format!("looking: {error}"));
                    return None;
                }
            }
        }
        None
    }
}
