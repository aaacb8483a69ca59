//! First contact, ssh_config and host key policies from the command line to OpenSSH's sshd and back.

use std::fs;
use std::process::{Command, Output, Stdio};

use egressctl::ssh::known_hosts::lookup_name;

use super::rig::{Keys, Sshd, login};

/// A home directory in which ssh_config alone says where hosts are.
struct Home {
    keys: Keys,
}

struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Home {
    fn new() -> Self {
        let keys = Keys::new();
        fs::create_dir(keys.path(".ssh")).unwrap();
        Self { keys }
    }

    /// Writes ssh_config and an inventory that has nothing but names.
    fn write(&self, hosts: &[(&str, &Sshd)], more: &str) {
        let mut config = String::new();
        let mut inventory = "hosts:\n".to_owned();
        for (name, sshd) in hosts {
            config += &format!("Host {name}\n  HostName 127.0.0.1\n  Port {}\n", sshd.port);
            if !name.starts_with("jump") {
                inventory += &format!("- {{name: {name}}}\n");
            }
        }
        let key = self.keys.path("id");
        config += &format!(
            "{more}Host *\n  User {}\n  IdentityFile {}\n  ForwardAgent yes\n  HashKnownHosts no\n",
            login(),
            key.display()
        );
        self.keys.write(".ssh/config", &config);
        self.keys.write("inventory.yaml", &inventory);
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_egressctl"));
        command.args(words).env_clear().env("HOME", self.keys.dir.path()).env("PATH", "/usr/bin:/bin");
        command.env("EGRESSCTL_INVENTORY", self.keys.path("inventory.yaml")).stdin(Stdio::null());
        command
    }

    fn ask(&self, words: &[&str]) -> Answer {
        self.command(words).output().unwrap().into()
    }

    /// What is on record, without what the host of an entry is called.
    fn recorded(&self) -> String {
        fs::read_to_string(self.keys.path(".ssh/known_hosts")).unwrap_or_default()
    }

    fn list(&self, lines: &[(&str, String)]) -> String {
        let text: String = lines.iter().map(|(name, print)| format!("{name} {print}\n")).collect();
        self.keys.write("list", &text).display().to_string()
    }
}

fn fingerprint(sshd: &Sshd) -> String {
    let output = Command::new("ssh-keygen").arg("-lf").arg(sshd.keys.path("ed25519.pub")).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn new_hosts_are_one_list_and_nobody_is_recorded_unseen() {
    let home = Home::new();
    let (one, two) = (Sshd::start(&home.keys, ""), Sshd::start(&home.keys, ""));
    let clone = Sshd::start(&home.keys, &format!("HostKey {}", one.keys.path("ed25519").display()));
    home.write(&[("web-1", &one), ("web-2", &two), ("web-3", &clone)], "");

    let ping = home.ask(&["ping"]);
    assert_eq!(ping.code, 4, "{}", ping.err);
    assert!((ping.out + &ping.err).contains("egressctl trust"), "the next step is named");

    let list = home.ask(&["trust", "-C"]);
    assert_eq!(list.code, 0, "{}", list.err);
    for (name, sshd, key) in [("web-1", &one, &one), ("web-2", &two, &two), ("web-3", &clone, &one)] {
        let line = list.out.lines().find(|line| line.starts_with(name)).expect(&list.out);
        assert!(line.contains(&fingerprint(key)) && line.contains("ssh-ed25519"), "{line}");
        assert!(line.contains(&format!("127.0.0.1:{}", sshd.port)), "{line}");
    }
    assert!(list.err.contains("web-1, web-3 show one and the same key"), "{}", list.err);
    assert_eq!(list.err.matches("ForwardAgent").count(), 1, "told once: {}", list.err);

    for (words, part) in [
        (&["trust"][..], "nobody can be asked"),
        (&["trust", "--yes"], "--fingerprints"),
        (&["trust", "--yes", "--fingerprints", "/dev/null"], "not listed, refused"),
    ] {
        let answer = home.ask(words);
        assert!(answer.code == 64 || answer.code == 2, "{words:?}: {}", answer.err);
        assert!((answer.out + &answer.err).contains(part), "{words:?}");
        assert_eq!(home.recorded(), "", "{words:?}");
    }
    assert!(!one.log().contains("Accepted"), "nobody logs in where nothing is trusted");

    // One is as listed, one is not.
    let listed = home.list(&[("web-1", fingerprint(&one)), ("web-2", fingerprint(&one))]);
    let answer = home.ask(&["trust", "--yes", "--fingerprints", &listed]);
    assert_eq!(answer.code, 2, "{}", answer.err);
    assert!(answer.out.contains("NOT THE LISTED KEY"), "{}", answer.out);
    assert_eq!(home.ask(&["ping", "-l", "web-1"]).code, 0);
    assert_eq!(home.ask(&["ping", "-l", "web-2"]).code, 4);

    let listed = home.list(&[("web-2", fingerprint(&two)), ("web-3", fingerprint(&one))]);
    let answer = home.ask(&["trust", "--yes", "--fingerprints", &listed]);
    assert_eq!(answer.code, 0, "{} {}", answer.out, answer.err);
    let answer = home.ask(&["trust"]);
    assert_eq!((answer.code, answer.out.as_str()), (0, "nobody new: 3 hosts on record\n"), "{}", answer.err);
    assert_eq!(home.ask(&["ping"]).code, 0);
}

#[test]
fn a_plain_yes_at_a_terminal_records_the_list() {
    let home = Home::new();
    let one = Sshd::start(&home.keys, "");
    home.write(&[("web-1", &one)], "Host web-1\n  HashKnownHosts yes\n");
    let at_a_terminal = |answer: &str| {
        // script(1) gives it a terminal.
        let mut command = home.command(&[]);
        let words = format!(
            "'{}' trust -F '{}'",
            env!("CARGO_BIN_EXE_egressctl"),
            home.keys.path(".ssh/config").display()
        );
        let mut script = Command::new("script");
        script.args(["-qec", &words, "/dev/null"]).env_clear();
        script.envs(command.stdin(Stdio::null()).get_envs().filter_map(|(name, value)| Some((name, value?))));
        let input = home.keys.write("input", &format!("{answer}\n"));
        Answer::from(script.stdin(fs::File::open(input).unwrap()).output().expect("script is needed"))
    };
    assert!(at_a_terminal("y").out.contains("not confirmed"));
    assert_eq!(home.recorded(), "");
    let answer = at_a_terminal("yes");
    assert!(answer.out.contains("recorded: 1 host"), "{}", answer.out);
    let recorded = home.recorded();
    assert!(
        recorded.lines().count() == 2 && recorded.lines().all(|line| line.starts_with("|1|")),
        "{recorded}"
    );
    assert_eq!(home.ask(&["ping"]).code, 0);
}

#[test]
fn hosts_behind_a_new_jump_host_come_after_it() {
    let home = Home::new();
    let (jump, inner) = (Sshd::start(&home.keys, ""), Sshd::start(&home.keys, ""));
    home.write(&[("web-1", &inner), ("jump-1", &jump)], "Host web-1\n  ProxyJump jump-1\n");
    let list = home.ask(&["trust", "-C"]);
    assert!(list.out.contains("jump-1") && !list.out.contains("web-1"), "{}", list.out);
    assert!(list.err.contains("1 host can be seen only through new jump hosts"), "{}", list.err);
    let listed = home.list(&[("jump-1", fingerprint(&jump)), ("web-1", fingerprint(&inner))]);
    let answer = home.ask(&["trust", "--yes", "--fingerprints", &listed]);
    assert_eq!(answer.code, 0, "{} {}", answer.out, answer.err);
    let ping = home.ask(&["ping"]);
    assert_eq!(ping.code, 0, "{} {}", ping.out, ping.err);
    assert!(jump.log().contains("Accepted publickey"), "through the jump host");
    // Straight to it, by a flag that wins.
    assert_eq!(home.ask(&["ping", "-J", "none"]).code, 0);
}

#[test]
fn policies_and_flags_from_the_command_line() {
    let home = Home::new();
    let one = Sshd::start(&home.keys, "");
    home.write(&[("web-1", &one)], "");
    let run = |words: &[&str]| home.ask(&[&["ping"], words].concat());
    assert_eq!(run(&["--host-key-policy", "ca"]).code, 4);
    assert_eq!(run(&["--host-key-policy", "pinned"]).code, 1, "no keys are named");
    assert_eq!(run(&["--host-key-policy", "off"]).code, 64);
    assert_eq!(run(&["-o", "StrictHostKeyChecking=no"]).code, 4, "not obeyed");
    assert_eq!(home.recorded(), "");
    assert_eq!(run(&["--host-key-policy", "accept-new"]).code, 0);
    let name = lookup_name("127.0.0.1", one.port);
    assert!(home.recorded().starts_with(&name), "{}", home.recorded());
    assert_eq!(run(&[]).code, 0);
    // Another host at the same name is caught, whatever the policy.
    let file = home.keys.path(".ssh/known_hosts");
    fs::write(&file, format!("{name} {}\n", home.keys.public("id"))).unwrap();
    for policy in ["strict", "accept-new"] {
        let answer = run(&["--host-key-policy", policy]);
        assert_eq!(answer.code, 4, "{policy}");
        assert!((answer.out + &answer.err).contains("not the one on record"), "{policy}");
    }
    let known = home.keys.write("known", &format!("{name} {}\n", one.keys.public("ed25519")));
    let known = format!("UserKnownHostsFile={}", known.display());
    let port = one.port.to_string();
    let key = home.keys.path("id").display().to_string();
    let who = login();
    for words in [
        &["-o", &known][..],
        &[
            "-o",
            &known,
            "-o",
            "Ciphers=aes128-ctr",
            "-o",
            "KexAlgorithms=-mlkem*",
            "-o",
            "MACs=^hmac-sha2-256",
        ],
        &[
            "-o",
            &known,
            "-F",
            "none",
            "-o",
            "HostName=127.0.0.1",
            "-p",
            &port,
            "-u",
            &who,
            "--key-file",
            &key,
        ],
    ] {
        let answer = run(words);
        assert_eq!(answer.code, 0, "{words:?}: {} {}", answer.out, answer.err);
    }
    for (words, code, part) in [
        (&["-o", &known, "-o", "Ciphers=3des-cbc"][..], 4, "Ciphers of ssh_config leaves none"),
        (
            &["-o", &known, "-o", "HostKeyAlgorithms=ssh-rsa"],
            4,
            "HostKeyAlgorithms of ssh_config leaves none",
        ),
        (&["-o", "Nonsense=1"], 64, "there is no keyword"),
        (&["-J", "a b"], 64, "expected jump hosts"),
        (&["-F", "/nonexistent"], 1, "/nonexistent"),
    ] {
        let answer = run(words);
        assert_eq!(answer.code, code, "{words:?}: {} {}", answer.out, answer.err);
        assert!((answer.out + &answer.err).contains(part), "{words:?}");
    }
    let config = home.keys.path(".ssh/config");
    super::rig::chmod(&config, 0o666);
    let answer = run(&[]);
    assert!(answer.code == 1 && answer.err.contains("others can write to it"), "{}", answer.err);
}
