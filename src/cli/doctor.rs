//! `egressctl doctor`: whether what a run needs is there: credentials, who they are, endpoints, the clock, files. Changes nothing.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::clock::SystemClock;
use super::fleet::{self, FleetArgs};
use super::problem::Problem;
use crate::cloud::aliyun::{Env, checkup};
use crate::core::checkup::{Checkup, Finding, Place, checkup_json, checkup_text};
use crate::core::inventory::{CloudDesired, HostLogin};
use crate::ports::Clock;

/// Look whether what a run needs is there: credentials and who they are, endpoints, clock, files
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    fleet: FleetArgs,
}

/// What to look at, and what was found by reading it.
#[derive(Default)]
struct Wanted {
    cloud: Option<CloudDesired>,
    hosts: Vec<HostLogin>,
    findings: Vec<Finding>,
}

pub(super) async fn run(args: DoctorArgs) -> Result<ExitCode, Problem> {
    let ui = args.fleet.show.ui()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Wanted { cloud, hosts, mut findings } = wanted(&args.fleet)?;
    let mut checkup = match &cloud {
        Some(cloud) => checkup(&fleet::config(cloud), &Env::process(), Arc::clone(&clock)).await,
        None => Checkup::default(),
    };
    if cloud.is_none() && findings.is_empty() {
        let what = "no region is given, so no cloud was asked: add -i FILE, or set ALIBABA_CLOUD_REGION_ID";
        findings.push(Finding::problem(what));
    }
    checkup.findings.extend(findings);
    state(&args.fleet.state.folder()?, &mut checkup);
    known_hosts(&hosts, &mut checkup);
    checkup.findings.sort_by_key(|finding| finding.severity);
    ui.out(&if args.fleet.show.json {
        checkup_json(&checkup)
    } else {
        checkup_text(&checkup, clock.now_ms())
    });
    Ok(ExitCode::from(checkup.exit_code()))
}

/// What the inventory says, or the environment without one. An inventory with mistakes is a finding, not the end.
fn wanted(args: &FleetArgs) -> Result<Wanted, Problem> {
    if args.inventory.is_none() {
        return Ok(Wanted { cloud: args.cloud_from_environment()?, ..Wanted::default() });
    }
    match args.read_roster() {
        Ok((cloud, hosts)) => Ok(Wanted { cloud, hosts, findings: Vec::new() }),
        Err(problem) => {
            let cloud = args.cloud_from_environment().unwrap_or_default();
            let findings = vec![Finding::problem(problem.into_message())];
            Ok(Wanted { cloud, hosts: Vec::new(), findings })
        }
    }
}

/// The state folder: ours alone, and writable.
fn state(folder: &Path, checkup: &mut Checkup) {
    let path = folder.display().to_string();
    let state = match fs::metadata(folder) {
        Ok(about) if !about.is_dir() => {
            checkup
                .findings
                .push(Finding::problem(format!("{path} is not a folder; name one by --state-dir")));
            "not a folder".to_owned()
        }
        Ok(about) => {
            let mode = about.permissions().mode() & 0o777;
            if rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_err()
            {
                checkup.findings.push(Finding::problem(format!(
                    "{path}, where the journal is kept, cannot be written; it belongs to user id {}",
                    about.uid()
                )));
            } else if mode & 0o022 != 0 {
                checkup.findings.push(Finding::warning(format!(
                    "{path}, where the journal is kept, may be written by others (mode {mode:04o}); chmod 700 {path}"
                )));
            }
            format!("is there, mode {mode:04o}")
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "is made by the first run".to_owned(),
        Err(error) => {
            checkup.findings.push(Finding::problem(format!("{path}, where the journal is kept: {error}")));
            "cannot be seen".to_owned()
        }
    };
    checkup.places.push(Place { what: "state folder".to_owned(), path, state });
}

/// The files of host keys that the hosts name, or the usual one.
fn known_hosts(hosts: &[HostLogin], checkup: &mut Checkup) {
    let mut files: Vec<(PathBuf, bool)> = Vec::new();
    for host in hosts {
        for file in &host.ssh.known_hosts {
            if !files.iter().any(|(known, _)| known == file) {
                files.push((file.clone(), host.ssh.known_hosts_named));
            }
        }
    }
    for (file, named) in files {
        let path = file.display().to_string();
        let state = match fs::read(&file) {
            Ok(bytes) => {
                let keys = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
                format!("{} lines", keys.count())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if named {
                    let cure = "record the hosts' keys by `egressctl trust`";
                    checkup.findings.push(Finding::problem(format!("there is no {path}; {cure}")));
                }
                "is not there".to_owned()
            }
            Err(error) => {
                checkup.findings.push(Finding::problem(format!("{path}: {error}")));
                "cannot be read".to_owned()
            }
        };
        checkup.places.push(Place { what: "known hosts".to_owned(), path, state });
    }
}
