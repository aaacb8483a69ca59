//! Keys that a program prints: the command line's mode `External`.
//!
//! Must never run a shell, and never show what the program printed: it may be a key.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::Keys;
use super::provider::Reach;
use super::session::{Session, Trouble, check, time};
use crate::core::model::Secret;
use crate::core::words::words;

/// Its session keys are renewed when less than this remains, milliseconds.
const MARGIN_MS: i64 = 3 * 60 * 1000;
/// The most that is read of what it prints, bytes.
const MOST: u64 = 64 * 1024;

/// A command. Its words may be secrets: only the profile is ever named.
pub(super) struct External {
    argv: Vec<Secret<String>>,
    /// How messages call it.
    name: String,
}

impl External {
    /// The command of a profile.
    ///
    /// # Errors
    /// A phrase that says what is wrong with it.
    pub(super) fn new(line: &str, name: String) -> Result<Self, String> {
        let words =
            words(line, None).map_err(|what| format!("its process_command cannot be read: {what}"))?;
        let argv: Vec<Secret<String>> = words.into_iter().map(|(_, word)| Secret::new(word)).collect();
        match argv.first() {
            Some(program) if !program.expose().is_empty() => Ok(Self { argv, name }),
            _ => Err("its process_command is empty; name the program that prints the keys".to_owned()),
        }
    }

    pub(super) async fn ask(&self, reach: &Reach<'_>) -> Result<Session, Trouble> {
        let name = &self.name;
        let printed = self.run(reach.tuning.external_timeout).await.map_err(|why| {
            Trouble::broken(format!("the program of {name} {why}; run it by hand to see what it says"))
        })?;
        read(&printed, reach.now_ms)
            .map_err(|what| Trouble::broken(format!("the program of {name} prints {what}")))
    }

    /// What it prints, if it ends well and in time.
    async fn run(&self, limit: Duration) -> Result<Secret<Vec<u8>>, String> {
        let (program, arguments) = self.argv.split_first().ok_or("has no name")?;
        let mut child = Command::new(program.expose())
            .args(arguments.iter().map(Secret::expose))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // It may say what it must not; by hand it can be seen.
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot be started ({error})"))?;
        // All of its group goes when this ends, however it ends: what it has begun may hold the pipe open.
        let _group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        let Some(stdout) = child.stdout.take() else { return Err("cannot be read".to_owned()) };
        let whole = async {
            let printed = capped(stdout).await?;
            let status = child.wait().await.map_err(|error| format!("cannot be waited for ({error})"))?;
            Ok::<_, String>((printed, status))
        };
        let (printed, status) = tokio::time::timeout(limit, whole)
            .await
            .map_err(|_| format!("did not end within {} s", limit.as_secs_f32()))??;
        if status.success() { Ok(printed) } else { Err(ended(status)) }
    }
}

struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Nobody being left in it is what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn capped(from: impl AsyncRead + Unpin) -> Result<Secret<Vec<u8>>, String> {
    let mut bytes = Vec::new();
    let read = from.take(MOST + 1).read_to_end(&mut bytes).await;
    let bytes = Secret::new(bytes);
    read.map_err(|error| format!("cannot be read ({error})"))?;
    if bytes.expose().len() as u64 > MOST {
        Err(format!("printed more than {MOST} bytes"))
    } else {
        Ok(bytes)
    }
}

fn ended(status: ExitStatus) -> String {
    status.code().map_or_else(|| "was killed".to_owned(), |code| format!("ended with exit code {code}"))
}

/// Reads `{"mode", "access_key_id", "access_key_secret", "sts_token", "expiration"}`.
fn read(printed: &Secret<Vec<u8>>, now_ms: i64) -> Result<Session, String> {
    let object: Value = serde_json::from_slice(printed.expose())
        .ok()
        .filter(Value::is_object)
        .ok_or("something that is not a JSON object")?;
    let get = |name: &str| object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let field = |name: &str| get(name).map(str::to_owned).ok_or_else(|| format!("no {name}"));
    let token = match get("mode") {
        Some("AK") => None,
        Some("StsToken") => Some(Secret::new(field("sts_token")?)),
        _ => return Err("keys whose mode is neither AK nor StsToken".to_owned()),
    };
    let keys = Keys { id: field("access_key_id")?, secret: Secret::new(field("access_key_secret")?), token };
    check(&keys)?;
    match object.get("expiration") {
        None | Some(Value::Null) => Ok(Session::lasting(std::sync::Arc::new(keys))),
        Some(end) => {
            let end = end.as_str().and_then(time).ok_or("an expiration that is not a time")?;
            Session::ending(keys, end, MARGIN_MS, now_ms)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_363_200_000;

    fn of(text: &str) -> Result<(String, bool, Option<i64>, i64), String> {
        read(&Secret::new(text.as_bytes().to_vec()), NOW).map(|session| {
            (session.keys.id.clone(), session.keys.token.is_some(), session.expires_ms, session.renew_ms)
        })
    }

    #[test]
    fn what_it_may_print() {
        let plain = r#"{"mode":"AK","access_key_id":"a","access_key_secret":"s","sts_token":""}"#;
        assert_eq!(of(plain), Ok(("a".to_owned(), false, None, i64::MAX)));
        let session = r#"{"mode":"StsToken","access_key_id":"a","access_key_secret":"s","sts_token":"t",
            "expiration":"2026-11-22T17:00:00Z"}"#;
        let end = NOW + 3_600_000;
        assert_eq!(of(session), Ok(("a".to_owned(), true, Some(end), end - 180_000)));
    }

    #[test]
    fn what_it_must_not_print_is_named_and_not_shown() {
        for (text, wanted) in [
            ("", "not a JSON object"),
            ("canary", "not a JSON object"),
            ("[\"canary\"]", "not a JSON object"),
            (r#"{"access_key_id":"canary","access_key_secret":"canary"}"#, "neither AK nor StsToken"),
            (r#"{"mode":"canary","access_key_id":"a","access_key_secret":"canary"}"#, "neither AK nor"),
            (r#"{"mode":"AK","access_key_secret":"canary"}"#, "no access_key_id"),
            (r#"{"mode":"AK","access_key_id":"a","access_key_secret":7}"#, "no access_key_secret"),
            (r#"{"mode":"StsToken","access_key_id":"a","access_key_secret":"canary"}"#, "no sts_token"),
            (r#"{"mode":"AK","access_key_id":"a","access_key_secret":"canary key"}"#, "white space"),
            (
                r#"{"mode":"AK","access_key_id":"a","access_key_secret":"s","expiration":"canary"}"#,
                "not a time",
            ),
            (
                r#"{"mode":"AK","access_key_id":"a","access_key_secret":"s","expiration":"2026-11-22T16:00:00Z"}"#,
                "already ended",
            ),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.contains(wanted) && !error.contains("canary"), "{text}: {error}");
        }
    }
}
