//! What is missing on a host for its shim, what of it has to go, and what it must not be put in place for.
//!
//! Must never call a host right whose table or rule is not exactly ours.

use super::{Shim, alike, is_looked_after};
use crate::core::model::IfName;
use crate::core::observed::Facts;
use crate::core::observed::facts::Rule;
use crate::core::plan::route::{HostObstacle, obstacle};
use crate::core::plan::{Code, Finding, RouteTarget};

/// The difference for one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::core::plan) struct Look {
    /// Changes, one command each, with `+ ` or `- ` in front.
    pub(in crate::core::plan) lines: Vec<String>,
    /// What is in the way; nothing may be changed then.
    pub(in crate::core::plan) obstacles: Vec<HostObstacle>,
    /// What a person should know.
    pub(in crate::core::plan) warnings: Vec<Finding>,
}

/// Looks. `dev` is the interface's name, where it is on the host already.
pub(in crate::core::plan) fn look(facts: &Facts, route: &RouteTarget, dev: Option<&IfName>) -> Look {
    let shim = Shim::of(route);
    let mut look = Look::default();
    let rules = facts.rules.iter().filter(|rule| is_mark_rule(rule, &shim)).count();
    let listed = facts.system.shims.get(&route.table).map(|text| alike(text));
    let rule = format!("fwmark {:#x} lookup {} pref {}", shim.mark, route.table, shim.priority);
    let (kept, mut line) = (usize::from(route.shim), |line: String| look.lines.push(line));
    if rules < kept {
        line(format!("+ ip -4 rule add {rule}"));
    }
    for _ in kept..rules {
        line(format!("- ip -4 rule del {rule}"));
    }
    if !route.shim {
        if listed.is_some() {
            line(format!("- nft delete table ip {}", shim.name));
        }
        return look;
    }
    let wanted = dev.map(|dev| shim.rules.replace("@dev@", &format!("\"{dev}\"")));
    if listed.is_none() {
        line(format!("+ nft add table ip {} (compatibility shim)", shim.name));
    } else if listed != wanted {
        line(format!("+ nft replace table ip {} (it was edited)", shim.name));
    }
    conditions(facts, route, &shim, dev, &mut look);
    look
}

/// The rule for marked packets, and nothing else.
pub(in crate::core::plan) fn is_mark_rule(rule: &Rule, shim: &Shim) -> bool {
    rule.priority == shim.priority
        && rule.from.is_none()
        && rule.table == Some(shim.mark)
        && mark_of(rule).is_some_and(|(mark, rest)| mark == shim.mark && rest == 0)
}

/// The mark that a rule asks for, and how many words it has besides it that ours does not have.
fn mark_of(rule: &Rule) -> Option<(u32, usize)> {
    let words: Vec<&str> = rule.text.split_whitespace().skip(1).collect();
    let at = words.iter().position(|word| *word == "fwmark")?;
    let word = words.get(at + 1)?;
    let (mark, mask) = word.split_once('/').map_or((*word, None), |(mark, mask)| (mark, Some(mask)));
    let known = ["from", "fwmark", "lookup", "table", "proto", "protocol"];
    let odd = words.chunks(2).filter(|pair| pair.first().is_none_or(|key| !known.contains(key))).count();
    Some((number(mark)?, odd + usize::from(mask.is_some())))
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A line of a packet filter that keeps something in the mark of connections, or uses our mark.
fn takes_mark(line: &str, mark: u32) -> bool {
    if ["ct mark", "CONNMARK", "connmark"].iter().any(|word| line.contains(word)) {
        return true;
    }
    let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "set").collect();
    let ours = |word: &str| number(word.split('/').next().unwrap_or_default()) == Some(mark);
    words.windows(2).any(|pair| matches!(pair, [key, value] if key.ends_with("mark") && ours(value)))
}

/// What the shim rests on.
fn conditions(facts: &Facts, route: &RouteTarget, shim: &Shim, dev: Option<&IfName>, look: &mut Look) {
    let system = &facts.system;
    let mut refuse = |code: Code, what: String, why: &str, fix: &str| {
        look.obstacles.push(obstacle(code.as_str(), what, why, fix));
    };
    if route.form.documented().is_some() {
        refuse(
            Code::ShimForm,
            "the shim is asked for with the documented form".to_owned(),
            "answers of the primary may leave by the interface in that form, past the shim, and nobody has tried the two together",
            "let route.form be slash32, or route.shim false",
        );
    }
    if !system.tools.is_empty() && !system.tools.contains("nft") {
        let what = "the shim needs nft, which is not on the host".to_owned();
        refuse(
            Code::ShimNoNft,
            what,
            "it is one table of nft",
            "install the package nftables, then plan again",
        );
    }
    let name = dev.map_or("default", IfName::as_str);
    if system.effective("rp_filter", name) == Some(1) {
        refuse(
            Code::ShimRpFilter,
            format!("rp_filter is 1 (strict) for {}", dev.map_or("new interfaces", IfName::as_str)),
            "with the shim it would drop everything to the interface's address, logins through the EIP included",
            &format!("sysctl -w net.ipv4.conf.{name}.rp_filter=2, keep it in /etc/sysctl.d, then plan again"),
        );
    }
    let foreign = facts.rules.iter().filter(|rule| !is_mark_rule(rule, shim));
    let taken = |rule: &&Rule| {
        rule.priority == shim.priority || mark_of(rule).is_some_and(|(mark, _)| mark == shim.mark)
    };
    if let Some(rule) = foreign.clone().find(taken) {
        let text: String = rule.text.chars().take(100).collect();
        refuse(
            Code::ShimRuleTaken,
            format!("a rule of somebody else has the shim's priority or mark: {text:?}"),
            "answers would take the wrong way",
            "choose other numbers: route.table and route.priority in the inventory",
        );
    }
    if let Some(line) = system.marks.iter().find(|line| takes_mark(line, shim.mark)) {
        let text: String = line.chars().take(100).collect();
        refuse(
            Code::ShimMarkTaken,
            format!("somebody else uses marks of connections, or ours: {text:?}"),
            "the shim and that one would overwrite each other's marks",
            "let route.shim be false on this host",
        );
    }
    let looked_after = is_looked_after(route.owner);
    if looked_after && system.init != "systemd" {
        refuse(
            Code::ShimNotKept,
            format!("nothing would bring the shim back after a boot: process 1 is {:?}", system.init),
            "the owner of the route cannot hold nft's rules, and without systemd no unit can",
            "let route.persist be rc-local",
        );
    }
    let flushes = ["nftables", "firewalld"].into_iter().find(|name| system.is_active(name));
    if let Some(name) = flushes {
        let what = format!("{name} is active, and may flush every table when it is reloaded");
        if looked_after {
            let why = "the shim is gone then for up to half a minute, until its timer has put it back";
            look.warnings.push(
                Finding::warning(what, why, format!("after a reload of {name}: egressctl audit"))
                    .coded(Code::ShimFlushed),
            );
        } else {
            let why = "nobody would put the shim back before the next boot";
            refuse(Code::ShimFlushed, what, why, "let route.persist be auto or unit");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str, table: u32) -> Rule {
        let priority = text.split(':').next().unwrap().parse().unwrap();
        Rule { priority, from: None, table: Some(table), more: true, text: text.to_owned() }
    }

    #[test]
    fn only_exactly_our_rule_is_mark_rule() {
        let shim = Shim::of(&super::super::tests::route(4101));
        for ours in [
            "4102: from all fwmark 0x65 lookup 101",
            "4102: from all fwmark 0x65 lookup wan proto static",
            "4102: from 0.0.0.0/0 fwmark 101 lookup 101",
        ] {
            assert!(is_mark_rule(&rule(ours, 101), &shim), "{ours}");
        }
        for (foreign, table) in [
            ("4103: from all fwmark 0x65 lookup 101", 101),
            ("4102: from all fwmark 0x65 lookup 102", 102),
            ("4102: from all fwmark 0x65/0xff lookup 101", 101),
            ("4102: from all fwmark 0x66 lookup 101", 101),
            ("4102: from all fwmark 0x65 iif eth0 lookup 101", 101),
            ("4102: not from all fwmark 0x65 lookup 101", 101),
            ("4102: from all lookup 101", 101),
        ] {
            assert!(!is_mark_rule(&rule(foreign, table), &shim), "{foreign}");
        }
    }

    #[test]
    fn marks_of_others_are_seen() {
        for line in [
            "ct mark set 7",
            "-A PREROUTING -j CONNMARK --restore-mark",
            "-A OUTPUT -m connmark --mark 0x1",
            "meta mark set 0x00000065 accept",
            "-A OUTPUT -j MARK --set-xmark 0x65/0xffffffff",
            "-A OUTPUT -m mark --mark 101 -j ACCEPT",
            "mark set 0x65",
        ] {
            assert!(takes_mark(line, 101), "{line}");
        }
        for line in ["meta mark set 0x6500", "-A KUBE -j MARK --set-xmark 0x4000/0x4000", "tcp dport 101", ""]
        {
            assert!(!takes_mark(line, 101), "{line}");
        }
    }
}
