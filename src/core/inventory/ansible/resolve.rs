//! Which variables a host has in the end: the layers in Ansible's order.

use std::collections::{BTreeMap, BTreeSet};

use super::{Given, Group, Tree, Vars};
use crate::core::inventory::mistake::{Collector, Pos};
use crate::core::inventory::words::shown;

/// Decides among groups at the same depth; a higher one wins.
const PRIORITY: &str = "ansible_group_priority";

/// A host with its variables.
#[derive(Debug, Clone)]
pub(in super::super) struct Host {
    pub(in super::super) name: String,
    pub(in super::super) at: Pos,
    /// Every group that it is in, parents too, in the order of the inventory; without `all`.
    pub(in super::super) groups: Vec<String>,
    pub(in super::super) vars: Vars,
}

/// Hosts with what they inherit, in the order of the text. `group_vars` and `host_vars` are the files beside the inventory,
/// by group and host.
///
/// Later layers win: groups of the inventory (`all` first, parents before children, among equals
/// `ansible_group_priority`, then the name), `group_vars/all`, the other `group_vars` in the same order of groups, the
/// inventory's host, `host_vars`.
pub(in super::super) fn resolve(
    tree: &Tree,
    group_vars: &BTreeMap<String, Vars>,
    host_vars: &BTreeMap<String, Vars>,
    collector: &mut Collector<'_>,
) -> Vec<Host> {
    let Some(depths) = depths(tree, collector) else { return Vec::new() };
    let parents = parents(tree);
    let mut ranked: Vec<&String> = tree.group_order.iter().collect();
    ranked.sort_by_key(|name| (depths[name.as_str()], priority(tree, name), *name));
    let direct = members(tree);
    tree.host_order
        .iter()
        .map(|(name, at)| {
            let mine = ancestors(direct.get(name.as_str()).into_iter().flatten().copied(), &parents);
            let groups = || ranked.iter().filter(|group| mine.contains(group.as_str()));
            let mut vars = Vars::new();
            let mut lay = |layer: Option<&Vars>| vars.extend(layer.cloned().unwrap_or_default());
            lay(tree.groups.get("all").map(|group| &group.vars));
            groups()
                .filter(|name| name.as_str() != "all")
                .for_each(|name| lay(tree.groups.get(*name).map(|g| &g.vars)));
            lay(group_vars.get("all"));
            groups().filter(|name| name.as_str() != "all").for_each(|name| lay(group_vars.get(*name)));
            lay(tree.host_vars.get(name));
            lay(host_vars.get(name));
            // It orders groups and is nobody's variable.
            vars.remove(PRIORITY);
            let listed = tree
                .group_order
                .iter()
                .filter(|group| mine.contains(group.as_str()) && group.as_str() != "all");
            let mut listed: Vec<String> = listed.filter(|name| *name != "ungrouped").cloned().collect();
            if listed.is_empty() {
                listed.push("ungrouped".to_owned());
            }
            Host { name: name.clone(), at: *at, groups: listed, vars }
        })
        .collect()
}

fn priority(tree: &Tree, group: &str) -> i64 {
    match tree.groups[group].vars.get(PRIORITY).map(|var| &var.value) {
        Some(Given::Text(text)) => text.parse().unwrap_or(1),
        _ => 1,
    }
}

/// The groups that name a host themselves.
fn members(tree: &Tree) -> BTreeMap<&str, Vec<&str>> {
    let mut members: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, Group { hosts, .. }) in &tree.groups {
        for host in hosts {
            members.entry(host).or_default().push(name);
        }
    }
    members
}

fn parents(tree: &Tree) -> BTreeMap<&str, Vec<&str>> {
    let mut parents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, group) in &tree.groups {
        for (child, _) in &group.children {
            parents.entry(child).or_default().push(name);
        }
    }
    parents
}

fn ancestors<'t>(
    groups: impl Iterator<Item = &'t str>,
    parents: &BTreeMap<&'t str, Vec<&'t str>>,
) -> BTreeSet<&'t str> {
    let (mut found, mut open) = (BTreeSet::new(), groups.collect::<Vec<_>>());
    while let Some(group) = open.pop() {
        if found.insert(group) {
            open.extend(parents.get(group).into_iter().flatten());
        }
    }
    found
}

/// How far below `all` each group is, by its longest way; `None` after a mistake: a group that contains itself.
fn depths<'t>(tree: &'t Tree, collector: &mut Collector<'_>) -> Option<BTreeMap<&'t str, usize>> {
    let mut depths: BTreeMap<&str, usize> =
        tree.groups.keys().map(|name| (name.as_str(), usize::from(name != "all"))).collect();
    // The longest way has fewer groups than there are; if depths still grow then, there is a circle.
    for _ in 0..=tree.groups.len() {
        let mut grew = None;
        for (name, group) in &tree.groups {
            for (child, at) in &group.children {
                let least = depths[name.as_str()] + 1;
                if depths[child.as_str()] < least {
                    depths.insert(child, least);
                    grew = Some((child, *at));
                }
            }
        }
        let Some((child, at)) = grew else { return Some(depths) };
        if depths[child.as_str()] > tree.groups.len() + 1 {
            let message = format!("group {} contains itself", shown(child));
            collector.add(at, message, "expected children that are not their own parents");
            return None;
        }
    }
    Some(depths)
}
