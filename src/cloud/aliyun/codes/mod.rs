//! Every error code of the vendor that is known, what it means, and what is done about it: one closed table.
//!
//! Decided on the `Code`, never on the HTTP status: the same situation has had different statuses over the years.
//! Codes carry the vendor's misspellings. Must never guess: a code that is not here refuses the host.

mod table;

use std::fmt::Write;

use super::classify::Then;

/// What an error code does to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Nothing is wrong with the wish: the call is made again, with growing pauses.
    RetryNow,
    /// The state of something does not allow it yet: looked at, waited for, tried again with another token.
    WaitForState,
    /// This host cannot be changed as planned: it stops here and is taken back; the others go on.
    RefuseHost,
    /// The account, the credentials or the permissions are wrong: no other host begins.
    StopRun,
    /// As for [`Class::RefuseHost`], and only a person can remove the cause: money, locks, quotas, orders.
    Human,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::RetryNow, Self::WaitForState, Self::RefuseHost, Self::StopRun, Self::Human];

    /// In words.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::RetryNow => "retry now",
            Self::WaitForState => "wait for a state",
            Self::RefuseHost => "refuse host",
            Self::StopRun => "stop run",
            Self::Human => "human",
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) code: &'static str,
    /// The only action it holds for, where the same code means something else elsewhere.
    pub(super) action: Option<&'static str>,
    pub(super) class: Class,
    pub(super) then: Then,
    pub(super) means: &'static str,
    pub(super) fix: &'static str,
}

/// The row for a code that an action met; `None` if the code is not known.
pub(super) fn find(action: &str, code: &str) -> Option<&'static Row> {
    let of = |action: Option<&str>, code: &str| {
        table::ROWS.iter().find(|row| row.code == code && row.action == action)
    };
    let exact = of(Some(action), code).or_else(|| of(None, code));
    // Families: what is behind the dot only says which limit, or whose state, it is.
    let family = || {
        let name = ["Throttling", "IncorrectStatus"].into_iter().find(|name| code.starts_with(name))?;
        of(None, name)
    };
    exact.or_else(family)
}

const fn outcome(then: Then) -> &'static str {
    match then {
        Then::Stop => "not tried again",
        Then::Look => "looked at: if it is so already, it is done; else not tried again",
        Then::Later => "looked at; if it is not so yet, tried again with another token",
        Then::Throttled => "tried again with the same token, after what the server asks for",
        Then::Slow => "tried again with the same token, every five minutes",
        Then::Repeat => {
            "outcome unknown: looked at, and only the same token is sent again; without one nothing is"
        }
        Then::Fresh => "tried again with another token",
        Then::Renew => "credentials renewed, tried again once",
    }
}

/// What a code means, what is done about it and what a person can do, as text; `None` if the code is not known.
#[must_use]
pub fn explain(code: &str) -> Option<String> {
    let rows: Vec<&Row> = table::ROWS.iter().filter(|row| row.code == code).collect();
    let rows = if rows.is_empty() { find("", code).into_iter().collect() } else { rows };
    let mut text = String::new();
    for row in &rows {
        let on = row.action.map_or_else(String::new, |action| format!(" (of {action})"));
        let _ = writeln!(text, "{code}{on}: {}", row.class.label());
        let _ = writeln!(text, "  means:     {}", row.means);
        let _ = writeln!(text, "  egressctl: {}", outcome(row.then));
        let _ = writeln!(text, "  you:       {}", if row.fix.is_empty() { "nothing" } else { row.fix });
    }
    (!rows.is_empty()).then_some(text)
}

/// All codes, in order.
pub fn all() -> impl Iterator<Item = &'static str> {
    table::ROWS.iter().map(|row| row.code)
}

/// The table as a page for people.
#[must_use]
pub fn page() -> String {
    let mut rows: Vec<&Row> = table::ROWS.iter().collect();
    rows.sort_by_key(|row| (row.class, row.code, row.action));
    let mut text = String::from(
        "# Error codes of the cloud\n\n\
         What egressctl does about every error code it knows, decided on the code and never on the HTTP status. A code that is\n\
         not here refuses the host and shows the vendor's message and `RequestId`; one that ends in `.NotFound` means that what\n\
         is named does not exist. `egressctl explain CODE` prints a row. Something created less than a minute ago may be\n\
         \"not found\" for a while: that is waited out, whatever the row says. This page is made from `src/cloud/aliyun/codes`\n\
         (`EGRESSCTL_BLESS=1 cargo test --lib codes`).\n",
    );
    for class in Class::ALL {
        let _ =
            write!(text, "\n## {}\n\n| code | means | egressctl | you |\n|---|---|---|---|\n", class.label());
        for row in rows.iter().filter(|row| row.class == class) {
            let on = row.action.map_or_else(String::new, |action| format!(" of {action}"));
            let (code, then) = (row.code, outcome(row.then));
            let _ = writeln!(text, "| `{code}`{on} | {} | {then} | {} |", row.means, row.fix);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_code_is_there_twice_and_every_row_says_something() {
        let mut seen = BTreeSet::new();
        for row in table::ROWS {
            assert!(seen.insert((row.code, row.action)), "{} twice", row.code);
            assert!(!row.means.is_empty() && !row.means.contains('|'), "{}", row.code);
            let retried = matches!(row.class, Class::RetryNow | Class::WaitForState);
            assert_eq!(retried, !matches!(row.then, Then::Stop | Then::Look), "{}", row.code);
            assert!(
                retried || row.then == Then::Look || !row.fix.is_empty(),
                "{} without a way out",
                row.code
            );
        }
    }

    #[test]
    fn codes_are_explained_and_unknown_ones_are_not() {
        let text = explain("MaxEIPQuotaExceeded").unwrap();
        assert!(text.contains("human") && text.contains("Quota Center"), "{text}");
        assert!(explain("Throttling.SomethingNew").unwrap().contains("retry now"));
        assert_eq!(explain("Throttling").unwrap().matches("means:").count(), 2);
        assert_eq!(explain("SomethingNew"), None);
    }

    #[test]
    fn the_page_is_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");
        if std::env::var_os("EGRESSCTL_BLESS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), page(), "EGRESSCTL_BLESS=1 writes docs/errors.md");
    }
}
