//! What a host's plan was made from, as one digest for each part, so that it can be told which part has changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::hash;
use crate::core::inventory::HostDesired;
use crate::core::observed::{CloudView, Eip, EipHolder, Eni, Facts};
use crate::core::plan::{OWNER_TAG, Observed};

/// The parts, and SHA-256 of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(BTreeMap<Part, String>);

/// A part of what was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Inventory,
    Instance,
    Interfaces,
    Addresses,
    System,
    Network,
    RcLocal,
    Owner,
}

impl Part {
    const fn label(self) -> &'static str {
        match self {
            Self::Inventory => "its inventory entry",
            Self::Instance => "its instance's record",
            Self::Interfaces => "its network interfaces",
            Self::Addresses => "its public addresses",
            Self::System => "its system",
            Self::Network => "its routes, rules or addresses",
            Self::RcLocal => "its rc.local",
            Self::Owner => "what owns its network, or that one's files",
        }
    }
}

impl Fingerprint {
    /// Of one host. How to log in to it is left out: another operator does so with another key.
    #[must_use]
    pub fn of(desired: &HostDesired, observed: &Observed) -> Self {
        let (view, id) = (&observed.cloud, &desired.instance);
        let enis: Vec<&Eni> = view
            .enis
            .values()
            .filter(|eni| {
                let tag = eni.tags.get(OWNER_TAG).map(String::as_str);
                eni.instance.as_ref() == Some(id) || tag == Some(id.as_str())
            })
            .collect();
        let former = observed.former.get(id);
        let eips: Vec<&Eip> = view
            .eips
            .values()
            .filter(|eip| held(view, eip, desired) || Some(&eip.address) == former)
            .collect();
        let entry = json!([
            desired.instance,
            desired.address,
            desired.eni,
            desired.route,
            desired.verify,
            desired.allow
        ]);
        let mut parts = vec![
            (Part::Inventory, entry),
            (Part::Instance, json!(view.instances.get(id))),
            (Part::Interfaces, json!(enis)),
            (Part::Addresses, json!(eips)),
        ];
        let facts = observed.facts.get(&desired.name).and_then(|facts| facts.seen());
        parts.extend(facts.into_iter().flat_map(host));
        Self(parts.into_iter().map(|(part, value)| (part, hash(&value))).collect())
    }

    /// The parts that differ, for people; `None` if none does.
    #[must_use]
    pub fn difference(&self, now: &Self) -> Option<String> {
        let all: std::collections::BTreeSet<Part> = self.0.keys().chain(now.0.keys()).copied().collect();
        let changed = all.into_iter().filter(|part| self.0.get(part) != now.0.get(part));
        let changed: Vec<&str> = changed.map(Part::label).collect();
        (!changed.is_empty()).then(|| changed.join(", "))
    }
}

fn held(view: &CloudView, eip: &Eip, desired: &HostDesired) -> bool {
    match &eip.holder {
        Some(EipHolder::Instance(id)) => *id == desired.instance,
        Some(EipHolder::Eni(id)) => {
            view.enis.get(id).and_then(|eni| eni.instance.as_ref()) == Some(&desired.instance)
        }
        Some(EipHolder::Other(..)) | None => false,
    }
}

fn host(facts: &Facts) -> [(Part, Value); 4] {
    let Facts { uid, os, kernel, iproute, http_client, instance, .. } = facts;
    [
        (Part::System, json!([uid, os, kernel, iproute, http_client, instance])),
        (
            Part::Network,
            json!([facts.links, facts.addresses, facts.rules, facts.routes, facts.internet_route]),
        ),
        (Part::RcLocal, json!(facts.rc_local)),
        (Part::Owner, json!([facts.system.init, facts.system.systemd, facts.system.claims, facts.files])),
    ]
}
