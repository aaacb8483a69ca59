//! The text forms of ip(8), from iproute2 3.10 to today.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{Address, Link, MAIN_TABLE, Route, Rule};
use crate::core::model::IfName;
use crate::core::observed::HostTextError;
use crate::core::observed::frame::shown;

type Tables = BTreeMap<String, u32>;

const LOCAL: u32 = 255;

/// Names of tables by `rt_tables` files, and the three every kernel has.
pub(super) fn table_names(text: &str) -> Tables {
    let mut names: Tables = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let number = words.next()?;
            let number = match number.strip_prefix("0x") {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            Some((words.next()?.to_owned(), number))
        })
        .collect();
    names.extend([("local".to_owned(), LOCAL), ("main".to_owned(), MAIN_TABLE), ("default".to_owned(), 253)]);
    names
}

/// One line of a command's output, for messages.
struct At<'a> {
    command: &'static str,
    number: usize,
    line: &'a str,
}

impl At<'_> {
    fn error(&self, expected: &str) -> HostTextError {
        let what = format!("{}, line {}", self.command, self.number);
        HostTextError::new(what, format!("{expected} in {}", shown(self.line)))
    }

    fn dev(&self, word: &str) -> Result<IfName, HostTextError> {
        let name = word.split('@').next().unwrap_or_default();
        name.parse().map_err(|_| self.error("no usable device name"))
    }

    fn net(&self, word: &str) -> Result<Ipv4Net, HostTextError> {
        let parsed = match word {
            "all" | "default" => Some(Ipv4Net::default()),
            _ if word.contains('/') => word.parse().ok(),
            _ => word.parse::<Ipv4Addr>().ok().map(Ipv4Net::from),
        };
        parsed.ok_or_else(|| self.error("no IPv4 address or network where one should be"))
    }
}

fn each<'a>(command: &'static str, text: &'a str) -> impl Iterator<Item = At<'a>> {
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(move |(index, line)| At {
        command,
        number: index + 1,
        line,
    })
}

fn after<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.iter().position(|word| *word == key).and_then(|at| words.get(at + 1)).copied()
}

/// `ip -o link show`.
pub(super) fn links(text: &str) -> Result<Vec<Link>, HostTextError> {
    let mut links = Vec::new();
    for at in each("ip -o link", text) {
        let words: Vec<&str> = at.line.split_whitespace().collect();
        let (Some(name), Some(flags)) = (words.get(1), words.get(2)) else {
            return Err(at.error("no device"));
        };
        let name = name.trim_end_matches(':');
        let stacked =
            name.split_once('@').is_some_and(|(_, below)| below != "NONE" && !below.starts_with("if"));
        let Some(mac) = after(&words, "link/ether") else { continue };
        if stacked {
            continue;
        }
        links.push(Link {
            name: at.dev(name)?,
            mac: mac.parse().map_err(|_| at.error("no hardware address"))?,
            up: flags.trim_matches(['<', '>']).split(',').any(|flag| flag == "UP"),
            mtu: after(&words, "mtu").and_then(|mtu| mtu.parse().ok()).ok_or_else(|| at.error("no MTU"))?,
        });
    }
    Ok(links)
}

/// `ip -4 -o addr show`.
pub(super) fn addresses(text: &str) -> Result<Vec<Address>, HostTextError> {
    let mut addresses = Vec::new();
    for at in each("ip -4 -o addr", text) {
        let words: Vec<&str> = at.line.split_whitespace().collect();
        let dev = at.dev(words.get(1).copied().unwrap_or_default().trim_end_matches(':'))?;
        let net = at.net(after(&words, "inet").ok_or_else(|| at.error("no address"))?)?;
        if dev.as_str() != "lo" {
            addresses.push(Address { dev, net });
        }
    }
    Ok(addresses)
}

/// `ip -4 rule show`.
pub(super) fn rules(text: &str, tables: &Tables) -> Result<Vec<Rule>, HostTextError> {
    let mut rules = Vec::new();
    for at in each("ip -4 rule", text) {
        let (priority, rest) = at.line.split_once(':').ok_or_else(|| at.error("no priority"))?;
        let priority = priority.trim().parse().map_err(|_| at.error("no priority"))?;
        let (mut from, mut table, mut more) = (None, None, false);
        let mut words = rest.split_whitespace();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| at.error("a word without its value"));
            match word {
                "from" => from = Some(at.net(value()?)?).filter(|net| net.prefix_len() > 0),
                "lookup" | "table" => {
                    let name = value()?;
                    table = name.parse().ok().or_else(|| tables.get(name).copied());
                }
                // Who made it does not change what it does.
                "proto" | "protocol" => drop(value()?),
                _ => more = true,
            }
        }
        rules.push(Rule {
            priority,
            from,
            table,
            more,
            text: at.line.split_whitespace().collect::<Vec<_>>().join(" "),
        });
    }
    Ok(rules)
}

/// Route types that are printed in front of the destination.
const TYPES: [&str; 10] = [
    "unicast",
    "unreachable",
    "blackhole",
    "prohibit",
    "throw",
    "local",
    "broadcast",
    "multicast",
    "anycast",
    "nat",
];

/// `ip -4 route show table all`, without what belongs to the table `local`.
pub(super) fn routes(text: &str, tables: &Tables) -> Result<Vec<Route>, HostTextError> {
    let mut routes: Vec<Route> = Vec::new();
    // Next hops of a multipath route stand on lines of their own, also below a route that is left out.
    let mut left_out = false;
    for at in each("ip -4 route show table all", text) {
        let words: Vec<&str> = at.line.split_whitespace().filter(|word| *word != "\\").collect();
        if at.line.starts_with([' ', '\t']) {
            match routes.last_mut() {
                Some(route) if !left_out => route.text = format!("{} {}", route.text, words.join(" ")),
                _ => {}
            }
            continue;
        }
        let typed = words.first().is_some_and(|word| TYPES.contains(word));
        let (head, rest) =
            words.split_at_checked(1 + usize::from(typed)).ok_or_else(|| at.error("no route"))?;
        let destination = at.net(head.last().copied().unwrap_or_default())?;
        let mut route = Route {
            table: MAIN_TABLE,
            destination,
            via: None,
            dev: None,
            metric: 0,
            onlink: false,
            text: String::new(),
        };
        let (mut kept, mut left) = (head.to_vec(), rest.iter().copied());
        while let Some(word) = left.next() {
            let mut value = || left.next().ok_or_else(|| at.error("a word without its value"));
            match word {
                "table" => {
                    let name = value()?;
                    let number = name.parse().ok().or_else(|| tables.get(name).copied());
                    route.table =
                        number.ok_or_else(|| at.error("a table name that rt_tables does not have"))?;
                    continue;
                }
                "nexthop" => {
                    kept.push(word);
                    kept.extend(left.by_ref());
                }
                "via" => {
                    let hop = value()?;
                    kept.extend([word, hop]);
                    if hop == "inet6" {
                        kept.push(value()?);
                    } else {
                        route.via = Some(hop.parse().map_err(|_| at.error("no next hop"))?);
                    }
                }
                "dev" => {
                    let name = value()?;
                    kept.extend([word, name]);
                    route.dev = Some(at.dev(name)?);
                }
                "metric" => {
                    let metric = value()?;
                    kept.extend([word, metric]);
                    route.metric = metric.parse().map_err(|_| at.error("no metric"))?;
                }
                "onlink" => {
                    kept.push(word);
                    route.onlink = true;
                }
                _ => kept.push(word),
            }
        }
        route.text = kept.join(" ");
        left_out = route.table == LOCAL;
        if !left_out {
            routes.push(route);
        }
    }
    Ok(routes)
}
