//! A host's boot after its mounts: the network as its owner brings it up, then `rc.local` if it is executable.
//!
//! Must never fail because of what the boot script does: that goes to `/var/log/boot.log`.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::owner::{self, Interface};
use super::{Boot, rc_local};
use crate::lab::network::{configure, lease};
use crate::lab::spec::Flavour;
use crate::lab::tool;

/// A boot script that takes longer is killed, with everything it started in its process group.
const SCRIPT_LIMIT: Duration = Duration::from_secs(30);
const LOG: &str = "/var/log/boot.log";
/// `PATH` of what a boot starts.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) fn run(boot: &Boot) -> Result<(), String> {
    tool::ip_batch(None, "link set lo up\n")?;
    for script in network(boot) {
        if let Err(error) = tool::ip_batch(None, &script) {
            log(&format!("network: {error}"));
        }
    }
    local_script(rc_local(boot.host.flavour));
    Ok(())
}

/// One `ip` script for each interface, so that a bad one does not keep the others down.
fn network(boot: &Boot) -> Vec<String> {
    match boot.host.flavour {
        Flavour::Rhel => {
            let texts = read_folder("/etc/sysconfig/network-scripts", "ifcfg-");
            texts.iter().filter_map(|text| owner::ifcfg(text)).map(|found| script(&found)).collect()
        }
        Flavour::Debian => {
            let mut text = fs::read_to_string("/etc/network/interfaces").unwrap_or_default();
            for more in read_folder("/etc/network/interfaces.d", "") {
                text.push('\n');
                text.push_str(&more);
            }
            owner::interfaces(&text).iter().map(script).collect()
        }
        Flavour::Minimal => {
            let nics = boot.nics.iter().enumerate();
            nics.map(|(number, nic)| lease(&nic.device, nic.address, nic.cidr, number == 0)).collect()
        }
    }
}

fn script(found: &Interface) -> String {
    configure(&found.device, found.address, found.prefix, found.gateway)
}

/// The texts of a folder's files in the order of their names.
fn read_folder(folder: &str, prefix: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect()
}

fn local_script(file: &Path) {
    let Ok(meta) = fs::metadata(file) else { return };
    if meta.permissions().mode() & 0o111 == 0 {
        log(&format!("{}: not executable, skipped", file.display()));
        return;
    }
    match run_limited(file) {
        Ok(text) => log(&format!("{}: {text}", file.display())),
        Err(error) => log(&format!("{}: {error}", file.display())),
    }
}

fn run_limited(file: &Path) -> Result<String, std::io::Error> {
    // The C library would hand a script without `#!` to a shell; an init system does not.
    let mut magic = [0; 4];
    let length = File::open(file)?.read(&mut magic)?;
    if !magic[..length].starts_with(b"#!") && !magic[..length].starts_with(b"\x7fELF") {
        return Err(std::io::Error::other("Exec format error"));
    }
    let output = OpenOptions::new().create(true).append(true).open(LOG)?;
    let mut child = Command::new(file)
        .arg("start")
        .env_clear()
        .envs([("PATH", PATH), ("HOME", "/root"), ("LANG", "C")])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()?;
    let deadline = Instant::now() + SCRIPT_LIMIT;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(format!("ended, {status}"));
        }
        if Instant::now() > deadline {
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                kill_process_group(group, Signal::KILL)?;
            }
            child.wait()?;
            return Ok(format!("killed after {} s", SCRIPT_LIMIT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The log is for people; a boot without one is still a boot.
pub(super) fn log(line: &str) {
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(LOG) {
        let _ = writeln!(file, "{line}");
    }
}
