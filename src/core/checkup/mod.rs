//! What a look at the surroundings of a run found: who we are for the cloud, its endpoints, clocks, files. For people and for
//! machines.
//!
//! Must never hold a secret.

mod show;

use serde::Serialize;

pub use show::{checkup_json, checkup_text};

/// Clocks this far apart are worth a word, milliseconds.
const SKEW_WARNING_MS: u64 = 5 * 60 * 1000;
/// Requests of a clock this far off are refused by the vendor, milliseconds.
const SKEW_REFUSED_MS: u64 = 15 * 60 * 1000;

/// Everything that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Checkup {
    /// Where the credentials came from.
    pub credentials: Option<Used>,
    /// The sources before it, and why they were passed over.
    pub passed: Vec<PassedOver>,
    /// Who we are for the cloud.
    pub identity: Option<Identity>,
    /// Where the products answer.
    pub endpoints: Vec<Reached>,
    /// How far this machine's clock is ahead of the cloud's, milliseconds; within a second or so.
    pub clock_ahead_ms: Option<i64>,
    /// What on this machine a run needs.
    pub places: Vec<Place>,
    /// What is wrong, or may become so.
    pub findings: Vec<Finding>,
}

/// A source of credentials in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Used {
    /// Its word in inventories.
    pub source: String,
    /// Where exactly.
    pub origin: String,
    /// The end of the session, in milliseconds since the epoch; none for lasting keys, or where it is not known.
    pub expires_ms: Option<i64>,
}

/// A source of credentials that was not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    /// Its word in inventories.
    pub source: String,
    /// Why.
    pub why: String,
}

/// A caller, as the cloud knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The account's number.
    pub account: String,
    /// `acs:ram::…`
    pub arn: String,
    /// `Account`, `RAMUser` or `AssumedRoleUser`.
    pub kind: String,
}

/// An endpoint, and whether it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// `ecs`, `vpc`, `sts`
    pub product: String,
    /// `https://…`
    pub url: String,
    /// It is one that answers inside VPCs.
    pub internal: bool,
    /// How long an answer took, milliseconds; none if there was none.
    pub took_ms: Option<u64>,
}

/// A file or folder that a run needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// What it is.
    pub what: String,
    /// Where.
    pub path: String,
    /// Whether it is there and how.
    pub state: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A run would fail.
    Problem,
    /// A run may go well.
    Warning,
}

/// Something that is wrong, or may become so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, and what to do where that is known.
    pub what: String,
}

impl Finding {
    /// A run would fail.
    #[must_use]
    pub fn problem(what: impl Into<String>) -> Self {
        Self { severity: Severity::Problem, what: what.into() }
    }

    /// A run may go well.
    #[must_use]
    pub fn warning(what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, what: what.into() }
    }
}

impl Checkup {
    /// Whether a run would get as far as its own checks.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        !self.findings.iter().any(|finding| finding.severity == Severity::Problem)
    }

    /// 0 if it is fine, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.is_fine())
    }

    /// Judges what was measured: the clock and the session's end as seen at `now_ms`.
    pub fn judge(&mut self, now_ms: i64) {
        if let Some(ahead) = self.clock_ahead_ms {
            let side = if ahead > 0 { "ahead of" } else { "behind" };
            let off = show::span(ahead.unsigned_abs());
            let what = format!("this machine's clock is {off} {side} the cloud's");
            let cure = "set it by NTP, such as `timedatectl set-ntp true`";
            match ahead.unsigned_abs() {
                SKEW_REFUSED_MS.. => self.findings.push(Finding::problem(format!(
                    "{what}, and requests of a clock 15 minutes off are refused; {cure}"
                ))),
                SKEW_WARNING_MS.. => self.findings.push(Finding::warning(format!(
                    "{what}; requests are refused from 15 minutes on; {cure}"
                ))),
                _ => {}
            }
        }
        let ended = self.credentials.as_ref().and_then(|used| used.expires_ms).filter(|end| *end <= now_ms);
        if ended.is_some() {
            self.findings.push(Finding::problem("the session of the credentials has ended; sign in anew"));
        }
        self.findings.sort_by_key(|finding| finding.severity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_judged_by_how_far_it_is_off() {
        let minute = 60_000;
        for (ahead, wanted) in [
            (0, None),
            (5 * minute - 1, None),
            (5 * minute, Some(Severity::Warning)),
            (-14 * minute, Some(Severity::Warning)),
            (15 * minute, Some(Severity::Problem)),
            (-16 * minute, Some(Severity::Problem)),
            (i64::MIN, Some(Severity::Problem)),
        ] {
            let mut checkup = Checkup { clock_ahead_ms: Some(ahead), ..Checkup::default() };
            checkup.judge(0);
            assert_eq!(checkup.findings.first().map(|finding| finding.severity), wanted, "{ahead}");
            assert_eq!(checkup.is_fine(), wanted != Some(Severity::Problem), "{ahead}");
            let word = if ahead > 0 { " ahead of " } else { " behind " };
            assert!(checkup.findings.iter().all(|finding| finding.what.contains(word)), "{checkup:?}");
        }
    }

    #[test]
    fn a_session_that_has_ended_is_a_problem_and_problems_come_first() {
        let used = Used { source: "uri".into(), origin: "x".into(), expires_ms: Some(1000) };
        let findings = vec![Finding::warning("w")];
        let mut checkup = Checkup { credentials: Some(used), findings, ..Checkup::default() };
        let mut later = checkup.clone();
        checkup.judge(999);
        assert_eq!((checkup.findings.len(), checkup.exit_code()), (1, 0));
        later.judge(1000);
        assert_eq!((later.findings[0].severity, later.exit_code()), (Severity::Problem, 1));
    }
}
