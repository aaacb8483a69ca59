//! A host, its fake cloud, a journal, and the verbs to run on them.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use egressctl::core::event::Event;
use egressctl::core::inventory::{Context, HostDesired, KeyDesired, parse};
use egressctl::core::model::{InstanceId, RunId};
use egressctl::core::observed::Observation;
use egressctl::core::plan::{Known, Observed, Plan, Policy, plan};
use egressctl::core::report::HostReport;
use egressctl::core::saga::{Began, Record};
use egressctl::core::template::Templates;
use egressctl::engine::{self, Claims, Cutovers, Discovered, Resume, RollbackHost, Settings, Stop, World};
use egressctl::journal::MemoryJournal;
use egressctl::ports::{
    Clock, EventSink, Exec, HostKey, Journal, Output, RunMeta, RunVerb, SshError, SshErrorKind, Target,
};
use egressctl::ssh::double::{ScriptedTransport, said};

use super::state::{ADDRESS, SNAT, State};
use super::world::FakeCloud;
use crate::support::facts::{frame, printed};

static RUNS: AtomicU32 = AtomicU32::new(0);
static TEMPLATES: OnceLock<Arc<Templates>> = OnceLock::new();

fn run_id() -> RunId {
    format!("20261122T161500Z-{:04x}", RUNS.fetch_add(1, Ordering::SeqCst)).parse().unwrap()
}

struct NoClock;

impl Clock for NoClock {
    fn now_ms(&self) -> i64 {
        1_795_363_200_000
    }
}

/// Every event, in order.
#[derive(Default)]
pub(super) struct Events(pub Mutex<Vec<Event>>);

impl EventSink for Events {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// How the scripts that change the host go.
pub(super) type Script = dyn Fn(&FakeCloud, &str) -> Option<Result<Output, SshError>> + Send + Sync;

pub(super) struct Rig {
    pub cloud: FakeCloud,
    pub journal: Arc<MemoryJournal>,
    pub world: World,
    pub host: HostDesired,
    pub discovered: Discovered,
    pub plan: Plan,
    pub run: RunId,
    pub events: Arc<Events>,
}

pub(super) fn base() -> Observed {
    serde_json::from_str(include_str!("../../plans/base.json")).unwrap()
}

pub(super) fn host() -> HostDesired {
    let text = include_str!("../../plans/inventory.yaml");
    let mut host = parse("inventory.yaml", text, &Context::default()).unwrap().hosts.remove(0);
    host.ssh.keys = vec![KeyDesired { file: "id".into(), public: None, certificate: None }];
    host
}

fn key() -> HostKey {
    HostKey { openssh: "ssh-ed25519 double".to_owned(), fingerprint: "SHA256:double".to_owned() }
}

fn probe(state: &State, script: &str) -> Output {
    let mut out = frame("begin", 0, "egressctl-probe 1") + &frame("instance", 0, "i-web1");
    let answer = |address: &str| {
        if state.echo { (0, address.to_owned()) } else { (28, "timeout".to_owned()) }
    };
    let on_eni = state.egress() == SNAT && state.route && state.reached();
    let from_eni = if on_eni { ADDRESS } else { SNAT };
    for (kind, address) in [("default", state.egress()), ("eni", from_eni)] {
        for n in 0..2 {
            if script.contains(&format!("{kind}.{n}")) {
                let (status, text) = answer(&address.to_string());
                out += &frame(&format!("{kind}.{n}"), status, &text);
            }
        }
    }
    said(&(out + &frame("end", 0, "")))
}

fn host_side(cloud: &FakeCloud, target: &Target, exec: &Exec, script: &Script) -> Result<Output, SshError> {
    let lost = || SshError { kind: SshErrorKind::Lost, message: "the connection broke".to_owned() };
    if target.address == IpAddr::V4(ADDRESS) && !cloud.state().reached() {
        return Err(lost());
    }
    let script_text = exec.command.to_string();
    if let Some(answer) = script(cloud, &script_text) {
        return answer;
    }
    if script_text.contains("egressctl-probe 1") {
        return Ok(probe(&cloud.state(), &script_text));
    }
    if script_text.contains("egressctl-stage 1") {
        return Ok(said("egressctl-stage 1\nresult ok\n"));
    }
    if script_text.contains("egressctl-facts 1") {
        let seen = look(cloud).observed.facts.into_values().next().unwrap();
        return Ok(said(&printed(seen.seen().unwrap())));
    }
    if script_text.contains("egressctl-lease 1") {
        return Ok(said(&cloud.change(|state| state.lease.answer(&script_text))));
    }
    let apply = script_text.contains("egressctl-apply 1");
    cloud.change(|state| state.route = apply);
    Ok(said(&format!("egressctl-{} 1\nresult ok\n", if apply { "apply" } else { "revert" })))
}

impl Rig {
    /// A host that nothing has been done to.
    pub(super) fn fresh() -> Self {
        Self::of(State::untouched(), |_, _| None)
    }

    pub(super) fn of(
        state: State,
        script: impl Fn(&FakeCloud, &str) -> Option<Result<Output, SshError>> + Send + Sync + 'static,
    ) -> Self {
        let (journal, run) = (Arc::new(MemoryJournal::new()), run_id());
        let cloud = FakeCloud::new(state, Arc::clone(&journal), run.clone());
        Self::on(cloud, run, Arc::new(script))
    }

    fn on(cloud: FakeCloud, run: RunId, script: Arc<Script>) -> Self {
        let journal = Arc::clone(&cloud.journal);
        let side = cloud.clone();
        let door = cloud.clone();
        let transport = ScriptedTransport::new(move |target, exec| host_side(&side, target, exec, &*script))
            .on_connect(move |target| {
                if target.address == IpAddr::V4(ADDRESS) && !door.state().reached() {
                    let message = "no answer".to_owned();
                    return Err(SshError { kind: SshErrorKind::Unreachable, message });
                }
                Ok(key())
            });
        let events = Arc::new(Events::default());
        let world = World {
            cloud: Arc::new(cloud.clone()),
            transport: Arc::new(transport),
            journal: Arc::clone(&journal) as Arc<dyn Journal>,
            clock: Arc::new(NoClock),
            events: Arc::clone(&events) as Arc<dyn EventSink>,
            templates: Arc::clone(TEMPLATES.get_or_init(|| Arc::new(Templates::builtin().unwrap()))),
            settings: Settings::default(),
            stop: Stop::default(),
            cutovers: Cutovers::default(),
            claims: Claims::new("ann@bastion".parse().unwrap()),
        };
        let (host, discovered) = (host(), look(&cloud));
        let plan = plan(&[&host], &discovered.observed, &world.templates, &Policy::default());
        Self { cloud, journal, world, host, discovered, plan, run, events }
    }

    /// Looks and plans again, for another run on the same world.
    pub(super) async fn again(&self) -> Self {
        let run = run_id();
        Self::on(self.cloud.of_run(run.clone()), run, Arc::new(|_, _| None))
    }

    async fn begin(&self, id: &RunId, verb: RunVerb) {
        let meta = RunMeta { id: id.clone(), verb, started_ms: 0, inventory: "inventory.yaml".to_owned() };
        self.journal.begin(&meta).await.unwrap();
    }

    /// Puts an earlier run into the journal that knew this host's inbound address.
    pub(super) async fn remember(self) -> Self {
        let earlier = run_id();
        self.begin(&earlier, RunVerb::Apply).await;
        let known = Known { inbound: Some(ADDRESS), ..Known::default() };
        let began = Began { instance: self.host.instance.clone(), known, ops: Vec::new() };
        let record = Record::Began(Box::new(began));
        self.journal.append(&earlier, &self.host.name, 0, &record).await.unwrap();
        self
    }

    pub(super) async fn apply(&self) -> HostReport {
        self.begin(&self.run, RunVerb::Apply).await;
        let hosts = [&self.host];
        let mut reports = engine::apply(&self.world, &self.run, &hosts, &self.discovered, &self.plan).await;
        reports.remove(0)
    }

    /// Goes on with this run, in another process.
    pub(super) async fn resume(&self, how: Resume) -> Vec<HostReport> {
        let world = World { stop: Stop::default(), ..self.world.clone() };
        engine::close_windows(&world, &self.run, &[&self.host]).await.unwrap();
        let discovered = look(&self.cloud);
        engine::resume(&world, &self.run, &[&self.host], Some(&discovered), how).await.unwrap()
    }

    /// Takes this run back; nothing if there is nothing to take back.
    pub(super) async fn rollback(&self) -> Vec<HostReport> {
        let discovered = look(&self.cloud);
        self.rollback_as(&self.host, &discovered).await.1
    }

    /// The same with another idea of the host, and the new run's id.
    pub(super) async fn rollback_as(
        &self,
        host: &HostDesired,
        discovered: &Discovered,
    ) -> (RunId, Vec<HostReport>) {
        let id = run_id();
        self.begin(&id, RunVerb::Rollback(self.run.clone())).await;
        let cloud = Arc::new(self.cloud.of_run(id.clone()));
        let world = World { cloud, stop: Stop::default(), ..self.world.clone() };
        let backs: Vec<RollbackHost> = engine::rollback_hosts(&world, &self.run).await.unwrap();
        let hosts: Vec<_> = backs.into_iter().map(|back| (host, back)).collect();
        let reports = engine::rollback(&world, &id, &hosts, discovered).await;
        (id, reports)
    }
}

/// What discovering would bring.
pub(super) fn look(cloud: &FakeCloud) -> Discovered {
    let (mut observed, state) = (base(), cloud.state());
    let instance: InstanceId = "i-web1".parse().unwrap();
    let lost = state.eip().is_some_and(|eip| eip.holder.is_none());
    observed.cloud = state.view;
    observed.former = lost.then_some((instance, ADDRESS)).into_iter().collect();
    let name = host().name;
    if state.route
        && let Some(Observation::Seen(facts)) = observed.facts.get_mut(&name)
    {
        let text = facts.rc_local.content.take().unwrap_or_default();
        facts.rc_local.content = Some(text.replace("exit 0", "# BEGIN egressctl\n# END egressctl\nexit 0"));
    }
    Discovered { observed, keys: [(name, key())].into() }
}
