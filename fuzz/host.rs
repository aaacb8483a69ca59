//! The checks of what a host prints about the system around its network, and of the files that are made of it.

use std::sync::OnceLock;

use egressctl::core::model::Owner;
use egressctl::core::observed::GuardState;
use egressctl::core::observed::facts::{ConfigFile, Facts, Link, RcLocal, System, parse_facts};
use egressctl::core::observed::guards::parse_guards;
use egressctl::core::plan::RouteTarget;
use egressctl::core::plan::owner::{FileChanges, file_changes, without_ours};
use egressctl::core::plan::rc_local::{Whose, is_mark, tables, with_block, without_block};
use egressctl::core::template::Templates;
use egressctl::core::text::is_harmful;

use super::{one_line, refused};

/// A host that has nothing, as the facts script prints it.
const HOST: [(&str, &str); 19] = [
    ("begin", "egressctl-facts 1"),
    ("uid", "0"),
    ("os", "ID=debian"),
    ("kernel", "6.1.0"),
    ("iproute", "ip utility, iproute2-6.1.0"),
    ("http", "curl"),
    ("instance", "i-web1"),
    ("tables", ""),
    ("link", "2: eth0: <UP> mtu 1500 link/ether 00:16:3e:aa:bb:01"),
    ("addr", "2: eth0    inet 172.16.0.10/24 scope global eth0"),
    ("rule", "0:\tfrom all lookup local"),
    ("route", "default via 172.16.0.253 dev eth0"),
    ("internet", "1.1.1.1 via 172.16.0.253 dev eth0 src 172.16.0.10"),
    ("rc.path", "/etc/rc.local"),
    ("rc.state", "absent"),
    ("rc.mode", "0"),
    ("rc.content", ""),
    ("nettools", ""),
    ("end", ""),
];

/// The frames that say something of the system around, and nothing else.
const AROUND: [&str; 25] = [
    "init",
    "systemd",
    "services",
    "nm.version",
    "nm",
    "networkd",
    "netplan",
    "wicked",
    "ifstate",
    "ifcfg",
    "cloud-init",
    "tools",
    "sysctl",
    "ss",
    "proc.tcp",
    "proc.udp",
    "proc.tcp6",
    "proc.udp6",
    "zones",
    "filter",
    "mounts",
    "space",
    "selinux",
    "conntrack",
    "route6",
];
/// The frames with lines of ip(8) and its like.
const LINES: [&str; 7] = ["link", "addr", "rule", "route", "internet", "tables", "nettools"];
/// Longest text of a host that is kept as one value, characters.
const LONGEST: usize = 120;

fn frame(name: &str, body: &[u8]) -> Vec<u8> {
    [format!("@@ {name} 0 {}\n", body.len()).as_bytes(), body, b"\n"].concat()
}

/// The answer of that host with one frame as given.
fn answer(name: &str, body: &[u8]) -> Vec<u8> {
    let is_own = |key: &str| key == name;
    let mut out = Vec::new();
    for (key, text) in HOST {
        if key == "end" && !HOST.iter().any(|(key, _)| is_own(key)) {
            out.extend(frame(name, body));
        }
        out.extend(frame(key, if is_own(key) { body } else { text.as_bytes() }));
    }
    out
}

fn short(text: &str) {
    one_line(text);
    assert!(text.chars().count() <= LONGEST, "{text:?} is long");
}

/// What a frame says stays in its own values, and these are short and harmless. The first byte chooses the frame.
pub fn surroundings(input: &[u8]) {
    let Some((which, body)) = input.split_first() else { return };
    let which = usize::from(*which) % (AROUND.len() + LINES.len() + 1);
    let Some(plain) = refused(parse_facts(&answer("init", b""))) else {
        panic!("the plain host is not read")
    };
    if let Some(name) = AROUND.get(which) {
        let Some(seen) = refused(parse_facts(&answer(name, body))) else { return };
        around(&seen.system);
        assert_eq!(
            Facts { system: plain.system.clone(), ..seen },
            plain,
            "{name} has changed something else"
        );
    } else if let Some(name) = LINES.get(which - AROUND.len()) {
        if let Some(seen) = refused(parse_facts(&answer(name, body))) {
            seen.rules.iter().for_each(|rule| assert!(!rule.text.contains('\n')));
            seen.routes.iter().for_each(|route| assert!(!route.text.contains('\n')));
        }
    } else if let Some(seen) = refused(parse_facts(&answer("file:/etc/network/interfaces", body))) {
        for file in seen.files.values() {
            assert!(file.mode <= 0o7777);
            assert!(file.content.is_some() || file.obstacle.is_some(), "neither read nor in the way");
            assert!(file.content.as_ref().is_none_or(|text| !text.contains('\0')));
        }
        assert_eq!(Facts { files: plain.files.clone(), ..seen }, plain);
    }
}

fn around(system: &System) {
    for text in [&system.id, &system.version, &system.init, &system.cloud_init, &system.selinux] {
        short(text);
    }
    for list in [&system.filter, &system.routes6, &system.rc_local_runners] {
        assert!(list.len() <= 2000);
        list.iter().for_each(|text| short(text));
    }
    system.services.iter().for_each(|(name, service)| {
        short(name);
        short(&service.enabled);
    });
    system.claims.iter().for_each(|claim| short(&claim.state));
    system.sockets.iter().for_each(|socket| short(&socket.process));
    system.tools.iter().chain(system.sysctls.keys()).chain(system.zones.keys()).for_each(|text| short(text));
    system.zones.values().flatten().for_each(|device| short(device));
}

/// The guards script's answer: a guard has a name that is fit for a path, and no word is unescaped.
pub fn guards(input: &[u8]) {
    let answer = [b"egressctl-guards 1\n".as_slice(), input, b"\nresult ok\n"].concat();
    for text in [input, &answer] {
        let Some(guards) = refused(parse_guards(text)) else { continue };
        assert!(guards.standing.len() <= 20 && guards.on_disk.len() <= 20);
        for tx in guards.standing.iter().map(|guard| &guard.tx).chain(&guards.on_disk) {
            assert!(tx.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{tx:?}");
        }
        for end in guards.standing.iter().filter_map(|guard| guard.end.as_ref()) {
            one_line(&end.told);
        }
    }
    if let Ok(GuardState::Armed { generation, left }) = String::from_utf8_lossy(input).parse() {
        assert!((1..=2).contains(&generation) && left.as_secs() <= 3600);
    }
}

/// A block goes into the file once, goes in again without a change, and comes out with every byte of the file as it was.
pub fn rc_local(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let file = |content: &str| RcLocal {
        path: "/etc/rc.local".to_owned(),
        content: Some(content.to_owned()),
        mode: 0o755,
        obstacle: None,
    };
    let whose = Whose { table: 101, address: None };
    let has_ours = text.lines().any(is_mark);
    if has_ours {
        // Somebody has edited them: whatever comes of it, it comes of it twice.
        if let Ok(rest) = without_block(&file(text), whose) {
            assert_eq!(without_block(&file(&rest), whose).ok().as_deref(), Some(rest.as_str()));
        }
    }
    for (block, other) in [
        ("ip rule\n", "(\n  ip route\n) || true\n"),
        ("  table='101'\nip rule\n", "(\n  table='101'\n  ip route\n) || true\n"),
    ] {
        let Ok(with) = with_block(&file(text), block, whose) else { continue };
        let ours = |text: &str| tables(text).len();
        let missing = usize::from(without_block(&file(text), whose).is_ok_and(|rest| rest == text));
        assert_eq!(ours(&with), ours(text) + missing);
        assert!(tables(&with).contains(&Some(101)));
        assert!(with.contains(block));
        assert_eq!(
            with_block(&file(&with), block, whose).ok(),
            Some(with.clone()),
            "it does not go in twice alike"
        );
        if !has_ours {
            assert_eq!(without_block(&file(&with), whose).ok().as_deref(), Some(text));
            let changed =
                with_block(&file(&with), other, whose).and_then(|with| without_block(&file(&with), whose));
            assert_eq!(changed.ok().as_deref(), Some(text));
        }
    }
}

const OWNERS: [Owner; 7] = [
    Owner::Networkd,
    Owner::Netplan,
    Owner::NetworkManager,
    Owner::Ifcfg,
    Owner::Ifupdown,
    Owner::Wicked,
    Owner::Unit,
];

fn apply(facts: &mut Facts, changes: FileChanges) {
    for change in changes.files {
        match change.after {
            Some(text) => {
                let file = ConfigFile { content: Some(text), mode: change.mode_after, obstacle: None };
                facts.files.insert(change.path, file);
            }
            None => drop(facts.files.remove(&change.path)),
        }
    }
}

/// An owner's files are right once they are written, and a file that was in their place comes back byte for byte. The first byte
/// chooses the owner, the second which of its files was there, with the rest as its text.
pub fn owner_files(input: &[u8]) {
    let [owner, which, text @ ..] = input else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Some(owner) = OWNERS.get(usize::from(*owner) % OWNERS.len()) else { return };
    let Some(mut facts) = refused(parse_facts(&answer("init", b"systemd"))) else {
        panic!("the plain host is not read")
    };
    let (Ok(name), Ok(mac)) = ("eth1".parse(), "00:16:3e:aa:bb:02".parse()) else { return };
    facts.links.push(Link { name, mac, up: true, mtu: 1500 });
    let target = RouteTarget {
        mac: Some(mac),
        address: Some([172, 16, 0, 20].into()),
        gateway: [172, 16, 0, 253].into(),
        primary_ip: [172, 16, 0, 10].into(),
        table: 101,
        priority: 4101,
        owner: Some(*owner),
        shim: false,
        form: Default::default(),
    };
    static TEMPLATES: OnceLock<Option<Templates>> = OnceLock::new();
    let Some(templates) = TEMPLATES.get_or_init(|| Templates::builtin().ok()) else {
        panic!("the templates do not load");
    };
    let Ok(changes) = file_changes(&facts, &target, templates) else { return };
    let Some(path) =
        changes.files.get(usize::from(*which) % changes.files.len().max(1)).map(|file| file.path.clone())
    else {
        return;
    };
    let before = ConfigFile { content: Some(text.to_owned()), mode: 0o640, obstacle: None };
    facts.files.insert(path.clone(), before);
    let untouched = facts.clone();
    let Ok(changes) = file_changes(&facts, &target, templates) else { return };
    apply(&mut facts, changes);
    match file_changes(&facts, &target, templates) {
        Ok(again) => assert!(again.files.is_empty(), "not right once written: {:?}", again.files),
        Err(wrong) => panic!("what was written is in the way: {wrong:?}"),
    }
    let ours = text.starts_with("# egressctl, table 101:");
    match without_ours(&facts, &target) {
        Ok(changes) => apply(&mut facts, changes),
        Err(why) => panic!("it cannot be taken away: {why}"),
    }
    if !ours {
        let content = |facts: &Facts| facts.files.get(&path).and_then(|file| file.content.clone());
        assert_eq!(content(&facts), content(&untouched), "{path}");
    }
    assert!(!path.chars().any(is_harmful));
}
