//! `kill -9` at every record of the journal in turn, with and without a watchdog, and then `resume`.
//!
//! The kill is exact: strace sends it when the journal syncs its file for the n-th time, which it does once for every record of
//! a host that is worked on alone. The record is in the file then, and nobody has been told so.

use std::collections::BTreeSet;

use egressctl::core::saga::{End, Record, Saga};

use super::rig::{Stage, holders, secondary_enis};
use crate::support::lab::User;

/// The syncs at which runs are killed: from the first record to the last record.
const SYNCS: std::ops::RangeInclusive<usize> = 4..=20;
/// Those of them that are tried with a watchdog, too: before, in and after the time in which the EIP is bound to nothing.
const WATCHED: std::ops::RangeInclusive<usize> = 13..=18;

/// Each trial is a host and a journal of its own, many at the same time.
const SCRIPT: &str = r#"
    trial() {
        local host=$1 syncs=$2 option=${3-}
        export EGRESSCTL_STATE_DIR="$KEPT/state.$host"; local code=0
        # Laying the file out syncs it, too; that is over before the syncs are counted.
        "$EGRESSCTL" runs >/dev/null
        strace -f -b execve -o /dev/null -e trace=fsync -e inject=fsync:signal=KILL:when="$syncs" \
            "$EGRESSCTL" apply --yes --limit "$host" $option >"$KEPT/killed.$host.out" 2>"$KEPT/killed.$host.err" || code=$?
        echo "$code" >"$KEPT/killed.$host.rc"
        if [ -z "$option" ]; then
            # Whoever comes next waits for the watchdog; here nobody comes before it has done its work.
            until "$EGRESSCTL" lock list | grep -q Nobody && ! pgrep -f "watchdog.*state.$host" >/dev/null; do sleep 0.1; done
            door state >"$KEPT/watched.$host"
        else
            mkdir "$KEPT/dead.$host"; cp "$EGRESSCTL_STATE_DIR"/journal.sqlite* "$KEPT/dead.$host/"
        fi
        keep "resume.$host" eg resume --yes --json --lock-timeout 60s
        keep "plan.$host" eg plan --detailed-exitcode --limit "$host"
        if [ "$(cat "$KEPT/plan.$host.rc")" = 2 ]; then
            keep "apply.$host" eg apply --yes --limit "$host"
            keep "plan.$host" eg plan --detailed-exitcode --limit "$host"
        fi
        keep "verify.$host" eg verify --limit "$host"
        keep "resume-again.$host" eg resume --yes
    }
    # As many of the usual hosts as there are trials: a number, a name, a sync, an option.
    running=0
    while read -r host syncs option; do
        trial "$host" "$syncs" "$option" &
        running=$((running + 1))
        if [ "$running" -ge 8 ]; then wait -n; running=$((running - 1)); fi
    done <"$KEPT/trials"
    wait
    world end
"#;

#[test]
fn a_run_killed_at_any_record_is_resumed_to_the_same_end() {
    let stage = Stage::new(User::Same);
    let trials: Vec<(usize, bool)> =
        SYNCS.map(|syncs| (syncs, false)).chain(WATCHED.map(|syncs| (syncs, true))).collect();
    // The lab's first hosts are special ones.
    const FIRST: usize = 6;
    let host = |index: usize| format!("host-{:03}", FIRST + index + 1);
    let lines = trials.iter().enumerate().map(|(index, (syncs, watched))| {
        format!("{} {syncs} {}\n", host(index), if *watched { "" } else { "--no-watchdog" })
    });
    std::fs::write(stage.path().join("trials"), lines.collect::<String>()).unwrap();
    stage.run(&["--hosts", &(FIRST + trials.len()).to_string()], SCRIPT);
    let state = stage.json("end.state");
    let (mut records, mut cut) = (BTreeSet::new(), 0);
    for (index, (syncs, watched)) in trials.iter().enumerate() {
        let (host, number) = (host(index), FIRST + index);
        let case = format!("{host}, sync {syncs}, watched {watched}");
        stage.ended(&format!("killed.{host}"), 137);
        for verb in ["resume", "plan", "verify", "resume-again"] {
            stage.ended(&format!("{verb}.{host}"), 0);
        }
        assert!(stage.out(&format!("resume-again.{host}")).contains("nothing to resume"), "{case}");
        let instance = format!("i-lab000001{:04}", number + 1);
        let enis = secondary_enis(&state, &instance);
        assert_eq!(enis.len(), 1, "{case}: {enis:?}");
        let address = format!("203.0.113.{}", 10 + number);
        let bound = serde_json::json!({ "Eni": enis[0] });
        assert_eq!(holders(&state, &address), bound, "{case}");
        if *watched {
            let then = stage.json(&format!("watched.{host}"));
            assert!(!holders(&then, &address).is_null(), "{case}: the watchdog has left its EIP alone");
        } else {
            let dead = stage.replayed(&stage.path().join(format!("dead.{host}")));
            cut += usize::from(dead.as_ref().is_some_and(Saga::window));
            records.insert(stage.count(&stage.path().join(format!("dead.{host}"))));
        }
        let whole = stage.replayed(&stage.path().join(format!("state.{host}"))).unwrap();
        assert_eq!(whole.end(), Some(&End::Committed), "{case}");
    }
    // Began, intent and outcome of seven steps, the end.
    assert!((1..=16).all(|count| records.contains(&count)), "not killed at every record: {records:?}");
    assert_eq!(cut, 3, "after both intents of the cutover, and between them");
}

/// The journal is lost with the process: what the world looks like is enough to finish.
const LOST: &str = r#"
    export EGRESSCTL_STATE_DIR="$KEPT/lost"
    strace -f -b execve -o /dev/null -e trace=fsync -e inject=fsync:signal=KILL:when=11 \
        "$EGRESSCTL" apply --yes --no-watchdog --limit web-1 >/dev/null 2>&1 || true
    rm -r "$EGRESSCTL_STATE_DIR"
    # The lease of the dead run goes with a reboot.
    reboot web-1
    keep apply eg apply --yes --json --limit web-1
    keep plan eg plan --detailed-exitcode --limit web-1
    world end
"#;

#[test]
fn without_a_journal_the_next_apply_finishes_from_what_it_sees() {
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "4"], LOST);
    stage.ended("apply", 0).ended("plan", 0);
    assert_eq!(secondary_enis(&stage.json("end.state"), "i-lab0000010002").len(), 1);
}

impl Stage {
    /// The records of the only run in the journal of a folder, oldest first.
    fn only_run(&self, folder: &std::path::Path) -> Vec<Record> {
        use egressctl::ports::Journal;
        let journal = egressctl::journal::SqliteJournal::open(&folder.join("journal.sqlite")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let runs = journal.runs().await.unwrap();
            let Some(run) = runs.first() else { return Vec::new() };
            journal.records(&run.id).await.unwrap().into_iter().map(|(_, _, record)| record).collect()
        })
    }

    fn replayed(&self, folder: &std::path::Path) -> Option<Saga> {
        Saga::replay(&self.only_run(folder)).unwrap()
    }

    fn count(&self, folder: &std::path::Path) -> usize {
        self.only_run(folder).len()
    }
}
