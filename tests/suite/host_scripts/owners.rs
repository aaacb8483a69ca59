//! Every owner that runs in a namespace, with its real programs, through everything that happens to a host: what came of it
//! is the table in `docs/owners.md`, which this test compares (`EGRESSCTL_BLESS=1` rewrites it).

#[cfg(test)]
mod retargeted;
#[cfg(test)]
mod several;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use egressctl::core::inventory::Persist;
use egressctl::core::model::Owner;
use egressctl::core::observed::applied::ApplyEnd;
use egressctl::core::plan::owner::choose;
use egressctl::core::plan::route::{Documented, HostChanges, host_changes};
use egressctl::core::plan::{RouteForm, RouteTarget};

use super::host::{Host, SHELLS, target, templates};

/// How long an owner may take to bring things about.
const PATIENCE: Duration = Duration::from_secs(20);

const PRIMARY_NETWORK: &str = "[Match]\nName=eth0\n[Network]\nAddress=172.16.0.10/24\nGateway=172.16.0.253\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n";
const OTHER_NETWORK: &str = "[Match]\nName=d0\n[Network]\nAddress=10.5.5.5/24\n";
const NETPLAN: &str = "network:\n  version: 2\n  ethernets:\n    eth0:\n      addresses: [172.16.0.10/24]\n      routes: [{to: 0.0.0.0/0, via: 172.16.0.253}]\n      link-local: []\n    d0:\n      addresses: [10.5.5.5/24]\n      optional: true\n";
const KEYFILE: &str = "[connection]\nid=eth0\ntype=ethernet\ninterface-name=eth0\n[ipv4]\nmethod=manual\naddress1=172.16.0.10/24,172.16.0.253\n[ipv6]\nmethod=disabled\n";
const NM_CONF: &str = "[main]\nplugins=keyfile\nno-auto-default=*\n[logging]\nlevel=INFO\n";
const INTERFACES: &str = "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\nauto eth0\niface eth0 inet static\n    address 172.16.0.10/24\n    gateway 172.16.0.253\n";

const SYSTEMCTL: &str = "#!/bin/sh\ncase $1:$2 in start:*.service) eval \"$(sed -n s/^ExecStart=//p /etc/systemd/system/$2)\" ;; esac\n";

/// A host whose network has an owner that is at work.
struct Owned {
    host: Host,
    owner: Owner,
    form: RouteForm,
    shim: bool,
}

impl Owned {
    fn new(owner: Owner, form: RouteForm, shim: bool) -> Self {
        let host = Host::new(SHELLS[0]);
        for folder in [
            "systemd/network",
            "netplan",
            "NetworkManager/system-connections",
            "network/interfaces.d",
            "network/if-up.d",
            "network/if-pre-up.d",
            "network/if-down.d",
            "network/if-post-down.d",
        ] {
            fs::create_dir_all(host.etc.path().join(folder)).unwrap();
        }
        host.ok("mount -t proc proc /proc; mount -t tmpfs tmpfs /run; mount -t sysfs -o ro sysfs /sys
            mount -t tmpfs tmpfs /var/lib/NetworkManager || :
            mkdir -p /run/dbus /run/network /run/NetworkManager
            echo 0123456789abcdef0123456789abcdef >/etc/machine-id
            chmod 755 /etc /etc/systemd /etc/systemd/network /etc/netplan /run");
        if owner == Owner::Unit || (shim && owner != Owner::RcLocal) {
            // Process 1 of a namespace is no systemd: a stand-in starts what the unit names.
            host.write("systemctl.sh", SYSTEMCTL, 0o755);
            host.ok("echo systemd >/run/comm; mount --bind /run/comm /proc/1/comm
                mount --bind /etc/systemctl.sh \"$(command -v systemctl)\"");
        }
        match owner {
            Owner::Networkd => {
                host.write("systemd/network/10-eth0.network", PRIMARY_NETWORK, 0o644);
                host.write("systemd/network/20-d0.network", OTHER_NETWORK, 0o644);
            }
            Owner::Netplan => {
                host.write("netplan/50-cloud-init.yaml", NETPLAN, 0o600);
                // netplan asks for the permanent hardware address, which no virtual Ethernet device has.
                let sh = "#!/bin/sh\n/etc/netplan.py \"$@\" && sed -i s/PermanentMAC/MAC/ /run/systemd/network/10-netplan-*\n";
                host.write("netplan.sh", sh, 0o755);
                host.ok("cp /usr/share/netplan/netplan.script /etc/netplan.py
                    sed -i '2i import sys; sys.path.insert(0, \"/usr/share/netplan\")' /etc/netplan.py
                    mount --bind /etc/netplan.sh /usr/share/netplan/netplan.script");
            }
            Owner::NetworkManager => {
                host.write("NetworkManager/NetworkManager.conf", NM_CONF, 0o644);
                host.write("NetworkManager/system-connections/eth0.nmconnection", KEYFILE, 0o600);
            }
            Owner::Ifupdown => host.write("network/interfaces", INTERFACES, 0o644),
            Owner::Unit => {}
            _ => host.write("rc.local", super::DEBIAN, 0o755),
        }
        let this = Self { host, owner, form, shim };
        this.halt();
        this.boot();
        this
    }

    /// Ends the owner's programs.
    fn stop(&self) {
        self.host.ok("for name in NetworkManager systemd-network dbus-daemon; do
              for process in /proc/[0-9]*; do
                if [ \"$(cat $process/comm 2>/dev/null)\" = $name ]; then kill -9 ${process#/proc/} || :; fi
              done
            done");
    }

    /// Everything that a boot forgets is forgotten.
    fn halt(&self) {
        self.stop();
        self.host.ok("for dev in eth0 eth1; do ip link set $dev down; ip addr flush dev $dev; done
            ip link del d0 2>/dev/null || :
            ip route flush table 101 2>/dev/null || :
            while ip -4 rule del from 172.16.0.20 2>/dev/null; do :; done
            while ip -4 rule del pref 4102 2>/dev/null; do :; done
            nft flush ruleset
            rm -rf /run/network/* /run/systemd/netif /run/systemd/network /run/dbus/* /run/NetworkManager/*");
    }

    /// The owner's programs are started.
    fn start(&self) {
        // It stays root: who has made the namespace without being root may not change groups in it.
        let bus = "mkdir -p /run/dbus; rm -f /run/dbus/pid
            sed -e '/<user>/d' -e 's,>system,>/usr/share/dbus-1/system,' /usr/share/dbus-1/system.conf >/run/bus.conf
            dbus-daemon --config-file=/run/bus.conf --fork >/dev/null 2>&1";
        let networkd = "mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp /run/systemd/network
            chown -R systemd-network:systemd-network /run/systemd/netif
            setsid /lib/systemd/systemd-networkd </dev/null >/run/owner.log 2>&1 &";
        match self.owner {
            Owner::Networkd => drop(self.host.ok(&format!("{bus}\n{networkd}"))),
            Owner::Netplan => drop(self.host.ok(&format!("{bus}\nnetplan generate\n{networkd}"))),
            Owner::NetworkManager => {
                drop(self.host.ok(&format!(
                    "{bus}\nsetsid NetworkManager --no-daemon </dev/null >/run/owner.log 2>&1 &"
                )));
            }
            _ => {}
        }
    }

    fn boot(&self) {
        self.start();
        match self.owner {
            Owner::Ifupdown => drop(self.host.ok("ifup -a >/run/owner.log 2>&1 || { cat /run/owner.log; exit 1; }")),
            Owner::RcLocal => drop(self.host.ok(
                "ip link set eth0 up; ip addr add 172.16.0.10/24 brd + dev eth0; ip route add default via 172.16.0.253 dev eth0
                if [ -x /etc/rc.local ]; then /etc/rc.local; fi",
            )),
            Owner::Unit => drop(self.host.ok(
                "ip link set eth0 up; ip addr add 172.16.0.10/24 brd + dev eth0; ip route add default via 172.16.0.253 dev eth0",
            )),
            _ => {}
        }
        // What systemd does: everything that the target wants. The timer is a second run.
        self.units();
        self.units();
        self.wait_for("the primary", |this| {
            this.host.ok("ip -4 route show default; ip -4 addr show eth0").contains("172.16.0.10/24")
                && this.host.ok("ip -4 route show default").contains("172.16.0.253")
        });
    }

    /// What the units of ours run.
    fn units(&self) {
        self.host.ok("for script in /etc/egressctl/*.sh; do if [ -e $script ]; then sh $script; fi; done");
    }

    fn log(&self) -> String {
        self.host.ok("tail -n 30 /run/owner.log 2>/dev/null || :; ip -4 -o addr; ip -4 rule; ip -4 route show table all | grep -v local; ls -l /etc/systemd/network /etc/netplan /run/systemd/network 2>/dev/null || :")
    }

    fn wait_for(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        assert!(self.in_time(is_so), "{:?}: {what}\n{}", self.owner, self.log());
    }

    fn in_time(&self, is_so: impl Fn(&Self) -> bool) -> bool {
        let end = Instant::now() + PATIENCE;
        while !is_so(self) {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(300));
        }
        true
    }

    fn target(&self) -> RouteTarget {
        RouteTarget { form: self.form, shim: self.shim, ..target() }.kept_by(Some(self.owner))
    }

    fn changes(&self) -> HostChanges {
        let facts = self.host.facts();
        host_changes(&facts, &self.target(), &templates())
            .unwrap_or_else(|all| panic!("{:?}: {all:#?}\n{facts:#?}", self.owner))
    }

    fn is_as_desired(&self) -> bool {
        self.changes().is_empty()
    }

    fn files(&self) -> String {
        self.host.ok(
            "cd /etc; find . -type f ! -name ld.so.cache -exec md5sum {} + -exec stat -c '%n %a' {} + | sort",
        )
    }
}

/// What happens to a host, in the order of the table.
const EVENTS: [&str; 7] =
    ["fresh", "apply twice", "owner restart", "link flap", "unrelated link", "reboot", "rollback"];

/// One row: an owner through all events with a form of the route; a word for each.
fn row(owner: Owner, form: RouteForm, shim: bool) -> Vec<String> {
    let it = Owned::new(owner, form, shim);
    let facts = it.host.facts();
    if !matches!(owner, Owner::Unit | Owner::RcLocal) {
        let said = || it.host.facts().system.claims.iter().any(|claim| claim.dev.as_str() == "eth0");
        it.wait_for("somebody says that the primary is theirs", |_| said());
        let choice = choose(&it.host.facts(), &target(), Persist::Auto);
        assert_eq!(choice.owner, Some(owner), "{choice:?} {:#?}", facts.system);
    }
    if let Err(obstacles) = host_changes(&it.host.facts(), &it.target(), &templates()) {
        let codes: Vec<&str> = obstacles.iter().map(|obstacle| obstacle.code.as_str()).collect();
        return EVENTS.map(|_| format!("refused: {}", codes.join(", "))).to_vec();
    }
    let (network, files) = (it.host.network(), it.files());
    let mut cells = Vec::new();
    let mut cell = |is_so: bool, otherwise: &str| {
        cells.push(if is_so { "ok".to_owned() } else { otherwise.to_owned() });
    };

    let changes = it.changes();
    assert!(!changes.files.is_empty());
    let report = it.host.apply(&it.target(), &changes);
    assert_eq!(report.end, ApplyEnd::Ok, "{owner:?}\n{}", it.log());
    it.wait_for("as desired", Owned::is_as_desired);
    assert!(it.host.ok("ip route get 1.1.1.1").contains("dev eth0 src 172.16.0.10"), "{}", it.log());
    assert!(
        it.host.ok("ip route get 1.1.1.1 from 172.16.0.20").contains("dev eth1 table 101"),
        "{}",
        it.log()
    );
    cell(true, "");
    if owner == Owner::Unit || (shim && owner != Owner::RcLocal) {
        let verified =
            it.host.ok("systemd-analyze verify /etc/systemd/system/egressctl-* 2>&1 | grep egressctl || :");
        assert_eq!(verified, "", "systemd does not like the unit");
    }

    let again = it.host.apply(&it.target(), &changes);
    assert_eq!((&again.end, again.changed.as_slice()), (&ApplyEnd::Ok, [].as_slice()), "{owner:?}");
    cell(it.is_as_desired(), "not as desired");

    it.stop();
    it.start();
    std::thread::sleep(Duration::from_secs(2));
    cell(it.in_time(Owned::is_as_desired), "not as desired");

    it.host.ok("ip link set eth1 down; sleep 1; ip link set eth1 up; sleep 1");
    it.units();
    // A change of the link without anybody to hear of it takes the routes along (H20): the next apply repairs it.
    let healed = it.in_time(Owned::is_as_desired);
    cell(healed, "not repaired: nobody listens; `audit` tells, `apply` repairs");
    if !healed {
        assert_eq!(it.host.apply(&it.target(), &it.changes()).end, ApplyEnd::Ok);
    }

    it.host
        .ok("set -e; ip link add d0 type bridge; ip addr add 192.0.2.1/24 dev d0; ip link set d0 up; sleep 3
         ip link del d0; sleep 1");
    cell(it.in_time(Owned::is_as_desired), "not as desired");

    it.halt();
    it.boot();
    cell(it.in_time(Owned::is_as_desired), "not as desired");
    if !it.is_as_desired() {
        eprintln!("{owner:?} {:#?}\n{}", it.changes(), it.log());
    }

    let report = it.host.revert_of(&it.target(), &changes);
    assert_eq!(report.end, ApplyEnd::Ok, "{owner:?} {report:?}");
    if !it.in_time(|it| it.host.network() == network) {
        panic!("{owner:?} is not as before:\n{network}\n{}\n{}", it.host.network(), it.log());
    }
    it.stop();
    it.start();
    std::thread::sleep(Duration::from_secs(2));
    let same = it.in_time(|it| it.host.network() == network) && it.files() == files;
    cell(same, "not as before");
    if !same {
        eprintln!("{owner:?}\n{network}\n{}\n{files}\n{}", it.host.network(), it.files());
    }
    cells
}

const LIVE: [Owner; 6] =
    [Owner::Networkd, Owner::Netplan, Owner::NetworkManager, Owner::Ifupdown, Owner::RcLocal, Owner::Unit];

#[test]
fn every_owner_goes_through_everything_as_the_table_says() {
    let only = std::env::var("EGRESSCTL_OWNER").ok();
    let documented = RouteForm::Documented(Documented { prefix: 24, metric: 30_000, connected: 0 });
    let kinds = [
        ("", RouteForm::Slash32, false),
        (", shim", RouteForm::Slash32, true),
        (", documented form", documented, false),
    ];
    let rows: Vec<(String, Vec<String>)> = std::thread::scope(|scope| {
        let started: Vec<_> = LIVE
            .into_iter()
            .filter(|owner| only.as_deref().is_none_or(|only| only == owner.word()))
            .flat_map(|owner| kinds.map(|kind| (owner, kind)))
            .map(|(owner, (word, form, shim))| {
                (format!("{owner}{word}"), scope.spawn(move || row(owner, form, shim)))
            })
            .collect();
        started.into_iter().map(|(name, row)| (name, row.join().unwrap())).collect()
    });
    let mut table = format!("| owner | {} |\n|---|{}\n", EVENTS.join(" | "), "---|".repeat(EVENTS.len()));
    for (name, cells) in &rows {
        writeln!(table, "| {name} | {} |", cells.join(" | ")).unwrap();
    }
    if only.is_some() {
        return eprintln!("{table}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/owners.md");
    let text = fs::read_to_string(&path).unwrap();
    let begin = text.find("| owner |").expect("the table's head");
    let end = text[begin..].find("\n\n").map_or(text.len(), |at| begin + at + 1);
    if std::env::var_os("EGRESSCTL_BLESS").is_some() {
        fs::write(&path, [&text[..begin], &table, &text[end..]].concat()).unwrap();
        return;
    }
    assert_eq!(&text[begin..end], table, "docs/owners.md is not what happens");
}
