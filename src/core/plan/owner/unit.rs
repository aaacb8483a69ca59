//! A oneshot unit of our own and a timer that runs it again: for hosts whose network has no owner that we know.
//!
//! Files alone switch it on: a drop-in of `multi-user.target` wants both, so there is no link that could be forgotten.

use super::{OwnFile, Wanted, obstacle};
use crate::core::plan::route::HostObstacle;
use crate::core::template::{TemplateError, Templates};

/// How often the route is looked after, in seconds.
const EVERY: u32 = 30;

pub(super) fn files(wanted: &Wanted<'_>, templates: &Templates) -> Result<Vec<OwnFile>, TemplateError> {
    let (head, table) = (wanted.head(), wanted.target.table);
    let script = format!("/etc/egressctl/route-{table}.sh");
    let unit = format!("egressctl-route-{table}");
    let service = format!(
        "{head}\
        [Unit]\nDescription=egressctl: policy route of table {table}\nAfter=network.target network-online.target\n\n\
        [Service]\nType=oneshot\nExecStart=/bin/sh {script}\nTimeoutStartSec=60\n"
    );
    let timer = format!(
        "{head}\
        [Unit]\nDescription=egressctl: looks after the policy route of table {table}\n\n\
        [Timer]\nOnBootSec=5\nOnUnitInactiveSec={EVERY}\nAccuracySec=5\nUnit={unit}.service\n"
    );
    let wants = format!("{head}[Unit]\nWants={unit}.service {unit}.timer\n");
    let folder = "/etc/systemd/system";
    Ok(vec![
        OwnFile::new(script, format!("{head}{}", templates.block(wanted.target, false)?), 0o644),
        OwnFile::new(format!("{folder}/{unit}.service"), service, 0o644),
        OwnFile::new(format!("{folder}/{unit}.timer"), timer, 0o644),
        OwnFile::new(format!("{folder}/multi-user.target.d/egressctl-{table}.conf"), wants, 0o644),
    ])
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
