//! What the scripts do to a simulated host, read from the very text that is pushed: its name, and the values in it.

use std::net::Ipv4Addr;
use std::time::Duration;

use egressctl::core::model::MacAddr;
use tokio::time::Instant;

use super::host::{Host, Lease, MAIN, Nature, without_block};

/// Which script a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Facts,
    Probe,
    Stage,
    Apply,
    Revert,
    Lease,
}

/// A script with its values.
#[derive(Debug, Clone)]
pub(crate) struct Script<'a> {
    pub(crate) kind: Kind,
    text: &'a str,
}

/// A change of a file.
struct File {
    before: Option<String>,
    after: Option<String>,
    mode_before: u32,
    mode_after: u32,
}

/// A quoted word, unquoted as a shell does it, and what comes after it.
fn word(text: &str) -> Option<(String, &str)> {
    let (mut rest, mut value) = (text.strip_prefix('\'')?, String::new());
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        match after.strip_prefix("\\''") {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return Some((value, after)),
        }
    }
}

/// How a script that changes a host ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    Ok,
    /// The host waits for so long for this guard to be confirmed.
    Armed(u8, Duration),
    Confirmed,
    /// Code; nothing is changed.
    Failed(&'static str),
}

impl Ended {
    /// What the script of that name prints.
    pub(crate) fn printed(&self, name: &str) -> String {
        let told = match self {
            Self::Ok => "result ok\n".to_owned(),
            Self::Armed(generation, left) => {
                format!("guard armed {generation} {}\nresult ok\n", left.as_millis() / 10)
            }
            Self::Confirmed => "guard confirmed\nresult ok\n".to_owned(),
            Self::Failed(code @ "rolled-back") => {
                format!("guard rolledback\nresult failed {code} reverted by the simulation\n")
            }
            Self::Failed(code) => format!("result failed {code} unchanged by the simulation\n"),
        };
        format!("egressctl-{name} 1\n{told}")
    }
}

/// How many changes the apply script makes one after the other, and likewise the revert script.
pub(crate) const APPLY_STEPS: usize = 4;
pub(crate) const REVERT_STEPS: usize = 4;

impl<'a> Script<'a> {
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let (_, rest) = text.rsplit_once("echo egressctl-")?;
        let kind = match rest.split(' ').next()? {
            "facts" => Kind::Facts,
            "probe" => Kind::Probe,
            "stage" => Kind::Stage,
            "apply" => Kind::Apply,
            "revert" => Kind::Revert,
            "lease" => Kind::Lease,
            _ => return None,
        };
        Some(Self { kind, text })
    }

    /// A step that is to be run once: what stands for it, and its script. Any other script is itself.
    pub(crate) fn unwrap(text: &str) -> (Option<String>, String) {
        let outer = Script { kind: Kind::Facts, text };
        match (outer.value("once_key"), outer.value("once_step")) {
            (Some(key), Some(step)) => (Some(key), step),
            _ => (None, text.to_owned()),
        }
    }

    /// It changes the host.
    pub(crate) fn changes(&self) -> bool {
        matches!(self.kind, Kind::Apply | Kind::Revert | Kind::Stage)
    }

    /// A variable's value, unquoted as a shell does it.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let mark = format!("\n{name}='");
        let rest = self.text.get(self.text.find(&mark)? + mark.len() - 1..)?;
        word(rest).map(|(value, _)| value)
    }

    /// The file that the script changes, which is `rc.local` on every simulated host.
    fn file(&self) -> Option<File> {
        let mark = "\n  \"$1\" '";
        let mut rest = self.text.get(self.text.find(mark)? + mark.len() - 1..)?;
        let mut words = Vec::new();
        for _ in 0..7 {
            let (value, after) = word(rest)?;
            words.push(value);
            rest = after.trim_start();
        }
        let [_, existed, before, mode_before, stays, after, mode_after] =
            <[String; 7]>::try_from(words).ok()?;
        let mode = |text: &str| u32::from_str_radix(text, 8).unwrap_or(0);
        Some(File {
            before: (existed == "yes").then_some(before),
            after: (stays == "yes").then_some(after),
            mode_before: mode(&mode_before),
            mode_after: mode(&mode_after),
        })
    }

    fn parsed<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.value(name)?.parse().ok()
    }

    pub(crate) fn mac(&self) -> Option<MacAddr> {
        self.parsed("mac")
    }

    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        self.parsed("address")
    }

    /// What the probe script asks: the labels of its frames, and whether from the secondary address.
    pub(crate) fn asks(&self) -> Vec<(String, Option<Ipv4Addr>)> {
        let mut asks = Vec::new();
        for line in self.text.lines() {
            let Some(rest) = line.trim().strip_prefix("frame '") else { continue };
            let Some((label, rest)) = rest.split_once("' ask '") else { continue };
            let Some((source, _)) = rest.split_once('\'') else { continue };
            asks.push((label.to_owned(), source.parse().ok()));
        }
        asks
    }

    /// The first `steps` changes of the script; all of them is the whole script.
    pub(crate) fn run(&self, host: &mut Host, steps: usize, now: Instant) -> Ended {
        match self.kind {
            Kind::Apply => host.phase(self, steps, now),
            Kind::Revert => self.revert(host, steps),
            Kind::Facts | Kind::Probe | Kind::Stage | Kind::Lease => Ended::Ok,
        }
    }

    pub(crate) fn file_differs(&self, host: &Host) -> bool {
        self.file().is_some_and(|file| host.rc_local != file.after || host.rc_mode != file.mode_after)
    }

    pub(crate) fn write_file(&self, host: &mut Host) {
        if let Some(file) = self.file() {
            (host.rc_local, host.rc_mode) = (file.after, file.mode_after);
        }
    }

    /// Why the change is not begun.
    pub(crate) fn refuses(&self, host: &Host) -> Option<Ended> {
        let (Some(mac), Some(_)) = (self.mac(), self.address()) else {
            return Some(Ended::Failed("no-values"));
        };
        let (table, priority) = (self.parsed("table").unwrap_or(0), self.parsed("priority").unwrap_or(0));
        let file = self.file();
        if file.as_ref().is_some_and(|file| host.rc_local != file.before && host.rc_local != file.after) {
            return Some(Ended::Failed("file-changed"));
        }
        if host.device != Some(mac) {
            return Some(Ended::Failed("no-device"));
        }
        if host.base.routes.contains_key(&table) && table != MAIN {
            return Some(Ended::Failed("table-taken"));
        }
        if host.base.rules.iter().any(|rule| rule.0 == priority) {
            return Some(Ended::Failed("priority-taken"));
        }
        None
    }

    /// The first `steps` changes that do not outlive a boot.
    pub(crate) fn bring_about(&self, host: &mut Host, steps: usize) {
        let (Some(address), Some(gateway)) = (self.address(), self.parsed::<Ipv4Addr>("gateway")) else {
            return;
        };
        let (table, priority) = (self.parsed("table").unwrap_or(0), self.parsed("priority").unwrap_or(0));
        let was = host.clone();
        for step in 0..steps {
            match step {
                0 => {
                    host.kernel.link = true;
                    host.kernel.nets = vec![format!("{address}/32")];
                }
                1 => host.clean_main(),
                2 => drop(
                    host.kernel.routes.insert(table, vec![format!("default via {gateway} dev eth1 onlink")]),
                ),
                _ => host.rule(address, table, priority),
            }
        }
        host.count(&was);
    }

    fn revert(&self, host: &mut Host, steps: usize) -> Ended {
        let Some(address) = self.address() else { return Ended::Failed("no-values") };
        host.take_back();
        host.guard = None;
        let (table, was) = (self.parsed("table").unwrap_or(0), host.clone());
        for step in 0..steps {
            match step {
                0 => self.revert_rc_local(host),
                1 => host.kernel.rules.retain(|rule| rule.1 != format!("from {address} lookup {table}")),
                2 => drop(host.kernel.routes.remove(&table).filter(|_| table != MAIN)),
                _ => {
                    host.kernel.nets.retain(|net| *net != format!("{address}/32"));
                    host.kernel.link = !host.kernel.nets.is_empty();
                }
            }
        }
        host.count(&was);
        Ended::Ok
    }

    fn revert_rc_local(&self, host: &mut Host) {
        let Some(file) = self.file() else { return };
        if host.rc_local == file.after {
            if file.before.is_some() {
                host.rc_mode = file.mode_before;
            }
            host.rc_local = file.before;
        } else if let Some(text) = &host.rc_local {
            host.rc_local = Some(without_block(text));
        }
    }
}

impl Host {
    /// What the lease script does and answers.
    pub(crate) fn lease(&mut self, script: &Script<'_>, now: Instant) -> String {
        let value = |name| script.value(name).unwrap_or_default();
        let (verb, nonce, run, owner) = (value("verb"), value("nonce"), value("run"), value("owner"));
        let until = now + Duration::from_secs(value("seconds").parse().unwrap_or(0));
        let holder = self.lease.as_ref().map(|held| {
            let left = held.until.saturating_duration_since(now).as_secs();
            format!("holder {} {} {} 1795363200 {left}\n", held.nonce, held.run, held.owner)
        });
        let told = holder.unwrap_or_default();
        let held = self.lease.clone();
        let mine = held.as_ref().is_none_or(|held| held.nonce == nonce);
        let (told, result) = match verb.as_str() {
            "acquire" if held.as_ref().is_some_and(|held| held.until > now && held.run != run) => {
                (told, "held")
            }
            "acquire" => {
                self.lease = Some(Lease { nonce, run, owner, until });
                (told, "taken")
            }
            "renew" if mine && held.is_some() => {
                self.lease = held.map(|held| Lease { until, ..held });
                (String::new(), "renewed")
            }
            "release" if mine => {
                self.lease = None;
                (String::new(), "released")
            }
            "show" if held.is_none() => (told, "free"),
            "show" => (told, "held"),
            _ => (told, "lost"),
        };
        format!("egressctl-lease 1\n{told}result {result}\n")
    }

    fn count(&mut self, was: &Self) {
        let same = self.kernel == was.kernel && self.rc_local == was.rc_local && self.rc_mode == was.rc_mode;
        self.changes += u64::from(!same);
    }

    /// What the host prints for a script that only looks; `egress` tells the address that a source is seen as.
    pub(crate) fn prints(
        &self,
        script: &Script<'_>,
        egress: impl Fn(Option<Ipv4Addr>) -> Option<Ipv4Addr>,
    ) -> String {
        let instance = match self.nature {
            Nature::Impostor => "i-somebody-else".to_owned(),
            _ => self.instance.to_string(),
        };
        match script.kind {
            Kind::Facts => self.facts(&instance),
            Kind::Probe => {
                let mut out = frame("begin", 0, "egressctl-probe 1") + &frame("instance", 0, &instance);
                for (label, source) in script.asks() {
                    out += &match egress(source) {
                        Some(address) => frame(&label, 0, &address.to_string()),
                        None => frame(&label, 28, "timeout"),
                    };
                }
                out + &frame("end", 0, "")
            }
            Kind::Stage | Kind::Apply | Kind::Revert | Kind::Lease => String::new(),
        }
    }

    fn facts(&self, instance: &str) -> String {
        let mut links = "2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP\\    link/ether 00:16:3e:00:00:01 brd ff:ff:ff:ff:ff:ff\n".to_owned();
        let mut nets = String::new();
        for net in &self.kernel.primary {
            nets += &format!("2: eth0    inet {net} scope global eth0\n");
        }
        if let Some(mac) = self.device {
            let up = if self.kernel.link { "UP,LOWER_UP" } else { "MULTICAST" };
            links += &format!(
                "3: eth1: <BROADCAST,{up}> mtu 1500 state X\\    link/ether {mac} brd ff:ff:ff:ff:ff:ff\n"
            );
            for net in &self.kernel.nets {
                nets += &format!("3: eth1    inet {net} scope global eth1\n");
            }
        }
        let mut rules = String::new();
        for (priority, rule) in &self.kernel.rules {
            rules += &format!("{priority}:\t{rule}\n");
        }
        let mut routes = String::new();
        for (table, list) in &self.kernel.routes {
            for route in list {
                let table = if *table == MAIN { String::new() } else { format!(" table {table}") };
                routes += &match route.strip_suffix(" onlink") {
                    Some(route) => format!("{route}{table} onlink\n"),
                    None => format!("{route}{table}\n"),
                };
            }
        }
        let dev = if self.leaves_by_primary() { "eth0" } else { "eth1" };
        let source = if dev == "eth0" {
            self.primary_ip.to_string()
        } else {
            let net = self.kernel.nets.first().cloned().unwrap_or_default();
            net.split('/').next().unwrap_or_default().to_owned()
        };
        let state = if self.rc_local.is_some() { "file" } else { "absent" };
        [
            ("begin", "egressctl-facts 1"),
            ("uid", "0"),
            ("os", "PRETTY_NAME=\"Simulated Linux\""),
            ("kernel", "6.1.0"),
            ("iproute", "ip utility, iproute2-6.1.0"),
            ("http", "curl"),
            ("instance", instance),
            ("tables", "255\tlocal\n254\tmain\n253\tdefault\n0\tunspec\n"),
            ("link", &links),
            ("addr", &nets),
            ("rule", &rules),
            ("route", &routes),
            ("internet", &format!("1.1.1.1 via {} dev {dev} src {source} uid 0\n", self.gateway)),
            ("rc.path", "/etc/rc.local"),
            ("rc.state", state),
            ("rc.mode", &format!("{:o}", self.rc_mode)),
            ("rc.content", self.rc_local.as_deref().unwrap_or_default()),
            ("end", ""),
        ]
        .map(|(name, text)| frame(name, 0, text))
        .concat()
    }
}

fn frame(name: &str, status: u32, text: &str) -> String {
    format!("@@ {name} {status} {}\n{text}\n", text.len())
}
