//! Reading typed values out of the tree; whatever does not fit becomes a mistake and the reading goes on.
//!
//! Every method returns `None` only after it has recorded why.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::mistake::{Collector, Pos};
use super::node::{Entry, Node, Value, is_number};
use super::words::{shown, suggest};
use super::{Context, Need};

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found<T> {
    pub(super) at: Pos,
    pub(super) value: T,
}

/// The entries of a mapping whose keys are all known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'n> {
    pub(super) at: Pos,
    entries: &'n [Entry],
}

impl<'n> Fields<'n> {
    /// The value of `key`, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &*entry.value)
    }
}

/// Where mistakes go, and what is known from outside the text.
#[derive(Debug)]
pub(super) struct Reader<'c, 't> {
    pub(super) collector: &'c mut Collector<'t>,
    pub(super) context: &'c Context,
    pub(super) need: Need,
    /// Hosts without an address are looked up by their names.
    pub(super) by_name: bool,
}

impl Reader<'_, '_> {
    /// Records that `label` is not what was expected, saying what it is.
    pub(super) fn wrong(&mut self, node: &Node, label: &str, expected: &str) {
        let what = match &node.value {
            Value::Null => "empty".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Text(text) => shown(text),
            Value::Number(text) => format!("the number {}", cut(text)),
            Value::Bool(value) => format!("the truth value {value}"),
        };
        self.collector.add(node.at, format!("{label} is {what}"), format!("expected {expected}"));
    }

    /// The entries of a mapping; unknown keys are mistakes.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, label: &str, known: &[&str]) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            self.wrong(node, label, &format!("a mapping with {}", known.join(", ")));
            return None;
        };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let cure = match entry.key.as_str() {
                "<<" => "merge keys are not supported: put what hosts share into a group".to_owned(),
                key => suggest(key, known.iter().copied()),
            };
            self.collector.add(entry.key_at, format!("unknown key {} in {label}", shown(&entry.key)), cure);
        }
        Some(Fields { at: node.at, entries })
    }

    /// The entries of a mapping whose keys are names given by the user.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, label: &str, expected: &str) -> &'n [Entry] {
        if let Value::Map(entries) = &node.value {
            entries
        } else {
            self.wrong(node, label, expected);
            &[]
        }
    }

    /// The value of `key` by `read`, with its place.
    pub(super) fn found<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        read: impl FnOnce(&mut Self, &Node) -> Option<T>,
    ) -> Option<Found<T>> {
        let node = fields.get(key)?;
        read(self, node).map(|value| Found { at: node.at, value })
    }

    /// A text that passes `check`, which says what it would have accepted.
    pub(super) fn text<T>(
        &mut self,
        node: &Node,
        label: &str,
        expected: &str,
        check: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        match &node.value {
            Value::Text(text) => match check(text) {
                Ok(value) => Some(value),
                Err(expected) => {
                    self.wrong(node, label, &expected);
                    None
                }
            },
            Value::Number(text) if check(text).is_ok() => {
                self.wrong(
                    node,
                    label,
                    &format!("{expected}; if this is meant, in quotes: \"{}\"", cut(text)),
                );
                None
            }
            _ => {
                self.wrong(node, label, expected);
                None
            }
        }
    }

    /// A whole decimal number within `range`.
    pub(super) fn number(
        &mut self,
        node: &Node,
        label: &str,
        range: RangeInclusive<u32>,
        expected: &str,
    ) -> Option<u32> {
        match &node.value {
            Value::Number(text) => {
                let digits =
                    text.bytes().all(|b| b.is_ascii_digit()) && !(text.len() > 1 && text.starts_with('0'));
                let number = text.parse().ok().filter(|number| digits && range.contains(number));
                if number.is_none() {
                    self.wrong(node, label, expected);
                }
                number
            }
            Value::Text(text) if is_number(text) => {
                self.wrong(node, label, &format!("{expected}, without quotes"));
                None
            }
            _ => {
                self.wrong(node, label, expected);
                None
            }
        }
    }

    /// `true` or `false` and nothing else.
    pub(super) fn boolean(&mut self, node: &Node, label: &str) -> Option<bool> {
        match &node.value {
            Value::Bool(value) => return Some(*value),
            Value::Text(text) => match text.to_lowercase().as_str() {
                "yes" | "on" | "y" => self.wrong(node, label, "true (YAML 1.2 knows only true and false)"),
                "no" | "off" | "n" => self.wrong(node, label, "false (YAML 1.2 knows only true and false)"),
                word @ ("true" | "false") => {
                    self.wrong(node, label, &format!("{word}, small and without quotes"));
                }
                _ => self.wrong(node, label, "true or false"),
            },
            _ => self.wrong(node, label, "true or false"),
        }
        None
    }

    /// The items of a list that `read` could read.
    pub(super) fn list<T>(
        &mut self,
        node: &Node,
        label: &str,
        expected: &str,
        mut read: impl FnMut(&mut Self, &Node, &str) -> Option<T>,
    ) -> Option<Vec<Found<T>>> {
        let Value::List(items) = &node.value else {
            self.wrong(node, label, expected);
            return None;
        };
        let mut found = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if let Some(value) = read(self, item, &format!("{label}[{index}]")) {
                found.push(Found { at: item.at, value });
            }
        }
        Some(found)
    }

    /// Records every item of a list that is there a second time.
    pub(super) fn refuse_repeats<T: Ord>(&mut self, items: &[Found<T>], label: &str) {
        let mut first = BTreeMap::new();
        for item in items {
            // Not by place alone: two aliases of one value have the same.
            if let Some(place) = first.get(&item.value) {
                let message = format!("{label} has this value twice, first at {place}");
                self.collector.add(item.at, message, "expected each value once");
            } else {
                first.insert(&item.value, item.at);
            }
        }
    }
}

/// A number as written; only its length can be a nuisance.
fn cut(number: &str) -> String {
    number.chars().take(40).collect()
}
