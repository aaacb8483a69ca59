//! Why a login was refused: what we tried, what the host offers, what to do.
//!
//! Must never name a way that was not tried as if it had been.

use russh::{MethodKind, MethodSet};

use super::Way;

/// A login that did not succeed.
#[derive(Debug, Default)]
pub(in crate::ssh) struct Refusal {
    tried: Vec<Tried>,
    /// What the host takes; `None` if it has not said.
    offers: Option<MethodSet>,
}

#[derive(Debug)]
struct Tried {
    shown: String,
    kind: MethodKind,
    sort: Sort,
    verdict: Verdict,
}

/// What a way to log in rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// A public key.
    Key,
    /// A certificate of one.
    Certificate,
    /// Something that is told.
    Told,
}

/// What became of one way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ssh) enum Verdict {
    /// The host said no.
    Refused,
    /// The host said yes, and wants more.
    Taken,
    /// It takes RSA keys only with SHA-1 signatures.
    Sha1Only,
    /// It asks what only a person could answer.
    AsksPerson,
    /// It asks without end.
    AsksTooMuch,
}

impl Refusal {
    /// The host said what it takes from now on.
    pub(super) fn offers(&mut self, methods: &MethodSet) {
        self.offers = Some(methods.clone());
    }

    /// A way was tried.
    pub(super) fn note(&mut self, way: &Way, verdict: Verdict) {
        self.tried.push(Tried { shown: way.shown(), kind: way.kind(), sort: way.sort(), verdict });
    }

    /// Whether the host may take a way of this kind, as far as it has said.
    pub(super) fn is_open_to(&self, kind: MethodKind) -> bool {
        self.offers.as_ref().is_none_or(|offers| offers.contains(&kind))
    }

    /// What was tried.
    pub(in crate::ssh) fn tried(&self) -> String {
        let tried: Vec<_> = self.tried.iter().map(|tried| tried.shown.as_str()).collect();
        tried.join(", then ")
    }

    /// Whether the host said nothing at all, as when it is gone.
    pub(in crate::ssh) fn is_silent(&self) -> bool {
        self.offers.as_ref().is_none_or(|offers| offers.is_empty())
    }

    /// One sentence for people: `at` refused `user`.
    pub(in crate::ssh) fn text(&self, at: &str, user: &str) -> String {
        let offers = self.offers.iter().flat_map(|offers| offers.iter());
        let offers = offers.map(<&str>::from).collect::<Vec<_>>().join(", ");
        let Some(last) = self.tried.last() else {
            let offers = if offers.is_empty() { "nothing".to_owned() } else { offers };
            return format!("{at} takes none of the ways in which {user} can log in (it offers: {offers})");
        };
        let tried = self.tried();
        match last.verdict {
            Verdict::Sha1Only => format!(
                "{at}: its sshd takes RSA keys only with SHA-1 signatures, which are not safe; use an ed25519 key ({})",
                last.shown
            ),
            Verdict::AsksPerson => format!(
                "{at}: it asks {user} for more than a password, which nobody can answer for a fleet; use a key, or ask \
                 for a second factor at the jump host only"
            ),
            Verdict::AsksTooMuch => format!("{at} asks {user} one question after the other, and was left"),
            Verdict::Taken => format!(
                "{at}: it took {} of {user} but wants more than {} ({offers}), and no other way was given",
                if self.tried.len() == 1 && last.sort == Sort::Key { "the key" } else { &tried },
                if last.sort == Sort::Told { "that" } else { "a key" },
            ),
            Verdict::Refused if offers.is_empty() => format!("{at} refused {user} with {tried}"),
            Verdict::Refused => {
                let hint = match last.sort {
                    _ if !self.is_open_to(last.kind) => "no way that it offers was given".to_owned(),
                    Sort::Key => format!("is this the key in ~{user}/.ssh/authorized_keys there?"),
                    Sort::Certificate => {
                        "does it trust the authority that signed it, and is it valid now and for this name?"
                            .to_owned()
                    }
                    Sort::Told => "it was not tried again, so that nobody is locked out".to_owned(),
                };
                format!("{at} refused {user} with {tried} (it offers: {offers}); {hint}")
            }
        }
    }
}
