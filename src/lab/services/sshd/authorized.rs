//! Who may log in: the `authorized_keys` file, read afresh at every attempt so that a changed file counts at once.
//!
//! A line with options (`from=`, `command=`, `restrict`, …) never counts: honouring the key but not its restrictions would
//! be worse than refusing it.

use std::path::Path;

use russh::keys::PublicKey;
use tokio::io::AsyncReadExt;

/// More than this is not a list of keys.
const MAX_FILE: u64 = 1 << 20;

/// Whether `key` is in the file; a file that cannot be read lists nobody.
pub(super) async fn lists(file: &Path, key: &PublicKey) -> bool {
    let Ok(file) = tokio::fs::File::open(file).await else {
        return false;
    };
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).await.is_ok() && contains(&text, key)
}

fn contains(text: &str, key: &PublicKey) -> bool {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| PublicKey::from_openssh(line).ok())
        .any(|listed| listed.key_data() == key.key_data())
}

#[cfg(test)]
mod tests {
    use super::super::tests::key;
    use super::*;

    #[test]
    fn comments_and_rubbish_are_passed_over_and_options_are_not_honoured() {
        let wanted = key(1).public_key().clone();
        let line = wanted.to_openssh().unwrap();
        assert!(contains(&format!("# keys\n\nrubbish\n  {line} somebody\n"), &wanted));
        assert!(!contains(&format!("from=\"10.0.0.1\" {line}"), &wanted));
        assert!(!contains(&format!("#{line}"), &wanted));
        assert!(!contains(&key(2).public_key().to_openssh().unwrap(), &wanted));
    }
}
