//! Colours: when they are wanted, and what they are for. The words and signs of a text say the same without them.

use std::borrow::Cow;
use std::env;

use crate::core::report::OutcomeKind;

/// `--color`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, and as `NO_COLOR`, `CLICOLOR_FORCE` and `FORCE_COLOR` say
    #[default]
    Auto,
    /// In any case
    Always,
    /// In no case
    Never,
}

/// What the environment says about the terminal.
#[derive(Debug, Default)]
pub(super) struct Variables {
    no_color: bool,
    force: bool,
    /// `TERM=dumb`: no cursor to move.
    pub(super) dumb: bool,
}

impl Variables {
    pub(super) fn read() -> Self {
        Self::of(|name| env::var_os(name).and_then(|value| value.into_string().ok()))
    }

    /// A variable that is empty counts as not set; `0` takes a force back.
    fn of(get: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| get(name).is_some_and(|value| !value.is_empty());
        let force = |name| get(name).is_some_and(|value| !value.is_empty() && value != "0");
        Self {
            no_color: set("NO_COLOR"),
            force: force("CLICOLOR_FORCE") || force("FORCE_COLOR"),
            dumb: get("TERM").is_some_and(|term| term == "dumb"),
        }
    }
}

/// Whether a stream gets colours: the option wins, then `NO_COLOR`, then a force, then what the stream is.
pub(super) const fn wanted(color: Color, variables: &Variables, terminal: bool) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if variables.no_color => false,
        Color::Auto if variables.force => true,
        Color::Auto => terminal && !variables.dumb,
    }
}

/// What a colour is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Fine, or to be added.
    Good,
    /// Changed, or to be changed.
    Changed,
    /// Failed, or to be removed.
    Bad,
    /// Could not be reached, or a human is needed.
    Alarm,
    /// Left out.
    Skipped,
    /// Less important than what stands beside it.
    Faint,
}

impl Role {
    /// The role of a host's end.
    #[must_use]
    pub const fn of(kind: OutcomeKind) -> Self {
        match kind {
            OutcomeKind::Ok => Self::Good,
            OutcomeKind::Changed => Self::Changed,
            OutcomeKind::Reverted | OutcomeKind::Failed => Self::Bad,
            OutcomeKind::Unreachable | OutcomeKind::Unknown => Self::Alarm,
            OutcomeKind::Refused | OutcomeKind::Skipped | OutcomeKind::Stale | OutcomeKind::Locked => {
                Self::Skipped
            }
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Changed => "33",
            Self::Bad => "31",
            Self::Alarm => "1;31",
            Self::Skipped => "36",
            Self::Faint => "2",
        }
    }
}

/// Colours text for one stream, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub struct Painter {
    on: bool,
}

impl Painter {
    pub(super) const fn new(on: bool) -> Self {
        Self { on }
    }

    /// The text in the role's colour.
    #[must_use]
    pub fn paint<'a>(&self, role: Role, text: &'a str) -> Cow<'a, str> {
        if self.on && !text.is_empty() {
            Cow::Owned(format!("\u{1b}[{}m{text}\u{1b}[0m", role.code()))
        } else {
            Cow::Borrowed(text)
        }
    }

    /// A text of several lines, each coloured by the sign it begins with: `+` added, `~` changed, `-` removed, and the
    /// signs of [`OutcomeKind`] that are none of these.
    #[must_use]
    pub fn signs(&self, text: &str) -> String {
        let lines = text.split_inclusive('\n').map(|line| {
            let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
            let role = match line.trim_start().split_once(' ').map(|(sign, _)| sign) {
                Some("+" | "=") => Some(Role::Good),
                Some("~" | "-/+") => Some(Role::Changed),
                Some("-" | "x" | "<") => Some(Role::Bad),
                Some("!" | "?") => Some(Role::Alarm),
                _ => None,
            };
            role.map_or(Cow::Borrowed(line), |role| self.paint(role, line)) + end
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(set: &[(&str, &str)]) -> Variables {
        Variables::of(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_option_wins_then_no_color_then_force_then_the_terminal() {
        let nothing = variables(&[]);
        assert!(wanted(Color::Auto, &nothing, true) && !wanted(Color::Auto, &nothing, false));
        let both = variables(&[("NO_COLOR", "1"), ("FORCE_COLOR", "1")]);
        assert!(!wanted(Color::Auto, &both, true) && wanted(Color::Always, &both, false));
        assert!(!wanted(Color::Never, &variables(&[("FORCE_COLOR", "1")]), true));
        for name in ["CLICOLOR_FORCE", "FORCE_COLOR"] {
            assert!(wanted(Color::Auto, &variables(&[(name, "1")]), false), "{name}");
            assert!(!wanted(Color::Auto, &variables(&[(name, "0")]), false), "{name}=0");
        }
        assert!(wanted(Color::Auto, &variables(&[("NO_COLOR", "")]), true), "an empty NO_COLOR says nothing");
        assert!(!wanted(Color::Auto, &variables(&[("TERM", "dumb")]), true));
    }

    #[test]
    fn lines_take_the_colour_of_their_sign() {
        let text = "plan\n  + add\n  ~ edit\nno sign\n- gone";
        assert_eq!(Painter::new(false).signs(text), text);
        assert_eq!(
            Painter::new(true).signs(text),
            "plan\n\u{1b}[32m  + add\u{1b}[0m\n\u{1b}[33m  ~ edit\u{1b}[0m\nno sign\n\u{1b}[31m- gone\u{1b}[0m"
        );
    }
}
