//! The INI form: `[group]`, `[group:vars]`, `[group:children]`, hosts with `key=value`, ranges.

use std::rc::Rc;

use super::{Given, Tree, Var, Vars, literal};
use crate::core::inventory::mistake::{Collector, Pos};
use crate::core::inventory::words::shown;
use crate::core::words::words as shell_words;

/// What the lines of a section are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hosts,
    Vars,
    Children,
}

struct Ini<'c, 't> {
    file: &'c Rc<str>,
    collector: &'c mut Collector<'t>,
    tree: Tree,
    /// Groups that have variables or are somebody's child, and where: each must be declared somewhere.
    promised: Vec<(String, Pos)>,
    /// Groups with a section of hosts or children of their own, or named as a child.
    declared: Vec<String>,
}

pub(super) fn read(file: &Rc<str>, text: &str, collector: &mut Collector<'_>) -> Tree {
    let mut ini = Ini {
        file,
        collector,
        tree: Tree::default(),
        promised: Vec::new(),
        declared: vec!["all".to_owned()],
    };
    let mut section = ("ungrouped".to_owned(), Kind::Hosts);
    for (index, line) in text.lines().enumerate() {
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        let at = Pos { line: index + 1, column: indent + 1 };
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        // A host range begins no line; a section does.
        if line.starts_with('[') {
            if let Some(found) = ini.header(line, at) {
                section = found;
            }
            continue;
        }
        match section.1 {
            Kind::Hosts => ini.host(line, at, &section.0),
            Kind::Vars => ini.var(line, at, &section.0),
            Kind::Children => ini.child(line, at, &section.0),
        }
    }
    for (group, at) in std::mem::take(&mut ini.promised) {
        if !ini.declared.contains(&group) {
            let message = format!("[{group}:vars] is for a group that is nowhere declared");
            ini.collector.add(at, message, format!("expected [{group}] with hosts, or [{group}:children]"));
        }
    }
    ini.tree
}

impl Ini<'_, '_> {
    fn header(&mut self, line: &str, at: Pos) -> Option<(String, Kind)> {
        const EXPECTED: &str = "expected [group], [group:vars] or [group:children]";
        let inside = line[1..].split_once(']').filter(|(_, rest)| {
            let rest = rest.trim_start();
            rest.is_empty() || rest.starts_with(['#', ';'])
        });
        let Some((inside, _)) = inside else {
            self.collector.add(at, format!("{} is no section", shown(line)), EXPECTED);
            return None;
        };
        let (name, kind) = match inside.split_once(':') {
            None => (inside, Kind::Hosts),
            Some((name, "vars")) => (name, Kind::Vars),
            Some((name, "children")) => (name, Kind::Children),
            Some((_, other)) => {
                self.collector.add(at, format!("sections of kind {} are not known", shown(other)), EXPECTED);
                return None;
            }
        };
        let name = name.trim().to_owned();
        if name.is_empty() || name.contains(char::is_whitespace) {
            self.collector.add(at, format!("{} is no name of a group", shown(&name)), EXPECTED);
            return None;
        }
        self.tree.group(&name);
        if kind == Kind::Vars {
            self.promised.push((name.clone(), at));
        } else {
            self.declared.push(name.clone());
        }
        Some((name, kind))
    }

    fn host(&mut self, line: &str, at: Pos, group: &str) {
        let words = match shell_words(line, Some('#')) {
            Ok(words) => words,
            Err(wrong) => return self.collector.add(at, wrong, "expected a host and key=value words"),
        };
        let Some(((_, pattern), settings)) = words.split_first() else { return };
        let mut vars = Vars::new();
        for (column, word) in settings {
            let at = Pos { line: at.line, column: at.column + column - 1 };
            let Some((key, text)) = word.split_once('=') else {
                let message = format!("{} is no setting of a host", shown(word));
                self.collector.add(at, message, "expected key=value; quote a value that has spaces");
                continue;
            };
            vars.insert(key.to_owned(), self.given(at, literal::value(text)));
        }
        let (pattern, port) = split_port(pattern);
        if let Some(port) = port {
            vars.entry("ansible_port".to_owned()).or_insert(self.given(at, Given::Text(port.to_owned())));
        }
        self.tree.hosts(pattern, at, group, &vars, self.collector);
    }

    fn var(&mut self, line: &str, at: Pos, group: &str) {
        let Some((key, text)) = line.split_once('=') else {
            let message = format!("{} is no variable", shown(line));
            return self.collector.add(at, message, "expected key=value");
        };
        let value = self.given(at, literal::value(text));
        self.tree.group(group).vars.insert(key.trim().to_owned(), value);
    }

    fn child(&mut self, line: &str, at: Pos, group: &str) {
        let name = line.split(['#', ';']).next().unwrap_or_default().trim();
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || "=[]".contains(c)) {
            let message = format!("{} is no name of a group", shown(line));
            return self.collector.add(at, message, "expected one child group a line");
        }
        self.declared.push(name.to_owned());
        self.tree.group(name);
        self.tree.group(group).children.push((name.to_owned(), at));
    }

    fn given(&self, at: Pos, value: Given) -> Var {
        Var { file: Rc::clone(self.file), at, value }
    }
}

/// `host:port`; colons inside of a range are not meant.
fn split_port(pattern: &str) -> (&str, Option<&str>) {
    match pattern.rsplit_once(':') {
        Some((host, port))
            if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && !host.contains(':') =>
        {
            (host, Some(port))
        }
        Some((host, port)) if host.ends_with(']') && port.bytes().all(|b| b.is_ascii_digit()) => {
            (host, Some(port))
        }
        _ => (pattern, None),
    }
}
