//! How labs end: the command's status passes through, signals reach the command, and nothing is left, whatever happens.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::support::lab::{Lab, User, as_user, users};

/// Prints the namespaces of lab, bastion and hosts, then says it is ready.
const SHOW_NAMESPACES: &str = r#"
    for kind in mnt pid net uts ipc; do readlink /proc/1/ns/$kind; done
    readlink /proc/self/ns/net
    for host in done-1 web-1; do on $host sh -c 'for kind in mnt pid net uts; do readlink /proc/self/ns/$kind; done'; done
    echo ready
"#;

/// The namespaces of a lab by name. They are held open, because the kernel gives the number in the name to the next
/// namespace, of a lab of another test perhaps, as soon as nobody does.
struct Namespaces {
    names: BTreeSet<String>,
    _held: Vec<fs::File>,
}

/// Starts a lab and reads what its script prints until `ready`. Its standard input closes when it is waited for.
fn started(user: User, script: &str, group: bool) -> (Child, Namespaces) {
    let mut command = Lab::command(user, &["--hosts", "2"], script);
    if group {
        command.process_group(0);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let names: BTreeSet<String> = lines.map(Result::unwrap).take_while(|line| line != "ready").collect();
    assert!(names.len() > 10, "{names:?}");
    let held = links_to(&names).into_iter().filter_map(|(_, link)| fs::File::open(link).ok()).collect();
    (child, Namespaces { names, _held: held })
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}

/// The links of this machine's processes to one of these namespaces: the process's folder and the link.
fn links_to(names: &BTreeSet<String>) -> Vec<(PathBuf, PathBuf)> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(links) = fs::read_dir(process.path().join("ns")) else { continue };
        for link in links.flatten().map(|link| link.path()) {
            let target = fs::read_link(&link).unwrap_or_default();
            if names.contains(target.to_str().unwrap_or_default()) {
                found.push((process.path(), link));
            }
        }
    }
    found
}

/// Processes of this machine that are in one of these namespaces.
fn users_of(namespaces: &Namespaces) -> Vec<String> {
    let links = links_to(&namespaces.names).into_iter();
    links
        .map(|(process, link)| {
            let comm = fs::read_to_string(process.join("comm")).unwrap_or_default();
            format!("{} {}", link.display(), comm.trim())
        })
        .collect()
}

fn wait_until_nothing_is_left(namespaces: &Namespaces) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let left = users_of(namespaces);
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{left:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains("egressctl-lab") && !mounts.contains("/run/netns/bastion"), "{mounts}");
}

#[test]
fn the_commands_status_is_the_labs_status() {
    for user in users() {
        for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
            let output = Lab::run_as(user, &["--hosts", "1"], script);
            assert_eq!(output.status.code(), Some(code), "{user:?} {script} {output:?}");
        }
    }
    for (program, code) in [("/no/such/program", 127), ("/etc/passwd", 126)] {
        let output =
            as_user(User::Same).args(["lab", "run", "--hosts", "1", "--", program]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
}

#[test]
fn an_ordinary_end_leaves_nothing() {
    for user in users() {
        let script =
            format!("{SHOW_NAMESPACES} sleep 1000 & setsid sleep 1000 & disown -a; read -r _ || :; exit 0");
        let (mut child, namespaces) = started(user, &script, false);
        assert!(child.wait().unwrap().success());
        // At once: the parent returns when the lab is gone.
        assert_eq!(users_of(&namespaces), Vec::<String>::new(), "{user:?}");
        wait_until_nothing_is_left(&namespaces);
    }
}

#[test]
fn a_killed_parent_leaves_nothing() {
    for user in users() {
        let script = format!("{SHOW_NAMESPACES} trap '' HUP INT TERM; setsid sleep 1000 & sleep 1000");
        let (mut child, namespaces) = started(user, &script, false);
        assert!(!users_of(&namespaces).is_empty(), "the test can see the lab");
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until_nothing_is_left(&namespaces);
    }
}

#[test]
fn a_parent_killed_while_it_builds_leaves_nothing() {
    for pause in [0, 20, 60, 120, 200] {
        let mark = format!("egressctl-lab-mark-{}-{pause}", std::process::id());
        let mut command = Lab::command(User::Same, &["--hosts", "40"], "sleep 1000");
        let mut child = command.env("LAB_MARK", &mark).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Some(left) = marked(&mark) {
            assert!(Instant::now() < deadline, "{pause}: {left}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A process that has this text in its environment.
fn marked(mark: &str) -> Option<String> {
    fs::read_dir("/proc").unwrap().flatten().find_map(|process| {
        let environment = fs::read(process.path().join("environ")).ok()?;
        let found = environment.windows(mark.len()).any(|part| part == mark.as_bytes());
        found.then(|| process.path().display().to_string())
    })
}

#[test]
fn ctrl_c_is_for_the_command_and_not_for_the_lab() {
    for user in users() {
        let script = format!(
            "trap 'on web-1 hostname >/dev/null && exit 5; exit 6' INT; {SHOW_NAMESPACES} \
             while :; do sleep 0.05; done"
        );
        let (mut child, namespaces) = started(user, &script, true);
        // What a terminal does: every process of the foreground group gets it.
        kill_process_group(pid_of(&child), Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(5), "{user:?}: the lab still worked after Ctrl-C");
        wait_until_nothing_is_left(&namespaces);
    }
}

#[test]
fn a_termination_is_passed_on() {
    for user in users() {
        let script = format!("trap 'exit 8' TERM; {SHOW_NAMESPACES} while :; do sleep 0.05; done");
        let (mut child, namespaces) = started(user, &script, false);
        kill_process(pid_of(&child), Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(8), "{user:?}");
        wait_until_nothing_is_left(&namespaces);
    }
}

#[test]
fn the_machines_own_network_stays_as_it_is() {
    let before = machine();
    for user in users() {
        let out = Lab::stdout_of(user, &["--hosts", "3"], r#""$EGRESSCTL" lab reboot web-1; echo fine"#);
        assert_eq!(out, "fine\n");
    }
    assert_eq!(machine(), before);
}

fn machine() -> Vec<String> {
    [
        "ip -o address",
        "ip route show table all",
        "ip rule",
        "ip -o link",
        "ip netns",
        "nft list ruleset",
        "hostname",
        "cat /proc/sys/net/ipv4/ip_forward",
        "cat /proc/self/mountinfo",
    ]
    .iter()
    .map(|line| {
        let output = Command::new("sh").args(["-c", line]).output().unwrap();
        // Lifetimes of addresses count down; nothing else may differ.
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_whitespace().filter(|word| !word.ends_with("sec")).collect::<Vec<_>>().join(" ")
    })
    .collect()
}
