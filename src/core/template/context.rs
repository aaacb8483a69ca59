//! What the scripts that change a host's route are rendered with: a target, its files and its guard as words.
//!
//! Must never quote: that is the renderer's part, for every value alike.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::guard::{GUARD_DISK, GUARD_FOLDER};
use super::scripts::{PUBLIC_DESTINATION, UNKNOWN, yes_no};
use crate::core::model::Owner;
use crate::core::plan::RouteTarget;
use crate::core::plan::route::FileChange;
use crate::core::plan::shim::{Shim, is_looked_after};

#[derive(Serialize)]
pub(super) struct RouteContext<'a> {
    pub(super) mac: String,
    pub(super) address: String,
    pub(super) gateway: Ipv4Addr,
    pub(super) primary_ip: Ipv4Addr,
    pub(super) prefix: u8,
    pub(super) documented: bool,
    pub(super) form: &'static str,
    pub(super) subnet: String,
    pub(super) metric: u32,
    pub(super) connected: u32,
    pub(super) table: u32,
    pub(super) priority: u32,
    pub(super) public: Ipv4Addr,
    pub(super) wait_seconds: u32,
    pub(super) watch: bool,
    pub(super) route: bool,
    pub(super) shim: bool,
    pub(super) shim_wanted: &'static str,
    pub(super) shim_table: String,
    pub(super) shim_rules: String,
    pub(super) shim_flushed: &'static str,
    pub(super) mark: String,
    pub(super) mark_priority: u32,
    pub(super) owners: String,
    pub(super) files: Vec<FileContext<'a>>,
    pub(super) files_back: Vec<FileContext<'a>>,
    pub(super) link_was_up: &'static str,
    pub(super) guard_base: &'static str,
    pub(super) guard_disk: &'static str,
    pub(super) guard_tx: &'a str,
    pub(super) guard_seconds: u32,
    pub(super) guard_rollback: &'a str,
    pub(super) phase: &'static str,
    pub(super) generation: u8,
    pub(super) begin_again: &'static str,
}

#[derive(Clone, Serialize)]
pub(super) struct FileContext<'a> {
    pub(super) path: &'a str,
    pub(super) existed: &'static str,
    pub(super) before: &'a str,
    pub(super) mode_before: String,
    pub(super) stays: &'static str,
    pub(super) after: &'a str,
    pub(super) mode_after: String,
}

impl<'a> FileContext<'a> {
    fn new(file: &'a FileChange) -> Self {
        Self {
            path: &file.path,
            existed: yes_no(file.before.is_some()),
            before: file.before.as_deref().unwrap_or_default(),
            mode_before: format!("{:o}", file.mode_before),
            stays: yes_no(file.after.is_some()),
            after: file.after.as_deref().unwrap_or_default(),
            mode_after: format!("{:o}", file.mode_after),
        }
    }
}

impl<'a> RouteContext<'a> {
    pub(super) fn new(route: &RouteTarget) -> Self {
        let shim = Shim::of(route);
        let documented = route.form.documented();
        Self {
            mac: route.mac.map_or_else(|| UNKNOWN.to_owned(), |mac| mac.to_string()),
            address: route.address.map_or_else(|| UNKNOWN.to_owned(), |address| address.to_string()),
            gateway: route.gateway,
            primary_ip: route.primary_ip,
            prefix: route.prefix(),
            documented: documented.is_some(),
            form: if documented.is_some() { "documented" } else { "slash32" },
            subnet: route.subnet().to_string(),
            metric: documented.map_or(0, |form| form.metric),
            connected: documented.map_or(0, |form| form.connected),
            table: route.table,
            priority: route.priority,
            public: PUBLIC_DESTINATION,
            wait_seconds: 0,
            watch: true,
            route: true,
            shim: route.shim,
            shim_wanted: yes_no(route.shim),
            shim_table: shim.name,
            shim_rules: shim.rules,
            shim_flushed: yes_no(is_looked_after(route.owner)),
            mark: format!("{:#x}", shim.mark),
            mark_priority: shim.priority,
            owners: String::new(),
            files: Vec::new(),
            files_back: Vec::new(),
            link_was_up: "no",
            guard_base: GUARD_FOLDER,
            guard_disk: GUARD_DISK,
            guard_tx: "none",
            guard_seconds: 0,
            guard_rollback: "",
            phase: "look",
            generation: 0,
            begin_again: "no",
        }
    }

    pub(super) fn with_files(mut self, files: &'a [FileChange], reload: &[Owner]) -> Self {
        self.files = files.iter().map(FileContext::new).collect();
        self.files_back = self.files.iter().rev().cloned().collect();
        self.owners = reload.iter().map(|owner| owner.word()).collect::<Vec<_>>().join(" ");
        self
    }
}
