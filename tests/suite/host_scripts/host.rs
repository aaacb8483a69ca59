//! One host and its gateway in namespaces of their own, without an uplink, with a private /etc. Needs `unshare`, `nsenter`,
//! `ip` and `busybox`; works as root and, by a user namespace, as anybody else. Dropping it ends every process in it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};

use egressctl::core::model::{MacAddr, Owner};
use egressctl::core::observed::ApplyEnd;
use egressctl::core::observed::Facts;
use egressctl::core::observed::applied::{ApplyReport, parse_apply, parse_revert};
use egressctl::core::observed::facts::parse_facts;
use egressctl::core::observed::guarded::GuardState;
use egressctl::core::plan::RouteTarget;
use egressctl::core::plan::route::{HostChanges, RoutePart, host_changes};
use egressctl::core::template::{ApplyParams, GuardParams, Phase, RevertParams, Templates};

use crate::support::ROOTS_PATH;

/// The secondary interface's hardware address.
pub(crate) const MAC: MacAddr = MacAddr([0x00, 0x16, 0x3e, 0xaa, 0xbb, 0x02]);

/// `rc.local` as Debian ships it.
pub(crate) const DEBIAN: &str = "#!/bin/sh -e\n#\n# rc.local\n\nexit 0\n";

/// A host with Debian's `rc.local`.
pub(crate) fn debian(shell: &'static [&'static str]) -> Host {
    let host = Host::new(shell);
    host.write("rc.local", DEBIAN, 0o755);
    host
}

pub(crate) fn target() -> RouteTarget {
    RouteTarget {
        mac: Some(MAC),
        address: Some(Ipv4Addr::new(172, 16, 0, 20)),
        gateway: Ipv4Addr::new(172, 16, 0, 253),
        primary_ip: Ipv4Addr::new(172, 16, 0, 10),
        table: 101,
        priority: 4101,
        owner: Some(Owner::RcLocal),
        shim: false,
        form: Default::default(),
    }
}

/// A process that keeps namespaces open.
struct Holder {
    child: Child,
    pid: String,
}

impl Holder {
    fn new(program: &str, args: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .args(["sh", "-c", "read -r pid rest </proc/self/stat; echo $pid; exec sleep 600"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
        let mut pid = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut pid).unwrap();
        assert!(!pid.is_empty(), "namespaces cannot be made: {program} {args:?}");
        Self { child, pid: pid.trim().to_owned() }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Host {
    // Dropped in this order: the gateway lives in the host's process namespace.
    router: Holder,
    host: Holder,
    user: bool,
    pub(crate) etc: tempfile::TempDir,
    pub(crate) shell: &'static [&'static str],
}

pub(crate) const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];

/// Daemons stay root, which is the only user of a namespace that somebody else than root makes.
fn with_one_user(text: &str) -> String {
    let line = |line: &str| {
        let mut fields: Vec<&str> = line.split(':').collect();
        if let [name, _, numbers @ ..] = &mut fields[..]
            && ["systemd-network", "messagebus"].contains(name)
        {
            numbers
                .iter_mut()
                .take(2)
                .filter(|field| field.parse::<u32>().is_ok())
                .for_each(|field| *field = "0");
        }
        fields.join(":") + "\n"
    };
    text.lines().map(line).collect()
}

impl Host {
    /// A host whose scripts are run by this shell, with an unconfigured secondary interface.
    pub(crate) fn new(shell: &'static [&'static str]) -> Self {
        let id = Command::new("id").arg("-u").output().unwrap();
        let user = id.stdout != b"0\n";
        let etc = tempfile::tempdir().unwrap();
        for name in ["os-release", "passwd", "group", "nsswitch.conf", "ld.so.cache"] {
            let _ = fs::copy(format!("/etc/{name}"), etc.path().join(name));
        }
        if user {
            for name in ["passwd", "group"] {
                let file = etc.path().join(name);
                fs::write(&file, with_one_user(&fs::read_to_string(&file).unwrap())).unwrap();
            }
        }
        let mut args = vec!["--fork", "--pid", "--kill-child", "--net", "--mount"];
        if user {
            args.extend(["--user", "--map-root-user"]);
        }
        let host = Holder::new("unshare", &args);
        let mut args = vec!["-t", &host.pid, "-m", "-p"];
        if user {
            args.extend(["-U", "--preserve-credentials"]);
        }
        args.extend(["unshare", "--net"]);
        let router = Holder::new("nsenter", &args);
        let this = Self { router, host, user, etc, shell };
        let etc = this.etc.path().to_str().unwrap().to_owned();
        this.ok(&format!("mount --bind '{etc}' /etc; mount -t tmpfs none /run; mount -t proc none /proc"));
        let router = &this.router.pid;
        // The router's process id means something outside of the host's process namespace only.
        let set_up = format!(
            "set -e
            ip link set lo up
            ip link add eth0 address 00:16:3e:aa:bb:01 type veth peer name p0 netns {router}
            ip link add eth1 address {MAC} type veth peer name p1 netns {router}
            ip link set eth0 up
            ip addr add 172.16.0.10/24 brd + dev eth0
            ip route add default via 172.16.0.253 dev eth0"
        );
        let output = this.enter(&["-n", "-m"], &this.host.pid, &["sh", "-s"], &set_up);
        assert!(output.status.success(), "{output:?}");
        this.router(
            "set -e
            ip link set lo up
            ip link add br0 type bridge
            for port in p0 p1; do ip link set $port master br0 up; done
            ip addr add 172.16.0.253/24 dev br0
            ip addr add 1.1.1.1/32 dev lo
            ip addr add 100.100.100.200/32 dev lo
            ip link set br0 up",
        );
        this
    }

    /// Plugs a third interface in, `eth2`, in the subnet of the others.
    pub(crate) fn plug_third(&self, mac: MacAddr) {
        let router = &self.router.pid;
        let link = format!("ip link add eth2 address {mac} type veth peer name p2 netns {router}");
        let output = self.enter(&["-n", "-m"], &self.host.pid, &["sh", "-s"], &link);
        assert!(output.status.success(), "{output:?}");
        self.router("ip link set p2 master br0 up");
    }

    fn enter(&self, kinds: &[&str], pid: &str, command: &[&str], stdin: &str) -> Output {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["-t", pid]).args(kinds);
        if self.user {
            nsenter.args(["-U", "--preserve-credentials"]);
        }
        // As sshd has it: the kernel hangs up on a whole process group that has stopped processes and loses its last tie
        // to the session, and the guard stops those whom it ends. It must not be our own group.
        let mut child = nsenter
            .arg("--")
            .args(command)
            .env("PATH", ROOTS_PATH)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("nsenter is needed by this test: {error}"));
        // A script may end before it has read everything.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Runs a script on the host, by its shell, from stdin as SSH does.
    pub(crate) fn run(&self, script: &str) -> Output {
        // sshd gives a command to the login's shell, too, which waits for it.
        let login = ["sh", "-c", "\"$@\"; exit $?", "sh"];
        let command: Vec<&str> = login.iter().chain(self.shell).copied().chain(["-s"]).collect();
        self.enter(&["-n", "-m", "-p"], &self.host.pid, &command, script)
    }

    /// Runs a script that must succeed; its standard output.
    pub(crate) fn ok(&self, script: &str) -> String {
        let output = self.enter(&["-n", "-m", "-p"], &self.host.pid, &["sh", "-s"], script);
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a script in the gateway's network namespace; what it leaves behind ends with the host.
    pub(crate) fn router(&self, script: &str) {
        let output = self.enter(&["-n", "-p"], &self.router.pid, &["sh", "-s"], script);
        assert!(output.status.success(), "{script}: {output:?}");
    }

    /// Whether a script in the gateway's network namespace succeeds.
    pub(crate) fn router_says(&self, script: &str) -> bool {
        self.enter(&["-n", "-p"], &self.router.pid, &["sh", "-s"], script).status.success()
    }

    /// Everything of the network that must come back after a revert; what only counts or ages is left out.
    pub(crate) fn network(&self) -> String {
        self.ok("ip -o link show | sed 's/ qdisc .*link\\/ether/ link\\/ether/'
            ip -4 -o addr show; ip -4 rule show; ip -4 route show table all; nft list ruleset")
    }

    pub(crate) fn facts(&self) -> Facts {
        let output = self.run(&templates().facts_script().unwrap());
        parse_facts(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output:?}"))
    }

    pub(crate) fn changes(&self) -> HostChanges {
        self.changes_for(&target())
    }

    pub(crate) fn changes_for(&self, target: &RouteTarget) -> HostChanges {
        host_changes(&self.facts(), target, &templates()).unwrap_or_else(|all| panic!("{all:#?}"))
    }

    /// One phase of the change, over a "connection" of its own.
    pub(crate) fn phase(
        &self,
        target: &RouteTarget,
        changes: &HostChanges,
        phase: Phase,
        seconds: u32,
    ) -> ApplyReport {
        let output = self.run(&phase_script(target, changes, phase, seconds));
        parse_apply(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output:?}"))
    }

    /// All phases, as a controller that is alive does them.
    pub(crate) fn apply(&self, target: &RouteTarget, changes: &HostChanges) -> ApplyReport {
        let mut report = self.phase(target, changes, Phase::Change { again: false }, 120);
        while let (ApplyEnd::Ok, Some(GuardState::Armed { generation, .. })) = (&report.end, report.guard) {
            let next = self.phase(target, changes, Phase::Confirm { generation }, 120);
            let changed = report.changed.into_iter().chain(next.changed).collect();
            report = ApplyReport { changed, ..next };
        }
        self.ok("! ls -dR /run/egressctl/* /run/egressctl 2>/dev/null >&2");
        report
    }

    pub(crate) fn revert(&self, changes: &HostChanges) -> ApplyReport {
        self.revert_of(&target(), changes)
    }

    pub(crate) fn revert_of(&self, route: &RouteTarget, changes: &HostChanges) -> ApplyReport {
        let HostChanges { files, reload, routes, .. } = changes;
        let link_was_up = !routes.iter().any(|change| change.part == RoutePart::Device);
        let params = RevertParams { route, files, reload, link_was_up };
        let output = self.run(&templates().revert_script(&params).unwrap());
        parse_revert(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output:?}"))
    }

    pub(crate) fn write(&self, name: &str, content: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.etc.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.etc.path().join(name)).unwrap()
    }

    /// Forgets all network state, and brings the primary up as its owner would.
    pub(crate) fn forget(&self) {
        self.ok("ip link set eth1 down; ip addr flush dev eth1; ip route flush table 101; nft flush ruleset
            while ip rule del pref 4102; do :; done
            while ip rule del from 172.16.0.20; do :; done; ip link set eth0 down; ip link set eth0 up
            ip route replace default via 172.16.0.253 dev eth0");
    }

    /// The same, and runs the file as init would.
    pub(crate) fn reboot(&self) {
        self.forget();
        self.ok("for file in /etc/rc.local; do if [ -x $file ]; then $file; fi; done");
    }
}

/// The script of a phase.
pub(crate) fn phase_script(
    target: &RouteTarget,
    changes: &HostChanges,
    phase: Phase,
    seconds: u32,
) -> String {
    let guard = GuardParams { tx: "feedc0de00000000", seconds };
    let HostChanges { files, reload, .. } = changes;
    let params = ApplyParams { route: target, files, reload, wait_seconds: 20, guard, phase };
    templates().apply_script(&params).unwrap()
}

pub(crate) fn templates() -> Templates {
    Templates::builtin().unwrap()
}
