//! A oneshot unit of our own and a timer that runs it again: for hosts whose network has no owner that we know.
//!
//! Files alone switch it on: a drop-in of `multi-user.target` wants both, so there is no link that could be forgotten.

use super::{OwnFile, Wanted, obstacle};
use crate::core::plan::route::HostObstacle;
use crate::core::template::{Kept, TemplateError, Templates};

/// How often the route is looked after, in seconds.
const EVERY: u32 = 30;

pub(super) fn files(wanted: &Wanted<'_>, templates: &Templates) -> Result<Vec<OwnFile>, TemplateError> {
    let table = wanted.target.table;
    let text = templates.block(wanted.target, Kept::Again)?;
    Ok(looked_after(
        wanted,
        &Part { name: "route", about: "policy route", wants: format!("egressctl-{table}") },
        &text,
    ))
}

/// What a unit of ours looks after.
pub(super) struct Part {
    /// In the names of unit and script.
    pub(super) name: &'static str,
    /// For people.
    pub(super) about: &'static str,
    /// The name of the drop-in that switches it on.
    pub(super) wants: String,
}

/// A script, the unit that runs it, the timer that runs it again, and what switches both on.
pub(super) fn looked_after(wanted: &Wanted<'_>, part: &Part, text: &str) -> Vec<OwnFile> {
    let (head, table) = (wanted.head(), wanted.target.table);
    let Part { name, about, wants } = part;
    let script = format!("/etc/egressctl/{name}-{table}.sh");
    let unit = format!("egressctl-{name}-{table}");
    let after = "network.target network-online.target";
    // A firewall that flushes every table when it starts must have done so.
    let after = if wanted.target.shim {
        format!("{after} nftables.service firewalld.service")
    } else {
        after.to_owned()
    };
    let service = format!(
        "{head}\
        [Unit]\nDescription=egressctl: {about} of table {table}\nAfter={after}\n\n\
        [Service]\nType=oneshot\nExecStart=/bin/sh {script}\nTimeoutStartSec=60\n"
    );
    let timer = format!(
        "{head}\
        [Unit]\nDescription=egressctl: looks after the {about} of table {table}\n\n\
        [Timer]\nOnBootSec=5\nOnUnitInactiveSec={EVERY}\nAccuracySec=5\nUnit={unit}.service\n"
    );
    let folder = "/etc/systemd/system";
    vec![
        OwnFile::new(script, format!("{head}{text}"), 0o644),
        OwnFile::new(format!("{folder}/{unit}.service"), service, 0o644),
        OwnFile::new(format!("{folder}/{unit}.timer"), timer, 0o644),
        OwnFile::new(
            format!("{folder}/multi-user.target.d/{wants}.conf"),
            format!("{head}[Unit]\nWants={unit}.service {unit}.timer\n"),
            0o644,
        ),
    ]
}

pub(super) fn obstacles(wanted: &Wanted<'_>) -> Vec<HostObstacle> {
    if wanted.facts.system.init == "systemd" {
        return Vec::new();
    }
    vec![obstacle(
        "no-systemd",
        format!("the host's first process is {:?}, not systemd", wanted.facts.system.init),
        "nothing would run the unit",
        "let route.persist be auto or rc-local",
    )]
}
