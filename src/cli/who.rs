//! Who runs the program, for the eyes of others.

use crate::core::model::{ModelError, Operator};

/// `user@bastion`, by the environment and the machine's name. What a name must not have becomes `-`.
///
/// # Errors
/// Never: whatever the names are, they are made fit.
pub(super) fn operator() -> Result<Operator, ModelError> {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let user = user.unwrap_or_else(|| format!("uid{}", rustix::process::geteuid().as_raw()));
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    named(&user, &machine)
}

fn named(user: &str, machine: &str) -> Result<Operator, ModelError> {
    let part = |text: &str, usual: &str| {
        let plain = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' };
        let text: String = text.chars().map(plain).take(39).collect();
        let text = text.trim_start_matches(['.', '-', '_']);
        if text.is_empty() { usual.to_owned() } else { text.to_owned() }
    };
    format!("{}@{}", part(user, "somebody"), part(machine, "somewhere")).parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_becomes_one_that_is_safe_to_show() {
        for (user, machine, seen) in [
            ("ann", "bastion-1.example", "ann@bastion-1.example"),
            ("", "", "somebody@somewhere"),
            ("a;b c", "ü$(id)", "a-b-c@id-"),
            ("-x", "_", "x@somewhere"),
        ] {
            assert_eq!(named(user, machine).unwrap().as_str(), seen);
        }
        assert_eq!(named(&"u".repeat(99), &"m".repeat(99)).unwrap().as_str().len(), 79);
        assert!(operator().unwrap().as_str().contains('@'));
    }
}
