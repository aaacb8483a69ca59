//! The files of variables beside an inventory of Ansible's: `group_vars/` and `host_vars/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::problem::Problem;
use crate::core::inventory::{Beside, MOST_BYTES, VarsFile};

/// Reads what is there. Nothing of it is looked at unless the inventory is Ansible's.
pub(super) fn read(folder: &Path) -> Result<Beside, Problem> {
    Ok(Beside {
        group_vars: files(&folder.join("group_vars"))?,
        host_vars: files(&folder.join("host_vars"))?,
    })
}

/// By name: `web.yml`, `web` and every file below `web/` are about `web`.
fn files(folder: &Path) -> Result<BTreeMap<String, Vec<VarsFile>>, Problem> {
    let mut found: BTreeMap<String, Vec<VarsFile>> = BTreeMap::new();
    for path in sorted(folder)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let inside = path.is_dir();
        let stem = [".yml", ".yaml", ".json"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let about = if inside { name } else { stem }.to_owned();
        for file in if inside { sorted(&path)? } else { vec![path.clone()] } {
            if file.is_file() {
                found.entry(about.clone()).or_default().push(read_file(&file)?);
            }
        }
    }
    Ok(found)
}

/// What is in a folder, without hidden files and an editor's copies; nothing if there is no such folder.
fn sorted(folder: &Path) -> Result<Vec<std::path::PathBuf>, Problem> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, &error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with('.') && !name.ends_with('~') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_file(path: &Path) -> Result<VarsFile, Problem> {
    let size = fs::metadata(path).map_err(|error| unreadable(path, &error))?.len();
    if size > MOST_BYTES as u64 {
        let shown = path.display();
        return Err(Problem::failed(format!("{shown}: it has {size} bytes; expected at most {MOST_BYTES}")));
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    Ok(VarsFile { file: path.display().to_string(), text })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::failed(format!("variables {}: {error}", path.display()))
}
