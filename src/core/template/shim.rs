//! The shim's script: which values it takes.
//!
//! Must never be rendered from what a host has said.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::{TemplateError, Templates};
use crate::core::plan::shim::ShimTarget;

/// What to do with a host's shim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShimVerb {
    /// Put it in place.
    On,
    /// Take it away.
    Off,
}

/// Values of the shim script.
#[derive(Debug, Clone, Copy)]
pub struct ShimParams<'a> {
    /// What to do.
    pub verb: ShimVerb,
    /// The shim.
    pub shim: &'a ShimTarget,
    /// Put it in place although a firewall service of the host may flush it.
    pub flushed: bool,
}

#[derive(Serialize)]
struct ShimContext {
    verb: ShimVerb,
    mac: String,
    gateway: Ipv4Addr,
    table: u32,
    priority: u32,
    mark: String,
    rules: String,
    flushed: &'static str,
}

impl Templates {
    /// The script that puts the shim in place or takes it away. Idempotent; its answer is read by
    /// [`parse_shim`](crate::core::observed::applied::parse_shim).
    ///
    /// # Errors
    /// A template that cannot be rendered.
    pub fn shim_script(&self, params: &ShimParams<'_>) -> Result<String, TemplateError> {
        let shim = params.shim;
        let context = ShimContext {
            verb: params.verb,
            mac: shim.mac.to_string(),
            gateway: shim.gateway,
            table: shim.table,
            priority: shim.priority,
            mark: format!("{:#x}", shim.mark),
            rules: shim.rules(),
            flushed: if params.flushed { "yes" } else { "no" },
        };
        self.script("shim.sh", &context)
    }
}
