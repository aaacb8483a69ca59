//! The programs of a minimal image: all of the machine's but net-tools.
//!
//! A shell finds a program that is merely not executable, so the folders themselves must not have it: a minimal host sees
//! folders of links to the others, made once for all such hosts, and the machine's folders behind them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::mount::mount_bind;

use crate::lab::paths;

/// Programs of net-tools, which minimal images do not have.
const NET_TOOLS: [&str; 4] = ["route", "ifconfig", "arp", "netstat"];
/// Where programs are; some of these are the same folder on most machines.
const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// Where a minimal host sees the machine's folders, below its `/run`.
const BEHIND: &str = "image";

/// Makes the folders of links, in the lab's state.
pub(crate) fn lay_out() -> Result<(), String> {
    for folder in with_net_tools() {
        let ours = below(&paths::state(BEHIND), &folder);
        let behind = below(&Path::new("/run").join(BEHIND), &folder);
        let failed = |error: std::io::Error| format!("{}: {error}", ours.display());
        fs::create_dir_all(&ours).map_err(failed)?;
        for entry in fs::read_dir(&folder).map_err(failed)?.flatten() {
            let name = entry.file_name();
            if !NET_TOOLS.iter().any(|tool| name.to_str() == Some(tool)) {
                symlink(behind.join(&name), ours.join(&name)).map_err(failed)?;
            }
        }
    }
    Ok(())
}

/// Mounts them in a host whose `/run` will be `run`.
pub(super) fn put_on(run: &Path) -> Result<(), String> {
    for folder in with_net_tools() {
        let behind = below(&run.join(BEHIND), &folder);
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(&behind).map_err(failed)?;
        mount_bind(&folder, &behind).map_err(|error| failed(error.into()))?;
        mount_bind(below(&paths::state(BEHIND), &folder), &folder).map_err(|error| failed(error.into()))?;
    }
    Ok(())
}

/// The machine's folders that have something to hide, each under its real name.
fn with_net_tools() -> BTreeSet<PathBuf> {
    FOLDERS
        .iter()
        .filter(|folder| NET_TOOLS.iter().any(|tool| Path::new(folder).join(tool).exists()))
        .filter_map(|folder| fs::canonicalize(folder).ok())
        .collect()
}

fn below(root: &Path, folder: &Path) -> PathBuf {
    root.join(folder.strip_prefix("/").unwrap_or(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_keep_their_place_below_another_root() {
        assert_eq!(below(Path::new("/run/image"), Path::new("/usr/sbin")), Path::new("/run/image/usr/sbin"));
    }

    #[test]
    fn a_folder_is_listed_once_under_its_real_name() {
        for folder in with_net_tools() {
            assert_eq!(fs::canonicalize(&folder).unwrap(), folder);
        }
    }
}
