//! `preflight` and `inventory discover` as a person runs them, against the emulator on loopback: what is found, how it is told,
//! how many calls it takes. `EGRESSCTL_BLESS=1` rewrites the expectations in `tests/preflights`; read the diff then.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use egressctl::core::inventory::{Context, parse};
use egressctl::core::model::{InstanceId, MacAddr, Secret};
use egressctl::lab::emulator::{AccessKey, Emulator, Tuning, serve};
use egressctl::lab::fabric::{Fabric, Port};
use egressctl::lab::spec::{Case, HostSpec, LabSpec, SUBNETS, Sshd};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;

/// A preflight must not reach the network behind the API.
struct Untouched;

#[async_trait]
impl Fabric for Untouched {
    async fn plug(&self, _: &InstanceId, _: &Port) -> Result<(), String> {
        Err("not by a preflight".to_owned())
    }
    async fn unplug(&self, _: &InstanceId, _: MacAddr) -> Result<(), String> {
        Err("not by a preflight".to_owned())
    }
    async fn bind(&self, _: Ipv4Addr, _: Ipv4Addr) -> Result<(), String> {
        Err("not by a preflight".to_owned())
    }
    async fn unbind(&self, _: Ipv4Addr) -> Result<(), String> {
        Err("not by a preflight".to_owned())
    }
}

struct Cloud {
    emulator: Arc<Emulator>,
    endpoints: [String; 2],
    folder: tempfile::TempDir,
    server: JoinHandle<()>,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Cloud {
    async fn new(spec: &LabSpec) -> Self {
        let key = AccessKey { id: "key".to_owned(), secret: Secret::new("secret".to_owned()) };
        let emulator = Arc::new(Emulator::new(spec, Arc::new(Untouched), key, Tuning::default()));
        let listeners = [
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        ];
        let endpoints = listeners.each_ref().map(|it| format!("http://{}", it.local_addr().unwrap()));
        let [ecs, vpc] = listeners;
        let serving = Arc::clone(&emulator);
        let server = tokio::spawn(async move { serve(ecs, vpc, serving).await.unwrap() });
        Self { emulator, endpoints, folder: tempfile::tempdir().unwrap(), server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn egressctl(&self, args: &[&str]) -> Answer {
        let output = Command::new(env!("CARGO_BIN_EXE_egressctl"))
            .args(args)
            .env_clear()
            .envs([
                ("HOME", self.folder.path().to_str().unwrap()),
                ("EGRESSCTL_ECS_ENDPOINT", &self.endpoints[0]),
                ("EGRESSCTL_VPC_ENDPOINT", &self.endpoints[1]),
                ("EGRESSCTL_ECHO", "http://198.51.100.20/"),
                ("ALIBABA_CLOUD_ACCESS_KEY_ID", "key"),
                ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret"),
                ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"),
            ])
            .output()
            .await
            .unwrap();
        Answer {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// An inventory of the lab's hosts.
    fn inventory(&self, spec: &LabSpec, cloud: &str) -> String {
        let mut text = format!("cloud: {{ region: cn-lab-1{cloud} }}\nhosts:\n");
        for host in &spec.hosts {
            let allow = if host.case == Case::PrePaid { ", allow: { charge_type_change: true }" } else { "" };
            text += &format!("  - {{ name: {}, instance: {}{allow} }}\n", host.name, host.instance);
        }
        let path = self.path("inventory.yaml");
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

fn lab() -> LabSpec {
    LabSpec::new(7, Sshd::Builtin, 6, None).unwrap()
}

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/preflights").join(name);
    // The lab's subscriptions end so many days after it began.
    let (before, after) = text.split_once("paid for until ").unwrap();
    let text = &format!("{before}paid for until DATE{}", &after["2027-09-18T23:26Z".len()..]);
    if std::env::var_os("EGRESSCTL_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    assert_eq!(*text, fs::read_to_string(&path).unwrap_or_default(), "{name}");
}

#[tokio::test]
async fn a_preflight_tells_what_why_fix_and_who() {
    let (spec, cloud) = (lab(), Cloud::new(&lab()).await);
    let before = cloud.emulator.snapshot();
    let inventory = cloud.inventory(&spec, ", limits: { eips: 300 }");
    let text = cloud.egressctl(&["preflight", "-i", &inventory]).await;
    assert_eq!(text.code, 2, "{}", text.err);
    golden("lab.txt", &text.out);
    let json = cloud.egressctl(&["preflight", "-i", &inventory, "--json"]).await;
    assert_eq!(json.code, 2, "{}", json.err);
    golden("lab.json", &json.out);
    let only = cloud.egressctl(&["preflight", "-i", &inventory, "-l", "done-1,web-1"]).await;
    assert_eq!((only.code, only.err.as_str()), (0, ""), "{}", only.out);
    assert_eq!(cloud.emulator.snapshot(), before, "a preflight changes nothing");
    assert_eq!(cloud.emulator.writes(), 0);
}

#[tokio::test]
async fn a_quota_that_nobody_has_raised_stops_the_whole_plan() {
    let spec = LabSpec::new(7, Sshd::Builtin, 40, None).unwrap();
    let cloud = Cloud::new(&spec).await;
    let inventory = cloud.inventory(&spec, "");
    let answer = cloud.egressctl(&["preflight", "-i", &inventory]).await;
    assert_eq!(answer.code, 2, "{}", answer.err);
    let first = answer.out.lines().next().unwrap();
    assert_eq!(first, "refused [eip-quota] 38 hosts", "{}", answer.out);
    assert!(answer.out.contains("Preflight: 40 hosts: 39 refused, 1 as desired."), "{}", answer.out);
    assert_eq!(cloud.egressctl(&["preflight", "-i", &inventory, "-l", "web-1"]).await.code, 0);
}

/// A thousand fresh hosts in three vSwitches, one of which has no SNAT entry.
fn thousand() -> LabSpec {
    let model = LabSpec::new(7, Sshd::Builtin, 2, None).unwrap().hosts.remove(1);
    let counts = [640, 180, 180];
    let mut hosts = Vec::new();
    for (subnet, count) in SUBNETS.iter().zip(counts) {
        let cidr: ipnet::Ipv4Net = subnet.cidr.parse().unwrap();
        for n in 0..count {
            let index = u32::try_from(hosts.len()).unwrap();
            let [.., high, low] = index.to_be_bytes();
            hosts.push(HostSpec {
                index: hosts.len(),
                name: format!("web-{}", index + 1).parse().unwrap(),
                instance: format!("i-lab{index:09}").parse().unwrap(),
                vswitch: subnet.id.parse().unwrap(),
                cidr,
                mac: MacAddr([0x00, 0x16, 0x3e, 0x80, high, low]),
                address: Ipv4Addr::from(u32::from(cidr.network()) + 10 + n),
                public: Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 1)) + index),
                ..model.clone()
            });
        }
    }
    LabSpec { seed: 7, sshd: Sshd::Builtin, hosts, faults: String::new(), others: false }
}

#[tokio::test]
async fn a_thousand_hosts_take_few_calls_and_few_lines() {
    let spec = thousand();
    let cloud = Cloud::new(&spec).await;
    let inventory = cloud.inventory(&spec, ", limits: { eips: 2000 }");
    let answer = cloud.egressctl(&["preflight", "-i", &inventory, "--json"]).await;
    assert_eq!(answer.code, 2, "{}", answer.err);
    let seen: Value = serde_json::from_str(&answer.out).unwrap();
    let calls = seen["api_calls"].as_u64().unwrap();
    assert!(calls < 60, "{calls} calls");
    assert_eq!(calls, cloud.emulator.calls().len() as u64, "what is told is what was called");
    let of = |code: &str| {
        let found = seen["findings"].as_array().unwrap().iter().find(|it| it["code"] == code);
        found.map_or(0, |it| it["hosts"].as_u64().unwrap())
    };
    // 1,020 addresses of the first vSwitch and 252 of the second, less those that the hosts have.
    assert_eq!((of("vswitch-full"), of("snat-missing")), (640 - (1020 - 640) + 180 - (252 - 180), 180));
    assert_eq!(of("snat-headroom"), 1000 - of("vswitch-full") - of("snat-missing"));
    let text = cloud.egressctl(&["preflight", "-i", &inventory]).await.out;
    assert!(text.lines().count() < 60, "{text}");
}

#[tokio::test]
async fn what_is_discovered_is_an_inventory() {
    let cloud = Cloud::new(&thousand()).await;
    let file = cloud.path("new.yaml").display().to_string();
    let discover = ["inventory", "discover", "--region", "cn-lab-1"];
    let with = |more: &[&'static str]| [&discover[..], more].concat();
    let answer = cloud.egressctl(&[&discover[..], &["--out", &file]].concat()).await;
    assert_eq!((answer.code, answer.out.as_str()), (0, ""), "{}", answer.err);
    let text = fs::read_to_string(&file).unwrap();
    let desired = parse("new.yaml", &text, &Context::default()).unwrap();
    assert_eq!(desired.hosts.len(), 1001, "the bastion is an instance as well");
    assert_eq!(desired.hosts[0].name.as_str(), "bastion");
    assert_eq!(desired.hosts[1].instance.as_str(), "i-lab000000000");
    // As few pages as there can be: 100 instances each.
    assert_eq!(cloud.emulator.calls().len(), 11);
    let listed = cloud.egressctl(&["inventory", "list", "-i", &file, "-l", "web-7"]).await;
    assert!(listed.out.starts_with("web-7 ") && listed.out.lines().count() == 1, "{}", listed.out);

    let answer = cloud.egressctl(&[&discover[..], &["--out", &file, "--name", "web-1*"]].concat()).await;
    assert_eq!(answer.code, 1, "{}", answer.out);
    assert!(answer.err.contains("it exists; --force replaces it"), "{}", answer.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), text, "nothing was overwritten");
    let answer =
        cloud.egressctl(&[&discover[..], &["--out", &file, "--name", "web-10*", "--force"]].concat()).await;
    assert_eq!(answer.code, 0, "{}", answer.err);
    let desired = parse("new.yaml", &fs::read_to_string(&file).unwrap(), &Context::default()).unwrap();
    assert_eq!(desired.hosts.len(), 12, "web-10, web-100 to web-109, web-1000");

    for (more, hosts) in [
        (&["--vswitch", "vsw-lab-b"][..], 180),
        (&["--vpc", "vpc-lab", "--resource-group", "rg-lab", "--name", "web-99"], 1),
        (&["--id", "i-lab000000007,i-lab000000008"], 2),
    ] {
        let answer = cloud.egressctl(&with(more)).await;
        assert_eq!(answer.code, 0, "{}", answer.err);
        assert_eq!(parse("x", &answer.out, &Context::default()).unwrap().hosts.len(), hosts, "{more:?}");
    }
    let none = cloud.egressctl(&with(&["--tag", "team=web"])).await;
    assert_eq!((none.code, none.out.as_str()), (1, ""));
    assert!(
        none.err.starts_with("no instance of cn-lab-1 is to be in an inventory (tag team=web)"),
        "{}",
        none.err
    );
    assert_eq!(cloud.egressctl(&with(&["--tag", "team", "--allow-empty"])).await.code, 0);
    assert_eq!(cloud.egressctl(&with(&["--tag", "=x"])).await.code, 64);
    assert_eq!(cloud.emulator.writes(), 0);
}

#[tokio::test]
async fn a_policy_is_printed_without_anything_else() {
    let cloud = Cloud::new(&lab()).await;
    let answer = cloud.egressctl(&["preflight", "--policy"]).await;
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    let policy: Value = serde_json::from_str(&answer.out).unwrap();
    let actions =
        policy["Statement"].as_array().unwrap().iter().flat_map(|it| it["Action"].as_array().unwrap());
    let actions: Vec<&str> = actions.map(|action| action.as_str().unwrap()).collect();
    assert!(actions.contains(&"vpc:AssociateEipAddress") && actions.contains(&"ecs:DescribeSecurityGroups"));
    assert!(cloud.emulator.calls().is_empty());
}
