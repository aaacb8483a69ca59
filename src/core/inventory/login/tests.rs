//! Who has the last word.

use std::net::Ipv4Addr;

use super::super::{Context, HostDesired, HostKeyCheck, parse};
use super::*;
use crate::core::ssh_config::jump_chain;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOAiG4H6IDlQ2nhBOMDJnhBVgjY2eo8g1YzeKzOPxBgw";

fn config(text: &str) -> SshConfig {
    SshConfig::parse("config", text, &mut |_| Ok(Vec::new())).unwrap()
}

fn tried(login: &LoginContext, host: &str) -> Result<HostDesired, String> {
    let text = format!(
        "cloud: {{region: cn-beijing}}\ndefaults: {{verify: {{echo: [\"http://e.example\"]}}}}\n\
         hosts:\n  - {{name: web-1, instance: i-1, {host}}}\n"
    );
    let context = Context { login: login.clone(), ..Context::default() };
    let mut desired = parse("f", &text, &context).map_err(|mistakes| mistakes.to_string())?;
    Ok(desired.hosts.remove(0))
}

fn host(login: &LoginContext, host: &str) -> HostDesired {
    tried(login, host).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The way as `user@host:port` for each jump host, `|` between those that share the load.
fn way(host: &HostDesired) -> String {
    let one = |jump: &JumpDesired| format!("{}@{}:{}", jump.ssh.user, jump.host, jump.ssh.port);
    let hop = |hop: &Vec<JumpDesired>| hop.iter().map(one).collect::<Vec<_>>().join("|");
    host.ssh.jumps.iter().map(hop).collect::<Vec<_>>().join(",")
}

#[test]
fn a_flag_wins_over_an_option_over_the_inventory_over_ssh_config_over_what_is_usual() {
    let inventory = "ssh: {user: inv, port: 3, key: /inv/key, known_hosts: [/inv/kh], connect_timeout: 3s, \
                     host_key_policy: ca, jump: inv@jump}";
    let file = "Port 4\nUser conf\nIdentityFile /conf/key\nUserKnownHostsFile /conf/kh\nConnectTimeout 4\n\
                StrictHostKeyChecking accept-new\nHost web-1\nProxyJump conf@jump";
    let options = "Port 2\nUser opt\nIdentityFile /opt/key\nUserKnownHostsFile /opt/kh\nConnectTimeout 2\n\
                   StrictHostKeyChecking yes\nProxyJump opt@jump";
    let usual = LoginContext {
        usual_keys: vec!["/usual/key".into()],
        user_known_hosts: vec!["/usual/kh".into()],
        global_known_hosts: vec!["/etc/kh".into()],
        ..LoginContext::default()
    };
    let configured = LoginContext { config: config(file), ..usual.clone() };
    let optioned = LoginContext { options: config(options), ..configured.clone() };
    let flagged = LoginContext {
        user: Some("flag".to_owned()),
        port: Some(1),
        key: Some("/flag/key".into()),
        jump: Some(jump_chain("flag@jump").unwrap()),
        host_key_check: Some(HostKeyCheck::AcceptNew),
        ..optioned.clone()
    };
    let rows = [
        (&flagged, inventory, "flag 1 /flag/key /opt/kh,/etc/kh 2 AcceptNew flag@jump"),
        (&optioned, inventory, "opt 2 /opt/key /opt/kh,/etc/kh 2 Strict opt@jump"),
        (&configured, inventory, "inv 3 /inv/key /inv/kh 3 Ca inv@jump"),
        (&configured, "", "conf 4 /conf/key /conf/kh,/etc/kh 4 AcceptNew conf@jump"),
        (&usual, "", "root 22 /usual/key /usual/kh,/etc/kh 10 Strict "),
    ];
    for (login, inventory, expected) in rows {
        let ssh = host(login, inventory).ssh;
        let files = ssh.known_hosts.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        let jump = ssh.jumps.first().map(|hop| format!("{}@{}", hop[0].ssh.user, hop[0].host));
        let found = format!(
            "{} {} {} {} {} {:?} {}",
            ssh.user,
            ssh.port,
            ssh.keys[0].file.display(),
            files.join(","),
            ssh.connect_timeout.as_secs(),
            ssh.host_key_check,
            jump.unwrap_or_default()
        );
        assert_eq!(found, expected);
        assert_eq!(ssh.keys.len(), 1, "keys of different sources are never mixed: {expected}");
    }
}

#[test]
fn host_name_is_an_address_where_the_inventory_has_none() {
    let login = LoginContext {
        config: config("Host web-1\nHostName 10.0.0.9\nMatch host 10.0.0.5\nPort 5"),
        ..LoginContext::default()
    };
    let nowhere = host(&login, "");
    assert_eq!(nowhere.address, Some(Ipv4Addr::new(10, 0, 0, 9)));
    let written = host(&login, "address: 10.0.0.5");
    assert_eq!((written.address, written.ssh.port), (Some(Ipv4Addr::new(10, 0, 0, 5)), 5));
    let optioned = LoginContext { options: config("HostName 10.0.0.7"), ..login };
    assert_eq!(host(&optioned, "address: 10.0.0.5").address, Some(Ipv4Addr::new(10, 0, 0, 7)));
    let named = LoginContext { config: config("HostName %h.example"), ..LoginContext::default() };
    let named = host(&named, "");
    assert_eq!((named.address, named.ssh.host_name.as_deref()), (None, Some("web-1.example")));
}

#[test]
fn chains_are_followed_and_each_jump_host_has_its_own_configuration() {
    let file = "Host inner\nHostName 10.1.1.1\nUser ops\nPort 2222\nIdentityFile /keys/inner\nHost outer\nUser first\n\
                Host inner\nProxyJump outer\nHost bastion\nHostKeyAlias b\nHost web-1\nUser deploy\nProxyJump inner";
    let login = LoginContext { config: config(file), ..LoginContext::default() };
    for (inventory, expected) in [
        ("", "first@outer:22,ops@10.1.1.1:2222"),
        ("ssh: {jump: none}", ""),
        ("ssh: {jump: bastion}", "root@bastion:22"),
        ("ssh: {jump: \"me@inner:5\"}", "first@outer:22,me@10.1.1.1:5"),
        ("ssh: {jump: \"a,b\"}", "root@a:22,root@b:22"),
        ("ssh: {jump: {host: bastion, user: me, port: 7}}", "me@bastion:7"),
        ("ssh: {jump: {any_of: [a, \"me@b:5\"]}}", "root@a:22|me@b:5"),
    ] {
        assert_eq!(way(&host(&login, inventory)), expected, "{inventory}");
    }
    let web = host(&login, "ssh: {key: /keys/host, known_hosts: [/kh]}");
    let keys: Vec<_> =
        web.ssh.jumps.iter().map(|hop| hop[0].ssh.keys[0].file.display().to_string()).collect();
    assert_eq!(keys, ["/keys/host", "/keys/inner"], "the host's key where ssh_config names none");
    assert_eq!(web.ssh.jumps[0][0].ssh.known_hosts, [PathBuf::from("/kh")]);
    let flagged = LoginContext { jump: Some(Vec::new()), ..login.clone() };
    assert_eq!(way(&host(&flagged, "ssh: {jump: bastion}")), "");
    // Options and the login's own name are about the host, as in ssh.
    let optioned = LoginContext { options: config("Port 9"), user: Some("me".to_owned()), ..login };
    assert_eq!(way(&host(&optioned, "ssh: {jump: bastion}")), "root@bastion:22");
}

#[test]
fn ways_that_lead_nowhere_are_refused() {
    for (file, inventory, part) in [
        ("ProxyJump bastion", "", "bastion is a jump host on the way to itself"),
        (
            "Host a\nProxyJump b\nHost b\nProxyJump a",
            "ssh: {jump: a}",
            "a is a jump host on the way to itself",
        ),
        ("Host a\nProxyJump x", "ssh: {jump: {any_of: [a, b]}}", "write the chain out"),
        ("", "ssh: {jump: {any_of: []}}", "a list of jump hosts that share the load"),
        ("", "ssh: {jump: {any_of: [\"a,b\"]}}", "a list of jump hosts that share the load"),
        ("", "ssh: {jump: \"a,\"}", "jump hosts as user@host:port"),
        ("", "ssh: {host_key_policy: pinned}", "no ssh.host_keys says which"),
        ("", "ssh: {host_key_policy: off}", "expected one of: strict, accept-new, pinned, ca"),
        ("", "ssh: {host_keys: [ssh-ed25519 AAAA]}", "host keys as known_hosts has them"),
        ("IdentityFile ${NONE}/x", "", "config:1: the environment has no NONE"),
        ("RevokedHostKeys /x", "", "config:1: RevokedHostKeys is not supported"),
    ] {
        let login = LoginContext { config: config(file), ..LoginContext::default() };
        let mistakes = tried(&login, inventory).map(|host| format!("{host:?}")).unwrap_err();
        assert!(mistakes.contains(part) && mistakes.starts_with("f:"), "{file}: {mistakes}");
    }
}

#[test]
fn no_source_switches_the_check_of_host_keys_off() {
    let login = LoginContext { config: config("StrictHostKeyChecking no"), ..LoginContext::default() };
    let ssh = host(&login, "").ssh;
    assert_eq!(ssh.host_key_check, HostKeyCheck::Strict);
    assert_eq!(
        ssh.told.iter().map(|note| note.what.as_str()).collect::<Vec<_>>(),
        ["StrictHostKeyChecking no"]
    );
    let pinned = host(&login, &format!("ssh: {{host_keys: [\"{KEY} comment\"], jump: a}}")).ssh;
    assert_eq!((pinned.host_key_check, pinned.host_keys), (HostKeyCheck::Pinned, vec![KEY.to_owned()]));
    assert_eq!(pinned.jumps[0][0].ssh.host_key_check, HostKeyCheck::Strict, "the keys are the host's");
}
