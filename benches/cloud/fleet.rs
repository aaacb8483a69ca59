//! A fleet of made-up hosts in the lab's cloud, and a run over them by the real engine.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use egressctl::cloud::aliyun::{Aliyun, AliyunConfig, Env, Tuning};
use egressctl::core::event::Event;
use egressctl::core::inventory::{
    Context, CredentialSource, Desired, HostDesired, KeyDesired, Network, parse,
};
use egressctl::core::model::{RunId, Secret};
use egressctl::core::observed::{Facts, Observation};
use egressctl::core::plan::{Observed, Policy, plan};
use egressctl::core::template::Templates;
use egressctl::engine::{self, Claims, Cutovers, Settings, Stop, World};
use egressctl::journal::MemoryJournal;
use egressctl::lab::emulator::{AccessKey, Emulator, Tuning as LabTuning, serve};
use egressctl::lab::spec::{Case, Flavour, HostSpec, LabSpec, REGION, SNAT_ADDRESS, SUBNETS, Sshd};
use egressctl::ports::{Clock, EventSink, Exec, HostKey, Output, RunMeta, RunVerb, SshError, Target};
use egressctl::ssh::double::{ScriptedTransport, said};
use tokio::net::TcpListener;

use super::facts::{frame, printed};
use super::region::{Noted, Slow};

type Failure = Box<dyn Error>;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) hosts: usize,
    pub(crate) forks: usize,
    pub(crate) cutovers: usize,
    /// Share of the quota of calls.
    pub(crate) share: f64,
}

struct Wall;

impl Clock for Wall {
    fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond()
    }
}

struct Silence;

impl EventSink for Silence {
    fn emit(&self, _: Event) {}
}

/// One host's own side.
#[derive(Clone)]
struct Made {
    facts: Facts,
    public: Ipv4Addr,
}

pub(crate) struct Fleet {
    world: World,
    noted: Arc<Noted>,
    slow: Arc<Slow>,
    desired: Desired,
}

/// Management addresses, apart from everything in the lab.
fn managed(n: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 1, 0, 1)) + n as u32)
}

/// Where the hosts are. Their primaries share addresses there, which nothing in here minds; the new interfaces are in the large
/// subnet, each at an address of its own.
const HOME: usize = 1;
const ROOM: usize = 0;

/// The address of a host's new interface.
fn second(n: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(172, 16, 0, 1)) + n as u32)
}

fn spec(n: usize) -> Result<HostSpec, Failure> {
    let subnet = &SUBNETS[HOME];
    let cidr: ipnet::Ipv4Net = subnet.cidr.parse()?;
    Ok(HostSpec {
        index: n,
        name: format!("h{n}").parse()?,
        instance: format!("i-bench{n}").parse()?,
        flavour: Flavour::Debian,
        case: Case::Fresh,
        vswitch: subnet.id.parse()?,
        cidr,
        mac: format!("00:16:3e:77:{:02x}:{:02x}", n / 256, n % 256).parse()?,
        address: Ipv4Addr::from(u32::from(cidr.network()) + 1 + (n % 90) as u32),
        public: Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 1)) + n as u32),
    })
}

/// The facts of the plans' base host, made those of another.
fn made(host: &HostSpec) -> Result<Made, Failure> {
    let base: Observed = serde_json::from_str(include_str!("../../tests/plans/base.json"))?;
    let facts = base.facts.into_values().find_map(|facts| match facts {
        Observation::Seen(facts) => Some(facts),
        Observation::Unseen(_) => None,
    });
    let gateway = Ipv4Addr::from(u32::from(host.cidr.broadcast()) - 2);
    let text = serde_json::to_string(&facts.ok_or("the base has no facts")?)?;
    let texts = [
        ("i-web1", host.instance.to_string()),
        ("00:16:3e:00:00:01", host.mac.to_string()),
        ("172.16.0.0/24", host.cidr.to_string()),
        ("172.16.0.10/24", format!("{}/{}", host.address, host.cidr.prefix_len())),
        ("172.16.0.10", host.address.to_string()),
        ("172.16.0.253", gateway.to_string()),
    ];
    // By way of signs that are no text of the facts: one replacement must not be found by the next.
    let signs = (0..).map(|n| format!("<{n}>"));
    let text =
        texts.iter().zip(signs.clone()).fold(text, |text, ((from, _), sign)| text.replace(from, &sign));
    let text = texts.iter().zip(signs).fold(text, |text, ((_, to), sign)| text.replace(&sign, to));
    Ok(Made { facts: serde_json::from_str(&text)?, public: host.public })
}

fn host_side(host: &Made, exec: &Exec) -> Output {
    let script = exec.command.to_string();
    let value = |key: &str| script.lines().find_map(|line| Some(line.strip_prefix(key)?.trim_matches('\'')));
    if script.contains("egressctl-probe 1") {
        let instance = host.facts.instance.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut out = frame("begin", 0, "egressctl-probe 1") + &frame("instance", 0, &instance);
        for (kind, address) in [("default", SNAT_ADDRESS), ("eni", host.public)] {
            for n in 0..2 {
                if script.contains(&format!("{kind}.{n}")) {
                    out += &frame(&format!("{kind}.{n}"), 0, &address.to_string());
                }
            }
        }
        return said(&(out + &frame("end", 0, "")));
    }
    if script.contains("egressctl-facts 1") {
        return said(&printed(&host.facts));
    }
    if script.contains("egressctl-lease 1") {
        let end = match value("verb=") {
            Some("acquire") => "taken",
            Some("renew") => "renewed",
            _ => "released",
        };
        return said(&format!("egressctl-lease 1\nresult {end}\n"));
    }
    let name =
        ["stage", "apply", "revert"].into_iter().find(|name| script.contains(&format!("egressctl-{name} 1")));
    said(&format!("egressctl-{} 1\nresult ok\n", name.unwrap_or("apply")))
}

fn desired(options: &Options) -> Result<Desired, Failure> {
    let mut text = format!("cloud: {{ provider: aliyun, region: {REGION}, limits: {{ eips: 1000000 }} }}\n");
    text += "defaults:\n  verify: { echo: [\"http://198.51.100.20/\", \"http://198.51.100.21/\"] }\nhosts:\n";
    for n in 0..options.hosts {
        let (managed, second, room) = (managed(n), second(n), SUBNETS[ROOM].id);
        let _ = writeln!(
            text,
            "  - {{ name: h{n}, instance: i-bench{n}, address: {managed}, eni: {{ vswitch: {room}, primary_ip: {second} }} }}"
        );
    }
    let mut desired = parse("bench.yaml", &text, &Context::default()).map_err(|error| error.to_string())?;
    for host in &mut desired.hosts {
        host.ssh.keys = vec![KeyDesired { file: "id".into(), public: None, certificate: None }];
    }
    Ok(desired)
}

impl Fleet {
    pub(crate) async fn build(options: &Options) -> Result<Self, Failure> {
        let mut lab = LabSpec::new(1, Sshd::Builtin, 1, None)?;
        lab.hosts = (0..options.hosts).map(spec).collect::<Result<_, _>>()?;
        let slow = Arc::new(Slow::default());
        let key = AccessKey { id: "ak".to_owned(), secret: Secret::new("secret".to_owned()) };
        let seconds = Duration::from_secs;
        let tuning = LabTuning {
            attach: seconds(2),
            convert: seconds(2),
            // What the network does takes 2 to 8 s of itself.
            associate: Duration::ZERO,
            unassociate: Duration::ZERO,
            jitter_percent: 300,
            eip_quota: usize::MAX,
            eni_quota: usize::MAX,
            ..LabTuning::default()
        };
        let emulator = Arc::new(Emulator::new(&lab, Arc::clone(&slow) as _, key, tuning));
        let (ecs, vpc) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let base = |listener: &TcpListener| listener.local_addr().map(|at| Some(format!("http://{at}")));
        let config = AliyunConfig {
            region: REGION.parse()?,
            ecs_endpoint: base(&ecs)?,
            vpc_endpoint: base(&vpc)?,
            sts_endpoint: None,
            network: Network::Public,
            credentials: CredentialSource::Environment,
            profile: None,
            metadata_base: None,
            tuning: Tuning { quota_share: options.share, ..Tuning::default() },
        };
        tokio::spawn(serve(ecs, vpc, emulator));
        let keys = [("ALIBABA_CLOUD_ACCESS_KEY_ID", "ak"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret")];
        let clock: Arc<dyn Clock> = Arc::new(Wall);
        let noted = Noted::new(Aliyun::new(&config, &Env::of(&keys), Arc::clone(&clock))?);
        let mut sides = BTreeMap::new();
        for (n, host) in lab.hosts.iter().enumerate() {
            let side = made(host)?;
            sides.insert(IpAddr::V4(managed(n)), side.clone());
            sides.insert(IpAddr::V4(host.public), side);
        }
        let answer = move |target: &Target, exec: &Exec| -> Result<Output, SshError> {
            Ok(sides.get(&target.address).map_or_else(|| said(""), |host| host_side(host, exec)))
        };
        let transport = ScriptedTransport::new(answer).on_connect(|_| {
            Ok(HostKey { openssh: "ssh-ed25519 double".to_owned(), fingerprint: "SHA256:double".to_owned() })
        });
        let desired = desired(options)?;
        let limits = desired.cloud.limits;
        let world = World {
            cloud: Arc::clone(&noted) as _,
            transport: Arc::new(transport),
            journal: Arc::new(MemoryJournal::new()),
            clock,
            events: Arc::new(Silence),
            templates: Arc::new(Templates::builtin()?),
            settings: Settings { forks: options.forks, limits, ..Settings::default() },
            stop: Stop::default(),
            cutovers: Cutovers::new(options.cutovers),
            claims: Claims::new("ann@bastion".parse()?),
        };
        Ok(Self { world, noted, slow, desired })
    }

    /// Plans and applies; outcomes and how many hosts had them.
    pub(crate) async fn apply(&self) -> Result<BTreeMap<String, usize>, Failure> {
        let hosts: Vec<&HostDesired> = self.desired.hosts.iter().collect();
        let discovered = engine::discover(&self.world, &hosts).await?;
        let policy = Policy {
            now_ms: self.world.clock.now_ms(),
            limits: self.world.settings.limits,
            ..Policy::default()
        };
        let plan = plan(&hosts, &discovered.observed, &self.world.templates, &policy);
        let at = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let run: RunId = format!("{at}-0000").parse()?;
        let meta = RunMeta {
            id: run.clone(),
            verb: RunVerb::Apply,
            started_ms: 0,
            inventory: "bench.yaml".to_owned(),
        };
        self.world.journal.begin(&meta).await?;
        let mut outcomes = BTreeMap::new();
        for report in engine::apply(&self.world, &run, &hosts, &discovered, &plan).await {
            *outcomes.entry(format!("{:?}", report.outcome)).or_default() += 1;
        }
        Ok(outcomes)
    }

    /// How many writes a plan of the fleet as it is now has.
    pub(crate) async fn wished(&self) -> Result<usize, Failure> {
        let hosts: Vec<&HostDesired> = self.desired.hosts.iter().collect();
        let discovered = engine::discover(&self.world, &hosts).await?;
        let policy = Policy {
            now_ms: self.world.clock.now_ms(),
            limits: self.world.settings.limits,
            ..Policy::default()
        };
        Ok(plan(&hosts, &discovered.observed, &self.world.templates, &policy).writes().values().sum())
    }

    pub(crate) fn calls(&self) -> BTreeMap<String, u64> {
        self.world.cloud.calls()
    }

    /// How long each EIP was between its two moves, and how much of that was not the cloud's.
    pub(crate) fn windows(&self) -> (Vec<Duration>, Vec<Duration>) {
        let lock = std::sync::PoisonError::into_inner;
        let off = self.noted.off.lock().unwrap_or_else(lock);
        let lock = std::sync::PoisonError::into_inner;
        let on = self.noted.on.lock().unwrap_or_else(lock);
        let lock = std::sync::PoisonError::into_inner;
        let addresses = self.noted.addresses.lock().unwrap_or_else(lock);
        let lock = std::sync::PoisonError::into_inner;
        let took = self.slow.took.lock().unwrap_or_else(lock);
        let moves = off.iter().filter_map(|(eip, off)| {
            let window = on.get(eip)?.saturating_duration_since(*off);
            Some((window, window.saturating_sub(*took.get(addresses.get(eip)?)?)))
        });
        moves.unzip()
    }
}
