//! The hosts as processes: start all, kill and boot one.
//!
//! A host is an `unshare` that waits for the host's PID 1; that one's death is the host's death.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::services::initial_rc_local;
use crate::core::model::HostName;
use crate::lab::control::{HostStatus, PortStatus, Status};
use crate::lab::enter::move_thread_into;
use crate::lab::host::{BOOT_PATH, Boot, Keys, Nic, keypair, lay_out_minimal_image, prepare};
use crate::lab::network::Network;
use crate::lab::spec::{Flavour, HostSpec, Sshd};
use crate::lab::{paths, tool};

/// A host that has no SSH server after this time is broken.
const BOOT_LIMIT: Duration = Duration::from_secs(60);

/// Where PID 1 of a host complains, among what the host keeps but out of its sight.
const INIT_LOG: &str = "init.log";
/// Shorter than the time after which the kernel would repeat an attempt that came too early.
const CONNECT_LIMIT: Duration = Duration::from_millis(100);

/// One host.
#[derive(Debug)]
struct Machine {
    spec: HostSpec,
    public_key: String,
    /// `None` while it is down. The lock is held during a reboot.
    unshare: Mutex<Option<Child>>,
}

/// All hosts of a lab.
#[derive(Debug)]
pub struct Hosts {
    network: Network,
    machines: Vec<Machine>,
}

impl Hosts {
    /// Gives all hosts their files and boots them, all at once; returns when all SSH servers accept connections.
    ///
    /// # Errors
    /// The first host that did not come up, and why.
    pub(super) fn start(network: &Network) -> Result<Self, String> {
        let spec = network.spec();
        let (private, lab_public) = keypair("egressctl lab")?;
        tool::write(&paths::key(), 0o600, &private)?;
        let config = crate::lab::host::sshd_config(&sshd_version(spec.sshd));
        if spec.hosts.iter().any(|host| host.flavour == Flavour::Minimal) {
            lay_out_minimal_image()?;
        }
        let start = |host: &HostSpec| -> Result<Machine, String> {
            let (host_private, host_public) = keypair(host.name.as_str())?;
            let keys =
                Keys { host_private, host_public: host_public.clone(), lab_public: lab_public.clone() };
            prepare(host, &keys, &config, initial_rc_local(host)?.as_deref())?;
            let child = boot(network, host)?;
            Ok(Machine { spec: host.clone(), public_key: host_public, unshare: Mutex::new(Some(child)) })
        };
        let machines = std::thread::scope(|scope| {
            let started: Vec<_> = spec.hosts.iter().map(|host| scope.spawn(move || start(host))).collect();
            let joined = started.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| Err("the thread that starts a host panicked".into()))
            });
            joined.collect::<Result<Vec<_>, String>>()
        })?;
        Ok(Self { network: network.clone(), machines })
    }

    /// Host keys under the addresses at which the hosts are known.
    pub(super) fn public_keys(&self) -> Vec<(Ipv4Addr, String)> {
        self.machines.iter().map(|host| (host.spec.address, host.public_key.clone())).collect()
    }

    /// Kills a host as a power cut would, drops its network state, and boots it with all its interfaces plugged.
    ///
    /// # Errors
    /// If there is no such host, or it does not come up.
    pub(super) fn reboot(&self, name: &HostName) -> Result<(), String> {
        let host = self.machines.iter().find(|host| host.spec.name == *name);
        let host = host.ok_or_else(|| format!("the lab has no host {name}"))?;
        let mut unshare = host.unshare();
        if let Some(mut child) = unshare.take() {
            if let Some(init) = child_of(child.id()).and_then(|pid| i32::try_from(pid).ok()) {
                // It may have died by itself.
                let _ = Pid::from_raw(init).map(|pid| kill_process(pid, Signal::KILL));
            }
            // Ends when the whole process namespace is gone.
            child.wait().map_err(|error| error.to_string())?;
        }
        self.network.renew(&host.spec)?;
        *unshare = Some(boot(&self.network, &host.spec)?);
        Ok(())
    }

    /// How the lab is.
    pub(super) fn status(&self) -> Status {
        let bindings = self.network.bindings();
        let hosts = self.machines.iter().map(|host| {
            let unshare = host.unshare().as_ref().map_or(0, Child::id);
            let ports = self.network.ports(host.spec.name.as_str()).into_iter().map(|plugged| {
                let address = plugged.port.address;
                let public = bindings.iter().find(|(_, private)| **private == address);
                PortStatus {
                    device: plugged.device,
                    mac: plugged.port.mac,
                    address,
                    public: public.map(|(public, _)| *public),
                }
            });
            HostStatus {
                name: host.spec.name.clone(),
                instance: host.spec.instance.clone(),
                flavour: host.spec.flavour,
                unshare,
                init: child_of(unshare).unwrap_or(0),
                ports: ports.collect(),
            }
        });
        let spec = self.network.spec();
        Status { seed: spec.seed, sshd: spec.sshd, hosts: hosts.collect(), bindings: bindings.clone() }
    }
}

impl Machine {
    fn unshare(&self) -> MutexGuard<'_, Option<Child>> {
        self.unshare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a host in its network namespace and waits for its SSH server.
fn boot(network: &Network, host: &HostSpec) -> Result<Child, String> {
    let nics = network.ports(host.name.as_str()).into_iter().map(|plugged| Nic {
        device: plugged.device,
        address: plugged.port.address,
        cidr: plugged.port.cidr,
    });
    Boot { host: host.clone(), sshd: network.spec().sshd, nics: nics.collect() }.save()?;
    // The child inherits the network namespace of the thread that makes it.
    let mut child = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            move_thread_into(host.name.as_str())?;
            command(host)?.spawn().map_err(|error| format!("unshare: {error}"))
        });
        thread.join().unwrap_or_else(|_| Err("the thread that starts a host panicked".into()))
    })?;
    let deadline = Instant::now() + BOOT_LIMIT;
    let ssh = SocketAddr::from((host.address, 22));
    while TcpStream::connect_timeout(&ssh, CONNECT_LIMIT).is_err() {
        let over = Instant::now() > deadline;
        if over || child.try_wait().map_err(|error| error.to_string())?.is_some() {
            let kept = paths::host(host.name.as_str());
            let logs = [INIT_LOG, "var/log/sshd.log"].map(|log| std::fs::read_to_string(kept.join(log)));
            let log: Vec<_> = logs.into_iter().flatten().collect();
            let log = log.join("");
            let why = if over { "has no SSH server" } else { "ended" };
            return Err(format!("host {} {why}: {}", host.name, log.trim()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(child)
}

fn command(host: &HostSpec) -> Result<Command, String> {
    let log = paths::host(host.name.as_str()).join(INIT_LOG);
    let log = std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut command = Command::new(tool::program("unshare"));
    command
        .args(["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--"])
        // The lab's PID 1 is this program, whatever happened to its file since.
        .args(["/proc/1/exe", "lab", "host-init", host.name.as_str()])
        // The caller's environment may hold secrets, and a host shows its init's to whoever logs in.
        .env_clear()
        .envs([("PATH", BOOT_PATH), ("LANG", "C")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .current_dir("/");
    Ok(command)
}

/// The only child of a process, if it has one.
fn child_of(parent: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        (parent_of(&entry.path())? == parent).then_some(pid)
    })
}

fn parent_of(process: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(process.join("stat")).ok()?;
    // The name, in parentheses, may contain anything.
    let (_, rest) = text.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

fn sshd_version(sshd: Sshd) -> String {
    if sshd == Sshd::Builtin {
        return String::new();
    }
    let output = Command::new(tool::program("sshd")).arg("-V").stdin(Stdio::null()).output();
    output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default()
}
