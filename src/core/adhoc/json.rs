//! Answers as one JSON document.
//!
//! Must never lose a byte of what a host said, and never hold a character that a terminal would act on.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::{Answer, Exit, Said};
use crate::core::model::HostName;
use crate::core::report::OutcomeKind;
use crate::core::text::is_harmful;

/// Version of the document. A field more does not change it; another meaning or a field less does.
const SCHEMA_VERSION: u32 = 1;

impl Said {
    /// The fields of a command's answer: `stdout` and `stderr` as text, or as `stdout_base64` where they are none.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        for (name, bytes) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            match std::str::from_utf8(bytes) {
                Ok(text) => fields.insert(name.to_owned(), text.into()),
                Err(_) => fields.insert(format!("{name}_base64"), data_encoding::BASE64.encode(bytes).into()),
            };
        }
        match &self.exit {
            Exit::Code(code) => fields.insert("exit_code".to_owned(), (*code).into()),
            Exit::Signal(name) => fields.insert("signal".to_owned(), name.as_str().into()),
        };
        fields.insert("truncated".to_owned(), self.truncated.into());
        fields
    }
}

/// `{"schema_version":1,"verb":…,"hosts":[{"name":…,"outcome":…,"ms":…,…}]}`, indented, with a final line break; with
/// `"connection_lost":true` where the connection broke after the login. `fields` adds what the verb knows of a host.
pub fn to_json<T>(
    verb: &str,
    answers: &[Answer<T>],
    fields: impl Fn(&HostName, &T) -> Map<String, Value>,
) -> String {
    let host = |answer: &Answer<T>| {
        let mut host = Map::new();
        host.insert("name".to_owned(), answer.host.as_str().into());
        host.insert("outcome".to_owned(), OutcomeKind::of(&answer.outcome).label().into());
        if let Some(reason) = answer.outcome.reason() {
            host.insert("reason".to_owned(), reason.into());
        }
        if answer.is_lost {
            host.insert("connection_lost".to_owned(), true.into());
        }
        host.insert("ms".to_owned(), answer.ms.into());
        host.extend(answer.value.iter().flat_map(|value| fields(&answer.host, value)));
        Value::Object(host)
    };
    let document = serde_json::json!({
        "schema_version": SCHEMA_VERSION,
        "verb": verb,
        "hosts": answers.iter().map(host).collect::<Vec<_>>(),
    });
    // Outside of its texts a document has line breaks and nothing else of the kind.
    let mut out = String::new();
    for c in format!("{document:#}\n").chars() {
        if is_harmful(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::HostOutcome;

    #[test]
    fn nothing_is_lost_and_nothing_is_harmful() {
        let text = "a\u{1b}[2J\u{9b}31m\u{202e}\u{e0001}\n\"ä";
        let said = Said {
            stdout: text.into(),
            stderr: vec![0xff, 0],
            exit: Exit::Signal("KILL".to_owned()),
            truncated: true,
        };
        let outcome = said.exit.outcome();
        let answers = [
            Answer { host: "a".parse().unwrap(), outcome, is_lost: false, ms: 7, value: Some(said) },
            Answer {
                host: "b".parse().unwrap(),
                outcome: HostOutcome::Unreachable("gone".to_owned()),
                is_lost: true,
                ms: 1,
                value: None,
            },
        ];
        let json = to_json("run", &answers, |_, said| said.fields());
        assert!(!json.chars().any(is_harmful), "{json}");
        let read: Value = serde_json::from_str(&json).unwrap();
        let expected = serde_json::json!({"schema_version": 1, "verb": "run", "hosts": [
            {"name": "a", "outcome": "failed", "reason": "ended by signal KILL", "ms": 7, "stdout": text,
             "stderr_base64": "/wA=", "signal": "KILL", "truncated": true},
            {"name": "b", "outcome": "unreachable", "reason": "gone", "connection_lost": true, "ms": 1},
        ]});
        assert_eq!(read, expected);
    }
}
