//! What the push script answers.

use super::frame::{Frames, HostTextError, shown};
use crate::core::text::clean_line;

/// How writing a file went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushReport {
    /// How it ended.
    pub end: PushEnd,
    /// Permission bits before; `None` if there was no file.
    pub mode_before: Option<u32>,
    /// Permission bits wanted.
    pub mode_after: Option<u32>,
    /// What the file held, if that is at most [`BEFORE_MAX`] bytes; only of a check, and only if there was a file that would
    /// change.
    pub before: Option<Vec<u8>>,
    /// Where the old file is kept, escaped.
    pub backup: Option<String>,
    /// Why its SELinux label could not be restored, escaped; the file was written nevertheless.
    pub unlabelled: Option<String>,
}

/// The end of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushEnd {
    /// It was as it should be.
    Unchanged,
    /// It is now as it should be.
    Changed,
    /// A check says that it would change.
    WouldChange,
    /// Nothing was changed.
    Refused {
        /// A word for machines.
        code: String,
        /// For people; escaped.
        detail: String,
    },
}

/// The largest file of which a check shows the difference, in bytes.
pub const BEFORE_MAX: usize = 65536;

/// Reads the answer.
///
/// # Errors
/// It is not an answer of the push script.
pub fn parse_push(stdout: &[u8]) -> Result<PushReport, HostTextError> {
    let frames = Frames::parse(stdout, "egressctl-push 1")?;
    let mode = |name: &str| -> Result<Option<u32>, HostTextError> {
        let Ok(text) = frames.line(name) else { return Ok(None) };
        if text.is_empty() {
            return Ok(None);
        }
        let bits = u32::from_str_radix(&text, 8).ok().filter(|bits| *bits <= 0o7777);
        bits.map(Some).ok_or_else(|| HostTextError::new(name, format!("{} is no mode", shown(&text))))
    };
    let end = match frames.line("result")?.as_str() {
        "unchanged" => PushEnd::Unchanged,
        "changed" => PushEnd::Changed,
        "would-change" => PushEnd::WouldChange,
        code => PushEnd::Refused {
            code: clean_line(code.as_bytes(), 40),
            detail: clean_line(frames.text("detail")?.as_bytes(), 400),
        },
    };
    let backup = frames.text("backup").ok().map(|path| clean_line(path.as_bytes(), 4096));
    Ok(PushReport {
        end,
        mode_before: mode("mode_before")?,
        mode_after: mode("mode_after")?,
        before: frames.get("before").ok().map(|frame| frame.bytes.to_vec()),
        backup,
        unlabelled: frames.text("unlabelled").ok().map(|why| clean_line(why.as_bytes(), 400)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frames: &[(&str, &str)]) -> Vec<u8> {
        let frame = |(name, text): &(&str, &str)| format!("@@ {name} 0 {}\n{text}\n", text.len());
        let ends = [("end", "")];
        [("begin", "egressctl-push 1")]
            .iter()
            .chain(frames)
            .chain(&ends)
            .map(frame)
            .collect::<String>()
            .into()
    }

    #[test]
    fn answers_are_typed() {
        let report = parse_push(&text(&[
            ("mode_before", "644"),
            ("mode_after", "600"),
            ("before", "a\n"),
            ("result", "would-change"),
        ]));
        let expected = PushReport {
            end: PushEnd::WouldChange,
            mode_before: Some(0o644),
            mode_after: Some(0o600),
            before: Some(b"a\n".to_vec()),
            backup: None,
            unlabelled: None,
        };
        assert_eq!(report.unwrap(), expected);
        let refused = parse_push(&text(&[("result", "link"), ("detail", "x\u{1b} is a link")])).unwrap();
        let end = PushEnd::Refused { code: "link".to_owned(), detail: "x\\u{1b} is a link".to_owned() };
        assert_eq!((refused.end, refused.mode_before), (end, None));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for bad in [
            &b"sh: cannot create\n"[..],
            &text(&[]),
            &text(&[("result", "link")]),
            &text(&[("mode_before", "rwx"), ("result", "changed")]),
            &text(&[("mode_before", "77777"), ("result", "changed")]),
        ] {
            assert!(parse_push(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
