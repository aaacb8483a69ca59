//! The frames in which a script prints what it has seen: `@@ name status bytes`, a new line, so many bytes, a new line.
//!
//! A length in front of every text means that no text can pretend to be the next one.

use std::collections::BTreeMap;

/// A frame's text is never longer than this; a longer one is marked by one byte more.
const MAX_BYTES: usize = 64 * 1024;
const MAX_FRAMES: usize = 512;

/// What a host has printed cannot be understood. Says what and where; text of the host is cut short and escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the host's {what}: {problem}")]
pub struct HostTextError {
    /// Which part, e.g. `ip -4 rule, line 3`.
    pub what: String,
    /// What is wrong with it.
    pub problem: String,
}

impl HostTextError {
    pub(super) fn new(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { what: what.into(), problem: problem.into() }
    }
}

/// A piece of a host's text, fit for a message.
pub(super) fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(60).collect::<String>())
}

/// What one command of a script printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Its exit status.
    pub(super) status: u32,
    /// Its standard output.
    pub(super) bytes: &'a [u8],
}

/// All frames of one script, by name.
#[derive(Debug)]
pub(super) struct Frames<'a>(BTreeMap<&'a str, Frame<'a>>);

impl<'a> Frames<'a> {
    /// Takes the output apart. It must begin with `greeting` in the frame `begin` and must have the frame `end`.
    pub(super) fn parse(stdout: &'a [u8], greeting: &str) -> Result<Self, HostTextError> {
        let mut frames = BTreeMap::new();
        // A login shell's start-up files may print before the script does.
        let first = b"@@ begin ";
        let start = stdout
            .windows(first.len())
            .enumerate()
            .position(|(at, window)| window == first && (at == 0 || stdout.get(at - 1) == Some(&b'\n')));
        let mut rest = start
            .and_then(|start| stdout.get(start..))
            .ok_or_else(|| HostTextError::new("answer", "the script's output does not begin as it should"))?;
        while !rest.is_empty() && !frames.contains_key("end") {
            let (name, frame, after) = one(rest).ok_or_else(|| {
                HostTextError::new("answer", format!("frame {} is broken or cut off", frames.len() + 1))
            })?;
            if frames.insert(name, frame).is_some() || frames.len() > MAX_FRAMES {
                return Err(HostTextError::new("answer", format!("frame {} comes twice", shown(name))));
            }
            rest = after;
        }
        let frames = Self(frames);
        if frames.line("begin")? != greeting {
            return Err(HostTextError::new("answer", "it is not of the script that was sent"));
        }
        frames.get("end")?;
        Ok(frames)
    }

    /// A frame that must be there, whatever its status.
    pub(super) fn get(&self, name: &str) -> Result<Frame<'a>, HostTextError> {
        let frame = self.0.get(name).ok_or_else(|| HostTextError::new(name, "it is missing"))?;
        if frame.bytes.len() > MAX_BYTES {
            return Err(HostTextError::new(name, format!("it is longer than {MAX_BYTES} bytes")));
        }
        Ok(*frame)
    }

    /// A frame's text; what is not UTF-8 in it becomes U+FFFD.
    pub(super) fn text(&self, name: &str) -> Result<String, HostTextError> {
        Ok(String::from_utf8_lossy(self.get(name)?.bytes).into_owned())
    }

    /// The text of a frame that a host may not have, or have too much to say in: then it is empty.
    pub(super) fn optional(&self, name: &str) -> String {
        let frame = self.0.get(name).filter(|frame| frame.bytes.len() <= MAX_BYTES);
        frame.map(|frame| String::from_utf8_lossy(frame.bytes).into_owned()).unwrap_or_default()
    }

    /// The frames whose names begin with this, by the rest of their names.
    pub(super) fn all(&self, prefix: &str) -> impl Iterator<Item = (&'a str, Frame<'a>)> {
        let all = self.0.iter().map(|(name, frame)| (*name, *frame));
        all.filter_map(move |(name, frame)| Some((name.strip_prefix(prefix)?, frame)))
    }

    /// A frame's first line, without white space around it.
    pub(super) fn line(&self, name: &str) -> Result<String, HostTextError> {
        Ok(self.text(name)?.lines().next().unwrap_or_default().trim().to_owned())
    }
}

fn one(text: &[u8]) -> Option<(&str, Frame<'_>, &[u8])> {
    let end = text.iter().take(200).position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(text.get(..end)?).ok()?;
    let mut words = head.strip_prefix("@@ ")?.split(' ');
    let (name, status, length) = (words.next()?, words.next()?, words.next()?);
    let (status, length) = (status.parse().ok()?, length.parse::<usize>().ok()?);
    if words.next().is_some() || length > MAX_BYTES + 1 {
        return None;
    }
    let body = text.get(end + 1..)?;
    let bytes = body.get(..length)?;
    let after = body.get(length..)?.strip_prefix(b"\n")?;
    Some((name, Frame { status, bytes }, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_pretend_to_be_a_frame() {
        let fake = "@@ end 0 0\n\n";
        let text = format!("motd\n@@ begin 0 3\nx 1\n@@ a 0 {}\n{fake}\n@@ end 0 0\n\n", fake.len());
        let frames = Frames::parse(text.as_bytes(), "x 1").unwrap();
        assert_eq!(frames.text("a").unwrap(), fake);
    }

    #[test]
    fn broken_frames_are_errors() {
        for bad in [
            "",
            "x",
            "@@ begin 0 3\nx 1\n",
            "@@ begin 0 3\nx 1\n@@ end 0 9\n\n",
            "@@ begin 0 3\nx 2\n@@ end 0 0\n\n",
            "@@ begin 0 3\nx 1\n@@ a 0 99999999999999999999\n",
            "@@ begin 0 3\nx 1\n@@ a 0 0\n\n@@ a 0 0\n\n@@ end 0 0\n\n",
        ] {
            assert!(Frames::parse(bad.as_bytes(), "x 1").is_err(), "{bad:?}");
        }
    }
}
