//! Passwords by `-k`, and which lines of `known_hosts` count on other ports than 22, from the command line to OpenSSH's sshd.

use std::fs;

use super::auth::asking;
use super::rig::{Keys, chmod, login};
use super::verbs::{Answer, Fleet};
use crate::support::lab::is_root;

const BOTH: &str = "PubkeyAuthentication no\nPasswordAuthentication yes\nKbdInteractiveAuthentication yes";

/// A fleet that is entered by a password, and a program that answers with this one and notes what it was asked.
pub(super) fn fleet(password: &str) -> (Fleet, String) {
    let keys = Keys::new();
    let servers = vec![asking(&keys, BOTH), asking(&keys, BOTH)];
    let asker = keys.write("asker", &format!("#!/bin/sh\necho \"$1\" >>\"$0.log\"\necho '{password}'\n"));
    chmod(&asker, 0o755);
    let log = format!("{}.log", asker.display());
    (Fleet::of(keys, servers), log)
}

fn asked(fleet: &Fleet, words: &[&str]) -> Answer {
    let mut command = fleet.command(words);
    command.env("SSH_ASKPASS", fleet.keys.path("asker")).env("SSH_ASKPASS_REQUIRE", "force");
    command.output().unwrap().into()
}

#[test]
fn a_password_opens_all_hosts_for_every_verb_and_is_asked_for_once() {
    let (fleet, log) = fleet("pass word");
    let src = fleet.keys.write("src", "pushed\n");
    let there = fleet.keys.path("there").display().to_string();
    // Facts are root's: another login gets in as well, and its sudo does not work in the namespace of such an sshd.
    let facts = if is_root() { 0 } else { 2 };
    let table: [(&[&str], i32); 4] = [
        (&["run", "-k", "-l", "web", "--", "echo", "in"], 0),
        (&["ping", "-k", "-l", "web"], 0),
        (&["facts", "-k", "-l", "web"], facts),
        (&["push", "-k", "-l", "web-1", src.to_str().unwrap(), &there], 0),
    ];
    let question = format!("Please give the password of {} on the hosts: \n", login());
    for (words, code) in table {
        let answer = asked(&fleet, words);
        assert_eq!(answer.code, code, "{words:?}: {}{}", answer.out, answer.err);
        assert!(!format!("{}{}", answer.out, answer.err).contains("pass word"), "{words:?}");
        assert_eq!(fs::read_to_string(&log).unwrap(), question, "{words:?}");
        fs::remove_file(&log).unwrap();
    }
    assert_eq!(fs::read(&there).unwrap(), b"pushed\n");
    for server in &fleet.servers {
        assert!(!server.log().contains("Failed"), "{}", server.log());
    }
}

#[test]
fn a_wrong_password_is_given_once_to_each_host_and_nobody_to_ask_is_said() {
    let (fleet, log) = fleet("wrong");
    let answer = asked(&fleet, &["run", "-k", "-l", "web", "--", "true"]);
    assert_eq!(answer.code, 4, "{}{}", answer.out, answer.err);
    assert!(answer.out.contains("not tried again"), "{}", answer.out);
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 1);
    for server in &fleet.servers {
        let failures = server.log().lines().filter(|line| line.starts_with("Failed")).count();
        assert!(failures <= 1, "{}", server.log());
    }
    let without_terminal = ["run", "-l", "web", "--", "true"];
    let answer = fleet.ask(&without_terminal);
    assert_eq!(answer.code, 4, "without -k no password is asked for: {}", answer.out);
}

#[test]
fn an_address_is_on_record_with_its_port() {
    let fleet = Fleet::new();
    let (server, other) = (&fleet.servers[0], &fleet.servers[1]);
    let (key, foreign) = (server.keys.public("ed25519"), other.keys.public("ed25519"));
    let with_port = format!("[127.0.0.1]:{}", server.port);
    let table = [
        (format!("{with_port} {key}\n"), 0, "= ok"),
        (format!("{with_port} {key}\n127.0.0.1 {foreign}\n"), 0, "= ok"),
        (format!("[127.0.0.1]:{} {key}\n", other.port), 4, "! unreachable"),
        (format!("{with_port} {foreign}\n"), 4, "! unreachable"),
        (format!("{with_port} {foreign}\n127.0.0.1 {key}\n"), 4, "! unreachable"),
        (format!("@revoked {with_port} {key}\n{with_port} {key}\n"), 4, "! unreachable"),
    ];
    for (known, code, part) in table {
        fleet.keys.write("known", &known);
        let answer = fleet.ask(&["ping", "-l", "web-1"]);
        assert!(answer.code == code && answer.out.contains(part), "{known}{}{}", answer.out, answer.err);
    }
}
