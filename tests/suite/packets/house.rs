//! One host, its VPC and an internet in network namespaces of their own. Only inside a process that has a mount, process and
//! network namespace for itself (see [`super::inside`]): it names namespaces below `/run` and writes to `/proc/sys/net`.

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Output, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::ends::{Seen, ask_tcp, ask_udp, seen_as, serve_tcp, serve_udp};

pub(super) const EIP: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
pub(super) const SNAT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 250);
pub(super) const PRIMARY: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 10);
pub(super) const ENI: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 20);
pub(super) const PEER: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 30);
pub(super) const BASTION: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 40);
const CLIENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// What is asked of a host, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    TcpWildcard,
    TcpPrimary,
    Udp,
    Container,
    PeerToPrimary,
    PeerToEni,
    BastionToPrimary,
    BastionAfterFlap,
    Egress,
}

impl Ask {
    pub(super) const ALL: [Self; 9] = [
        Self::TcpWildcard,
        Self::TcpPrimary,
        Self::Udp,
        Self::Container,
        Self::PeerToPrimary,
        Self::PeerToEni,
        Self::BastionToPrimary,
        Self::BastionAfterFlap,
        Self::Egress,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::TcpWildcard => "internet to EIP: TCP service on every address",
            Self::TcpPrimary => "internet to EIP: TCP service on the primary address only",
            Self::Udp => "internet to EIP: UDP service on every address",
            Self::Container => "internet to EIP: published container port (TCP)",
            Self::PeerToPrimary => "same-subnet peer to the primary address: TCP",
            Self::PeerToEni => "same-subnet peer to the interface's address: TCP",
            Self::BastionToPrimary => "bastion in the same vSwitch to the primary address: TCP",
            Self::BastionAfterFlap => "the same after `eth0` went down and up",
            Self::Egress => "the host's own connection to the internet",
        }
    }
}

pub(super) struct House {
    id: usize,
    /// Runs the scripts that go to hosts.
    shell: &'static [&'static str],
}

impl House {
    /// A host with a bare `eth1`, everybody around it, and all services.
    pub(super) fn new(id: usize, source_check: bool, shell: &'static [&'static str]) -> Self {
        let this = Self { id, shell };
        for name in ["router", "host", "box", "peer", "bastion", "internet"] {
            succeed(&format!("ip netns add {name}{id} && ip -n {name}{id} link set lo up"));
        }
        for (name, lines) in [
            ("router", this.router(source_check)),
            ("host", this.host()),
            ("box", "ip addr add 172.17.0.2/16 dev eth0; ip link set eth0 up; ip route add default via 172.17.0.1".to_owned()),
            ("peer", neighbour(PEER)),
            ("bastion", neighbour(BASTION)),
            ("internet", format!("ip addr add {CLIENT}/24 dev eth0; ip link set eth0 up; ip route add default via 203.0.113.1")),
        ] {
            this.ok(name, &format!("set -e\n{lines}"));
        }
        this.within("host", || {
            serve_tcp(Ipv4Addr::UNSPECIFIED, 8080, "host");
            serve_tcp(PRIMARY, 8081, "bound");
            serve_udp(5353);
        });
        this.within("box", || serve_tcp(Ipv4Addr::UNSPECIFIED, 80, "box"));
        this.within("internet", || serve_tcp(CLIENT, 7000, "echo"));
        this
    }

    /// The VPC: answers every question for a hardware address itself, as the cloud's virtual switch does, translates the
    /// EIP to the interface and everybody else to the shared address, and drops a wrong source at a checked port.
    fn router(&self, source_check: bool) -> String {
        let id = self.id;
        let ports = [
            ("v0", "host", "eth0", PRIMARY),
            ("v1", "host", "eth1", ENI),
            ("v2", "peer", "eth0", PEER),
            ("v3", "bastion", "eth0", BASTION),
        ];
        let cables: String = ports
            .iter()
            .map(|(port, name, dev, address)| {
                let mac = if *port == "v1" { "address 00:16:3e:aa:bb:02" } else { "" };
                format!(
                    "ip link add {port} type veth peer name {dev} {mac} netns {name}{id}
                    echo 1 >/proc/sys/net/ipv4/conf/{port}/proxy_arp
                    echo 0 >/proc/sys/net/ipv4/neigh/{port}/proxy_delay
                    ip link set {port} up; ip route add {address}/32 dev {port}\n"
                )
            })
            .collect();
        let checks: String = if source_check {
            ports
                .iter()
                .map(|(port, _, _, address)| format!("iifname {port} ip saddr != {address} drop\n"))
                .collect()
        } else {
            String::new()
        };
        format!(
            "{}
            echo 1 >/proc/sys/net/ipv4/ip_forward
            {cables}
            ip link add wan type veth peer name eth0 netns internet{id}
            ip addr add 203.0.113.1/24 dev wan; ip link set wan up
            ip addr add 172.16.0.253/32 dev lo
            nft -f - <<'EOF'
            table ip vpc {{
            chain arrive {{ type nat hook prerouting priority -100; ip daddr {EIP} dnat to {ENI}
            }}
            chain pass {{ type filter hook forward priority 0
            {checks}
            }}
            chain leave {{ type nat hook postrouting priority 100
            oifname wan ip saddr {ENI} snat to {EIP}
            oifname wan ip saddr 172.16.0.0/24 snat to {SNAT}
            }}
            }}
EOF\n",
            rp_filter(0)
        )
    }

    /// A host as it is before the interface is configured, with a published port as container engines make it.
    fn host(&self) -> String {
        format!(
            "ip link set eth0 up; ip addr add {PRIMARY}/24 brd + dev eth0; ip route add default via 172.16.0.253 dev eth0
            echo 1 >/proc/sys/net/ipv4/ip_forward
            ip link add engine0 type veth peer name eth0 netns box{}
            ip addr add 172.17.0.1/16 dev engine0; ip link set engine0 up
            nft -f - <<'EOF'
            table ip engine {{
            chain publish {{ type nat hook prerouting priority -100; fib daddr type local tcp dport 8090 dnat to 172.17.0.2:80
            }}
            chain hide {{ type nat hook postrouting priority 100; ip saddr 172.17.0.0/16 oifname != engine0 masquerade
            }}
            }}
EOF\n",
            self.id
        )
    }

    /// Runs this on a thread of its own in the namespace.
    fn within<T: Send>(&self, name: &str, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/run/netns/{name}{}", self.id)).unwrap();
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(
                    std::os::fd::AsFd::as_fd(&namespace),
                    Some(LinkNameSpaceType::Network),
                )
                .unwrap();
                work()
            });
            inside.join().unwrap()
        })
    }

    /// Runs one of the scripts for hosts, from stdin as SSH does.
    pub(super) fn run(&self, script: &str) -> Output {
        // What a script leaves below /run is this host's alone.
        let own = format!("/run/host.{}", self.id);
        let mount = "mkdir -p $0 /run/egressctl && mount --bind $0 /run/egressctl && exec \"$@\"";
        let mut words = vec!["unshare", "--mount", "sh", "-c", mount, &own];
        words.extend(self.shell);
        self.within("host", || feed(&words, script))
    }

    pub(super) fn ok(&self, name: &str, script: &str) -> String {
        let output = self.within(name, || sh(script));
        assert!(output.status.success(), "{name}: {script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Sets the host's filter on every device, there or to come.
    pub(super) fn set_rp_filter(&self, value: u8) {
        self.ok("host", &rp_filter(value));
    }

    /// Takes the link of the primary away for a moment; its owner gives back the default route, as one that manages it does.
    fn flap(&self) {
        self.ok("host", "set -e; ip link set eth0 down; ip link set eth0 up; ip route add default via 172.16.0.253 dev eth0");
    }

    fn ask(&self, what: Ask) -> Seen {
        let from = match what {
            Ask::PeerToPrimary | Ask::PeerToEni => "peer",
            Ask::BastionToPrimary | Ask::BastionAfterFlap => "bastion",
            Ask::Egress => "host",
            _ => "internet",
        };
        self.within(from, || match what {
            Ask::TcpWildcard => ask_tcp(EIP, 8080, "host", CLIENT),
            Ask::TcpPrimary => ask_tcp(EIP, 8081, "bound", CLIENT),
            Ask::Udp => ask_udp(EIP, 5353),
            Ask::Container => ask_tcp(EIP, 8090, "box", CLIENT),
            Ask::PeerToPrimary => ask_tcp(PRIMARY, 8080, "host", PEER),
            Ask::PeerToEni => ask_tcp(ENI, 8080, "host", PEER),
            Ask::BastionToPrimary | Ask::BastionAfterFlap => ask_tcp(PRIMARY, 8080, "host", BASTION),
            Ask::Egress => seen_as(CLIENT, 7000),
        })
    }

    /// Everything there is to ask: side by side, then what comes after the flap.
    pub(super) fn ask_all(&self) -> Vec<(Ask, Seen)> {
        let before = &Ask::ALL.map(|ask| (ask, ask != Ask::BastionAfterFlap));
        std::thread::scope(|scope| {
            let asked: Vec<_> =
                before.iter().map(|(ask, now)| (*ask, now.then(|| scope.spawn(|| self.ask(*ask))))).collect();
            let seen: Vec<_> =
                asked.into_iter().map(|(ask, thread)| (ask, thread.map(|it| it.join().unwrap()))).collect();
            self.flap();
            seen.into_iter().map(|(ask, seen)| (ask, seen.unwrap_or_else(|| self.ask(ask)))).collect()
        })
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for name in ["router", "host", "box", "peer", "bastion", "internet"] {
            // Services still live there; the name is all that goes.
            let _ = sh(&format!("ip netns del {name}{}", self.id));
        }
    }
}

fn neighbour(address: Ipv4Addr) -> String {
    format!("ip addr add {address}/24 dev eth0; ip link set eth0 up; ip route add default via 172.16.0.253")
}

/// For devices that are there and for those to come.
fn rp_filter(value: u8) -> String {
    format!("for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo {value} >$file; done")
}

fn succeed(script: &str) {
    let output = sh(script);
    assert!(output.status.success(), "{script}: {output:?}");
}

fn sh(script: &str) -> Output {
    feed(&["sh"], script)
}

fn feed(shell: &[&str], script: &str) -> Output {
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A script may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(script.as_bytes());
    child.wait_with_output().unwrap()
}
