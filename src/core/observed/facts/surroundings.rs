//! The frames about the system around the network, and about the files of the network's owners.
//!
//! What a host does not have is empty in here, and never an error: a host without systemd is a host, too.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::parse::clean;
use super::{Claim, ConfigFile, Route, Service, Socket, Space, System};
use crate::core::model::{IfName, Owner};
use crate::core::observed::HostTextError;
use crate::core::observed::frame::Frames;

const MAX_LINES: usize = 2000;

/// Everything but the files.
pub(super) fn system(frames: &Frames<'_>) -> Result<System, HostTextError> {
    let text = |name: &str| frames.optional(name);
    let (folders, locked) = folders(&text("folders"));
    let release = text("os");
    let field = |key: &str| {
        let value = lines(&release).find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        clean(value.unwrap_or_default().trim().trim_matches(['"', '\'']))
    };
    let (shims, marks) = shims(&text("shims"));
    Ok(System {
        id: field("ID"),
        version: field("VERSION_ID"),
        init: first(&text("init")),
        caller: first(&text("caller")).parse().ok(),
        systemd: numbers(&text("systemd")).next(),
        network_manager: version(&text("nm.version")),
        cloud_init: first(&text("cloud-init")),
        services: services(&text("services")),
        claims: claims(frames),
        tools: text("tools").split_whitespace().filter(|word| is_word(word)).map(str::to_owned).collect(),
        sysctls: pairs(&text("sysctl")),
        sockets: sockets(frames),
        zones: zones(&text("zones")),
        filter: lines(&text("filter")).map(clean).collect(),
        shims,
        marks,
        read_only: read_only(&text("mounts")),
        folders,
        locked,
        space: space(&text("space")),
        selinux: first(&text("selinux")).to_lowercase(),
        routes6: lines(&text("route6")).map(clean).collect(),
        conntrack: {
            let text = text("conntrack");
            let mut values = text.split_whitespace().map_while(|word| word.parse().ok());
            values.next().zip(values.next())
        },
        rc_local_runners: lines(&text("rc.runners")).map(clean).collect(),
    })
}

/// The files of the network's owners.
pub(super) fn files(frames: &Frames<'_>) -> BTreeMap<String, ConfigFile> {
    let all = frames.all("file:").filter(|(path, _)| is_path(path));
    all.map(|(path, frame)| (path.to_owned(), file(frame.bytes))).collect()
}

/// An absolute path without surprises.
fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && path.len() <= 200
        && !path.split('/').any(|part| part == "..")
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._@:-".contains(&b))
}

fn file(bytes: &[u8]) -> ConfigFile {
    let (head, body) = match bytes.iter().take(40).position(|byte| *byte == b'\n') {
        Some(end) => (bytes.get(..end).unwrap_or_default(), bytes.get(end + 1..).unwrap_or_default()),
        None => (bytes, [].as_slice()),
    };
    let head = String::from_utf8_lossy(head);
    let mut words = head.split_whitespace();
    let state = words.next().unwrap_or_default();
    let mode = words.next().and_then(|mode| u32::from_str_radix(mode, 8).ok()).unwrap_or(0) & 0o7777;
    let (content, obstacle) = match (state, std::str::from_utf8(body)) {
        ("file", Ok(text)) if !text.contains('\0') => (Some(text.to_owned()), None),
        ("immutable", Ok(text)) if !text.contains('\0') => {
            (Some(text.to_owned()), Some("it has the attribute \"immutable\" or \"append only\""))
        }
        ("file" | "immutable" | "not-text", _) => (None, Some("it is not text")),
        ("link", _) => (None, Some("it is a link")),
        ("too-large", _) => (None, Some("it is larger than 16 KiB")),
        ("withheld", _) => (None, Some("it has secrets, so it was not read")),
        ("unreadable", _) => (None, Some("it cannot be read")),
        _ => (None, Some("it is not a regular file")),
    };
    ConfigFile { content, mode, obstacle: obstacle.map(str::to_owned) }
}

/// `route -n` of hosts that have nothing but net-tools.
pub(super) fn net_tools(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [destination, gateway, mask, flags, metric, .., dev] = words.as_slice() else { return None };
        let (address, mask): (Ipv4Addr, Ipv4Addr) = (destination.parse().ok()?, mask.parse().ok()?);
        let via = gateway.parse().ok().filter(|_| flags.contains('G'));
        let destination = Ipv4Net::with_netmask(address, mask).ok()?;
        let (metric, dev) = (metric.parse().ok()?, dev.parse().ok());
        Some(Route { table: 254, destination, via, dev, metric, onlink: false, text: clean(line) })
    };
    lines(text).filter_map(route).collect()
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).take(MAX_LINES)
}

fn first(text: &str) -> String {
    clean(lines(text).next().unwrap_or_default())
}

fn is_word(word: &str) -> bool {
    word.len() <= 40 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b))
}

fn numbers(text: &str) -> impl Iterator<Item = u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok())
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = numbers(text);
    numbers.next().zip(numbers.next())
}

/// `systemctl show -p Id -p LoadState -p ActiveState -p UnitFileState`, a block for each.
fn services(text: &str) -> BTreeMap<String, Service> {
    let block = |block: &str| {
        let value = |key: &str| {
            lines(block).find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default()
        };
        let name = value("Id").strip_suffix(".service").unwrap_or(value("Id"));
        let there = is_word(name) && !name.is_empty() && value("LoadState") != "not-found";
        let active = ["active", "activating", "reloading"].contains(&value("ActiveState"));
        there.then(|| (name.to_owned(), Service { active, enabled: clean(value("UnitFileState")) }))
    };
    text.split("\n\n").take(100).filter_map(block).collect()
}

fn claims(frames: &Frames<'_>) -> Vec<Claim> {
    let mut claims = BTreeSet::new();
    let mut put = |owner, dev: &str, state: &str| {
        if let Ok(dev) = dev.parse::<IfName>() {
            claims.insert(Claim { owner, dev, state: clean(state) });
        }
    };
    // "eth0:connected:System eth0"; the name of a connection may have anything in it.
    let text = frames.optional("nm");
    for line in lines(&text) {
        let mut fields = line.splitn(3, ':');
        if let (Some(dev), Some(state)) = (fields.next(), fields.next())
            && state.starts_with("connect")
            && !state.contains("externally")
        {
            put(Owner::NetworkManager, dev, state);
        }
    }
    // "  2 eth0  ether  routable  configured"
    let netplan: BTreeSet<String> = lines(&frames.optional("netplan")).map(clean).collect();
    let text = frames.optional("networkd");
    for line in lines(&text) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, dev, _, _, state @ ("configured" | "configuring")] = words.as_slice() {
            let by_netplan = netplan.contains(&format!("10-netplan-{dev}.network"));
            put(if by_netplan { Owner::Netplan } else { Owner::Networkd }, dev, state);
        }
    }
    let text = frames.optional("wicked");
    for line in lines(&text) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [dev, state @ ("up" | "setup-in-progress"), ..] = words.as_slice() {
            put(Owner::Wicked, dev, state);
        }
    }
    // "eth0=eth0"
    let text = frames.optional("ifstate");
    for line in lines(&text) {
        if let Some((dev, state)) = line.split_once('=') {
            put(Owner::Ifupdown, dev, state);
        }
    }
    let text = frames.optional("ifcfg");
    for line in lines(&text) {
        put(Owner::Ifcfg, line, "network");
    }
    claims.into_iter().filter(|claim| claim.dev.as_str() != "lo").collect()
}

fn pairs(text: &str) -> BTreeMap<String, u32> {
    let pair = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        (is_word(name) && name.len() <= 40).then_some((name.to_owned(), value.trim().parse().ok()?))
    };
    lines(text).filter_map(pair).collect()
}

/// By `ss -H -ltunp`, else by `/proc/net`.
fn sockets(frames: &Frames<'_>) -> Vec<Socket> {
    let text = frames.optional("ss");
    let mut found: BTreeSet<Socket> = lines(&text).filter_map(ss).collect();
    if text.trim().is_empty() {
        for (name, udp, six) in [
            ("proc.tcp", false, false),
            ("proc.udp", true, false),
            ("proc.tcp6", false, true),
            ("proc.udp6", true, true),
        ] {
            found.extend(lines(&frames.optional(name)).filter_map(|line| proc_net(line, udp, six)));
        }
    }
    found.into_iter().collect()
}

/// `tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))`
fn ss(line: &str) -> Option<Socket> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let udp = match *words.first()? {
        "tcp" => false,
        "udp" => true,
        _ => return None,
    };
    let (address, port) = words.get(4)?.rsplit_once(':')?;
    let address = address.split('%').next().unwrap_or_default().trim_matches(['[', ']']);
    let address = match address {
        "*" => None,
        text => Some(text.parse::<IpAddr>().ok()?).filter(|address| !address.is_unspecified()),
    };
    let users = words.get(6..).unwrap_or_default().join(" ");
    let process = clean(users.split('"').nth(1).unwrap_or_default());
    Some(Socket { udp, address, port: port.parse().ok()?, process })
}

/// `0: 0A00000A:0016 00000000:0000 0A ...`: addresses as the machine keeps them, little endian.
fn proc_net(line: &str, udp: bool, six: bool) -> Option<Socket> {
    let words: Vec<&str> = line.split_whitespace().collect();
    // TCP_LISTEN, and TCP_CLOSE, which is what a UDP socket without a peer has.
    if *words.get(3)? != if udp { "07" } else { "0A" } {
        return None;
    }
    let (address, port) = words.get(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok().map(u32::swap_bytes);
    let address = if six {
        let words = [word(0)?, word(8)?, word(16)?, word(24)?];
        let bits = words.iter().fold(0u128, |bits, word| bits << 32 | u128::from(*word));
        IpAddr::from(bits.to_be_bytes())
    } else {
        IpAddr::from(Ipv4Addr::from(word(0)?))
    };
    Some(Socket { udp, address: Some(address).filter(|a| !a.is_unspecified()), port, process: String::new() })
}

/// `firewall-cmd --get-active-zones`: a zone's name at the line's start, its parts below.
fn zones(text: &str) -> BTreeMap<String, Vec<String>> {
    let (mut zones, mut zone) = (BTreeMap::new(), String::new());
    for line in text.lines().take(MAX_LINES) {
        if let Some(devices) = line.trim().strip_prefix("interfaces:") {
            let devices: Vec<String> =
                devices.split_whitespace().filter(|word| is_word(word)).map(str::to_owned).collect();
            zones.insert(zone.clone(), devices);
        } else if !line.starts_with(char::is_whitespace) {
            let name = line.split_whitespace().next().unwrap_or_default();
            zone = if is_word(name) { name.to_owned() } else { String::new() };
        }
    }
    zones
}

/// Longest listing of one table, in lines.
const MAX_TABLE: usize = 100;

/// `nft list ruleset`, cut down to our tables and to lines of others about marks.
fn shims(text: &str) -> (BTreeMap<u32, String>, Vec<String>) {
    let (mut tables, mut marks) = (BTreeMap::<u32, String>::new(), Vec::new());
    let mut inside: Option<(u32, Vec<String>)> = None;
    for line in text.lines().take(MAX_LINES) {
        let begins = || line.strip_prefix("table ip egressctl_shim_")?.strip_suffix(" {")?.parse().ok();
        match &mut inside {
            None => match begins() {
                Some(number) => inside = Some((number, vec![clean(line)])),
                None => marks.push(clean(line.trim())),
            },
            Some((number, lines)) => {
                lines.push(clean(line.trim()));
                if line.starts_with('}') || lines.len() >= MAX_TABLE {
                    tables.insert(*number, lines.join("\n"));
                    inside = None;
                }
            }
        }
    }
    (tables, marks.into_iter().filter(|line| !line.is_empty()).collect())
}

/// Lines of `/proc/self/mounts`; the last one of a mount point is the one on top.
fn read_only(text: &str) -> Vec<String> {
    let mut points = BTreeMap::new();
    for line in lines(text) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, point @ ("/" | "/etc" | "/var"), _, options, ..] = words.as_slice() {
            points.insert((*point).to_owned(), options.split(',').any(|option| option == "ro"));
        }
    }
    points.into_iter().filter(|(_, read_only)| *read_only).map(|(point, _)| point).collect()
}

/// Lines of `lsattr -d`, "----i---------e------- /etc/netplan", or of `ls -d` where that is missing: all folders, and those of
/// them that are immutable or append only.
fn folders(text: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut all, mut locked) = (BTreeSet::new(), BTreeSet::new());
    for line in lines(text) {
        let (attributes, path) = line.split_once(' ').unwrap_or(("", line));
        let path = path.trim();
        if !is_path(path) {
            continue;
        }
        if attributes.contains(['i', 'a']) {
            locked.insert(path.to_owned());
        }
        all.insert(path.to_owned());
    }
    (all, locked)
}

/// The rows of `df -Pk /etc` and `df -Pi /etc`: the fourth column is what is left.
fn space(text: &str) -> Option<Space> {
    let rows: Vec<Vec<&str>> = lines(text).map(|line| line.split_whitespace().collect()).collect();
    let mut rows = rows.iter().filter(|row| row.first() != Some(&"Filesystem"));
    let kib = rows.next()?.get(3)?.parse().ok()?;
    let inodes = rows.next().filter(|row| row.get(1) != Some(&"0"));
    Some(Space { kib, inodes: inodes.and_then(|row| row.get(3)?.parse().ok()) })
}
