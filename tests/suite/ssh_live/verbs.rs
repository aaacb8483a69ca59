//! The ad-hoc verbs from the command line to OpenSSH's sshd and back, by an inventory that knows addresses and no cloud.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use egressctl::ssh::known_hosts::lookup_name;
use serde_json::Value;

use super::rig::{Keys, PATIENCE, Sshd, chmod, lives, login};

/// Three hosts: `web-1` and `web-2` answer, at `gone` nobody does.
pub(super) struct Fleet {
    pub(super) keys: Keys,
    pub(super) servers: Vec<Sshd>,
    pub(super) inventory: PathBuf,
}

pub(super) struct Answer {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Fleet {
    pub(super) fn new() -> Self {
        Self::with("")
    }

    /// With lines for the servers' configuration.
    pub(super) fn with(extra: &str) -> Self {
        let keys = Keys::new();
        let servers = vec![Sshd::start(&keys, extra), Sshd::start(&keys, extra)];
        Self::of(keys, servers)
    }

    /// Of these, with the client's keys.
    pub(super) fn of(keys: Keys, servers: Vec<Sshd>) -> Self {
        let mut known = String::new();
        for (number, server) in (1..).zip(&servers) {
            let name = lookup_name("127.0.0.1", server.port);
            known += &format!("web-{number},{name} {}\n", server.keys.public("ed25519"));
        }
        let known = keys.write("known", &known);
        let mut text = format!(
            "defaults:\n  ssh: {{user: {}, key: {}, known_hosts: [{}]}}\ngroups: {{web: {{}}}}\nhosts:\n",
            login(),
            keys.path("id").display(),
            known.display()
        );
        for (number, server) in (1..).zip(&servers) {
            let ssh = format!("ssh: {{port: {}}}", server.port);
            text += &format!("- {{name: web-{number}, address: 127.0.0.1, groups: [web], {ssh}}}\n");
        }
        text += "- {name: gone, address: 127.0.0.1, ssh: {port: 1}}\n";
        let inventory = keys.write("inventory.yaml", &text);
        Self { keys, servers, inventory }
    }

    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_egressctl"));
        command.args(words).env("EGRESSCTL_INVENTORY", &self.inventory).env("HOME", self.keys.dir.path());
        command.stdin(Stdio::null()).env_remove("SSH_AUTH_SOCK");
        command
    }

    pub(super) fn ask(&self, words: &[&str]) -> Answer {
        self.command(words).output().unwrap().into()
    }

    /// The same, with this as our own standard input.
    fn fed(&self, words: &[&str], input: &[u8]) -> Answer {
        let path = self.keys.path("fed");
        fs::write(&path, input).unwrap();
        self.command(words).stdin(fs::File::open(path).unwrap()).output().unwrap().into()
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.keys.path(name).display().to_string()
    }
}

pub(super) fn hosts(answer: &Answer) -> Vec<Value> {
    let document: Value = serde_json::from_str(&answer.out)
        .unwrap_or_else(|error| panic!("{error}\n{}\n{}", answer.out, answer.err));
    assert_eq!(document["schema_version"], 1);
    document["hosts"].as_array().unwrap().clone()
}

#[test]
fn hosts_that_say_the_same_are_shown_once_and_the_exit_code_tells_the_worst() {
    let fleet = Fleet::new();
    let answer = fleet.ask(&["run", "-l", "web", "--", "printf", "%s|", "a b", "$HOME"]);
    assert_eq!(
        (answer.code, answer.out.as_str()),
        (0, "-- web-[1-2] (2 hosts)\n  a b|$HOME|\n"),
        "{}",
        answer.err
    );
    let answer = fleet.ask(&["exec", "--", "sh", "-c", "echo out; echo err >&2"]);
    assert_eq!(answer.code, 4, "{}", answer.out);
    assert!(
        answer.out.starts_with("-- web-[1-2] (2 hosts)\n  out\n! err\n-- gone: ! unreachable: "),
        "{}",
        answer.out
    );
    let answer = fleet.ask(&["run", "--", "sh", "-c", "exit 3"]);
    assert_eq!(answer.code, 2, "a failed host is worse news: {}", answer.out);
    assert!(answer.out.contains("-- web-[1-2] (2 hosts): x failed: exit code 3\n"), "{}", answer.out);
    let answer = fleet.ask(&["run", "-l", "nobody", "--", "true"]);
    assert_eq!(answer.code, 1, "{}", answer.err);
    for words in
        [&["run"][..], &["run", "--become-user", "x", "--", "true"], &["push", "/a"], &["push", "/a", "b"]]
    {
        assert_eq!(fleet.ask(words).code, 64, "{words:?}");
    }
}

#[test]
fn what_a_host_says_is_escaped_for_people_and_exact_for_machines() {
    let fleet = Fleet::new();
    let words = ["-l", "web-1", "--", "printf", "a\\033[2J\\n\\377\\n"];
    let answer = fleet.ask(&[&["run"], &words[..]].concat());
    assert_eq!(answer.out, "-- web-1\n  a\\u{1b}[2J\n  \\xff\n");
    let answer = fleet.ask(&[&["run", "--stream"], &words[..]].concat());
    assert_eq!(answer.out, "web-1: a\\u{1b}[2J\nweb-1: \\xff\n");
    let found = hosts(&fleet.ask(&[&["run", "--json"], &words[..]].concat()));
    assert_eq!(found[0]["stdout_base64"], "YRtbMkoK/wo=");
    let found = hosts(&fleet.ask(&["run", "--json", "--", "sh", "-c", "echo a; exit 3"]));
    assert_eq!((&found[0]["stdout"], &found[0]["exit_code"]), (&"a\n".into(), &3.into()));
    assert_eq!((&found[2]["name"], &found[2]["outcome"]), (&"gone".into(), &"unreachable".into()));
    let answer =
        fleet.ask(&["run", "-l", "web-1", "--max-output", "1", "--", "head", "-c", "3000", "/dev/zero"]);
    assert!(answer.out.starts_with("-- web-1: output over the limit was dropped\n"), "{:.200}", answer.out);
}

#[test]
fn scripts_and_input_come_from_files() {
    let fleet = Fleet::new();
    let script = fleet.keys.write("script", "#!/bin/sh\necho \"$#:$1:$2\"\ncat\n");
    let script = script.to_str().unwrap();
    let answer = fleet.ask(&["run", "-l", "web", "--script", script, "--", "a b", "c'"]);
    assert_eq!(
        (answer.code, answer.out.as_str()),
        (0, "-- web-[1-2] (2 hosts)\n  2:a b:c'\n"),
        "{}",
        answer.err
    );
    let answer = fleet.fed(&["run", "-l", "web", "--script", script, "--stdin", "-", "--", "x"], b"fed\n");
    assert_eq!(answer.out, "-- web-[1-2] (2 hosts)\n  1:x:\n  fed\n", "{}", answer.err);
    let input = fleet.keys.write("input", &"x".repeat(3_000_000));
    let answer = fleet.ask(&["run", "-l", "web", "--stdin", input.to_str().unwrap(), "--", "wc", "-c"]);
    assert_eq!(answer.out, "-- web-[1-2] (2 hosts)\n  3000000\n", "{}", answer.err);
    let other = fleet.keys.write("other", "#!/usr/bin/env python3\nprint(1)\n");
    let answer = fleet.ask(&["run", "--script", other.to_str().unwrap()]);
    assert!(answer.code == 1 && answer.err.contains("asks for python3"), "{}", answer.err);
    assert_eq!(fleet.ask(&["run", "--stdin", "/nonexistent", "--", "cat"]).code, 1);
}

#[test]
fn a_greeting_checks_everything_on_the_way() {
    let fleet = Fleet::new();
    let answer = fleet.ask(&["ping", "-l", "web"]);
    assert_eq!(answer.code, 0, "{}", answer.out);
    assert_eq!(answer.out.matches("= ok").count(), 2, "{}", answer.out);
    let found = hosts(&fleet.ask(&["ping", "--json"]));
    assert!(found[0]["host_key"].as_str().unwrap().starts_with("SHA256:"));
    fleet.keys.write("known", "");
    let answer = fleet.ask(&["ping", "-l", "web-1"]);
    assert_eq!(answer.code, 4, "{}", answer.out);
    assert!(answer.out.contains("! unreachable"), "{}", answer.out);
}

/// Waits for something to be there.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn gone(notes: &[PathBuf]) {
    for pid in notes.iter().flat_map(fs::read_to_string).collect::<String>().split_whitespace() {
        until(&format!("process {pid} lives on"), || !lives(pid));
    }
}

#[test]
fn an_interrupt_and_a_limit_end_what_runs_on_the_hosts() {
    let fleet = Fleet::new();
    let note = |port: u16| fleet.keys.path(&format!("pids.{port}"));
    let notes: Vec<PathBuf> = fleet.servers.iter().map(|server| note(server.port)).collect();
    let text = format!(
        "exec 9>{}.${{SSH_CONNECTION##* }}; sleep 600 & echo $$ $! >&9; sh -c 'echo $$ >&9; sleep 601'",
        fleet.path("pids")
    );
    let begun = || {
        let lines = |note: &PathBuf| fs::read_to_string(note).unwrap_or_default().lines().count();
        notes.iter().all(|note| lines(note) == 2)
    };
    let words = ["run", "-l", "web", "--", "sh", "-c", &text];
    let mut child: Child =
        fleet.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the commands do not begin", begun);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    until("it does not end", || child.try_wait().unwrap().is_some());
    let answer = Answer::from(child.wait_with_output().unwrap());
    assert_eq!(answer.code, 130, "{}", answer.err);
    assert!(answer.out.contains("cut off as asked"), "{}", answer.out);
    gone(&notes);
    let answer = fleet.ask(&["run", "-T", "4", "-l", "web", "--", "sh", "-c", &text]);
    assert_eq!(answer.code, 2, "{}", answer.err);
    assert!(begun() && answer.out.contains("did not end within 4 s"), "{}", answer.out);
    gone(&notes);
}

#[test]
fn a_file_is_pushed_once_and_compared_first() {
    let fleet = Fleet::new();
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    let src = fleet.path("src");
    fs::write(&src, &bytes).unwrap();
    chmod(Path::new(&src), 0o775);
    let there = fleet.keys.path("there");
    let dest = there.to_str().unwrap();
    // Two servers, one machine: one host is enough.
    let answer = fleet.ask(&["push", "-l", "web-1", &src, dest]);
    assert_eq!(
        (answer.code, answer.out.as_str()),
        (0, "-- web-1: ~ changed; new, mode 0755\n"),
        "{}",
        answer.err
    );
    assert!(fs::read(&there).unwrap() == bytes);
    let answer = fleet.ask(&["push", "-l", "web", &src, dest]);
    assert_eq!((answer.code, answer.out.as_str()), (0, "-- web-[1-2] (2 hosts): = ok\n"), "{}", answer.err);
    let answer = fleet.ask(&["push", "-l", "web-1", &src, dest, "--mode", "600", "--backup"]);
    assert!(answer.code == 0 && answer.out.contains("mode 0755 -> 0600; the old one is "), "{}", answer.out);
    let answer = fleet.ask(&["push", "-l", "web-1", &src, "/nonexistent/x"]);
    assert_eq!(answer.code, 2, "{}", answer.err);
    assert!(answer.out.contains("/nonexistent is no folder"), "{}", answer.out);
    assert_eq!(fleet.ask(&["push", "-l", "web-1", "/nonexistent", "/x"]).code, 1);
}

#[test]
fn the_password_for_being_somebody_else_is_asked_once() {
    let keys = Keys::new();
    let bin = keys.dir.path().join("bin");
    super::privilege::stand_in_for_sudo(&bin);
    let fleet = Fleet::with(&format!("SetEnv SHLVL=9 PATH={}:/usr/bin:/bin", bin.display()));
    let file = fleet.keys.write("password", "correct horse\n");
    let words =
        ["run", "-l", "web", "-b", "--become-password-file", file.to_str().unwrap(), "--", "echo", "done"];
    let answer = fleet.ask(&words);
    assert_eq!((answer.code, answer.out.as_str()), (0, "-- web-[1-2] (2 hosts)\n  done\n"), "{}", answer.err);
    let asker = fleet.keys.write("asker", "#!/bin/sh\necho \"$1\" >>\"$0.log\"\necho correct horse\n");
    chmod(&asker, 0o755);
    let answer: Answer = fleet
        .command(&["run", "-l", "web", "-bK", "--", "echo", "done"])
        .env("SSH_ASKPASS", &asker)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .output()
        .unwrap()
        .into();
    assert_eq!((answer.code, answer.out.as_str()), (0, "-- web-[1-2] (2 hosts)\n  done\n"), "{}", answer.err);
    let asked = fs::read_to_string(fleet.keys.path("asker.log")).unwrap();
    assert_eq!(asked, "Please give the password for being root on the hosts: \n");
    let answer = fleet.ask(&["run", "-l", "web", "-b", "--", "true"]);
    assert_eq!(answer.code, 2, "{}", answer.out);
    assert!(answer.out.contains("--ask-become-pass"), "{}", answer.out);
    let src = fleet.keys.write("src", "secret\n");
    let there = fleet.path("pushed");
    let words = ["push", "-l", "web-1", src.to_str().unwrap(), &there, "-b", "--become-password-file"];
    let answer = fleet.ask(&[&words[..], &[file.to_str().unwrap()]].concat());
    assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
    assert_eq!(fs::read(there).unwrap(), b"secret\n");
}

#[test]
fn an_inventory_of_ansibles_is_read_as_it_is() {
    let fleet = Fleet::new();
    let folder = fleet.keys.path("ansible");
    fs::create_dir_all(folder.join("group_vars")).unwrap();
    fs::create_dir_all(folder.join("host_vars")).unwrap();
    fs::create_dir_all(fleet.keys.path(".ssh")).unwrap();
    let [first, second] = [0, 1].map(|at: usize| fleet.servers[at].port);
    let known = fs::read_to_string(fleet.keys.path("known")).unwrap();
    let by_name =
        format!("{} {}\n", lookup_name("localhost", first), fleet.servers[0].keys.public("ed25519"));
    fs::write(fleet.keys.path(".ssh/known_hosts"), known + &by_name).unwrap();
    // A range, variables of a group in a file, of a host in another, and a host that only its name leads to.
    let ini = format!("localhost ansible_port={first}\n\n[web]\nweb-[1:2] ansible_host=127.0.0.1\n");
    fs::write(folder.join("hosts"), ini).unwrap();
    let login = format!("ansible_user: {}\nansible_ssh_private_key_file: {}\n", login(), fleet.path("id"));
    fs::write(folder.join("group_vars/all.yml"), login).unwrap();
    fs::write(folder.join("host_vars/web-1.yml"), format!("ansible_port: {first}\n")).unwrap();
    fs::write(folder.join("host_vars/web-2"), format!("ansible_port: {second}\n")).unwrap();
    let inventory = folder.join("hosts").display().to_string();
    let answer = fleet.ask(&["run", "-i", &inventory, "--", "echo", "hi"]);
    assert_eq!(
        (answer.code, answer.out.contains("localhost web-[1-2]")),
        (0, true),
        "{}{}",
        answer.out,
        answer.err
    );
    let answer = fleet.ask(&["ping", "-i", &inventory, "-l", "web:!web-2", "--json"]);
    let names: Vec<_> = hosts(&answer).iter().map(|host| host["name"].clone()).collect();
    assert_eq!(names, ["web-1"], "{}{}", answer.out, answer.err);
    // Being somebody else is the inventory's wish, and a plan needs what Ansible's variables do not say.
    fs::write(folder.join("group_vars/web"), "ansible_become: yes\nansible_become_user: no-such-user\n")
        .unwrap();
    let answer = fleet.ask(&["run", "-i", &inventory, "-l", "web-1", "--", "id"]);
    assert_eq!(answer.code, 2, "{}{}", answer.out, answer.err);
    let answer = fleet.ask(&["plan", "-i", &inventory]);
    assert_eq!(answer.code, 1);
    assert!(answer.err.contains("hosts:1:1: hosts[0] has no instance"), "{}", answer.err);
}
