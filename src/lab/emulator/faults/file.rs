//! The fault file: rules that say which calls go wrong, how, when and how often. `docs/lab-faults.md` is its manual.
//!
//! Must never accept what it does not understand: unknown keys, actions and codes are errors with their place.

use serde::Deserialize;

use super::super::actions::ACTIONS;
use super::amount::{Chance, Nth, Span, Time};
use super::codes;
use crate::core::inventory::glob::glob_matches;
use crate::core::near::nearest;

/// What goes wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultFile {
    /// Seed of the dice; the lab's own if absent.
    pub seed: Option<u64>,
    /// How long the transitions last, for all resources.
    pub delays: Delays,
    /// How many there may be.
    pub quotas: Quotas,
    /// What becomes of the `ClientToken` of a request that failed.
    pub failed_tokens: FailedTokens,
    /// Looked at in this order for every call.
    pub rules: Vec<Rule>,
}

/// Durations of transitions; the lab's own where absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delays {
    /// `Attaching`.
    pub attach: Option<Span>,
    /// `Detaching`.
    pub detach: Option<Span>,
    /// `Associating`.
    pub associate: Option<Span>,
    /// `Unassociating`.
    pub unassociate: Option<Span>,
    /// Until the EIP of a conversion appears.
    pub convert: Option<Span>,
    /// A change of charge type.
    pub charge: Option<Span>,
    /// Until `CreateNetworkInterface` answers.
    pub create: Option<Span>,
    /// `Deleting`.
    pub delete: Option<Span>,
}

/// Quotas of the account; the lab's own where absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// EIPs, those of conversions included.
    pub eip: Option<usize>,
    /// Network interfaces, primary ones included.
    pub eni: Option<usize>,
}

/// The fate of a token whose request failed. The vendor's pages do not agree on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedTokens {
    /// It may be used again.
    #[default]
    Forgotten,
    /// It gets the same error again.
    Replayed,
    /// It gets `IdempotentFailed`.
    Refused,
}

/// Reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Calls that only look.
    Reads,
    /// Calls that change something.
    Writes,
}

/// A glob of an action's name that means at least one action.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ActionGlob(pub String);

impl Default for ActionGlob {
    fn default() -> Self {
        Self("*".to_owned())
    }
}

impl TryFrom<String> for ActionGlob {
    type Error = String;

    fn try_from(glob: String) -> Result<Self, String> {
        if ACTIONS.iter().any(|action| glob_matches(&glob, action.name)) {
            return Ok(Self(glob));
        }
        let near = nearest(&glob, ACTIONS.iter().map(|action| action.name));
        Err(match near.first() {
            Some(name) => format!("no action is called {glob:?}; did you mean {name}?"),
            None => format!("no action is called {glob:?}; name one the emulator knows, or use * and ?"),
        })
    }
}

/// Which calls, and what happens to them. Everything that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Shown in the call log; the effect and the rule's number if absent.
    pub name: Option<String>,
    /// The action.
    #[serde(default)]
    pub action: ActionGlob,
    /// Reads or writes only.
    pub kind: Option<Kind>,
    /// Glob of the name of a host that the call is about.
    pub host: Option<String>,
    /// Glob of an id that the call names, or of one that belongs to it.
    pub resource: Option<String>,
    /// Which of the calls that match so far.
    pub nth: Option<Nth>,
    /// Not before this time after the faults began.
    pub from: Option<Time>,
    /// Not after it.
    pub until: Option<Time>,
    /// How likely.
    pub chance: Option<Chance>,
    /// At most so often.
    pub times: Option<u32>,
    /// What happens.
    #[serde(rename = "do")]
    pub effect: Effect,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Refused with a code, without effect.
    Error(Refusal),
    /// Refused beyond so many calls in each span of time.
    Quota(Quota),
    /// No effect; the connection is closed without an answer.
    LostRequest,
    /// The effect happens; the connection is closed without an answer.
    LostAnswer,
    /// No effect; the connection is reset.
    Reset,
    /// Something that is no answer of the API.
    Garbage(Garbage),
    /// Waits before or after the effect.
    Slow(Slow),
    /// A read is answered with what was so a while ago.
    Stale {
        /// How long ago.
        by: Span,
    },
    /// The transition that the call begins lasts so long.
    Takes {
        /// How long.
        time: Span,
    },
    /// The transition that the call begins does not end by itself.
    Stuck(Stuck),
    /// The transition that the call begins ends where it began.
    FallsBack,
    /// What the call creates is not found for a while.
    Hidden {
        /// How long.
        time: Span,
    },
    /// The call is delivered a second time.
    Twice {
        /// How long after the first.
        after: Span,
    },
    /// The answer's list is in another order, another one on every page.
    Shuffled,
}

/// An error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub(super) &'static str);

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawRefusal")]
pub struct Refusal {
    /// `Code`.
    pub code: Code,
    /// HTTP status; the documented one if absent.
    pub status: Option<u16>,
    /// `Message`.
    pub message: Option<String>,
    /// `x-acs-retry-after`.
    pub retry_after: Option<Time>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRefusal {
    code: String,
    status: Option<u16>,
    message: Option<String>,
    retry_after: Option<Time>,
}

impl TryFrom<RawRefusal> for Refusal {
    type Error = String;

    fn try_from(raw: RawRefusal) -> Result<Self, String> {
        let RawRefusal { code, status, message, retry_after } = raw;
        if status.is_some_and(|status| !(300..600).contains(&status)) {
            return Err("status is not that of an error; write one from 300 to 599".to_owned());
        }
        let known = codes::all().find(|known| **known == code);
        let code = match (known, status) {
            (Some(known), _) => Code(known),
            // Codes are constants everywhere else, and a fault file lives about as long as its lab.
            (None, Some(_)) => Code(Box::leak(code.into_boxed_str())),
            (None, None) => {
                let what = format!("the code {code:?} is not documented");
                return Err(match nearest(&code, codes::all()).first() {
                    Some(near) => format!("{what}; did you mean {near}?"),
                    None => format!("{what}; give it a status, such as status: 400"),
                });
            }
        };
        Ok(Self { code, status, message, retry_after })
    }
}

/// So many calls in each span of time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Calls that are let through.
    pub calls: u32,
    /// In each such window.
    pub per: Time,
    /// What the others get.
    #[serde(default)]
    pub error: Option<Refusal>,
}

/// Something that is no answer of the API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Garbage {
    /// HTTP status.
    #[serde(default = "bad_gateway")]
    pub status: u16,
    /// What the body is.
    #[serde(default)]
    pub body: GarbageBody,
    /// The call has its effect.
    #[serde(default)]
    pub effect: bool,
}

const fn bad_gateway() -> u16 {
    502
}

/// What stands where an answer should.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GarbageBody {
    /// A page for people.
    #[default]
    Html,
    /// Nothing.
    Empty,
    /// The first half of a JSON object.
    HalfJson,
    /// JSON, but not an object.
    List,
}

/// Waits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// Before the effect.
    pub request: Option<Span>,
    /// After it.
    pub answer: Option<Span>,
}

/// Until when a transition hangs. For good if nothing is given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stuck {
    /// Until a call about the resource was repeated so often.
    pub repeats: Option<u32>,
    /// For so long.
    pub time: Option<Span>,
}

impl FaultFile {
    /// Reads a fault file; `file` is its name in messages.
    ///
    /// # Errors
    /// One line `file:line:column: what is wrong, and what would be right`.
    pub fn parse(file: &str, text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(text).map_err(|error| {
            let place =
                error.location().map_or_else(String::new, |at| format!("{}:{}:", at.line(), at.column()));
            let message = error.without_snippet().to_string().replace(char::is_control, " ");
            format!("{file}:{place} {message}")
        })
    }
}
