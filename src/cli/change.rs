//! What the verbs that change anything share: the lock of the state folder, the watchdog, the cap on cutovers, and how long
//! hosts wait for a confirmation.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::fleet::Fleet;
use super::problem::Problem;
use crate::core::model::RunId;
use crate::core::report::for_terminal;
use crate::journal::{LockError, LockOwner, RunLock};

/// What the watchdog says when it is ready, and what it is told when all is well.
pub(super) const READY: &str = "ready\n";
pub(super) const DONE: &str = "done\n";

/// Options of every verb that changes anything.
#[derive(Debug, Args)]
pub(super) struct ChangeArgs {
    /// How long to wait for another run to end, such as 30s or 5m
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s", env = "EGRESSCTL_LOCK_TIMEOUT")]
    lock_timeout: Duration,
    /// Start no second process that binds an EIP again if this one dies in between
    #[arg(long, env = "EGRESSCTL_NO_WATCHDOG", value_parser = BoolishValueParser::new())]
    no_watchdog: bool,
    /// How many hosts may be without their EIP at the same time
    #[arg(long, value_name = "N", env = "EGRESSCTL_CUTOVERS", default_value_t = 20)]
    pub(super) cutovers: usize,
    /// How long a host waits for a new connection before it takes its part back: 60s to 10m, less only in a lab
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = confirm_timeout,
        env = "EGRESSCTL_CONFIRM_TIMEOUT",
        default_value = "180s"
    )]
    confirm_timeout: Duration,
}

/// The right to change things, until it is dropped.
pub(super) struct Change {
    watchdog: Option<Watchdog>,
    _lock: RunLock,
}

/// A second process that sees this one die.
struct Watchdog {
    child: Child,
    line: ChildStdin,
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Duration::try_from(span).map_err(|error| error.to_string())
}

fn confirm_timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration(text)?;
    let whole = timeout.subsec_nanos() == 0 && (5..=600).contains(&timeout.as_secs());
    if whole { Ok(timeout) } else { Err("give whole seconds, from 5s to 10m".to_owned()) }
}

impl ChangeArgs {
    /// Takes the lock for this verb, and the cap into the world.
    pub(super) fn begin(&self, fleet: &mut Fleet, verb: &str) -> Result<Change, Problem> {
        fleet.world.cutovers = crate::engine::Cutovers::new(self.cutovers);
        fleet.world.settings.confirm = self.confirm_timeout;
        let lock = lock(fleet, verb, self.lock_timeout)?;
        Ok(Change { watchdog: None, _lock: lock })
    }

    /// Starts the watchdog of this run, unless it is not wanted.
    pub(super) fn watch(&self, change: &mut Change, fleet: &Fleet, run: &RunId) -> Result<(), Problem> {
        if !self.no_watchdog {
            change.watchdog = Some(Watchdog::start(fleet, run)?);
        }
        Ok(())
    }
}

impl Change {
    /// Whether somebody binds the EIPs if this process ends now.
    pub(super) const fn is_watched(&self) -> bool {
        self.watchdog.is_some()
    }

    /// The run has come to its end: nobody needs to be watched any more.
    pub(super) fn done(self) {
        if let Some(Watchdog { mut child, mut line }) = self.watchdog {
            // If it has died before, it cannot be told and need not be.
            let _ = line.write_all(DONE.as_bytes());
            drop(line);
            let _ = child.wait();
        }
    }
}

impl Watchdog {
    fn start(fleet: &Fleet, run: &RunId) -> Result<Self, Problem> {
        let failed = |what: String| {
            Problem::failed(format!("the watchdog cannot start: {what}; --no-watchdog goes without"))
        };
        // The running program, even if its file has been replaced meanwhile.
        let mut command = Command::new("/proc/self/exe");
        // It is for every host of the run, and shows nothing: what the environment says about that is for us.
        for variable in ["EGRESSCTL_LIMIT", "EGRESSCTL_EVENTS", "EGRESSCTL_JSON"] {
            command.env_remove(variable);
        }
        let mut child = command
            .args(["watchdog", run.as_str(), "--progress", "never", "--inventory", &fleet.inventory])
            .arg("--state-dir")
            .arg(&fleet.state)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let mut ready = String::new();
        // It says nothing else, and ends its output with itself.
        let read = child.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut ready));
        match (read, child.stdin.take()) {
            (Some(Ok(_)), Some(line)) if ready == READY => Ok(Self { child, line }),
            _ => {
                let _ = child.wait();
                Err(failed(format!("it ended at once, while it read {}", fleet.inventory)))
            }
        }
    }
}

/// Takes the lock of a fleet's state folder.
pub(super) fn lock(fleet: &Fleet, verb: &str, patience: Duration) -> Result<RunLock, Problem> {
    let owner = LockOwner {
        who: fleet.world.claims.operator.to_string(),
        pid: std::process::id(),
        verb: verb.to_owned(),
        since_ms: fleet.world.clock.now_ms(),
    };
    RunLock::take(&path(&fleet.state), &owner, patience).map_err(|error| match error {
        LockError::Held(owner) => Problem::locked(format!(
            "{}; wait with --lock-timeout, or look with egressctl lock list",
            held_by(owner.as_ref())
        )),
        error @ LockError::File { .. } => Problem::failed(error.to_string()),
    })
}

/// The lock's file.
pub(super) fn path(state: &Path) -> std::path::PathBuf {
    state.join("lock")
}

/// Who holds the lock, in one sentence.
pub(super) fn held_by(owner: Option<&LockOwner>) -> String {
    let Some(owner) = owner else { return "another run holds the lock of the state folder".to_owned() };
    let since = jiff::Timestamp::from_millisecond(owner.since_ms);
    let since = since.map(|time| time.strftime("%F %T UTC").to_string()).unwrap_or_default();
    let (who, verb) = (for_terminal(&owner.who), for_terminal(&owner.verb));
    format!("{who} holds the lock of the state folder since {since}: {verb}, process {}", owner.pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_waits_neither_for_a_moment_nor_for_ever() {
        assert_eq!(confirm_timeout("3m"), Ok(Duration::from_secs(180)));
        assert_eq!(confirm_timeout("5s"), Ok(Duration::from_secs(5)));
        for bad in ["4s", "601s", "1500ms", "10500ms", "-60s", "soon", ""] {
            assert!(confirm_timeout(bad).is_err(), "{bad}");
        }
    }
}
