//! An audit for people, folded by kind of drift, and for programs.

use std::fmt::Write;

use serde::Serialize;

use super::{Audit, Drift, DriftKind, HostAudit};
use crate::core::plan::hosts;
use crate::core::report::{for_terminal, shorten};

/// Version of the document. A field more does not change it; another meaning or a field less does.
const SCHEMA_VERSION: u32 = 1;
/// Hosts of one kind that are shown with what was seen.
const SHOWN: usize = 5;

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    audit: &'a Audit,
}

/// The audit as one JSON document: `{"schema_version":1,"audit":{…}}`, indented, with a final line break.
#[must_use]
pub fn audit_json(audit: &Audit) -> String {
    let document = Document { schema_version: SCHEMA_VERSION, audit };
    // The types have no map keys but strings and no serializer of their own, which are the ways in which it can fail.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

/// The audit for people: `~` a kind of drift with its hosts, `?` hosts that could not be looked at, `=` the others.
#[must_use]
pub fn audit_text(audit: &Audit) -> String {
    let mut out = String::new();
    let mut kinds: Vec<DriftKind> =
        audit.hosts.iter().flat_map(|host| &host.drift).map(|drift| drift.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    // Writing to a String cannot fail.
    for kind in kinds {
        let of_kind: Vec<(&HostAudit, &Drift)> = audit
            .hosts
            .iter()
            .flat_map(|host| host.drift.iter().map(move |drift| (host, drift)))
            .filter(|(_, drift)| drift.kind == kind)
            .collect();
        let names = of_kind.iter().map(|(host, _)| *host);
        let _ = writeln!(out, "~ {} ({}): {}", kind.label(), of_kind.len(), list(names));
        for (host, drift) in of_kind.iter().take(SHOWN) {
            let _ = writeln!(out, "    {}: {}", host.host, for_terminal(&drift.what));
            if !drift.fix.is_empty() {
                let _ = writeln!(out, "      fix: {}", for_terminal(&drift.fix));
            }
        }
        if of_kind.len() > SHOWN {
            let _ = writeln!(out, "    … and {} more, shown by --json", of_kind.len() - SHOWN);
        }
    }
    let unreachable: Vec<&HostAudit> = audit.hosts.iter().filter(|host| host.unreachable.is_some()).collect();
    if let Some(reason) = unreachable.first().and_then(|host| host.unreachable.as_ref()) {
        let _ = writeln!(
            out,
            "? not looked at ({}): {}\n    {}: {}",
            unreachable.len(),
            list(unreachable.iter().copied()),
            unreachable[0].host,
            for_terminal(reason)
        );
    }
    let fine = || audit.hosts.iter().filter(|host| host.drift.is_empty() && host.unreachable.is_none());
    let findings: usize = audit.hosts.iter().map(|host| host.drift.len()).sum();
    if fine().next().is_some() {
        let _ = writeln!(out, "= as desired ({}): {}", fine().count(), list(fine()));
    }
    let _ = writeln!(
        out,
        "Audit: {}: {findings} {} on {}, {} as desired, {} not looked at.",
        hosts(audit.hosts.len()),
        if findings == 1 { "finding" } else { "findings" },
        audit.drifted(),
        fine().count(),
        unreachable.len()
    );
    out
}

fn list<'a>(hosts: impl Iterator<Item = &'a HostAudit>) -> String {
    shorten(hosts.map(|host| host.host.as_str())).join(" ")
}
