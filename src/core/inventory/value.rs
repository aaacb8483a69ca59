//! Checks of single values. Each takes a text and returns the value, or a noun phrase that says what is accepted.
//!
//! Must never repair what it gets: a value is right or it is a mistake.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::core::model::ModelError;
use crate::core::text::milliseconds;

/// An identifier of the cloud, with the prefix that all of its kind have.
pub(super) fn id<T: FromStr<Err = ModelError>>(text: &str, prefix: &str) -> Result<T, String> {
    // Parsing any wrong text tells what is right, also where only the prefix is wrong.
    let checked = if text.starts_with(prefix) && text.len() > prefix.len() { text } else { "" };
    checked.parse().map_err(|error: ModelError| error.expected.to_owned())
}

/// The name of a group: it must not collide with the language of `--limit`.
pub(super) fn group_name(text: &str) -> Result<String, String> {
    let fine = text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    match text {
        "all" | "ungrouped" => Err("another group name (all and ungrouped are built in)".to_owned()),
        _ if fine => Ok(text.to_owned()),
        _ => Err("a group name (a letter, then letters, digits and . _ -, at most 64)".to_owned()),
    }
}

/// A login name.
pub(super) fn user(text: &str) -> Result<String, String> {
    let fine = text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if fine {
        Ok(text.to_owned())
    } else {
        Err("a login name (a letter, then letters, digits and . _ -, at most 32)".to_owned())
    }
}

/// A host name or IPv4 address to connect to.
pub(super) fn network_name(text: &str) -> Result<String, String> {
    let fine = (1..=253).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if fine { Ok(text.to_owned()) } else { Err("a host name or an IPv4 address".to_owned()) }
}

/// An IPv4 address that a host can have.
pub(super) fn address(text: &str) -> Result<Ipv4Addr, String> {
    let Ok(address) = text.parse::<Ipv4Addr>() else {
        return Err(if text.contains('/') {
            "an IPv4 address without a prefix length, such as 10.0.0.5"
        } else {
            "an IPv4 address such as 10.0.0.5"
        }
        .to_owned());
    };
    let [first, ..] = address.octets();
    let reserved = match first {
        0 => "of 0.0.0.0/8, which means \"this network\"",
        127 => "of the loopback range",
        169 if address.is_link_local() => "of the link-local range",
        224.. => "of the multicast and reserved ranges",
        _ => return Ok(address),
    };
    Err(format!("an address that a host can have, not one {reserved}"))
}

/// An address to log in at: a host's, or one of this machine itself.
pub(super) fn login_address(text: &str) -> Result<Ipv4Addr, String> {
    match text.parse::<Ipv4Addr>() {
        Ok(own) if own.is_loopback() => Ok(own),
        _ => address(text),
    }
}

/// An address that a VPC can hold: the clouds' own range is excluded from every VPC.
pub(super) fn private_address(text: &str) -> Result<Ipv4Addr, String> {
    let found = address(text)?;
    match found.octets() {
        [100, 64..=127, ..] => {
            Err("an address of a VPC, not one of 100.64.0.0/10, the cloud's own range".to_owned())
        }
        _ => Ok(found),
    }
}

/// A span of time with its unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match milliseconds(text) {
        Some(millis @ 100..=600_000) => Ok(Duration::from_millis(millis)),
        _ => Err("a time with its unit such as 10s, 500ms or 1m, from 100ms to 10m".to_owned()),
    }
}

/// A TCP port as part of a text.
pub(super) fn port(text: &str) -> Result<u16, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(port @ 1..) if digits => Ok(port),
        _ => Err("a port from 1 to 65535".to_owned()),
    }
}

/// A file's path: absolute, below the home directory as `~/…`, or relative to the inventory's folder.
pub(super) fn path(text: &str, folder: &Path, home: Option<&str>) -> Result<PathBuf, String> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("a file's path".to_owned());
    }
    if let Some(rest) = text.strip_prefix("~/") {
        return match home {
            Some(home) => Ok(Path::new(home).join(rest)),
            None => Err("a path without ~/ because HOME is not set".to_owned()),
        };
    }
    if text.starts_with('~') {
        return Err("an absolute path, or ~/… for one's own home directory".to_owned());
    }
    Ok(folder.join(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_a_sane_size() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        for bad in ["", "s", "10", "0s", "50ms", "11m", "-1s", "1h", "10 s", "99999999999999999999s", "1.5s"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_that_nobody_can_have_are_refused() {
        assert_eq!(address("10.0.0.5"), Ok(Ipv4Addr::new(10, 0, 0, 5)));
        assert!(address("100.100.0.10").is_ok() && private_address("100.100.0.10").is_err());
        for bad in [
            "0.0.0.0",
            "127.0.0.1",
            "169.254.1.1",
            "224.0.0.1",
            "255.255.255.255",
            "10.0.0",
            "010.0.0.1",
            "::1",
        ] {
            assert!(address(bad).is_err(), "{bad}");
            assert_eq!(login_address(bad).is_ok(), bad == "127.0.0.1", "{bad}");
        }
    }

    #[test]
    fn paths_are_joined_to_their_base() {
        let at = |text, home| path(text, Path::new("/inv"), home);
        assert_eq!(at("keys/k", None), Ok(PathBuf::from("/inv/keys/k")));
        assert_eq!(at("/k", None), Ok(PathBuf::from("/k")));
        assert_eq!(at("~/.ssh/k", Some("/home/a")), Ok(PathBuf::from("/home/a/.ssh/k")));
        for bad in ["", "~/.ssh/k", "~bob/k", "a\0b", "a\nb"] {
            assert!(at(bad, None).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ids_need_their_prefix() {
        use crate::core::model::InstanceId;
        assert!(id::<InstanceId>("i-lab000007", "i-").is_ok());
        for bad in ["", "i-", "eni-1", "i-a b", "2ze"] {
            assert!(id::<InstanceId>(bad, "i-").is_err(), "{bad}");
        }
    }
}
