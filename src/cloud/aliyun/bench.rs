//! What the client does with its processor, without a network: for `benches/cloud.rs` only.
//!
//! Must never be used by anything that means it.

use serde_json::Value;

use super::endpoints::Product;
use super::parse;
use super::read::instance_ids;
use super::sign::{Signable, hex, query, sha256_hex};
use crate::core::model::{InstanceId, Secret};

/// Signs and encodes the call that describes these instances, and returns its length.
#[must_use]
pub fn sign(ids: &std::collections::BTreeSet<InstanceId>, secret: &Secret<String>) -> usize {
    let mut nonce = [0u8; 16];
    if getrandom::fill(&mut nonce).is_err() {
        return 0;
    }
    let mut call = instance_ids(ids);
    call.params.insert("RegionId".to_owned(), "cn-beijing".to_owned());
    let headers = [
        ("host", "ecs.cn-beijing.aliyuncs.com"),
        ("x-acs-action", call.action),
        ("x-acs-version", Product::Ecs.version()),
        ("x-acs-date", "2026-11-22T16:00:00Z"),
        ("x-acs-signature-nonce", &hex(&nonce)),
        ("x-acs-content-sha256", &sha256_hex(b"")),
    ];
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let signable = Signable { method: "POST", path: "/", params: &call.params, headers: &headers, body: b"" };
    signable.authorization("LTAI0123456789abcdef", secret).len() + query(&call.params).len()
}

/// Parses pages of instances, of interfaces and of EIPs as they come from the network, and returns how many records they hold.
#[must_use]
pub fn parse(instances: &[String], enis: &[String], eips: &[String]) -> usize {
    let read = |text: &String| serde_json::from_str::<Value>(text).unwrap_or_default();
    let count =
        |pages: &[String], of: fn(&Value) -> usize| pages.iter().map(read).map(|page| of(&page)).sum();
    let instances: usize = count(instances, |page| parse::instances(page).map_or(0, |list| list.len()));
    let enis: usize = count(enis, |page| parse::enis(page).map_or(0, |list| list.len()));
    let eips: usize = count(eips, |page| parse::eips(page).map_or(0, |list| list.len()));
    instances + enis + eips
}
