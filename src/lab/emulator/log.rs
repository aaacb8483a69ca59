//! What was called: every request that reached the emulator, accepted or refused, in order.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::core::text::clean_line;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The action as the request named it.
    pub action: String,
    /// `Ecs`, `Vpc`, `Sts`, or the version as sent if it is none of theirs.
    pub product: String,
    /// It would change something (a dry run would not).
    pub write: bool,
    /// The error's code; `None` for a success, and where there was no answer of the API.
    pub code: Option<String>,
    /// What went wrong with it on purpose: the rules of the fault file that hit it.
    pub fault: Option<String>,
    /// The hosts it was about, if it named anything of theirs.
    pub hosts: Vec<String>,
    /// `RequestId` of the answer.
    pub request_id: String,
    /// Since the emulator began.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
}

/// A duration as whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(at: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(at.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

/// The log. Grows for as long as the lab lives.
#[derive(Debug)]
pub(crate) struct Log {
    began: Instant,
    calls: Mutex<Vec<CallRecord>>,
    failures: Mutex<Vec<String>>,
}

/// The log in numbers and lines, as the side door and `lab calls` show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// All calls, refused ones included.
    pub total: usize,
    /// Those that only look.
    pub reads: usize,
    /// Those that would change something; dry runs do not.
    pub writes: usize,
    /// By action.
    pub by_action: BTreeMap<String, usize>,
    /// Refused ones by error code.
    pub by_code: BTreeMap<String, usize>,
    /// Those that went wrong on purpose, by rule of the fault file.
    pub by_fault: BTreeMap<String, usize>,
    /// Effects on the network that failed.
    pub fabric_failures: Vec<String>,
    /// One by one, in the order of their answers.
    pub calls: Vec<CallRecord>,
}

impl Log {
    /// An empty log that begins now.
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), calls: Mutex::default(), failures: Mutex::default() }
    }

    /// Time since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Adds a call.
    pub(crate) fn add(&self, record: CallRecord) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }

    /// Adds an effect on the network that failed.
    pub(crate) fn add_failure(&self, text: String) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> Vec<CallRecord> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All failed effects so far.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Both, counted.
    pub(crate) fn summary(&self) -> Summary {
        let calls = self.calls();
        let (mut by_action, mut by_code, mut by_fault) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for call in &calls {
            *by_action.entry(call.action.clone()).or_default() += 1;
            if let Some(code) = &call.code {
                *by_code.entry(code.clone()).or_default() += 1;
            }
            if let Some(fault) = &call.fault {
                *by_fault.entry(fault.clone()).or_default() += 1;
            }
        }
        let writes = calls.iter().filter(|call| call.write).count();
        Summary {
            total: calls.len(),
            reads: calls.len() - writes,
            writes,
            by_action,
            by_code,
            by_fault,
            fabric_failures: self.failures(),
            calls,
        }
    }
}

impl Summary {
    /// The log for people: what was called how often, what became of it, and what went wrong on purpose.
    #[must_use]
    pub fn table(&self) -> String {
        use std::fmt::Write;
        let mut text = format!("{:<36} {:>7} {:>7}\n", "ACTION", "CALLS", "REFUSED");
        for write in [false, true] {
            let ours = || self.calls.iter().filter(|call| call.write == write);
            let names: BTreeMap<&str, ()> = ours().map(|call| (call.action.as_str(), ())).collect();
            for name in names.keys() {
                let calls = ours().filter(|call| call.action == *name);
                let refused = calls.clone().filter(|call| call.code.is_some()).count();
                let name = if name.is_empty() { "(no request of the API)" } else { name };
                let _ = writeln!(text, "{name:<36} {:>7} {refused:>7}", calls.count());
            }
        }
        for (title, counts) in [("CODE", &self.by_code), ("FAULT", &self.by_fault)] {
            if !counts.is_empty() {
                let _ = writeln!(text, "\n{title:<36} {:>7}", "CALLS");
            }
            for (name, count) in counts {
                let _ = writeln!(text, "{:<36} {count:>7}", clean_line(name.as_bytes(), 200));
            }
        }
        for failure in &self.fabric_failures {
            let _ = writeln!(text, "\nthe network failed: {}", clean_line(failure.as_bytes(), 200));
        }
        let _ = writeln!(text, "\n{} calls: {} reads, {} writes", self.total, self.reads, self.writes);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(action: &str, write: bool, code: Option<&str>) -> CallRecord {
        CallRecord {
            action: action.to_owned(),
            product: "Ecs".to_owned(),
            write,
            code: code.map(str::to_owned),
            fault: code.map(|_| "busy".to_owned()),
            hosts: Vec::new(),
            request_id: "R".to_owned(),
            at: Duration::from_millis(7),
        }
    }

    #[test]
    fn the_log_counts_by_action_and_by_what_became_of_it() {
        let log = Log::new();
        log.add(call("DescribeInstances", false, None));
        log.add(call("AttachNetworkInterface", true, Some("TaskConflict")));
        log.add(call("AttachNetworkInterface", true, None));
        let summary = log.summary();
        assert_eq!((summary.total, summary.reads, summary.writes), (3, 1, 2));
        assert_eq!((summary.by_action["AttachNetworkInterface"], summary.by_code["TaskConflict"]), (2, 1));
        assert_eq!(summary.by_fault["busy"], 1);
        let text = serde_json::to_string(&summary).unwrap();
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
        let table = summary.table();
        for line in [
            "DescribeInstances                          1       0",
            "AttachNetworkInterface                     2       1",
            "TaskConflict                               1",
            "busy                                       1",
            "3 calls: 1 reads, 2 writes",
        ] {
            assert!(table.contains(line), "{line} in\n{table}");
        }
    }
}
