//! How ad-hoc verbs tell a host that failed from one that was lost, nobody from somebody, and who becomes somebody else.

use std::fs;

use super::privilege::stand_in_for_sudo;
use super::rig::login;
use super::verbs::{Fleet, hosts};

#[test]
fn a_lost_connection_is_not_a_failed_command() {
    // The host's own end of the connection dies once the command is there.
    let lossy = Fleet::with("ForceCommand kill -9 $PPID");
    let src = lossy.keys.write("src", "new\n");
    let there = lossy.path("there");
    for words in [
        &["run", "--", "true"][..],
        &["ping"],
        &["facts"],
        &["push", src.to_str().unwrap(), &there],
        &["run", "--stream", "--", "true"],
    ] {
        let text = [&words[..1], &["-l", "web"], &words[1..]].concat();
        let answer = lossy.ask(&text);
        assert_eq!(answer.code, 4, "{words:?}: {}{}", answer.out, answer.err);
        assert!(answer.out.contains("! unreachable: "), "{words:?}: {}", answer.out);
        assert!(answer.out.contains("its outcome is unknown"), "{words:?}: {}", answer.out);
        if words.contains(&"--stream") {
            continue;
        }
        let answer = lossy.ask(&[&words[..1], &["--json"], &words[1..]].concat());
        assert_eq!(answer.code, 4, "{words:?}: {}", answer.out);
        for host in hosts(&answer) {
            assert_eq!(host["outcome"], "unreachable", "{words:?}: {host}");
            let is_lost = host.get("connection_lost").is_some_and(|lost| lost == true);
            assert_eq!(is_lost, host["name"] != "gone", "{words:?}: {host}");
        }
    }
    let sound = Fleet::new();
    let answer = sound.ask(&["run", "-l", "web", "--json", "--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(answer.code, 2, "{}", answer.out);
    for host in hosts(&answer) {
        assert_eq!((&host["outcome"], host.get("connection_lost")), (&"failed".into(), None), "{host}");
        assert_eq!(host["signal"], "KILL");
    }
}

#[test]
fn nobody_is_an_error_unless_that_is_allowed() {
    let fleet = Fleet::new();
    for pattern in ["nobody", "web:!web", "web:&gone"] {
        for words in [&["run", "--", "true"][..], &["ping"], &["facts"]] {
            let limited = [&words[..1], &["-l", pattern], &words[1..]].concat();
            let answer = fleet.ask(&limited);
            assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{limited:?}: {}", answer.err);
            let allowed = [&words[..1], &["--allow-empty", "--json", "-l", pattern], &words[1..]].concat();
            let answer = fleet.ask(&allowed);
            assert_eq!(answer.code, 0, "{allowed:?}: {}", answer.err);
            assert_eq!(hosts(&answer).len(), 0, "{}", answer.out);
            assert!(answer.err.starts_with("no host is selected; nothing is done\n"), "{}", answer.err);
        }
    }
    // A misspelt name may have been meant to add a host or to keep one out, so nothing is begun on the others.
    for pattern in ["web-1:nobody", "all:!nobody"] {
        let answer = fleet.ask(&["run", "--allow-empty", "-l", pattern, "--", "echo", "hi"]);
        assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{pattern}: {}", answer.err);
        assert!(
            answer.err.contains("\"nobody\" matches no host") || answer.err.contains("\"!nobody\""),
            "{}",
            answer.err
        );
    }
    assert_eq!(fleet.ask(&["run", "--allow-empty", "-l", "@none", "--", "true"]).code, 1);
}

#[test]
fn a_password_to_become_somebody_serves_whom_the_inventory_makes_somebody() {
    let keys = super::rig::Keys::new();
    let bin = keys.dir.path().join("bin");
    stand_in_for_sudo(&bin);
    let fleet = Fleet::with(&format!("SetEnv SHLVL=9 PATH={}:/usr/bin:/bin", bin.display()));
    fs::create_dir_all(fleet.keys.path(".ssh")).unwrap();
    fs::copy(fleet.keys.path("known"), fleet.keys.path(".ssh/known_hosts")).unwrap();
    let file = fleet.keys.write("password", "correct horse\n");
    let file = file.to_str().unwrap();
    let inventory = |more: &str| {
        let (port, user, key) = (fleet.servers[0].port, login(), fleet.path("id"));
        let host = format!("web-1 ansible_host=127.0.0.1 ansible_port={port} ansible_user={user}");
        let path = fleet.keys.write("hosts", &format!("{host} ansible_ssh_private_key_file={key}{more}\n"));
        path.display().to_string()
    };
    let ask = |inventory: &str| {
        fleet.ask(&["run", "-i", inventory, "--become-password-file", file, "--", "echo", "done"])
    };
    let answer = ask(&inventory(" ansible_become=yes"));
    assert_eq!((answer.code, answer.out.as_str()), (0, "-- web-1\n  done\n"), "{}", answer.err);
    let plain = inventory("");
    let answer = ask(&plain);
    assert_eq!((answer.code, answer.out.as_str()), (64, ""), "{}", answer.err);
    assert!(answer.err.contains("add -b, or ansible_become"), "{}", answer.err);
    let answer = fleet.ask(&["run", "-i", &plain, "-K", "--", "true"]);
    assert_eq!(answer.code, 64, "before anything is asked: {}", answer.err);
}
