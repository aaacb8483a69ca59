//! A simulated host: what its kernel and its disk hold, what a boot brings back, and what its owner does meanwhile.
//!
//! Must never know of the engine: it changes by scripts, by time, and by what is plugged into it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use egressctl::core::model::{HostName, InstanceId, MacAddr};
use egressctl::ports::HostKey;
use tokio::time::Instant;

/// The table that a host's routes are looked up in last.
pub(crate) const MAIN: u32 = 254;
/// What the owner's `rc.local` holds.
const RC_LOCAL: &str = "#!/bin/sh -e\n# site\ntouch /run/booted\nexit 0\n";
/// A VPN's rule and its table, which nobody may touch.
const FOREIGN_RULE: (u32, &str) = (5210, "from all fwmark 0x80000/0xff0000 lookup 52");
const FOREIGN_TABLE: (u32, &str) = (52, "100.64.0.0/10 dev tailscale0");

/// What a host is like besides being an ordinary one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Nothing of the kind.
    Plain,
    /// Its DHCP client takes the default route when an interface appears, unless somebody keeps it.
    Hijacks,
    /// It prints rubbish whatever it is asked.
    Babbles,
    /// It says that it is another instance.
    Impostor,
}

/// What is lost with the power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// Rules: priority and text.
    pub(crate) rules: Vec<(u32, String)>,
    /// Routes by table.
    pub(crate) routes: BTreeMap<u32, Vec<String>>,
    /// Addresses of the secondary device.
    pub(crate) nets: Vec<String>,
    /// The secondary device is up.
    pub(crate) link: bool,
    /// Addresses of the primary device.
    pub(crate) primary: Vec<String>,
}

/// Who has claimed a host, in `/run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) nonce: String,
    pub(crate) run: String,
    pub(crate) owner: String,
    pub(crate) until: Instant,
}

/// One host.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) name: HostName,
    pub(crate) instance: InstanceId,
    pub(crate) primary_ip: Ipv4Addr,
    pub(crate) gateway: Ipv4Addr,
    pub(crate) public: Ipv4Addr,
    pub(crate) key: HostKey,
    pub(crate) nature: Nature,
    pub(crate) kernel: Kernel,
    /// The kernel as the owner's boot makes it.
    pub(crate) base: Kernel,
    pub(crate) rc_local: Option<String>,
    pub(crate) rc_mode: u32,
    /// The lines of `rc.local` that are the owner's.
    pub(crate) owners: Vec<String>,
    /// The secondary device that is plugged in.
    pub(crate) device: Option<MacAddr>,
    /// It is off until then.
    pub(crate) off: Option<Instant>,
    /// Nobody reaches it between these two.
    pub(crate) cut: Option<(Instant, Instant)>,
    /// Somebody keeps its main table until then.
    pub(crate) watched: Option<Instant>,
    /// Answers of steps that were to be run once, in `/run`.
    pub(crate) answers: BTreeMap<String, String>,
    /// Who has claimed it.
    pub(crate) lease: Option<Lease>,
    /// How often a script has changed it.
    pub(crate) changes: u64,
}

/// Where a host is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) name: HostName,
    pub(crate) instance: InstanceId,
    pub(crate) primary_ip: Ipv4Addr,
    pub(crate) gateway: Ipv4Addr,
    pub(crate) public: Ipv4Addr,
}

impl Host {
    /// A host of the simulated region that nothing has been done to.
    pub(crate) fn new(index: usize, nature: Nature) -> Self {
        let [high, low] = u16::try_from(index).unwrap().to_be_bytes();
        let place = Place {
            name: format!("host-{index}").parse().unwrap(),
            instance: format!("i-{index}").parse().unwrap(),
            primary_ip: Ipv4Addr::new(172, 16, high, low),
            gateway: Ipv4Addr::new(172, 31, 255, 253),
            public: Ipv4Addr::new(198, 51, high, low),
        };
        Self::at(place, index, nature)
    }

    /// A host at this place that nothing has been done to.
    pub(crate) fn at(place: Place, index: usize, nature: Nature) -> Self {
        let Place { name, instance, primary_ip, gateway, public } = place;
        let main = vec![
            format!("default via {gateway} dev eth0"),
            format!("172.16.0.0/12 dev eth0 proto kernel scope link src {primary_ip}"),
        ];
        let base = Kernel {
            rules: vec![
                (0, "from all lookup local".to_owned()),
                (FOREIGN_RULE.0, FOREIGN_RULE.1.to_owned()),
                (32766, "from all lookup main".to_owned()),
                (32767, "from all lookup default".to_owned()),
            ],
            routes: BTreeMap::from([(MAIN, main), (FOREIGN_TABLE.0, vec![FOREIGN_TABLE.1.to_owned()])]),
            nets: Vec::new(),
            link: false,
            primary: vec![format!("{primary_ip}/12")],
        };
        Self {
            name,
            instance,
            primary_ip,
            gateway,
            public,
            key: HostKey { openssh: format!("ssh-ed25519 {index}"), fingerprint: format!("SHA256:{index}") },
            nature,
            kernel: base.clone(),
            base,
            rc_local: Some(RC_LOCAL.to_owned()),
            rc_mode: 0o755,
            owners: RC_LOCAL.lines().map(str::to_owned).collect(),
            device: None,
            off: None,
            cut: None,
            watched: None,
            answers: BTreeMap::new(),
            lease: None,
            changes: 0,
        }
    }

    /// It answers on its management address.
    pub(crate) fn is_up(&self, now: Instant) -> bool {
        self.off.is_none() && self.cut.is_none_or(|(from, until)| now < from || now >= until)
    }

    /// The rules and routes that are neither the owner's nor the kernel's.
    pub(crate) fn ours(&self) -> (usize, usize) {
        let rules = self.kernel.rules.iter().filter(|rule| !self.base.rules.contains(rule)).count();
        let routes = self.kernel.routes.iter().filter(|(table, _)| !self.base.routes.contains_key(table));
        (rules, routes.map(|(_, routes)| routes.len()).sum())
    }

    /// Packets from this address leave by the secondary device.
    pub(crate) fn leads(&self, address: Ipv4Addr) -> bool {
        let table = |rule: &(u32, String)| {
            rule.1.strip_prefix(&format!("from {address} lookup "))?.parse::<u32>().ok()
        };
        let routes =
            self.kernel.rules.iter().find_map(table).and_then(|table| self.kernel.routes.get(&table));
        self.kernel.link
            && self.kernel.nets.iter().any(|net| *net == format!("{address}/32"))
            && routes.is_some_and(|routes| routes.iter().any(|route| route.starts_with("default ")))
    }

    /// A boot will bring the route of this interface back.
    pub(crate) fn persists(&self, mac: MacAddr, address: Ipv4Addr) -> bool {
        let text = self.rc_local.as_deref().unwrap_or_default();
        self.rc_mode & 0o111 != 0
            && block(text).is_some_and(|block| {
                let has = |line: &str| block.lines().any(|own| own.trim() == line);
                has(&format!("mac='{mac}'")) && has(&format!("address='{address}'"))
            })
    }

    /// The primary's own default route decides where packets leave.
    pub(crate) fn leaves_by_primary(&self) -> bool {
        self.kernel.routes.get(&MAIN).is_some_and(|main| main.iter().any(|route| is_primary_default(route)))
    }

    /// A device appears.
    pub(crate) fn plug(&mut self, mac: MacAddr, address: Ipv4Addr, now: Instant) {
        self.device = Some(mac);
        (self.kernel.link, self.kernel.nets) = (false, Vec::new());
        let watched = self.watched.is_some_and(|until| now < until);
        if self.nature == Nature::Hijacks && self.off.is_none() {
            self.dhcp(address, watched);
        }
    }

    /// The DHCP client of a host that has one for every device: an address with its subnet, and the default route.
    fn dhcp(&mut self, address: Ipv4Addr, watched: bool) {
        self.kernel.link = true;
        self.kernel.nets = vec![format!("{address}/12")];
        let main = self.kernel.routes.entry(MAIN).or_default();
        if !watched {
            main.retain(|route| !is_primary_default(route));
            main.insert(0, format!("default via {} dev eth1", self.gateway));
        }
    }

    /// The device goes, and with it what led through it.
    pub(crate) fn unplug(&mut self) {
        self.device = None;
        (self.kernel.link, self.kernel.nets) = (false, Vec::new());
        for routes in self.kernel.routes.values_mut() {
            routes.retain(|route| !through_ours(route));
        }
        self.kernel.routes.retain(|_, routes| !routes.is_empty());
        if !self.leaves_by_primary() {
            let default = format!("default via {} dev eth0", self.gateway);
            self.kernel.routes.entry(MAIN).or_default().insert(0, default);
        }
    }

    /// The power goes, until then.
    pub(crate) fn fall(&mut self, until: Instant) {
        self.off = Some(until);
        (self.watched, self.lease) = (None, None);
        self.answers.clear();
        self.kernel = self.base.clone();
    }

    /// It is up again: the owner's part, then ours if it was persistent. The cloud tells what is plugged in.
    pub(crate) fn boot(&mut self, plugged: Option<(MacAddr, Ipv4Addr)>) {
        self.off = None;
        self.kernel = self.base.clone();
        self.device = plugged.map(|(mac, _)| mac);
        let Some((mac, address)) = plugged else { return };
        if self.nature == Nature::Hijacks {
            self.dhcp(address, false);
        }
        if self.persists(mac, address) {
            let text = self.rc_local.clone().unwrap_or_default();
            let block = block(&text).unwrap_or_default();
            let value = |name: &str| {
                block
                    .lines()
                    .find_map(|line| line.trim().strip_prefix(&format!("{name}='"))?.strip_suffix('\''))
            };
            let (table, priority) = (value("table").unwrap_or("0"), value("priority").unwrap_or("0"));
            self.route(address, self.gateway, table.parse().unwrap(), priority.parse().unwrap());
        }
    }

    /// All of the policy route, as the apply script and the lines in `rc.local` make it.
    pub(crate) fn route(&mut self, address: Ipv4Addr, gateway: Ipv4Addr, table: u32, priority: u32) {
        self.kernel.link = true;
        self.kernel.nets = vec![format!("{address}/32")];
        self.clean_main();
        self.kernel.routes.insert(table, vec![format!("default via {gateway} dev eth1 onlink")]);
        self.rule(address, table, priority);
    }

    /// The primary's default is back, and nothing in main leads through the secondary device.
    pub(crate) fn clean_main(&mut self) {
        let default = format!("default via {} dev eth0", self.gateway);
        let main = self.kernel.routes.entry(MAIN).or_default();
        main.retain(|route| !through_ours(route));
        if !main.iter().any(|route| is_primary_default(route)) {
            main.insert(0, default);
        }
    }

    /// The one rule.
    pub(crate) fn rule(&mut self, address: Ipv4Addr, table: u32, priority: u32) {
        let rule = (priority, format!("from {address} lookup {table}"));
        self.kernel.rules.retain(|other| !other.1.starts_with(&format!("from {address} lookup ")));
        self.kernel.rules.push(rule);
        self.kernel.rules.sort();
    }
}

fn is_primary_default(route: &str) -> bool {
    route.starts_with("default ") && route.contains(" dev eth0")
}

fn through_ours(route: &str) -> bool {
    route.contains(" dev eth1")
}

/// Our lines in `rc.local`, markers included, if they are whole.
pub(crate) fn block(text: &str) -> Option<&str> {
    let begin = text.find("# BEGIN egressctl")?;
    let end = text.get(begin..)?.find("# END egressctl")? + begin;
    let end = text.get(end..)?.find('\n')? + end + 1;
    text.get(begin..end)
}

/// A file without our lines.
pub(crate) fn without_block(text: &str) -> String {
    block(text).map_or_else(|| text.to_owned(), |block| text.replace(block, ""))
}
