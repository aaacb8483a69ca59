//! The text as a small tree in which everything knows its place, so that the reading can go on after a mistake.
//!
//! Uses the event parser that serde-saphyr is built on: deserializing would stop at the first mistake and forget how a
//! value was written. Must never expand an alias (it is a shared reference, so a "bomb" stays as small as its text) and
//! never build a tree deeper than [`MOST_DEPTH`].

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use serde_saphyr::granit_parser::{Event, Marker, Options, Parser, ScalarStyle, Tag};

use super::mistake::{Collector, Pos};
use super::words::shown;

/// Nesting that no inventory needs; aliases count with what they refer to.
const MOST_DEPTH: usize = 32;
/// Keys, values and containers in one inventory; about 20 per host are usual.
const MOST_NODES: usize = 1_000_000;

/// A value and where it starts.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Pos,
    pub(super) value: Value,
    /// Containers below and including this one.
    depth: usize,
}

impl Node {
    /// A value that no text was parsed for; it is nested no deeper than what it was made from.
    pub(super) fn new(at: Pos, value: Value) -> Rc<Self> {
        Rc::new(Self { at, value, depth: 0 })
    }
}

/// A YAML value by the core schema of YAML 1.2, numbers still as written.
#[derive(Debug)]
pub(super) enum Value {
    Map(Vec<Entry>),
    List(Vec<Rc<Node>>),
    Text(String),
    Number(String),
    Bool(bool),
    Null,
}

/// One `key: value`. Keys are unique in their mapping.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_at: Pos,
    pub(super) value: Rc<Node>,
}

/// What a mapping waits for.
enum Key {
    Wanted,
    Has(String, Pos),
    /// The key was a mistake, so its value is dropped.
    Refused,
}

/// A container that is being filled.
enum Open {
    Map { entries: Vec<Entry>, places: HashMap<String, Pos>, key: Key },
    List(Vec<Rc<Node>>),
}

struct Frame {
    at: Pos,
    anchor: usize,
    depth: usize,
    open: Open,
}

/// What becomes of tags (`!vault`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tags {
    /// Each is a mistake.
    Refused,
    /// They are not looked at.
    Ignored,
}

/// Why the building ended early; the mistake is already recorded.
struct Stop;

struct Builder<'c, 't> {
    collector: &'c mut Collector<'t>,
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Rc<Node>>,
    nodes: usize,
    tags: Tags,
    root: Option<Rc<Node>>,
}

/// The tree of `text`. `None` if there is none or the text is not YAML, with the reason in `collector`.
pub(super) fn tree(text: &str, tags: Tags, collector: &mut Collector<'_>) -> Option<Rc<Node>> {
    let mut options = Options::default();
    options.disallow_directives = true;
    options.emit_comments = false;
    options.flow_nesting_limit = MOST_DEPTH;
    options.block_nesting_limit = MOST_DEPTH;
    let mut builder =
        Builder { collector, frames: Vec::new(), anchors: BTreeMap::new(), nodes: 0, tags, root: None };
    let mut documents = 0;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, at) = match event {
            Ok((event, span)) => (event, place(span.start)),
            Err(error) => {
                builder.collector.only(
                    place(*error.marker()),
                    format!("not valid YAML: {}", error.info().replace(char::is_control, " ")),
                    "expected a YAML 1.2 or JSON document",
                );
                return None;
            }
        };
        if matches!(event, Event::DocumentStart(..)) {
            documents += 1;
            if documents > 1 {
                builder.collector.add(at, "a second document starts here", "expected one document per file");
                return None;
            }
        }
        if builder.take(event, at).is_err() {
            return None;
        }
    }
    let root = builder.root.take();
    match root.as_deref() {
        None | Some(Node { value: Value::Null, .. }) => {
            collector.add(Pos::START, "the inventory is empty", "expected a mapping with cloud and hosts");
            None
        }
        Some(_) => root,
    }
}

fn place(marker: Marker) -> Pos {
    Pos { line: marker.line(), column: marker.col() + 1 }
}

impl Builder<'_, '_> {
    fn take(&mut self, event: Event<'_>, at: Pos) -> Result<(), Stop> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), at);
                let value = scalar(&text, style);
                let node = Node { at, value, depth: 0 };
                self.finish(node, anchor, Some(&text))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), at);
                self.open(at, anchor, Open::List(Vec::new()));
                Ok(())
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), at);
                let open = Open::Map { entries: Vec::new(), places: HashMap::new(), key: Key::Wanted };
                self.open(at, anchor, open);
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(frame) = self.frames.pop() else { return Ok(()) };
                let value = match frame.open {
                    Open::Map { entries, .. } => Value::Map(entries),
                    Open::List(items) => Value::List(items),
                };
                self.finish(Node { at: frame.at, value, depth: frame.depth + 1 }, frame.anchor, None)
            }
            Event::Alias(id) => match self.anchors.get(&id).cloned() {
                Some(node) => {
                    let text = match &node.value {
                        Value::Text(text) => Some(text.clone()),
                        _ => None,
                    };
                    self.put(node, at, text.as_deref())
                }
                None => {
                    self.collector.add(at, "an alias refers to what contains it", "expected no recursion");
                    Err(Stop)
                }
            },
            _ => Ok(()),
        }
    }

    fn open(&mut self, at: Pos, anchor: usize, open: Open) {
        self.frames.push(Frame { at, anchor, depth: 0, open });
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, at: Pos) {
        if let Some(tag) = tag.filter(|_| self.tags == Tags::Refused) {
            self.collector.add(
                at,
                format!("the tag {} is not supported", shown(&tag.original())),
                "expected a value without a tag",
            );
        }
    }

    /// A node is complete: remember its anchor and put it where it belongs.
    fn finish(&mut self, node: Node, anchor: usize, text: Option<&str>) -> Result<(), Stop> {
        let at = node.at;
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.put(node, at, text)
    }

    /// Puts `node`, met at `at`, into the innermost open container; `text` is its form as a key.
    fn put(&mut self, node: Rc<Node>, at: Pos, text: Option<&str>) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            let message = format!("more than {MOST_NODES} values in one inventory");
            self.collector.add(at, message, "expected several smaller inventories");
            return Err(Stop);
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.depth = frame.depth.max(node.depth);
        if frame.depth >= MOST_DEPTH {
            let message = format!("values are nested deeper than {MOST_DEPTH}, aliases included");
            self.collector.add(at, message, "expected the flat shape of an inventory");
            return Err(Stop);
        }
        match &mut frame.open {
            Open::List(items) => items.push(node),
            Open::Map { entries, places, key } => match std::mem::replace(key, Key::Wanted) {
                Key::Wanted => *key = accept_key(self.collector, places, at, text),
                Key::Has(name, key_at) => {
                    // An absent value has no place of its own; the key's is where a reader looks.
                    let absent = matches!(node.value, Value::Null) && text == Some("");
                    let value = if absent {
                        Rc::new(Node { at: key_at, value: Value::Null, depth: 0 })
                    } else {
                        node
                    };
                    entries.push(Entry { key: name, key_at, value });
                }
                Key::Refused => {}
            },
        }
        Ok(())
    }
}

fn accept_key(
    collector: &mut Collector<'_>,
    places: &mut HashMap<String, Pos>,
    at: Pos,
    text: Option<&str>,
) -> Key {
    let Some(text) = text else {
        collector.add(
            at,
            "a key is not a plain text",
            "expected a name as key; put a value with {{…}} in quotes",
        );
        return Key::Refused;
    };
    if let Some(first) = places.get(text) {
        let message = format!("the key {} is there twice, first at {first}", shown(text));
        collector.add(at, message, "expected each key once");
        return Key::Refused;
    }
    places.insert(text.to_owned(), at);
    Key::Has(text.to_owned(), at)
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

/// Whether a plain scalar is an integer or float of the core schema.
pub(super) fn is_number(text: &str) -> bool {
    let radix = |prefix, radix| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c: char| c.is_digit(radix)))
    };
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let decimal = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.chars().all(|c| c.is_ascii_digit() || ".eE+-".contains(c))
        && unsigned.parse::<f64>().is_ok();
    let special = matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN");
    decimal || special || radix("0x", 16) || radix("0o", 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> String {
        let mut collector = Collector::new("f", text);
        let _ = tree(text, Tags::Refused, &mut collector);
        collector.finish().map_or_else(String::new, |mistakes| mistakes.to_string())
    }

    #[test]
    fn numbers_are_those_of_the_core_schema() {
        for number in ["0", "22", "-1", "+7", "1.5", ".5", "1e3", "0x1F", "0o17", ".inf", "-.INF", ".nan"] {
            assert!(is_number(number), "{number}");
        }
        for text in ["", "-", ".", "10.0.0.5", "2ze", "1_000", "inf", "nan", "0b1", "i-1", "e3", "10s"] {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn an_alias_bomb_stays_small() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..20 {
            let below = format!("*a{}", level - 1);
            text += &format!("a{level}: &a{level} [{}]\n", vec![below; 9].join(", "));
        }
        assert_eq!(mistakes(&text), "");
        for level in 20..200 {
            text += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
        }
        assert!(mistakes(&text).contains("nested deeper than 32"), "{}", mistakes(&text));
    }

    #[test]
    fn recursion_and_deep_nesting_are_refused() {
        assert!(mistakes("a: &a [*a]").contains("an alias refers to what contains it"));
        assert!(mistakes(&"[".repeat(100_000)).starts_with("f:1:33: not valid YAML"));
        assert!(mistakes(&"- ".repeat(100_000)).contains("not valid YAML"));
    }

    #[test]
    fn too_many_values_are_refused() {
        let text = format!("[{}]", "1,".repeat(MOST_NODES + 1));
        assert!(mistakes(&text).contains("more than 1000000 values"));
    }
}
