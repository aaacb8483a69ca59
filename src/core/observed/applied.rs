//! What the apply and revert scripts answer.

use serde::{Deserialize, Serialize};

use super::frame::{HostTextError, shown};
use super::guarded::GuardState;
use crate::core::model::IfName;

/// What a script has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The device was brought up or down.
    Link,
    /// The device's IPv4 addresses.
    Address,
    /// A route of the main table that led through the secondary interface.
    MainRoute,
    /// The primary's default route, which another one had replaced, is back.
    Default,
    /// The default route in the table of its own.
    Route,
    /// The rule.
    Rule,
    /// A file that keeps the route over a reboot.
    File,
    /// The nft table of the compatibility shim.
    Shim,
    /// The rule for packets that the shim has marked.
    MarkRule,
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplyEnd {
    /// Everything is as asked.
    Ok,
    /// It is not, and the host is as it was before the script.
    Reverted {
        /// A word for machines, such as `no-device` or `file-changed`.
        code: String,
        /// For people; escaped.
        detail: String,
    },
    /// It is not, and not everything could be taken back: a human is needed.
    NotReverted {
        /// A word for machines.
        code: String,
        /// For people; escaped.
        detail: String,
    },
}

/// The answer of an apply or revert script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyReport {
    /// What was changed, each kind once, in order; empty if everything was found as it should be. After
    /// [`ApplyEnd::Reverted`] these changes are no longer there.
    pub changed: Vec<ChangeKind>,
    /// The secondary interface's device; `None` if it was not found.
    pub dev: Option<IfName>,
    /// What a revert has left alone, and why; escaped.
    pub kept: Vec<String>,
    /// What the host says of its guard; `None` if there is none, because there was nothing to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<GuardState>,
    /// How it ended.
    pub end: ApplyEnd,
}

/// Reads what the apply script has printed. An answer without its last line is an error: the outcome is unknown.
///
/// # Errors
/// What could not be read, and where.
pub fn parse_apply(stdout: &[u8]) -> Result<ApplyReport, HostTextError> {
    parse(stdout, "egressctl-apply 1")
}

/// Reads what the stage script has printed, with the same meanings.
///
/// # Errors
/// What could not be read, and where.
pub fn parse_stage(stdout: &[u8]) -> Result<ApplyReport, HostTextError> {
    parse(stdout, "egressctl-stage 1")
}

/// Reads what the revert script has printed, with the same meanings.
///
/// # Errors
/// What could not be read, and where.
pub fn parse_revert(stdout: &[u8]) -> Result<ApplyReport, HostTextError> {
    parse(stdout, "egressctl-revert 1")
}

const MAX_LINES: usize = 1000;

fn parse(stdout: &[u8], greeting: &str) -> Result<ApplyReport, HostTextError> {
    let text = String::from_utf8_lossy(stdout);
    let (mut changed, mut dev, mut kept, mut guard, mut end) = (Vec::new(), None, Vec::new(), None, None);
    let lines = text.lines().take(MAX_LINES).enumerate().skip_while(|(_, line)| *line != greeting);
    for (number, line) in lines.skip(1) {
        let error = |problem: &str| {
            HostTextError::new(format!("answer, line {}", number + 1), format!("{problem}: {}", shown(line)))
        };
        if end.is_some() {
            return Err(error("a line behind the result"));
        }
        let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            "changed" => {
                let kind = change(rest).ok_or_else(|| error("an unknown kind of change"))?;
                if !changed.contains(&kind) {
                    changed.push(kind);
                }
            }
            "dev" => dev = Some(rest.parse().map_err(|_| error("no usable device name"))?),
            "kept" => kept.push(readable(rest)),
            "guard" => guard = Some(rest.parse().map_err(|()| error("no state of a guard"))?),
            "result" => end = Some(result(rest).ok_or_else(|| error("an unknown result"))?),
            // "ok …" and "primary …" are for people who read the raw answer; later versions may say more.
            _ => {}
        }
    }
    let end = end.ok_or_else(|| HostTextError::new("answer", "it has no result: the outcome is unknown"))?;
    Ok(ApplyReport { changed, dev, kept, guard, end })
}

fn change(word: &str) -> Option<ChangeKind> {
    Some(match word {
        "link" => ChangeKind::Link,
        "address" => ChangeKind::Address,
        "main-route" => ChangeKind::MainRoute,
        "default" => ChangeKind::Default,
        "route" => ChangeKind::Route,
        "rule" => ChangeKind::Rule,
        "file" => ChangeKind::File,
        "shim" => ChangeKind::Shim,
        "mark-rule" => ChangeKind::MarkRule,
        _ => return None,
    })
}

fn result(rest: &str) -> Option<ApplyEnd> {
    if rest == "ok" {
        return Some(ApplyEnd::Ok);
    }
    let mut words = rest.strip_prefix("failed ")?.splitn(3, ' ');
    let code = words
        .next()
        .filter(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b"-0123456789".contains(&b)));
    let code = code?.to_owned();
    let state = words.next()?;
    let detail = readable(words.next().unwrap_or_default());
    match state {
        "reverted" | "unchanged" => Some(ApplyEnd::Reverted { code, detail }),
        "not-reverted" => Some(ApplyEnd::NotReverted { code, detail }),
        _ => None,
    }
}

/// A host's words for people: short, and nothing that a terminal could obey.
fn readable(text: &str) -> String {
    text.chars()
        .take(300)
        .flat_map(char::escape_debug)
        .collect::<String>()
        .replace("\\'", "'")
        .replace("\\\"", "\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_read() {
        let text = "motd\negressctl-apply 1\ndev eth1\nprimary eth0\nok link\nchanged rule\nchanged rule\nchanged file\nresult ok\n";
        let report = parse_apply(text.as_bytes()).unwrap();
        assert_eq!(report.changed, [ChangeKind::Rule, ChangeKind::File]);
        assert_eq!((report.dev.unwrap().as_str(), report.end), ("eth1", ApplyEnd::Ok));
    }

    #[test]
    fn failures_say_whether_the_host_is_as_before() {
        let end =
            |line: &str| parse_apply(format!("egressctl-apply 1\nresult {line}\n").as_bytes()).map(|r| r.end);
        let detail = "it\\u{1b}[2J".to_owned();
        let code = "table-taken".to_owned();
        assert_eq!(
            end("failed table-taken unchanged it\u{1b}[2J"),
            Ok(ApplyEnd::Reverted { code: code.clone(), detail: detail.clone() })
        );
        assert_eq!(
            end("failed table-taken not-reverted it\u{1b}[2J"),
            Ok(ApplyEnd::NotReverted { code, detail })
        );
        for bad in ["", "okay", "failed", "failed x", "failed X reverted", "failed x perhaps"] {
            assert!(end(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_cut_off_answer_is_not_a_result() {
        for bad in [
            "",
            "egressctl-apply 1\nchanged rule\n",
            "egressctl-revert 1\nresult ok\n",
            "egressctl-apply 1\nresult ok\nchanged rule\n",
        ] {
            assert!(parse_apply(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_apply(&[b"egressctl-apply 1\n".as_slice(), &bytes].concat());
        }
    }
}
