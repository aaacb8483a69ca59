//! Our private keys: read from files that only their owner can read, kept in custody.
//!
//! Must never ask for a passphrase, and never name anything of a key but its path and its public fingerprint.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use russh::keys::{self, HashAlg, PrivateKey};
use tokio::io::AsyncReadExt as _;

use super::failure::local;
use crate::core::model::Secret;
use crate::ports::SshError;

/// Larger than any private key file; a larger file is something else.
const MAX_KEY_FILE: u64 = 64 * 1024;

/// A key that can log in.
pub(super) struct LoginKey {
    /// The key.
    pub(super) key: Secret<Arc<PrivateKey>>,
    /// `SHA256:…` of its public half.
    pub(super) fingerprint: String,
    /// Its file, as text for people.
    pub(super) file: String,
}

/// Reads a private key file.
pub(super) async fn load(path: &Path) -> Result<LoginKey, SshError> {
    let file = path.display().to_string();
    let text = Secret::new(read(path, &file).await?);
    let key = parse(text.expose()).map_err(|why| local(format!("private key {file}: {why}")))?;
    let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
    Ok(LoginKey { key: Secret::new(Arc::new(key)), fingerprint, file })
}

async fn read(path: &Path, file: &str) -> Result<String, SshError> {
    let cannot = |e: &std::io::Error| local(format!("private key {file} cannot be read: {e}"));
    let mut opened = tokio::fs::File::open(path).await.map_err(|e| cannot(&e))?;
    // Asked of the open file, so that what is checked is what is read.
    let facts = opened.metadata().await.map_err(|e| cannot(&e))?;
    if !facts.is_file() {
        return Err(local(format!("private key {file} is not a file")));
    }
    let mode = facts.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(local(format!(
            "private key {file} can be read by others (mode {mode:04o}); run: chmod 600 {file}"
        )));
    }
    let mut text = String::new();
    (&mut opened).take(MAX_KEY_FILE).read_to_string(&mut text).await.map_err(|e| cannot(&e))?;
    Ok(text)
}

fn parse(text: &str) -> Result<PrivateKey, String> {
    const ENCRYPTED: &str = "it has a passphrase, which is not supported yet; \
         make a copy without one (ssh-keygen -p on the copy) or use another key";
    if text.starts_with("ssh-") || text.starts_with("ecdsa-") {
        return Err("this is a public key; name the file without .pub".to_owned());
    }
    match keys::decode_secret_key(text, None) {
        Ok(key) if key.is_encrypted() => Err(ENCRYPTED.to_owned()),
        Ok(key) => Ok(key),
        Err(keys::Error::KeyIsEncrypted) => Err(ENCRYPTED.to_owned()),
        Err(_) if text.contains("ENCRYPTED") => Err(ENCRYPTED.to_owned()),
        Err(e) => {
            Err(format!("it is no private key that can be used ({e}); an OpenSSH key file is expected"))
        }
    }
}
