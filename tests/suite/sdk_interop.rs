//! The vendor's own SDK, unmodified, against the emulator: an independent judge of the wire.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use egressctl::core::model::{InstanceId, MacAddr, Secret};
use egressctl::lab::emulator::{AccessKey, Emulator, Tuning, serve};
use egressctl::lab::fabric::{Fabric, Port};
use egressctl::lab::spec::{LabSpec, Sshd};
use tokio::net::TcpListener;
use tokio::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/procedure.py");
const KEY: (&str, &str) = ("LTAIinterop", "s3cr3t/Key+With=Symbols");
const INSTANCE: &str = "i-lab0000070002";

#[derive(Default)]
struct Recorder(Mutex<Vec<&'static str>>);

impl Recorder {
    fn note(&self, what: &'static str) -> Result<(), String> {
        self.0.lock().map_err(|error| error.to_string())?.push(what);
        Ok(())
    }
}

#[async_trait]
impl Fabric for Recorder {
    async fn plug(&self, _: &InstanceId, _: &Port) -> Result<(), String> {
        self.note("plug")
    }
    async fn unplug(&self, _: &InstanceId, _: MacAddr) -> Result<(), String> {
        self.note("unplug")
    }
    async fn bind(&self, _: Ipv4Addr, _: Ipv4Addr) -> Result<(), String> {
        self.note("bind")
    }
    async fn unbind(&self, _: Ipv4Addr) -> Result<(), String> {
        self.note("unbind")
    }
}

/// Runs a program to its end and returns what it printed. Proxies are unset: all but pip stays on the loopback interface.
async fn run(program: &Path, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    if !args.contains(&"pip") {
        for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(proxy);
        }
    }
    let output =
        command.args(args).output().await.map_err(|error| format!("{}: {error}", program.display()))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        Ok(out.into_owned())
    } else {
        Err(format!("{} {args:?}: {}\n{out}\n{err}", program.display(), output.status))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "opt-in: installs the official SDK from PyPI; run with cargo test -- --ignored sdk_interop"]
async fn the_official_sdk_walks_the_procedure_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let venv = folder.path().join("venv");
    run(Path::new("python3"), &["-m", "venv", venv.to_str().unwrap()]).await.unwrap();
    let python = venv.join("bin/python");
    let install = ["-m", "pip", "install", "-q", "alibabacloud_ecs20140526", "alibabacloud_vpc20160428"];
    run(&python, &install).await.unwrap();

    let fabric = Arc::new(Recorder::default());
    let spec = LabSpec::new(7, Sshd::Builtin, 6, None).unwrap();
    let key = AccessKey { id: KEY.0.to_owned(), secret: Secret::new(KEY.1.to_owned()) };
    let emulator = Arc::new(Emulator::new(&spec, fabric.clone(), key, Tuning::default()));
    let ecs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let vpc = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = ecs.local_addr().unwrap().to_string();
    let server = tokio::spawn(serve(ecs, vpc, Arc::clone(&emulator)));
    let out = run(&python, &[SCRIPT, &endpoint, KEY.0, KEY.1, INSTANCE]).await.unwrap();
    server.abort();

    let seen: serde_json::Value = serde_json::from_str(&out).unwrap();
    println!("{seen:#}");
    assert_eq!((&seen["public"], &seen["finally_at"]), (&"203.0.113.11".into(), &INSTANCE.into()));
    assert_eq!(seen["repeated_conversion"], "InvalidInstance.IpAddressMissing");
    assert_eq!(seen["regions_by_older_signature"][0], "cn-lab-1");
    assert_eq!(seen["wrong_secret"], "SignatureDoesNotMatch");
    assert_eq!(seen["wrong_secret_older"], "SignatureDoesNotMatch");
    assert_eq!(*fabric.0.lock().unwrap(), ["plug", "unbind", "bind", "unbind", "bind", "unplug"]);
    let refused: Vec<_> = emulator.calls().into_iter().filter_map(|call| call.code).collect();
    assert_eq!(
        refused,
        ["InvalidInstance.IpAddressMissing", "SignatureDoesNotMatch", "SignatureDoesNotMatch"]
    );
}
