//! The fabric itself: what plugging, unplugging, binding and unbinding do to packets.
//!
//! Each test runs itself again in namespaces of its own, as the lab's supervisor does, and builds a network there.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Duration;

use egressctl::core::model::{InstanceId, gateway_of};
use egressctl::lab::fabric::{Fabric, Port};
use egressctl::lab::network::{Network, configure, lease};
use egressctl::lab::spec::{Flavour, LabSpec, Sshd};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::support::lab::is_root;

const INSIDE: &str = "EGRESSCTL_TEST_INSIDE";
/// A wait that ends in failure: long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(5);
/// A wait that ends in success, because nothing may come: loopback-fast networks answer in less.
const SILENCE: Duration = Duration::from_millis(700);
const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);

/// Runs `body` with a fresh network of six hosts whose primary interfaces are up.
fn with_network(test: &str, body: fn(&World)) {
    if std::env::var_os(INSIDE).is_some() {
        body(&World::build());
        return;
    }
    let user: &[&str] = if is_root() { &[] } else { &["--user", "--map-root-user"] };
    let output = Command::new("unshare")
        .args(user)
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("lab_fabric::{test}"), "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

struct World {
    network: Network,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn build() -> Self {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "none", "/run"]).status().unwrap();
        assert!(mounted.success());
        std::fs::create_dir("/run/netns").unwrap();
        let network = Network::build(LabSpec::new(7, Sshd::Builtin, 6, None).unwrap()).unwrap();
        for host in &network.spec().hosts {
            ip(host.name.as_str(), "link set lo up");
            let primary = if host.flavour == Flavour::Minimal {
                lease("eth0", host.address, host.cidr, true)
            } else {
                configure("eth0", host.address, host.cidr.prefix_len(), gateway_of(host.cidr))
            };
            for line in primary.lines() {
                ip(host.name.as_str(), line);
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { network, runtime }
    }

    fn instance(&self, host: &str) -> InstanceId {
        let hosts = &self.network.spec().hosts;
        hosts.iter().find(|found| found.name.as_str() == host).unwrap().instance.clone()
    }

    fn plug(&self, host: &str, port: &Port) -> Result<(), String> {
        self.runtime.block_on(self.network.plug(&self.instance(host), port))
    }

    fn unplug(&self, host: &str, port: &Port) {
        self.runtime.block_on(self.network.unplug(&self.instance(host), port.mac)).unwrap();
    }

    fn bind(&self, public: Ipv4Addr, private: Ipv4Addr) -> Result<(), String> {
        self.runtime.block_on(self.network.bind(public, private))
    }

    fn unbind(&self, public: Ipv4Addr) {
        self.runtime.block_on(self.network.unbind(public)).unwrap();
    }
}

/// Runs `work` in a network namespace.
fn inside<T: Send>(netns: &str, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let handle = File::open(format!("/run/netns/{netns}")).unwrap();
            move_into_link_name_space(handle.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

fn ip(netns: &str, words: &str) -> String {
    let output = Command::new("ip").args(["-n", netns]).args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn listener(netns: &str, address: Ipv4Addr, port: u16) -> TcpListener {
    inside(netns, || TcpListener::bind(SocketAddr::from((address, port))).unwrap())
}

fn connect(netns: &str, address: Ipv4Addr, port: u16, within: Duration) -> Result<TcpStream, ErrorKind> {
    let to = SocketAddr::from((address, port));
    inside(netns, || TcpStream::connect_timeout(&to, within)).map_err(|error| error.kind())
}

/// Connects, and returns both ends and the caller's address as the listener sees it.
fn flow(netns: &str, to: Ipv4Addr, listener: &TcpListener) -> (TcpStream, TcpStream, Ipv4Addr) {
    let port = listener.local_addr().unwrap().port();
    let ours = connect(netns, to, port, PATIENCE).unwrap();
    let (theirs, peer) = listener.accept().unwrap();
    let SocketAddr::V4(peer) = peer else { panic!("{peer}") };
    (ours, theirs, *peer.ip())
}

/// Whether what is written on one end arrives at the other.
fn carries(from: &mut TcpStream, to: &mut TcpStream, within: Duration) -> bool {
    to.set_read_timeout(Some(within)).unwrap();
    from.write_all(b"x").unwrap();
    matches!(to.read(&mut [0]), Ok(1))
}

fn eni(last: u8, source_check: bool) -> Port {
    Port {
        mac: format!("00:16:3e:aa:bb:{last:02x}").parse().unwrap(),
        address: Ipv4Addr::new(172, 16, 1, last),
        vswitch: "vsw-lab-a".parse().unwrap(),
        cidr: "172.16.0.0/22".parse().unwrap(),
        source_check,
    }
}

const EIP_OF_WEB_1: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 11);
const WEB_1: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 11);
const SNAT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 250);

#[test]
fn a_plugged_interface_appears_as_the_flavour_has_it() {
    with_network("a_plugged_interface_appears_as_the_flavour_has_it", |world| {
        for (host, last) in [("web-1", 0x21), ("web-2", 0x22), ("api-1", 0x23)] {
            let port = eni(last, true);
            world.plug(host, &port).unwrap();
            world.plug(host, &port).unwrap();
            let link = ip(host, "-o link show dev eth1");
            assert!(link.contains(&port.mac.to_string()), "{link}");
            let address = ip(host, "-4 -o address show dev eth1");
            let routes = ip(host, "-4 route show default");
            if host == "api-1" {
                assert!(
                    link.contains(",UP") && address.contains(&format!("{}/22", port.address)),
                    "{link}{address}"
                );
                assert!(routes.lines().next().unwrap().contains("dev eth1"), "{routes}");
            } else {
                assert!(link.contains("state DOWN") && address.is_empty(), "{link}{address}");
                assert_eq!(routes.trim(), "default via 172.16.3.253 dev eth0");
            }
            let other = Port { address: Ipv4Addr::new(172, 16, 1, 99), ..port.clone() };
            assert!(world.plug(host, &other).unwrap_err().contains("other settings"));
            world.unplug(host, &port);
            world.unplug(host, &port);
            assert!(!ip(host, "-o link").contains("eth1"));
            assert_eq!(ip(host, "-4 route show default").lines().count(), 1);
            assert!(ip(host, "-4 route show default").contains("dev eth0"));
        }
        // The name is free again, and so is the address.
        world.plug("web-1", &eni(0x21, false)).unwrap();
        assert!(ip("web-1", "-o link").contains("eth1"));
        let nobody: InstanceId = "i-nobody".parse().unwrap();
        let error = world.runtime.block_on(world.network.plug(&nobody, &eni(0x30, true))).unwrap_err();
        assert!(error.contains("i-nobody"));
    });
}

#[test]
fn binding_moves_both_directions_and_unbinding_cuts_established_flows() {
    with_network("binding_moves_both_directions_and_unbinding_cuts_established_flows", |world| {
        let web = listener("web-1", Ipv4Addr::UNSPECIFIED, 8080);
        let echo = listener("internet", CLIENT, 8081);
        let (mut ours, mut theirs, caller) = flow("internet", EIP_OF_WEB_1, &web);
        assert_eq!(caller, CLIENT, "inbound is not source-translated");
        let (mut out, mut out_end, seen) = flow("web-1", CLIENT, &echo);
        assert_eq!(seen, EIP_OF_WEB_1);
        assert!(carries(&mut ours, &mut theirs, PATIENCE) && carries(&mut out_end, &mut out, PATIENCE));

        world.unbind(EIP_OF_WEB_1);
        world.unbind(EIP_OF_WEB_1);
        assert!(!carries(&mut ours, &mut theirs, SILENCE), "inbound flow, request");
        assert!(!carries(&mut theirs, &mut ours, SILENCE), "inbound flow, answer");
        assert!(!carries(&mut out, &mut out_end, SILENCE), "outbound flow");
        // Silence, not a refusal.
        let refused = connect("internet", EIP_OF_WEB_1, 8080, SILENCE).unwrap_err();
        assert_eq!(refused, ErrorKind::TimedOut);
        // And the host leaves by the shared address.
        let (mut shared, mut shared_end, seen) = flow("web-1", CLIENT, &echo);
        assert_eq!(seen, SNAT);

        // The address goes to another host; the old flow does not come back with it.
        let other = listener("web-2", Ipv4Addr::UNSPECIFIED, 8080);
        world.unbind(Ipv4Addr::new(203, 0, 113, 12));
        world.bind(EIP_OF_WEB_1, Ipv4Addr::new(172, 16, 0, 12)).unwrap();
        world.bind(EIP_OF_WEB_1, Ipv4Addr::new(172, 16, 0, 12)).unwrap();
        let (.., caller) = flow("internet", EIP_OF_WEB_1, &other);
        assert_eq!(caller, CLIENT);
        assert!(!carries(&mut ours, &mut theirs, SILENCE), "the old flow is dead");
        assert!(carries(&mut shared, &mut shared_end, PATIENCE), "shared flows are nobody's binding");
        assert!(world.bind(SNAT, Ipv4Addr::new(172, 16, 0, 12)).unwrap_err().contains("already bound"));

        // Binding a bound address elsewhere moves it.
        world.bind(EIP_OF_WEB_1, WEB_1).unwrap();
        flow("internet", EIP_OF_WEB_1, &web);
    });
}

#[test]
fn without_an_address_and_without_snat_there_is_no_internet() {
    with_network("without_an_address_and_without_snat_there_is_no_internet", |world| {
        let echo = listener("internet", CLIENT, 8081);
        let (.., seen) = flow("dark-1", CLIENT, &echo);
        assert_eq!(seen, Ipv4Addr::new(203, 0, 113, 14));
        world.unbind(Ipv4Addr::new(203, 0, 113, 14));
        assert_eq!(connect("dark-1", CLIENT, 8081, SILENCE).unwrap_err(), ErrorKind::TimedOut);
        // The VPC is still there, over the router.
        let web = listener("web-1", WEB_1, 8080);
        let (.., seen) = flow("dark-1", WEB_1, &web);
        assert_eq!(seen, Ipv4Addr::new(172, 16, 5, 14), "no translation inside the VPC");
        // Nor does the internet know private addresses, or the services of the VPC.
        ip("internet", "route add default via 198.51.100.1");
        for address in [WEB_1, Ipv4Addr::new(100, 100, 100, 200)] {
            assert_eq!(connect("internet", address, 8080, SILENCE).unwrap_err(), ErrorKind::TimedOut);
        }
    });
}

#[test]
fn inside_the_vpc_a_public_address_looks_like_the_internet() {
    with_network("inside_the_vpc_a_public_address_looks_like_the_internet", |world| {
        let web = listener("web-1", Ipv4Addr::UNSPECIFIED, 8080);
        let (.., seen) = flow("bastion", EIP_OF_WEB_1, &web);
        assert_eq!(seen, Ipv4Addr::new(203, 0, 113, 2));
        // From the same subnet, too, where the two could talk directly.
        let (.., seen) = flow("web-2", EIP_OF_WEB_1, &web);
        assert_eq!(seen, Ipv4Addr::new(203, 0, 113, 12));
        world.unbind(Ipv4Addr::new(203, 0, 113, 12));
        let (.., seen) = flow("web-2", EIP_OF_WEB_1, &web);
        assert_eq!(seen, SNAT);
        let (.., seen) = flow("web-2", WEB_1, &web);
        assert_eq!(seen, Ipv4Addr::new(172, 16, 0, 12), "private addresses stay private");
    });
}

#[test]
fn the_source_check_of_a_port_decides_over_wrong_sources() {
    with_network("the_source_check_of_a_port_decides_over_wrong_sources", |world| {
        for (last, source_check) in [(0x21, true), (0x22, false)] {
            let port = eni(last, source_check);
            world.plug("web-1", &port).unwrap();
            ip("web-1", "link set eth1 up");
            ip("web-1", &format!("address add {}/32 dev eth1", port.address));
            // Everything leaves by the new interface, the primary address' packets as well.
            ip("web-1", "route replace default via 172.16.3.253 dev eth1 onlink");
            let echo = listener("internet", CLIENT, 8081);
            let from_primary = inside("web-1", || {
                TcpStream::connect_timeout(&SocketAddr::from((CLIENT, 8081)), SILENCE).map(drop)
            });
            // Linux picks the interface's own address; ask for the primary one explicitly.
            assert!(from_primary.is_ok(), "the interface's own address passes: {from_primary:?}");
            ip("web-1", &format!("route replace default via 172.16.3.253 dev eth1 onlink src {WEB_1}"));
            let spoofed = connect("web-1", CLIENT, 8081, if source_check { SILENCE } else { PATIENCE });
            assert_eq!(spoofed.is_err(), source_check, "{spoofed:?}");
            drop(echo);
            world.unplug("web-1", &port);
            ip("web-1", "route replace default via 172.16.3.253 dev eth0");
        }
    });
}

#[test]
fn a_bound_interface_serves_with_the_private_table_alone() {
    with_network("a_bound_interface_serves_with_the_private_table_alone", |world| {
        let port = eni(0x21, true);
        world.plug("web-1", &port).unwrap();
        let web = listener("web-1", Ipv4Addr::UNSPECIFIED, 8080);
        world.unbind(EIP_OF_WEB_1);
        world.bind(EIP_OF_WEB_1, port.address).unwrap();
        ip("web-1", "link set eth1 up");
        ip("web-1", &format!("address add {}/32 dev eth1", port.address));
        // Without a policy route the answer leaves by the wrong interface, and the source check takes it.
        assert_eq!(connect("internet", EIP_OF_WEB_1, 8080, SILENCE).unwrap_err(), ErrorKind::TimedOut);
        ip("web-1", "route add default via 172.16.3.253 dev eth1 onlink table 101");
        ip("web-1", &format!("rule add from {} lookup 101 pref 4101", port.address));
        web.set_nonblocking(true).unwrap();
        while web.accept().is_ok() {}
        web.set_nonblocking(false).unwrap();
        let (mut ours, mut theirs, caller) = flow("internet", EIP_OF_WEB_1, &web);
        assert_eq!(caller, CLIENT);
        assert!(carries(&mut theirs, &mut ours, PATIENCE));
        let echo = listener("internet", CLIENT, 8081);
        let (.., seen) = flow("web-1", CLIENT, &echo);
        assert_eq!(seen, SNAT);
        // A neighbour in the same subnet reaches both addresses, each at its own interface.
        for address in [WEB_1, port.address] {
            let (.., seen) = flow("web-2", address, &web);
            assert_eq!(seen, Ipv4Addr::new(172, 16, 0, 12));
        }
        world.network.renew(&world.network.spec().hosts[1]).unwrap();
        let links = ip("web-1", "-o link");
        assert!(
            links.contains("eth0") && links.contains("eth1") && links.contains(&port.mac.to_string()),
            "{links}"
        );
        assert!(ip("web-1", "-4 rule").lines().count() == 3 && !links.contains("state UP"), "{links}");
    });
}

#[test]
fn a_hijacked_host_answers_the_bastion_only_if_its_new_port_is_lax() {
    with_network("a_hijacked_host_answers_the_bastion_only_if_its_new_port_is_lax", |world| {
        let api = Ipv4Addr::new(172, 16, 0, 15);
        let ssh = listener("api-1", Ipv4Addr::UNSPECIFIED, 8080);
        let echo = listener("internet", CLIENT, 8081);
        for (last, source_check) in [(0x21, true), (0x22, false)] {
            let port = eni(last, source_check);
            world.plug("api-1", &port).unwrap();
            // Its DHCP-like client sends everything through the new interface, answers of the primary address as well.
            let within = if source_check { SILENCE } else { PATIENCE };
            assert_eq!(connect("bastion", api, 8080, within).is_err(), source_check);
            world.bind(Ipv4Addr::new(203, 0, 113, 99), port.address).unwrap();
            let (.., seen) = flow("api-1", CLIENT, &echo);
            assert_eq!(
                seen,
                Ipv4Addr::new(203, 0, 113, 99),
                "and it leaves with the new interface's address"
            );
            world.unbind(Ipv4Addr::new(203, 0, 113, 99));
            world.unplug("api-1", &port);
            assert!(connect("bastion", api, 8080, PATIENCE).is_ok(), "the present default was only hidden");
        }
        drop(ssh);
    });
}
