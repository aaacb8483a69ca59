//! Passwords typed at a real terminal: asked for once, not shown, and missed with words where there is no terminal.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::asked;
use super::rig::{Keys, PATIENCE, login};
use super::verbs::{Answer, Fleet};

/// A program that has a terminal of its own, and what is to be seen there.
struct Typist {
    child: Child,
    keys: File,
    seen: Receiver<Vec<u8>>,
    screen: String,
}

impl Typist {
    /// Starts it in a session of its own, whose terminal is a new one.
    fn start(command: &Command) -> Self {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&near).unwrap();
        unlockpt(&near).unwrap();
        let path = ptsname(&near, Vec::new()).unwrap();
        let far = OpenOptions::new().read(true).write(true).open(path.to_str().unwrap()).unwrap();
        let mut starter = in_a_session(&["--ctty"], command);
        starter.stdin(far.try_clone().unwrap()).stdout(far.try_clone().unwrap()).stderr(far);
        let child = starter.spawn().unwrap();
        drop(starter);
        let mut near = File::from(near);
        let keys = near.try_clone().unwrap();
        let (sender, seen) = channel();
        // Reading fails when the last process has closed the terminal.
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = near.read(&mut part) {
                if sender.send(part[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, seen, screen: String::new() }
    }

    /// Waits until the screen ends with this, and types.
    fn when(&mut self, end: &str, keys: &str) {
        let begun = Instant::now();
        while !self.screen.ends_with(end) {
            assert!(begun.elapsed() < PATIENCE, "no {end:?} on the screen: {:?}", self.screen);
            let part = self.seen.recv_timeout(Duration::from_millis(100)).unwrap_or_default();
            self.screen += &String::from_utf8_lossy(&part);
        }
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end: the exit code, and all that was to be seen.
    fn end(mut self) -> (i32, String) {
        while let Ok(part) = self.seen.recv_timeout(PATIENCE) {
            self.screen += &String::from_utf8_lossy(&part);
        }
        let status = self.child.wait().unwrap();
        (status.code().unwrap_or(-1), self.screen)
    }
}

/// The same program as the leader of a new session.
fn in_a_session(options: &[&str], command: &Command) -> Command {
    let mut starter = Command::new("setsid");
    starter.arg("--wait").args(options).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => starter.env(name, value),
            None => starter.env_remove(name),
        };
    }
    starter.env_remove("SSH_ASKPASS").stdin(Stdio::null());
    starter
}

#[test]
fn a_login_password_is_typed_once_for_all_hosts_and_not_shown() {
    let (fleet, _) = asked::fleet("unused");
    let question = format!("Please give the password of {} on the hosts: ", login());
    let run = fleet.command(&["run", "-k", "-l", "web", "--progress", "never", "--", "echo", "in"]);
    let mut typist = Typist::start(&run);
    typist.when(&question, "pass word\n");
    let (code, screen) = typist.end();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("web-[1-2] (2 hosts)\r\n  in\r\n"), "{screen}");
    assert!(screen.matches(&question).count() == 1 && !screen.contains("pass word"), "{screen}");
    // Ctrl-C at the question is one for the program, and no host is tried.
    let mut typist = Typist::start(&run);
    typist.when(&question, "half\x03");
    let (code, screen) = typist.end();
    assert!(code == 130 || code == -1, "{code}: {screen}");
    assert!(!screen.contains("half") && !screen.contains("  in\r\n"), "{screen}");
    let mut typist = Typist::start(&run);
    typist.when(&question, "wrong\n");
    let (code, screen) = typist.end();
    assert!(code == 4 && screen.matches(&question).count() == 1, "{code}: {screen}");
    for server in &fleet.servers {
        let failures = server.log().lines().filter(|line| line.starts_with("Failed")).count();
        assert_eq!(failures, 1, "{}", server.log());
    }
}

#[test]
fn the_password_for_being_somebody_else_is_typed_once() {
    let keys = Keys::new();
    let bin = keys.dir.path().join("bin");
    super::privilege::stand_in_for_sudo(&bin);
    let fleet = Fleet::with(&format!("SetEnv SHLVL=9 PATH={}:/usr/bin:/bin", bin.display()));
    let words = ["run", "-l", "web", "-bK", "--progress", "never", "--", "echo", "done"];
    let mut typist = Typist::start(&fleet.command(&words));
    typist.when("Please give the password for being root on the hosts: ", "correct horse\n");
    let (code, screen) = typist.end();
    assert!(code == 0 && screen.contains("web-[1-2] (2 hosts)\r\n  done\r\n"), "{code}: {screen}");
    assert!(screen.matches("Please give").count() == 1 && !screen.contains("horse"), "{screen}");
    let mut typist = Typist::start(&fleet.command(&words));
    typist.when("Please give the password for being root on the hosts: ", "wrong\n");
    let (code, screen) = typist.end();
    assert!(code == 2 && screen.matches("Please give").count() == 1, "{code}: {screen}");
}

#[test]
fn without_a_terminal_one_error_says_what_to_do_instead() {
    let (fleet, _) = asked::fleet("unused");
    let without =
        |words: &[&str]| -> Answer { in_a_session(&[], &fleet.command(words)).output().unwrap().into() };
    let answer = without(&["run", "-k", "-l", "web", "--progress", "never", "--", "true"]);
    assert_eq!(answer.code, 4, "{}{}", answer.out, answer.err);
    let said = format!("{}{}", answer.out, answer.err);
    for part in ["there is no terminal", "SSH_ASKPASS", "--key-file"] {
        assert_eq!(said.matches(part).count(), 1, "{part}: {said}");
    }
    let answer = without(&["run", "-bK", "-l", "web", "--", "true"]);
    assert_eq!(answer.code, 1, "{}{}", answer.out, answer.err);
    for part in ["there is no terminal", "SSH_ASKPASS", "--become-password-file"] {
        assert_eq!(answer.err.matches(part).count(), 1, "{part}: {}", answer.err);
    }
    assert!(fleet.servers.iter().all(|server| !server.log().contains("Accepted")));
}
