//! Why there is no link: what was reached by then says what is wrong.
//!
//! Must never put text of the peer into a message without [`quoted`].

use russh::AlgorithmKind;

use super::Login;
use crate::ports::{SshError, SshErrorKind};
use crate::ssh::auth::Refusal;
use crate::ssh::failure::{failure, quoted, russh_text, seconds};
use crate::ssh::guard::Broken;
use crate::ssh::retry::{Passing, Setback};
use crate::ssh::vitals::{End, Vitals};

/// The SSH library failed.
pub(super) fn panicked(at: &str) -> SshError {
    failure(
        SshErrorKind::Protocol,
        format!("{at}: the SSH library failed on what the host sent (it panicked)"),
    )
}

/// A login without a host key.
pub(super) fn unproven(at: &str) -> SshError {
    failure(SshErrorKind::Protocol, format!("{at}: it let us in without showing a host key"))
}

/// Patience ended.
pub(super) fn late(at: &str, login: &Login<'_>, vitals: &Vitals) -> SshError {
    let within = seconds(login.patience.within());
    let message = if vitals.host_key().is_some() {
        format!("{at} did not finish the login of {} within {within}", login.who.user)
    } else if vitals.head().is_empty() {
        format!(
            "{at} accepts connections but says nothing within {within}; is it SSH, and is the host overloaded?"
        )
    } else {
        format!("{at} did not finish the key exchange within {within}")
    };
    failure(SshErrorKind::Unreachable, message)
}

/// The connection broke, or we broke it off.
pub(super) fn broken_off(at: &str, login: &Login<'_>, vitals: &Vitals, broken: Broken) -> Setback {
    let error = match broken {
        Broken::Ours(error) => return error.into(),
        Broken::Russh(russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, theirs, .. }) => {
            return login.trust.no_common(at, &theirs).into();
        }
        Broken::Russh(russh::Error::Join(_)) => return panicked(at).into(),
        Broken::Russh(error) => error,
    };
    let head = vitals.head();
    let is_ssh = head.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"SSH-"));
    let parted = matches!(
        error,
        russh::Error::Disconnect
            | russh::Error::HUP
            | russh::Error::IO(_)
            | russh::Error::SendError
            | russh::Error::RecvError
    );
    let (kind, message) = match (vitals.end(), parted) {
        (Some(End::Panic), _) => return panicked(at).into(),
        (Some(End::Goodbye(words)), _) => {
            (SshErrorKind::Unreachable, format!("{at} ended the connection: {}", quoted(words.as_bytes())))
        }
        (_, true) if head.is_empty() => (
            SshErrorKind::Unreachable,
            format!(
                "{at} closed the connection without a word; is it SSH, and does it admit us (MaxStartups, penalties)?"
            ),
        ),
        (_, true) if !is_ssh => {
            (SshErrorKind::Unreachable, format!("{at} said {} and closed the connection", quoted(&head)))
        }
        (_, true) => {
            (SshErrorKind::Unreachable, format!("{at} closed the connection before the login was done"))
        }
        (_, false) if !is_ssh => {
            (SshErrorKind::Protocol, format!("{at} does not speak SSH; it said {}", quoted(&head)))
        }
        (_, false) => (SshErrorKind::Protocol, format!("{at}: SSH failed: {}", russh_text(&error))),
    };
    let error = failure(kind, message);
    // A host that has proven its key may have seen a credential. Of other words than SSH's, only those of an sshd that has
    // too many at its door pass; "Not allowed at this time", a penalty for our address, means minutes.
    let may_pass = head.is_empty() || is_ssh || head.starts_with(b"Exceeded MaxStartups");
    if kind == SshErrorKind::Unreachable && vitals.host_key().is_none() && may_pass {
        Setback::passing(Passing::Dropped, error)
    } else {
        error.into()
    }
}

/// The host said no, or left during the login.
pub(super) fn refused(
    at: &str,
    login: &Login<'_>,
    vitals: &Vitals,
    is_closed: bool,
    refusal: &Refusal,
) -> SshError {
    let user = &login.who.user;
    let message = match vitals.end() {
        Some(End::Panic) => return panicked(at),
        Some(End::Goodbye(words)) => {
            format!("{at}: {user} with {} was sent away: {}", refusal.tried(), quoted(words.as_bytes()))
        }
        // russh reports a connection that broke during the login as a refusal without methods.
        Some(End::Lost(why)) if refusal.is_silent() && is_closed => {
            return failure(
                SshErrorKind::Unreachable,
                format!("{at} closed the connection during the login of {user}: {why}"),
            );
        }
        Some(End::Violation(why)) => {
            return failure(SshErrorKind::Protocol, format!("{at}: SSH failed during the login: {why}"));
        }
        _ => refusal.text(at, user),
    };
    failure(SshErrorKind::Auth, message)
}
