//! A host that floods both streams for as long as anybody listens: it must not cost our process memory, nor the other hosts
//! their answers.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::verbs::{Answer, Fleet, hosts};

/// What a flood may cost, KiB.
const MOST: u64 = 64 * 1024;

/// The most memory that a process has had resident so far, KiB. The system keeps count, so that asking seldom misses little.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

/// What our program answers, and its peak.
fn watched(fleet: &Fleet, words: &[&str]) -> (Answer, u64) {
    let mut command = fleet.command(words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let waiting = std::thread::spawn(move || child.wait_with_output().unwrap());
    let (begun, mut most) = (Instant::now(), 0);
    while !waiting.is_finished() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it does not end");
        most = most.max(peak(pid).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(most > 0, "its memory was never seen");
    (waiting.join().unwrap().into(), most)
}

#[test]
fn a_flood_costs_no_memory_and_no_other_host_its_answer() {
    let fleet = Fleet::new();
    let flooded = fleet.servers[1].port;
    let script = format!(
        "case \"$SSH_CONNECTION\" in *' {flooded}') yes \"$(printf 'flood\\033[2J')\" >&2 & exec yes flood;; esac; echo fine"
    );
    let words = |limit| ["run", "--json", "--max-output", "2048", "-l", limit, "--", "sh", "-c", &script];
    let (answer, idle) = watched(&fleet, &words("web-1"));
    assert_eq!(answer.code, 0, "{}", answer.err);
    let (answer, most) = watched(&fleet, &words("all"));
    let found = hosts(&answer);
    assert_eq!((&found[0]["name"], &found[0]["stdout"]), (&"web-1".into(), &"fine\n".into()));
    assert_eq!(found[0]["exit_code"], 0);
    assert_eq!((&found[1]["name"], &found[1]["outcome"]), (&"web-2".into(), &"failed".into()));
    assert_eq!((&found[2]["name"], &found[2]["outcome"]), (&"gone".into(), &"unreachable".into()));
    let said = format!("{:.300}{}", found[1], answer.err);
    assert!(answer.out.contains("64 times its limit"), "{said}");
    assert!(most <= idle + MOST, "{most} KiB at most, {idle} KiB without the flood");
}
