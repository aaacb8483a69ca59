//! `cloud.limits`: what the account may have, where the cloud does not tell or somebody knows better.

use serde::{Deserialize, Serialize};

use super::node::Node;
use super::read::Reader;

/// What the account may have in the region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// EIPs, as the Quota Center shows it; the vendor's documented default if absent.
    pub eips: Option<u32>,
    /// Secondary interfaces; what the account's attributes say if absent.
    pub enis: Option<u32>,
}

impl Reader<'_, '_> {
    /// The limits of the section `cloud`.
    pub(super) fn limits(&mut self, node: Option<&Node>) -> Limits {
        let fields = node.and_then(|node| self.fields(node, "cloud.limits", &["eips", "enis"]));
        let Some(fields) = fields else { return Limits::default() };
        let mut limit = |key: &str| {
            let node = fields.get(key)?;
            let expected = "a number from 1 to 1000000, as the vendor's Quota Center shows it";
            self.number(node, &format!("cloud.limits.{key}"), 1..=1_000_000, expected)
        };
        Limits { eips: limit("eips"), enis: limit("enis") }
    }
}
