//! Ansible's inventories as they are: INI or YAML, with `group_vars` and `host_vars` beside them.
//!
//! Reads names, groups and plain variables, and resolves which value a host has. Must never evaluate anything: a value with
//! `{{…}}` or one that Ansible Vault has encrypted is a mistake where it is needed, and nothing elsewhere.

mod ini;
mod literal;
mod range;
mod resolve;
#[cfg(test)]
mod tests;
mod tokens;
mod yaml;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::mistake::{Collector, Pos};

pub(super) use resolve::{Host, resolve};

/// Hosts of one inventory that are read; ranges can ask for more than any memory holds.
pub(super) const MOST_HOSTS: usize = 100_000;

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

    fn host(&mut self, name: &str, at: Pos, group: &str) -> &mut Vars {
        if !self.host_vars.contains_key(name) {
            self.host_order.push((name.to_owned(), at));
        }
        let members = &mut self.group(group).hosts;
        if members.last().map(String::as_str) != Some(name) && !members.iter().any(|member| member == name) {
            members.push(name.to_owned());
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

/// Reads an inventory; mistakes are recorded and the reading goes on.
pub(super) fn read(file: &str, text: &str, form: Form, collector: &mut Collector<'_>) -> Tree {
    let file: Rc<str> = file.into();
    match form {
        Form::Ini => ini::read(&file, text, collector),
        Form::Yaml => yaml::read(&file, text, collector),
    }
}

/// Reads a file of variables (`group_vars/web.yml`); its mistakes are about that file.
pub(super) fn read_vars(file: &str, text: &str, collector: &mut Collector<'_>) -> Vars {
    yaml::read_vars(&file.into(), text, collector)
}
