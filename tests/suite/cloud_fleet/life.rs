//! One life of the program: the real client and the real engine on the fleet's ground, and the verbs that they carry out.

use std::sync::{Arc, OnceLock};

use egressctl::cloud::aliyun::{Aliyun, AliyunConfig, Env, Tuning};
use egressctl::core::event::Event;
use egressctl::core::inventory::{CredentialSource, HostDesired};
use egressctl::core::model::{RunId, Secret};
use egressctl::core::plan::{Policy, plan};
use egressctl::core::report::HostReport;
use egressctl::core::template::Templates;
use egressctl::engine::{self, Claims, Cutovers, Resume, Settings, Stop, Terms, World};
use egressctl::journal::MemoryJournal;
use egressctl::lab::emulator::AccessKey;
use egressctl::lab::spec::REGION;
use egressctl::ports::{Clock, EventSink, Journal, RunMeta, RunVerb};
use tokio::time::Instant;

use super::ground::Ground;

const KEY: (&str, &str) = ("LTAIfleet", "s3cr3t");

/// The account's key.
pub(super) fn key() -> AccessKey {
    AccessKey { id: KEY.0.to_owned(), secret: Secret::new(KEY.1.to_owned()) }
}

static TEMPLATES: OnceLock<Arc<Templates>> = OnceLock::new();

/// The paused clock as the wall clock.
pub(super) struct SimClock(pub(super) Instant);

impl Clock for SimClock {
    fn now_ms(&self) -> i64 {
        1_795_363_200_000 + i64::try_from(self.0.elapsed().as_millis()).unwrap()
    }
}

struct Nowhere;

impl EventSink for Nowhere {
    fn emit(&self, _: Event) {}
}

/// What is done in one life of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verb {
    Apply,
    Resume(RunId),
    Rollback(RunId),
}

/// What a life is lived on.
#[derive(Clone)]
pub(super) struct House {
    pub(super) ground: Ground,
    pub(super) endpoints: [String; 2],
    pub(super) clock: Arc<SimClock>,
    pub(super) journal: Arc<MemoryJournal>,
}

impl House {
    pub(super) fn client(&self) -> Aliyun {
        let [ecs, vpc] = self.endpoints.clone();
        let config = AliyunConfig {
            region: REGION.parse().unwrap(),
            ecs_endpoint: Some(ecs),
            vpc_endpoint: Some(vpc),
            credentials: CredentialSource::Environment,
            metadata_base: None,
            tuning: Tuning { jitter: |step| step.mul_f32(0.7), ..Tuning::default() },
        };
        let env =
            Env::of(&[("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY.0), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY.1)]);
        Aliyun::new(&config, &env, Arc::clone(&self.clock) as Arc<dyn Clock>).unwrap()
    }

    pub(super) fn world(&self) -> World {
        World {
            cloud: Arc::new(self.client()),
            transport: Arc::new(self.ground.clone()),
            journal: Arc::clone(&self.journal) as Arc<dyn Journal>,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            events: Arc::new(Nowhere),
            templates: Arc::clone(TEMPLATES.get_or_init(|| Arc::new(Templates::builtin().unwrap()))),
            settings: Settings::default(),
            stop: Stop::default(),
            cutovers: Cutovers::default(),
            claims: Claims::new("ann@bastion".parse().unwrap()),
        }
    }
}

/// Does it.
pub(super) async fn work(
    world: &World,
    verb: &Verb,
    run: &RunId,
    hosts: &[&HostDesired],
) -> Result<Vec<HostReport>, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    if let Verb::Resume(run) = verb {
        let how = Resume { begin: Some(Terms::default()), retry_stuck: true };
        return engine::resume(world, run, hosts, None, how).await.map_err(|error| told(&error));
    }
    let discovered = engine::discover(world, hosts).await.map_err(|error| told(&error))?;
    let policy = Policy { now_ms: world.clock.now_ms(), ..Policy::default() };
    let plan = plan(hosts, &discovered.observed, &world.templates, &policy);
    let of = if let Verb::Rollback(of) = verb { RunVerb::Rollback(of.clone()) } else { RunVerb::Apply };
    let backs = match verb {
        Verb::Rollback(of) => engine::rollback_hosts(world, of).await.map_err(|error| told(&error))?,
        _ => Vec::new(),
    };
    let meta =
        RunMeta { id: run.clone(), verb: of, started_ms: world.clock.now_ms(), inventory: "i".to_owned() };
    world.journal.begin(&meta).await.map_err(|error| told(&error))?;
    if let Verb::Rollback(_) = verb {
        let desired = |name| hosts.iter().find(|host| host.name == name).copied();
        let backs: Vec<_> =
            backs.into_iter().filter_map(|back| Some((desired(back.host.clone())?, back))).collect();
        return Ok(engine::rollback(world, run, &backs, &discovered).await);
    }
    Ok(engine::apply(world, run, hosts, &discovered, &plan).await)
}
