//! What the lease script answers: who holds a host, and what came of the attempt.

use serde::{Deserialize, Serialize};

use super::frame::{HostTextError, shown};
use crate::core::model::{Operator, RunId};

/// Who holds a host, as the host tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseHolder {
    /// Tells this lease from every other one: 16 hexadecimal digits.
    pub nonce: String,
    /// The run it was taken for.
    pub run: RunId,
    /// Whose run.
    pub owner: Operator,
    /// When it was taken by the host's own wall clock, seconds since 1970-01-01T00:00:00Z. For people: it may be wrong.
    pub taken: i64,
    /// How long it holds unless it is renewed, seconds; 0 if it has expired.
    pub left: u32,
}

impl LeaseHolder {
    /// Until when it holds unless it is renewed, by the clock that says it is `now_ms` (milliseconds since
    /// 1970-01-01T00:00:00Z): `16:25:10`, UTC.
    #[must_use]
    pub fn until(&self, now_ms: i64) -> String {
        let until = now_ms.saturating_add(i64::from(self.left) * 1000);
        jiff::Timestamp::from_millisecond(until).unwrap_or_default().strftime("%T").to_string()
    }

    /// One sentence: whose run holds the host, and until when.
    #[must_use]
    pub fn told(&self, now_ms: i64) -> String {
        let until = self.until(now_ms);
        format!("run {} of {} holds it until {until} UTC", self.run, self.owner)
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseEnd {
    /// It is ours now.
    Taken,
    /// Somebody holds it.
    Held,
    /// It is ours for the full time again.
    Renewed,
    /// It was ours, and nobody's now.
    Released,
    /// Nobody holds it.
    Free,
    /// It is not ours any more.
    Lost,
    /// The host cannot keep one; escaped.
    Refused(String),
}

/// The answer of the lease script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseReport {
    /// Who holds it; with [`LeaseEnd::Taken`] who held it before.
    pub holder: Option<LeaseHolder>,
    /// What came of it.
    pub end: LeaseEnd,
}

const GREETING: &str = "egressctl-lease 1";
const MAX_LINES: usize = 100;
/// Longest remaining time that makes sense, seconds.
const LONGEST: u32 = 86_400;

/// Reads what the lease script has printed. An answer without its last line is an error: the outcome is unknown.
///
/// # Errors
/// What could not be read.
pub fn parse_lease(stdout: &[u8]) -> Result<LeaseReport, HostTextError> {
    let text = String::from_utf8_lossy(stdout);
    let mut holder = None;
    for line in text.lines().take(MAX_LINES).skip_while(|line| *line != GREETING).skip(1) {
        let error = |problem: &str| HostTextError::new("lease", format!("{problem}: {}", shown(line)));
        match line.split_once(' ') {
            Some(("holder", rest)) if holder.is_none() => {
                holder = Some(held_by(rest).ok_or_else(|| error("a holder that makes no sense"))?);
            }
            Some(("result", rest)) => {
                let end = end_of(rest).ok_or_else(|| error("an unknown result"))?;
                if holder.is_none() && end == LeaseEnd::Held {
                    return Err(error("held by nobody"));
                }
                return Ok(LeaseReport { holder, end });
            }
            _ => return Err(error("an unknown line")),
        }
    }
    Err(HostTextError::new("lease", "the answer is cut off"))
}

fn held_by(text: &str) -> Option<LeaseHolder> {
    let mut words = text.split(' ');
    let nonce =
        words.next().filter(|word| word.len() == 16 && word.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let holder = LeaseHolder {
        nonce: nonce.to_owned(),
        run: words.next()?.parse().ok()?,
        owner: words.next()?.parse().ok()?,
        taken: words.next()?.parse().ok()?,
        left: words.next()?.parse().ok().filter(|left| *left <= LONGEST)?,
    };
    words.next().is_none().then_some(holder)
}

fn end_of(text: &str) -> Option<LeaseEnd> {
    Some(match text.split_once(' ').unwrap_or((text, "")) {
        ("taken", "") => LeaseEnd::Taken,
        ("held", "") => LeaseEnd::Held,
        ("renewed", "") => LeaseEnd::Renewed,
        ("released", "") => LeaseEnd::Released,
        ("free", "") => LeaseEnd::Free,
        ("lost", "") => LeaseEnd::Lost,
        ("refused", why) if !why.is_empty() => {
            LeaseEnd::Refused(crate::core::text::clean(why.as_bytes(), 200))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOLDER: &str = "holder 0123456789abcdef 20261122T161500Z-3f9a ann@bastion-1 1795363200 599\n";

    #[test]
    fn a_holder_is_read_and_a_greeting_before_it_does_not_matter() {
        let report = parse_lease(format!("motd\n{GREETING}\n{HOLDER}result held\n").as_bytes()).unwrap();
        let holder = report.holder.unwrap();
        assert_eq!((holder.owner.as_str(), holder.left), ("ann@bastion-1", 599));
        assert_eq!(report.end, LeaseEnd::Held);
        let refused = parse_lease(format!("{GREETING}\nresult refused no \u{1b}[2J\n").as_bytes()).unwrap();
        assert!(matches!(&refused.end, LeaseEnd::Refused(why) if !why.contains('\u{1b}')), "{refused:?}");
    }

    #[test]
    fn nonsense_is_an_error() {
        for bad in [
            "",
            "result taken\n",
            "egressctl-lease 1\n",
            "egressctl-lease 1\nresult held\n",
            "egressctl-lease 1\nresult taken well\n",
            "egressctl-lease 1\nholder x y z 1 2\nresult held\n",
            "egressctl-lease 1\nholder 0123456789abcdef r;id ann@b 1 2\nresult held\n",
            "egressctl-lease 1\nholder 0123456789abcdef run ann@b 1 99999999\nresult held\n",
            "egressctl-lease 1\nholder 0123456789abcdef run ann@b 1 -5\nresult held\n",
        ] {
            assert!(parse_lease(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_lease(&[b"egressctl-lease 1\nholder ".as_slice(), &bytes].concat());
        }
    }
}
