//! A script in a lab, and what it kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use egressctl::core::model::RunId;
use egressctl::core::run::RunNote;
use egressctl::core::saga::{Record, Saga};
use egressctl::journal::SqliteJournal;
use egressctl::ports::Journal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::lab::{Lab, User};

/// The address that all migrated hosts leave from.
pub(super) const SHARED: &str = "203.0.113.250";

/// Functions for scripts. `keep NAME COMMAND…` runs a command and keeps its output, its errors and its exit code; `eg VERB…` is
/// the program with a journal that outlives the lab; `look TAG HOST…` keeps what hosts are like; `reboot HOST…`; `world TAG` what the cloud is
/// like; `egress HOST` prints where a host's own traffic leaves from.
const FUNCTIONS: &str = r##"
keep() {
    local name=$1 code=0; shift
    "$@" >"$KEPT/$name.out" 2>"$KEPT/$name.err" || code=$?
    echo "$code" >"$KEPT/$name.rc"
}
eg() { "$EGRESSCTL" "$@"; }
door() { curl -sf --noproxy '*' "$EGRESSCTL_ECS_ENDPOINT/_lab/$1"; }
# An interface stays a moment in Deleting; the cloud is at rest when none is.
world() { while door state | grep -q Deleting; do sleep 0.05; done; door calls >"$KEPT/$1.calls"; door state >"$KEPT/$1.state"; }
hosts() { sed -n 's/^  - name: //p' "$EGRESSCTL_INVENTORY"; }
address_of() { "$EGRESSCTL" lab exec "$1" -- ip -4 -o addr show dev eth0 | sed -E 's|.* inet ([0-9.]+)/.*|\1|'; }
egress() { on "$1" bash -c 'fetch 198.51.100.20'; }
look() {
    local tag=$1 host one looking=(); shift
    for host; do on "$host" bash -c "$LOOK" >"$KEPT/$tag.$host" & looking+=($!); done
    for one in "${looking[@]}"; do wait "$one"; done
}
reboot() {
    local host one booting=()
    for host; do "$EGRESSCTL" lab reboot "$host" & booting+=($!); done
    for one in "${booting[@]}"; do wait "$one"; done
}
run_of() { sed -n 's/^ *"run": "\(.*\)",$/\1/p' "$KEPT/$1.out"; }
export LOOK='
    plain() { sed -E "s/^[0-9]+: //; s/@[^:]+:/:/; s/ link-netnsid [0-9]+//; s/ valid_lft.*//"; }
    echo "== main"; ip -4 route show table main
    echo "== eth0"; ip -4 -o addr show dev eth0 | plain; ip -o link show dev eth0 | plain
    echo "== rules"; ip -4 rule
    echo "== routes"; ip -4 route show table all
    echo "== addresses"; ip -4 -o addr | plain
    echo "== links"; ip -o link | plain
    echo "== files"
    find /etc /root /var ! -path "/var/log/*" ! -path "/var/lock/*" -printf "%p %y %m %u:%g %l\n" | sort
    find /etc /root /var -type f ! -path "/var/log/*" ! -path "/var/lock/*" -exec sha256sum {} + | sort
    echo "== stamps"
    find /etc /root /var /tmp ! -path "/var/log/sshd.log" -printf "%p %i %T@ %C@\n" | sort
'
"##;

/// A folder that the script in the lab and the test both see.
pub(super) struct Stage {
    folder: TempDir,
    user: User,
}

impl Stage {
    pub(super) fn new(user: User) -> Self {
        let folder = tempfile::Builder::new().prefix("egressctl-job-").tempdir().unwrap();
        // An ordinary user writes here, too; the program keeps its own folder to itself.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        Self { folder, user }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Runs a script in a lab; it must succeed. Gives what it printed.
    pub(super) fn run(&self, args: &[&str], script: &str) -> String {
        let output = Lab::command(self.user, args, &format!("{FUNCTIONS}\n{script}"))
            .env("KEPT", self.path())
            .env("EGRESSCTL_STATE_DIR", self.state())
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{args:?}: {}\n{out}\n{err}\n{}", output.status, self.all());
        out.into_owned()
    }

    /// Everything kept, for a failed test.
    fn all(&self) -> String {
        let mut names: Vec<PathBuf> =
            fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        let chosen =
            |path: &&PathBuf| path.extension().is_some_and(|e| e == "out" || e == "err" || e == "rc");
        names
            .iter()
            .filter(chosen)
            .map(|path| format!("--- {}\n{}\n", path.display(), fs::read_to_string(path).unwrap_or_default()))
            .collect()
    }

    /// A kept file.
    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// What a kept command printed.
    pub(super) fn out(&self, name: &str) -> String {
        self.read(&format!("{name}.out"))
    }

    /// Its errors.
    pub(super) fn err(&self, name: &str) -> String {
        self.read(&format!("{name}.err"))
    }

    /// Fails unless a kept command ended with this code.
    pub(super) fn ended(&self, name: &str, code: i32) -> &Self {
        let seen: i32 = self.read(&format!("{name}.rc")).trim().parse().unwrap();
        assert_eq!(seen, code, "{name}\n{}\n{}", self.out(name), self.err(name));
        self
    }

    pub(super) fn json(&self, name: &str) -> Value {
        let text = self.read(name);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"))
    }

    /// The outcome of every host in a kept report, with the reason if it has one.
    pub(super) fn outcomes(&self, name: &str) -> BTreeMap<String, (String, String)> {
        let document = self.json(&format!("{name}.out"));
        let hosts = document["report"]["hosts"].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        hosts
            .iter()
            .map(|host| {
                let outcome = &host["outcome"];
                (text(&host["name"]), (text(&outcome["outcome"]), text(&outcome["reason"])))
            })
            .collect()
    }

    /// The same without reasons, as `name=outcome` in the order of the names.
    pub(super) fn outcome_words(&self, name: &str) -> String {
        let words = self.outcomes(name).into_iter().map(|(host, (outcome, _))| format!("{host}={outcome}"));
        words.collect::<Vec<_>>().join(" ")
    }

    /// The number of API writes at a moment that `world` kept.
    pub(super) fn writes(&self, tag: &str) -> u64 {
        self.json(&format!("{tag}.calls"))["writes"].as_u64().unwrap()
    }

    /// One section of what `look` kept of a host.
    pub(super) fn section(&self, tag: &str, host: &str, section: &str) -> String {
        let text = self.read(&format!("{tag}.{host}"));
        let head = format!("== {section}\n");
        let (_, rest) = text.split_once(&head).unwrap_or_else(|| panic!("no {section} in\n{text}"));
        rest.split("== ").next().unwrap().to_owned()
    }

    /// Fails unless these sections of a host were the same at two moments.
    pub(super) fn same(&self, before: &str, after: &str, host: &str, sections: &[&str]) {
        for section in sections {
            let (old, new) = (self.section(before, host, section), self.section(after, host, section));
            assert!(old.len() > 10, "{host} {section}: {old:?}");
            assert_eq!(old, new, "{host}: {section} differs between {before} and {after}");
        }
    }

    /// The run of a kept report.
    pub(super) fn run_id(&self, name: &str) -> RunId {
        self.json(&format!("{name}.out"))["report"]["run"].as_str().unwrap().parse().unwrap()
    }

    fn journal(&self) -> SqliteJournal {
        SqliteJournal::open(&self.state().join("journal.sqlite")).unwrap()
    }

    /// The journal's lines about a run as a whole.
    pub(super) fn notes(&self, run: &RunId) -> Vec<RunNote> {
        let journal = self.journal();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(journal.notes(run)).unwrap().into_iter().map(|(_, note)| note).collect()
    }

    /// The journal's records of a run, host by host.
    pub(super) fn records(&self, run: &RunId) -> BTreeMap<String, Vec<Record>> {
        let journal = self.journal();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut hosts: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for (host, _, record) in runtime.block_on(journal.records(run)).unwrap() {
            hosts.entry(host.to_string()).or_default().push(record);
        }
        hosts
    }

    /// The sagas of a run as the journal tells them.
    pub(super) fn sagas(&self, run: &RunId) -> BTreeMap<String, Saga> {
        let records = self.records(run);
        records.iter().map(|(host, list)| (host.clone(), Saga::replay(list).unwrap().unwrap())).collect()
    }

    /// Fails if a text is in any file that was kept or written.
    pub(super) fn never_says(&self, canary: &str) {
        assert!(canary.len() >= 16, "{canary:?} is no canary");
        let (mut folders, mut count) = (vec![self.path().to_owned()], 0);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let bytes = fs::read(&path).unwrap();
                let found = bytes.windows(canary.len()).any(|part| part == canary.as_bytes());
                assert!(!found, "{} holds the secret", path.display());
                count += 1;
            }
        }
        assert!(count > 5, "only {count} files were looked at");
    }
}

/// Where two documents differ: place, before, after. Short, unlike the documents.
pub(super) fn differences(before: &Value, after: &Value) -> Vec<String> {
    fn walk(place: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
        match (before, after) {
            (Value::Object(old), Value::Object(new)) => {
                let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
                for key in keys {
                    let (old, new) =
                        (old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null));
                    walk(&format!("{place}/{key}"), old, new, found);
                }
            }
            _ if before == after => {}
            _ => found.push(format!("{place}: {before} -> {after}")),
        }
    }
    let mut found = Vec::new();
    walk("", before, after, &mut found);
    found
}

/// What holds the EIP with this address.
pub(super) fn holders(state: &Value, address: &str) -> Value {
    let eips = state["eips"].as_object().unwrap();
    eips.values().find(|eip| eip["address"] == address).map_or(Value::Null, |eip| eip["holder"].clone())
}

/// The ids of the secondary interfaces that belong to an instance by their tag.
pub(super) fn secondary_enis(state: &Value, instance: &str) -> Vec<String> {
    let enis = state["enis"].as_object().unwrap();
    let ours = enis
        .iter()
        .filter(|(_, eni)| eni["primary"] == false && eni["tags"]["egressctl:instance"] == instance);
    ours.map(|(id, _)| id.clone()).collect()
}
