//! Ansible's inventories as they are: INI or YAML, with `group_vars` and `host_vars` beside them.
//!
//! Reads names, groups and plain variables, and resolves which value a host has. Must never evaluate anything: a value with
//! `{{…}}` or one that Ansible Vault has encrypted is a mistake where it is needed, and nothing elsewhere.

mod form;
mod ini;
mod literal;
mod range;
mod resolve;
#[cfg(test)]
mod tests;
mod translate;
mod yaml;

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use super::mistake::{Collector, Pos};
use super::node::Node;
use super::words::shown;
use super::{Beside, VarsFile};

pub(super) use form::form;

/// Hosts of one inventory that are read; ranges can ask for more than any memory holds.
const MOST_HOSTS: usize = 100_000;

/// A variable's value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Var {
    /// The file; the inventory itself or one beside it.
    pub(super) file: Rc<str>,
    pub(super) at: Pos,
    pub(super) value: Given,
}

/// What a variable holds, as far as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    /// A text, a number or a truth value, as Ansible would print it.
    Text(String),
    /// Nothing (`null`, `None`).
    Nothing,
    /// A list or a mapping.
    Compound,
}

pub(super) type Vars = BTreeMap<String, Var>;

/// A group as written, before anything is inherited.
#[derive(Debug, Clone, Default)]
struct Group {
    vars: Vars,
    /// Members in the order of the text.
    hosts: Vec<String>,
    /// The same, to look up.
    members: HashSet<String>,
    /// Names of child groups, and where they were named.
    children: Vec<(String, Pos)>,
}

/// An inventory as written.
#[derive(Debug, Default)]
pub(super) struct Tree {
    groups: BTreeMap<String, Group>,
    /// Groups in the order in which they were first met.
    group_order: Vec<String>,
    /// Variables of single hosts.
    host_vars: BTreeMap<String, Vars>,
    /// Hosts in the order in which they were first met, and where.
    host_order: Vec<(String, Pos)>,
}

impl Tree {
    fn group(&mut self, name: &str) -> &mut Group {
        if !self.groups.contains_key(name) {
            self.group_order.push(name.to_owned());
        }
        self.groups.entry(name.to_owned()).or_default()
    }

    /// Takes in all hosts of a pattern, `web[01:50]`, with these variables.
    fn hosts(&mut self, pattern: &str, at: Pos, group: &str, vars: &Vars, collector: &mut Collector<'_>) {
        let names = match range::expand(pattern) {
            Ok(names) => names,
            Err(expected) => {
                let message = format!("{} is no host", shown(pattern));
                return collector.add(at, message, format!("expected {expected}"));
            }
        };
        if self.host_order.len().saturating_add(names.len()) > MOST_HOSTS {
            return collector.add(at, "there are too many hosts", format!("expected at most {MOST_HOSTS}"));
        }
        for name in names {
            self.host(&name, at, group).extend(vars.clone());
        }
    }

    fn host(&mut self, name: &str, at: Pos, group: &str) -> &mut Vars {
        if !self.host_vars.contains_key(name) {
            self.host_order.push((name.to_owned(), at));
        }
        let group = self.group(group);
        if group.members.insert(name.to_owned()) {
            group.hosts.push(name.to_owned());
        }
        self.host_vars.entry(name.to_owned()).or_default()
    }
}

/// The two ways of writing an inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Ini,
    Yaml,
}

/// An inventory of Ansible's as a tree for our own reader; mistakes are recorded and the reading goes on. `None` only after
/// one.
pub(super) fn tree(
    file: &str,
    text: &str,
    form: Form,
    beside: &Beside,
    collector: &mut Collector<'_>,
) -> Option<Rc<Node>> {
    let tree = read(file, text, form, collector);
    let mut layers = |files: &BTreeMap<String, Vec<VarsFile>>| -> BTreeMap<String, Vars> {
        let mut of_one = |files: &Vec<VarsFile>| {
            let mut vars = Vars::new();
            for found in files {
                let mut own = Collector::new(&found.file, &found.text);
                vars.extend(yaml::read_vars(&found.file.as_str().into(), &found.text, &mut own));
                collector.take_over(own);
            }
            vars
        };
        files.iter().map(|(name, files)| (name.clone(), of_one(files))).collect()
    };
    let (groups, hosts) = (layers(&beside.group_vars), layers(&beside.host_vars));
    let hosts = resolve::resolve(&tree, &groups, &hosts, collector);
    if hosts.is_empty() {
        collector.add(Pos::START, "the inventory has no hosts", "expected at least one host");
        return None;
    }
    Some(translate::translate(&hosts, file, collector))
}

/// Reads an inventory as it is written; mistakes are recorded and the reading goes on.
fn read(file: &str, text: &str, form: Form, collector: &mut Collector<'_>) -> Tree {
    let file: Rc<str> = file.into();
    match form {
        Form::Ini => ini::read(&file, text, collector),
        Form::Yaml => yaml::read(&file, text, collector),
    }
}
