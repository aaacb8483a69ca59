//! A host as it will be once one of its routes is brought about: what the next route of the same host is planned on.

use ipnet::Ipv4Net;

use super::{FileChange, RouteTarget};
use crate::core::model::gateway_of;
use crate::core::observed::facts::{ConfigFile, Facts, MAIN_TABLE, Route, RouteChoice};

/// The facts after this route and these files of it, as far as another route of the host can see them: the files, the main
/// table, and the way to the internet. A file that is not what the change begins with is left as it is.
#[must_use]
pub fn after(facts: &Facts, target: &RouteTarget, files: &[FileChange]) -> Facts {
    let mut facts = facts.clone();
    for change in files {
        file(&mut facts, change);
    }
    let link = facts.links.iter().find(|link| Some(link.mac) == target.mac).map(|link| link.name.clone());
    if let Some(link) = link {
        facts.routes.retain(|route| route.table != MAIN_TABLE || route.dev.as_ref() != Some(&link));
        facts.routes.extend(target.main_routes().into_iter().map(|wanted| Route {
            table: MAIN_TABLE,
            destination: wanted.destination,
            via: wanted.via_gateway.then_some(target.gateway),
            text: format!("{} dev {link} metric {}", wanted.destination, wanted.metric),
            dev: Some(link.clone()),
            metric: wanted.metric,
            onlink: false,
        }));
        let primary = facts.addresses.iter().find(|address| address.net.addr() == target.primary_ip);
        if let Some(primary) = primary.cloned() {
            if facts.internet_route.as_ref().is_some_and(|choice| choice.dev == link) {
                facts.internet_route =
                    Some(RouteChoice { dev: primary.dev.clone(), source: target.primary_ip });
            }
            let is_default = |route: &Route| {
                route.table == MAIN_TABLE
                    && route.destination.prefix_len() == 0
                    && route.dev.as_ref() == Some(&primary.dev)
            };
            if let Some(via) = gateway_of(primary.net).filter(|_| !facts.routes.iter().any(is_default)) {
                facts.routes.push(Route {
                    table: MAIN_TABLE,
                    destination: Ipv4Net::default(),
                    via: Some(via),
                    text: format!("default via {via} dev {}", primary.dev),
                    dev: Some(primary.dev),
                    metric: 0,
                    onlink: false,
                });
            }
        }
    }
    facts
}

fn file(facts: &mut Facts, change: &FileChange) {
    let FileChange { path, before, after, mode_after, .. } = change;
    if *path == facts.rc_local.path {
        let current = &mut facts.rc_local;
        if current.content == *before {
            (current.content, current.mode) = (after.clone(), *mode_after);
        }
        return;
    }
    let current = facts.files.get(path).and_then(|file| file.content.as_ref());
    if current != before.as_ref() {
        return;
    }
    match after {
        Some(text) => {
            let file = ConfigFile { content: Some(text.clone()), mode: *mode_after, obstacle: None };
            facts.files.insert(path.clone(), file);
        }
        None => drop(facts.files.remove(path)),
    }
}
