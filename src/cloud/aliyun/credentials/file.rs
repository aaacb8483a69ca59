//! Reading the files that keys are in.
//!
//! Must never put anything of a file into a message.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::core::model::Secret;

/// The largest such file, in bytes.
const MOST: u64 = 1024 * 1024;

/// A file's text, and whether others than its owner may read it.
pub(super) struct Text {
    pub(super) text: Secret<String>,
    /// What is unsafe about it.
    pub(super) warning: Option<String>,
}

/// Reads a file that has to be there.
///
/// # Errors
/// A sentence that names the file.
pub(super) fn read(path: &Path) -> Result<Text, String> {
    let shown = path.display();
    read_if_there(path)?.ok_or_else(|| format!("{shown}: there is no such file"))
}

/// Reads a file, or finds that it is not there.
///
/// # Errors
/// As [`read`].
pub(super) fn read_if_there(path: &Path) -> Result<Option<Text>, String> {
    let shown = path.display();
    let unreadable = |error: &std::io::Error| {
        format!("{shown}: it cannot be read ({error}); make it readable for the user that runs this")
    };
    // Looked at before it is opened: opening a pipe would wait for whoever writes to it.
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(&error)),
    };
    if !about.is_file() {
        return Err(format!("{shown}: it is not a file"));
    }
    let file = fs::File::open(path).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    let read = file.take(MOST + 1).read_to_end(&mut bytes);
    let bytes = Secret::new(bytes);
    read.map_err(|error| unreadable(&error))?;
    if bytes.expose().len() as u64 > MOST {
        return Err(format!("{shown}: it is larger than {MOST} bytes"));
    }
    let text = std::str::from_utf8(bytes.expose()).map_err(|_| format!("{shown}: it is not UTF-8 text"))?;
    let text = Secret::new(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned());
    let mode = about.permissions().mode() & 0o777;
    let warning = (mode & 0o077 != 0).then(|| {
        format!("{shown} holds keys and has mode {mode:04o}, so others may use them; chmod 600 {shown}")
    });
    Ok(Some(Text { text, warning }))
}
