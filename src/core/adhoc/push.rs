//! Where a file goes, and how what became of it is shown.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::lines::shown;
use super::{Answer, Block, outcome_words};
use crate::core::model::ModelError;
use crate::core::observed::pushed::{BEFORE_MAX, PushEnd, PushReport};
use crate::core::plan::route::unified_diff;

/// The longest path, in bytes: Linux takes 4096 with the final NUL.
const LONGEST: usize = 4095;
/// The longest name: 255 bytes, less what a backup's name has more.
const LONGEST_NAME: usize = 230;

/// A file on a host: an absolute path that says exactly where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination(String);

impl Destination {
    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Destination {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let parts = || text.split('/').skip(1);
        let plain = text.starts_with('/')
            && text.len() <= LONGEST
            && parts().all(|part| !["", ".", ".."].contains(&part))
            && parts().last().is_some_and(|name| name.len() <= LONGEST_NAME)
            && !text.chars().any(char::is_control);
        if plain {
            Ok(Self(text.to_owned()))
        } else {
            Err(ModelError::new(
                text,
                "the absolute path of a file, without . and .. and double slashes, its name at most 230 bytes long",
            ))
        }
    }
}

/// What a file that would change differs in; `content` is the beginning of what it is to hold.
#[must_use]
pub fn difference(report: &PushReport, content: &[u8], dest: &Destination) -> String {
    let before = match (&report.before, report.mode_before) {
        (Some(before), _) => before.as_slice(),
        (None, None) => &[],
        (None, Some(_)) => return "(too large to show the difference)".to_owned(),
    };
    if content.len() > BEFORE_MAX {
        return "(too large to show the difference)".to_owned();
    }
    match (std::str::from_utf8(before), std::str::from_utf8(content)) {
        (Ok(before), Ok(after)) => unified_diff(before, after, dest.as_str()),
        _ => "(not text, no difference is shown)".to_owned(),
    }
}

/// What is shown of a host; `diff` is what [`difference`] gave, if it is wanted.
#[must_use]
pub fn push_block(answer: &Answer<PushReport>, diff: Option<&str>) -> Block {
    let mut head = outcome_words(&answer.outcome);
    if let Some(report) = &answer.value {
        if report.end == PushEnd::WouldChange {
            "~ would change".clone_into(&mut head);
        }
        match (report.mode_before, report.mode_after) {
            (None, Some(after)) if report.end != PushEnd::Unchanged => {
                head += &format!("; new, mode {after:04o}");
            }
            (Some(before), Some(after)) if before != after => {
                head += &format!("; mode {before:04o} -> {after:04o}");
            }
            _ => {}
        }
        if let Some(backup) = &report.backup {
            head += &format!("; the old one is {backup}");
        }
        if let Some(why) = &report.unlabelled {
            head += &format!("; its SELinux label could not be restored: {why}");
        }
    }
    let lines = diff.unwrap_or_default().lines();
    Block { head, lines: lines.map(|line| format!("  {}", shown(line.as_bytes()))).collect() }
}

/// The fields of a host's answer for machines.
#[must_use]
pub fn push_fields(report: &PushReport, diff: Option<&str>) -> Map<String, Value> {
    let mut fields = Map::new();
    let changed = matches!(report.end, PushEnd::Changed | PushEnd::WouldChange);
    fields.insert("changed".to_owned(), changed.into());
    if let PushEnd::Refused { code, .. } = &report.end {
        fields.insert("code".to_owned(), code.as_str().into());
    }
    let mode = |mode: u32| format!("{mode:04o}");
    fields.insert("mode_before".to_owned(), report.mode_before.map(mode).into());
    fields.insert("mode_after".to_owned(), report.mode_after.map(mode).into());
    fields.insert("backup".to_owned(), report.backup.clone().into());
    if let Some(why) = &report.unlabelled {
        fields.insert("unlabelled".to_owned(), why.as_str().into());
    }
    if let Some(diff) = diff {
        fields.insert("diff".to_owned(), diff.into());
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::HostOutcome;

    #[test]
    fn a_destination_says_exactly_where() {
        for good in ["/etc/motd", "/a", "/opt/x y/$z", "/home/ä/.f"] {
            assert_eq!(good.parse::<Destination>().unwrap().as_str(), good);
        }
        let long = format!("/{}", "x".repeat(231));
        for bad in
            ["", "/", "etc/motd", "/etc/", "/etc/../motd", "/./a", "//a", "/a\nb", "/a\0", &long, "~/x"]
        {
            assert!(bad.parse::<Destination>().is_err(), "{bad:?}");
        }
    }

    fn report(end: PushEnd, before: Option<&[u8]>) -> PushReport {
        let mode_before = before.map(|_| 0o600);
        let before = before.map(<[u8]>::to_vec);
        PushReport { end, mode_before, mode_after: Some(0o644), before, backup: None, unlabelled: None }
    }

    #[test]
    fn differences_are_shown_where_they_can_be() {
        let dest: Destination = "/etc/x".parse().unwrap();
        let of = |before: Option<&[u8]>, after: &[u8]| {
            difference(&report(PushEnd::WouldChange, before), after, &dest)
        };
        assert_eq!(of(Some(b"a\n"), b"b\n"), "--- /etc/x\n+++ /etc/x\n@@ -1 +1 @@\n-a\n+b\n");
        assert!(of(None, b"b\n").contains("--- /dev/null"));
        assert!(of(Some(b"\xff"), b"b").contains("not text"));
        assert!(of(Some(b"a"), &[b'x'; BEFORE_MAX + 1]).contains("too large"));
        let hidden = PushReport { before: None, ..report(PushEnd::WouldChange, Some(b"")) };
        assert!(difference(&hidden, b"b", &dest).contains("too large"));
    }

    #[test]
    fn a_hosts_text_is_shown_escaped() {
        let answer = Answer {
            is_lost: false,
            host: "a".parse().unwrap(),
            outcome: HostOutcome::Changed,
            ms: 1,
            value: Some(report(PushEnd::WouldChange, Some(b"x\x1b[2J\n"))),
        };
        let block = push_block(&answer, Some("-x\u{1b}[2J\n"));
        assert_eq!(block.head, "~ would change; mode 0600 -> 0644");
        assert_eq!(block.lines, ["  -x\\u{1b}[2J"]);
        let fields = push_fields(answer.value.as_ref().unwrap(), None);
        assert_eq!((&fields["changed"], &fields["mode_before"]), (&true.into(), &"0600".into()));
    }
}
