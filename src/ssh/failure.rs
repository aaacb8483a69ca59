//! How failures are said: one constructor per kind, and the words for what TCP and russh report.
//!
//! Must never put text of the peer into a message without [`quoted`].

use std::io;
use std::time::Duration;

use super::retry::{Passing, Setback};
use crate::core::text::clean_line;
use crate::ports::{SshError, SshErrorKind};

/// An error of `kind`.
pub(super) fn failure(kind: SshErrorKind, message: impl Into<String>) -> SshError {
    SshError { kind, message: message.into() }
}

/// Something on our side.
pub(super) fn local(message: impl Into<String>) -> SshError {
    failure(SshErrorKind::Local, message)
}

/// The peer's own words, harmless and short.
pub(super) fn quoted(text: &[u8]) -> String {
    format!("\"{}\"", clean_line(text, 200))
}

/// A duration as people say it.
pub(super) fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// Why a TCP connection to `at` could not be made.
pub(super) fn tcp(at: &str, error: &io::Error, after: Duration) -> Setback {
    use io::ErrorKind as Kind;
    const TOO_MANY_FILES: [i32; 2] = [23, 24]; // ENFILE, EMFILE
    let after = seconds(after);
    if error.raw_os_error().is_some_and(|code| TOO_MANY_FILES.contains(&code)) {
        return local(
            "too many open files on this machine; raise `ulimit -n` or work on fewer hosts at once",
        )
        .into();
    }
    let (message, passing) = match error.kind() {
        Kind::ConnectionRefused => (
            format!("{at} refused the connection after {after}; is sshd running, and on this port?"),
            Some(Passing::Refused),
        ),
        Kind::HostUnreachable | Kind::NetworkUnreachable => {
            (format!("{at} cannot be reached: {error}; check the route from here"), Some(Passing::Unsettled))
        }
        kind => (
            format!("no TCP connection to {at} after {after}: {error}"),
            (kind == Kind::ConnectionReset).then_some(Passing::Unsettled),
        ),
    };
    let error = failure(SshErrorKind::Unreachable, message);
    match passing {
        Some(passing) => Setback::passing(passing, error),
        None => error.into(),
    }
}

/// No TCP connection to `at` in time.
pub(super) fn no_answer(at: &str, within: Duration) -> SshError {
    let within = seconds(within);
    failure(
        SshErrorKind::Unreachable,
        format!("no answer from {at} within {within}; is the host up, and does its security group admit us?"),
    )
}

/// What a russh error says, without the peer's text in raw form.
pub(super) fn russh_text(error: &russh::Error) -> String {
    clean_line(error.to_string().as_bytes(), 200)
}
