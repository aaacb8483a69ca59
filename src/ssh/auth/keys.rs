//! Our keys and certificates: read from files, private ones only from those that nobody else can read, and kept in custody.
//!
//! Must never name anything of a private key but its path and its public fingerprint.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use russh::keys::ssh_key::Error as SshKeyError;
use russh::keys::{self, Certificate, HashAlg, PrivateKey, PublicKey};
use tokio::io::AsyncReadExt as _;

use super::super::failure::local;
use super::agent::Public;
use super::answers::Answers;
use super::widened::widened;
use crate::core::model::Secret;
use crate::ports::{Question, SshError};

/// Larger than any key file; a larger file is something else.
const MAX_KEY_FILE: u64 = 64 * 1024;
/// How often a passphrase is asked for.
const ATTEMPTS: u8 = 3;

/// A key that can log in.
pub(in crate::ssh) struct LoginKey {
    /// The key, which overwrites itself when dropped.
    pub(in crate::ssh) key: Arc<PrivateKey>,
    /// `SHA256:…` of its public half.
    pub(in crate::ssh) fingerprint: String,
    /// Its file, as text for people.
    pub(in crate::ssh) file: String,
}

/// Whether there is such a file at all; whether it can be used is seen when it is read.
pub(super) async fn is_there(path: &Path) -> bool {
    !matches!(tokio::fs::metadata(path).await, Err(e) if e.kind() == io::ErrorKind::NotFound)
}

/// Reads a private key file, and asks for its passphrase if it has one.
pub(super) async fn load(path: &Path, answers: &Answers) -> Result<LoginKey, SshError> {
    let file = path.display().to_string();
    let wrong = |why: String| local(format!("private key {file}: {why}"));
    let text = Secret::new(read(path, "private key", true).await?);
    let key = match parse(text.expose(), None).map_err(wrong)? {
        Some(key) => key,
        None => unlock(path, text, answers).await.map_err(wrong)?,
    };
    let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
    Ok(LoginKey { key: Arc::new(key), fingerprint, file })
}

async fn unlock(path: &Path, text: Secret<String>, answers: &Answers) -> Result<PrivateKey, String> {
    const GIVEN_UP: &str = "its passphrase was wrong three times";
    let question = |attempt| Question::Passphrase { file: path.to_owned(), attempt };
    for attempt in 1..=ATTEMPTS {
        let passphrase = answers.get(question(attempt)).await.map_err(|why| why.0)?;
        let text = text.clone();
        // Deriving the key takes a while by design.
        let tried = tokio::task::spawn_blocking(move || parse(text.expose(), Some(passphrase.expose())));
        match tried.await {
            Ok(Ok(Some(key))) => return Ok(key),
            Ok(Err(why)) => return Err(why),
            Ok(Ok(None)) | Err(_) => {}
        }
    }
    answers.spoil(question(1), GIVEN_UP);
    Err(GIVEN_UP.to_owned())
}

/// Reads a user certificate.
pub(super) async fn load_certificate(path: &Path) -> Result<Certificate, SshError> {
    match read_public(path).await? {
        Public::Certificate(certificate) => Ok(*certificate),
        Public::Key(_) => Err(local(format!(
            "certificate {} is a plain public key; sign it (ssh-keygen -s) or leave the certificate out",
            path.display()
        ))),
    }
}

/// Reads a public key or a certificate.
pub(super) async fn read_public(path: &Path) -> Result<Public, SshError> {
    let text = read(path, "public key", false).await?;
    let line = text.trim();
    let parsed = match line.split_ascii_whitespace().next() {
        Some(kind) if kind.ends_with("-cert-v01@openssh.com") => {
            Certificate::from_openssh(line).map(|it| Public::Certificate(Box::new(it)))
        }
        _ => PublicKey::from_openssh(line).map(|it| Public::Key(Box::new(it))),
    };
    parsed.map_err(|e| local(format!("public key {}: it cannot be read: {e}", path.display())))
}

async fn read(path: &Path, what: &str, is_private: bool) -> Result<String, SshError> {
    let file = path.display();
    let cannot = |e: &io::Error| local(format!("{what} {file} cannot be read: {e}"));
    let mut opened = tokio::fs::File::open(path).await.map_err(|e| cannot(&e))?;
    // Asked of the open file, so that what is checked is what is read.
    let facts = opened.metadata().await.map_err(|e| cannot(&e))?;
    if !facts.is_file() {
        return Err(local(format!("{what} {file} is not a file")));
    }
    let mode = facts.permissions().mode() & 0o7777;
    if is_private && mode & 0o077 != 0 {
        return Err(local(format!(
            "{what} {file} can be read by others (mode {mode:04o}); run: chmod 600 {file}"
        )));
    }
    let mut text = String::new();
    (&mut opened).take(MAX_KEY_FILE).read_to_string(&mut text).await.map_err(|e| cannot(&e))?;
    Ok(text)
}

/// The key; `None` if it has a passphrase and this is not it, as far as the format tells that from a key that cannot be used.
pub(super) fn parse(text: &str, passphrase: Option<&str>) -> Result<Option<PrivateKey>, String> {
    if text.starts_with("ssh-") || text.starts_with("ecdsa-") {
        return Err("this is a public key; name the file without .pub".to_owned());
    }
    match keys::decode_secret_key(text, passphrase) {
        Ok(key) if key.is_encrypted() => Ok(None),
        Ok(key) => Ok(Some(key)),
        Err(keys::Error::KeyIsEncrypted | keys::Error::SshKey(SshKeyError::Crypto)) => Ok(None),
        // Older formats have no check of the passphrase.
        Err(_) if text.contains("ENCRYPTED") => Ok(None),
        Err(e) => {
            // A wrong passphrase is another error, so its key is not derived twice.
            let short = matches!(e, keys::Error::SshKey(SshKeyError::Encoding(_)));
            let key = short.then(|| widened(text, passphrase)).flatten();
            let why =
                || format!("it is no private key that can be used ({e}); an OpenSSH key file is expected");
            key.map(Some).ok_or_else(why)
        }
    }
}
