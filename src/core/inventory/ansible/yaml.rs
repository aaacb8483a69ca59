//! The YAML form: groups with `hosts`, `children` and `vars`; and files of variables.

use std::rc::Rc;

use super::{Given, Tree, Var, Vars};
use crate::core::inventory::mistake::Collector;
use crate::core::inventory::node::{Entry, Node, Tags, Value, tree};
use crate::core::inventory::words::{shown, suggest};

const SECTIONS: [&str; 3] = ["hosts", "children", "vars"];

pub(super) fn read(file: &Rc<str>, text: &str, collector: &mut Collector<'_>) -> Tree {
    let mut yaml = Yaml { file, collector, tree: Tree::default() };
    let Some(root) = tree(text, Tags::Ignored, yaml.collector) else { return yaml.tree };
    let Some(groups) = yaml.map(&root, "the inventory", "a mapping of groups") else { return yaml.tree };
    if let Some(plugin) = groups.iter().find(|entry| entry.key == "plugin") {
        let message = "this configures a plugin of Ansible that would make the inventory";
        let expected = "expected the inventory itself: ansible-inventory -i FILE --list --yaml";
        yaml.collector.add(plugin.key_at, message, expected);
        return yaml.tree;
    }
    for entry in groups {
        yaml.group(&entry.key, &entry.value);
    }
    yaml.tree
}

pub(super) fn read_vars(file: &Rc<str>, text: &str, collector: &mut Collector<'_>) -> Vars {
    let mut yaml = Yaml { file, collector, tree: Tree::default() };
    if text.lines().all(|line| line.trim().is_empty() || line.starts_with(['#', '-'])) {
        return Vars::new();
    }
    let Some(root) = tree(text, Tags::Ignored, yaml.collector) else { return Vars::new() };
    yaml.vars(&root, "the file")
}

struct Yaml<'c, 't> {
    file: &'c Rc<str>,
    collector: &'c mut Collector<'t>,
    tree: Tree,
}

impl Yaml<'_, '_> {
    fn group(&mut self, name: &str, node: &Node) {
        self.tree.group(name);
        if matches!(node.value, Value::Null) {
            return;
        }
        let label = format!("group {}", shown(name));
        let Some(sections) = self.map(node, &label, "a mapping with hosts, children, vars") else { return };
        for section in sections {
            match section.key.as_str() {
                "hosts" => self.hosts(name, &section.value),
                "children" => self.children(name, &section.value),
                "vars" => {
                    let vars = self.vars(&section.value, &format!("the vars of {label}"));
                    self.tree.group(name).vars.extend(vars);
                }
                other => {
                    let message = format!("unknown key {} in {label}", shown(other));
                    self.collector.add(section.key_at, message, suggest(other, SECTIONS));
                }
            }
        }
    }

    fn hosts(&mut self, group: &str, node: &Node) {
        match &node.value {
            Value::Null => {}
            Value::Text(name) => self.tree.hosts(name, node.at, group, &Vars::new(), self.collector),
            _ => {
                let label = format!("the hosts of group {}", shown(group));
                let Some(entries) = self.map(node, &label, "a mapping of hosts, each with a colon behind it")
                else {
                    return;
                };
                for entry in entries {
                    let vars = self.vars(&entry.value, &format!("host {}", shown(&entry.key)));
                    self.tree.hosts(&entry.key, entry.key_at, group, &vars, self.collector);
                }
            }
        }
    }

    fn children(&mut self, group: &str, node: &Node) {
        if matches!(node.value, Value::Null) {
            return;
        }
        let label = format!("the children of group {}", shown(group));
        let Some(entries) = self.map(node, &label, "a mapping of groups, each with a colon behind it") else {
            return;
        };
        for entry in entries {
            self.tree.group(group).children.push((entry.key.clone(), entry.key_at));
            self.group(&entry.key, &entry.value);
        }
    }

    fn vars(&mut self, node: &Node, label: &str) -> Vars {
        if matches!(node.value, Value::Null) {
            return Vars::new();
        }
        let Some(entries) = self.map(node, label, "a mapping of variables") else { return Vars::new() };
        let var = |entry: &Entry| {
            let value = match &entry.value.value {
                Value::Text(text) | Value::Number(text) => Given::Text(text.clone()),
                Value::Bool(value) => Given::Text(value.to_string()),
                Value::Null => Given::Nothing,
                Value::Map(_) | Value::List(_) => Given::Compound,
            };
            (entry.key.clone(), Var { file: Rc::clone(self.file), at: entry.value.at, value })
        };
        entries.iter().map(var).collect()
    }

    fn map<'n>(&mut self, node: &'n Node, label: &str, expected: &str) -> Option<&'n [Entry]> {
        if let Value::Map(entries) = &node.value {
            return Some(entries);
        }
        self.collector.add(node.at, format!("{label} is something else"), format!("expected {expected}"));
        None
    }
}
