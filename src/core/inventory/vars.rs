//! Values for templates of files: what `vars` says in an inventory, or a file of them.
//!
//! Must never nest or grow without bound: a value is a text, a number, a truth value or a list of these.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::mistake::{Collector, Mistakes};
use super::node::{self, Node, Value};
use super::read::Reader;
use super::words::shown;
use super::{Context, Need};

/// Values by name.
pub(super) type Variables = BTreeMap<String, Json>;

/// Names in one mapping, and items in one list.
const MOST: usize = 1000;
const EXPECTED: &str =
    "a mapping of at most 1000 names to a text, a number, true, false or a list of at most 1000 of these";

/// Whether a template can ask for it by this name.
pub(super) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.len() <= 128
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Reads a file of values, YAML or JSON; `file` is how mistakes name it.
///
/// # Errors
/// All mistakes that could be found.
pub fn variables(file: &str, text: &str) -> Result<BTreeMap<String, Json>, Mistakes> {
    let mut collector = Collector::new(file, text);
    let context = Context::default();
    let read = node::tree(text, node::Tags::Refused, &mut collector).map(|root| {
        let mut reader =
            Reader { collector: &mut collector, context: &context, need: Need::Logins, by_name: false };
        reader.variables(&root, "the file")
    });
    match collector.finish() {
        Some(mistakes) => Err(mistakes),
        None => Ok(read.unwrap_or_default()),
    }
}

impl Reader<'_, '_> {
    /// The values of a mapping.
    pub(super) fn variables(&mut self, node: &Node, label: &str) -> Variables {
        let mut all = Variables::new();
        for (number, entry) in self.entries(node, label, EXPECTED).iter().enumerate() {
            if number >= MOST {
                self.collector.add(
                    entry.key_at,
                    format!("{label} has too many names"),
                    format!("expected {EXPECTED}"),
                );
                break;
            }
            if !is_variable(&entry.key) {
                let message = format!("{label} names {}", shown(&entry.key));
                let expected = "expected letters, digits and _, no digit first, at most 128 of them";
                self.collector.add(entry.key_at, message, expected);
            } else if let Some(value) = self.value_of(&entry.value, &entry.key) {
                all.insert(entry.key.clone(), value);
            }
        }
        all
    }

    fn value_of(&mut self, node: &Node, name: &str) -> Option<Json> {
        let found = match &node.value {
            Value::List(items) if items.len() <= MOST => {
                items.iter().map(|item| scalar(item)).collect::<Option<Vec<_>>>().map(Json::Array)
            }
            _ => scalar(node),
        };
        if found.is_none() {
            let expected = "a text, a number, true, false, or a list of at most 1000 of these";
            self.wrong(node, &format!("variable {}", shown(name)), expected);
        }
        found
    }
}

fn scalar(node: &Node) -> Option<Json> {
    match &node.value {
        Value::Text(text) => Some(Json::from(text.as_str())),
        // As it is written, 1.10 and 0644 too.
        Value::Number(text) => match text.parse::<i64>() {
            Ok(number) if number.to_string() == *text => Some(Json::from(number)),
            _ => Some(Json::from(text.as_str())),
        },
        Value::Bool(value) => Some(Json::from(*value)),
        Value::Null | Value::Map(_) | Value::List(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_as_they_are_written() {
        let text = "a: x y\nb: 12\nc: 1.10\nd: 0644\ne: true\nf: [1, two, false]\n_g: \"12\"\n";
        let read = serde_json::to_value(variables("v.yaml", text).unwrap()).unwrap();
        let expected = serde_json::json!({
            "a": "x y", "b": 12, "c": "1.10", "d": "0644", "e": true, "f": [1, "two", false], "_g": "12"
        });
        assert_eq!(read, expected);
        assert_eq!(variables("v.json", "{\"a\": \"b\"}").unwrap()["a"], "b");
    }

    #[test]
    fn what_is_no_value_is_a_mistake_with_its_place() {
        for text in [
            "- a",
            "a:\n",
            "x: 1\na-b: 1",
            "x: 1\na: {b: c}",
            "x: 1\na: [[1]]",
            "x: 1\n1a: 2",
            "x: 1\na: !t 1",
        ] {
            let mistakes = variables("v.yaml", text).unwrap_err().to_string();
            let line = if text.starts_with('x') { "v.yaml:2:" } else { "v.yaml:1:" };
            assert!(mistakes.starts_with(line), "{text}: {mistakes}");
        }
        let many: String = (0..=MOST).map(|n| format!("v{n}: 1\n")).collect();
        assert!(variables("v.yaml", &many).is_err());
    }
}
