//! Real packets to a host with the policy route in each of its forms: what arrives, what does not, and what is told wrong.
//!
//! The outcome is `docs/packets.md`, cell by cell. `EGRESSCTL_BLESS=1` rewrites it; read the diff then. Needs `unshare`, `ip`
//! and `nft`, as root and as an ordinary user; nothing of the machine's own network is touched or used.

#[cfg(test)]
mod ends;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod house;
#[cfg(test)]
mod table;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::host_scripts::host::SHELLS;
use crate::support::ROOTS_PATH;
use crate::support::lab::{User, users};
use house::House;
use table::{Case, Cell};

/// Says that this process has namespaces for itself.
const INSIDE: &str = "EGRESSCTL_PACKETS_INSIDE";
/// Houses that are asked at the same time; they wait more than they work.
const SIDE_BY_SIDE: usize = 6;

fn published() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/packets.md")
}

/// Runs a test of this file once more, as somebody, with namespaces of its own; what it printed between its marks.
fn inside(user: User, test: &str) -> String {
    let mut command = match user {
        User::Same => Command::new("unshare"),
        User::Nobody => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "unshare"]);
            command
        }
    };
    if user == User::Nobody || !crate::support::lab::is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    // The program is given as an open file: its folder may be closed to others.
    let program = File::open(std::env::current_exe().unwrap()).unwrap();
    let output = command
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["sh", "-c", "mount -t tmpfs none /run && exec /proc/self/fd/0 \"$@\"", "sh"])
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "yes")
        .env("PATH", ROOTS_PATH)
        .current_dir("/")
        .stdin(program)
        .output()
        .unwrap_or_else(|error| panic!("unshare and setpriv are needed by this test: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{user:?} {test}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

fn measure() -> Vec<Cell> {
    let cases = Case::all();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut cells = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let house = House::new(case.number(), case.source_check, SHELLS[case.number() % SHELLS.len()]);
            case.form.bring_about(&house, case.rp_filter);
            cells.extend(house.ask_all().into_iter().map(|(ask, seen)| Cell { case: *case, ask, seen }));
        }
        cells
    };
    let mut cells: Vec<Cell> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..SIDE_BY_SIDE).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    cells.sort_by_key(|cell| (cell.case.number(), cell.ask));
    cells
}

#[test]
fn every_cell_is_as_published() {
    if std::env::var_os(INSIDE).is_some() {
        for cell in measure() {
            println!("@ {}", cell.line());
        }
        return;
    }
    let seen = users().into_iter().map(|user| {
        let out = inside(user, "packets::every_cell_is_as_published");
        (
            user,
            out.lines()
                .filter_map(|line| line.split_once("@ ").map(|(_, cell)| cell))
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    });
    let seen: Vec<_> = seen.collect();
    for (user, lines) in &seen {
        assert_eq!(lines.len(), Case::all().len() * house::Ask::ALL.len(), "{user:?}");
        let different: Vec<_> = lines.iter().zip(&seen[0].1).filter(|(this, first)| this != first).collect();
        assert!(different.is_empty(), "{user:?} sees what {:?} does not: {different:#?}", seen[0].0);
    }
    let text = table::render(&seen[0].1);
    if std::env::var_os("EGRESSCTL_BLESS").is_some_and(|value| value == "1") {
        fs::write(published(), &text).unwrap();
    }
    let before = fs::read_to_string(published()).unwrap_or_default();
    let wrong: Vec<_> = text.lines().filter(|line| !before.lines().any(|old| old == *line)).collect();
    assert!(
        before == text,
        "docs/packets.md is not what was seen; new or changed lines:\n{}\nIf this is right: EGRESSCTL_BLESS=1\n{}",
        wrong.join("\n"),
        seen[0].1.join("\n")
    );
}

/// The forms themselves: what the scripts do and refuse, on a host with everything around it.
#[test]
fn the_shim_is_put_in_place_once_and_taken_away_whole() {
    if std::env::var_os(INSIDE).is_some() {
        for (id, shell) in SHELLS.into_iter().enumerate() {
            forms::the_shim_keeps_its_promises(&House::new(id, true, shell));
        }
        forms::a_looser_filter_on_the_interface_is_enough(&House::new(SHELLS.len(), true, SHELLS[0]));
        println!("@ done");
        return;
    }
    for user in users() {
        let out = inside(user, "packets::the_shim_is_put_in_place_once_and_taken_away_whole");
        assert!(out.contains("@ done"), "{user:?}: {out}");
    }
}
