//! Values of single keywords. Each takes a text and returns the value, or a noun phrase that says what is accepted.

use std::time::Duration;

use super::Place;
use super::settings::Strictness;

/// One jump host as written: `[ssh://][user@]host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct JumpSpec {
    /// Login name, if given.
    pub user: Option<String>,
    /// Name or address, without brackets.
    pub host: String,
    /// Port, if given.
    pub port: Option<u16>,
}

/// A chain of jump hosts from us to the host, separated by commas; empty for `none`.
///
/// # Errors
/// What is accepted.
pub fn jump_chain(text: &str) -> Result<Vec<JumpSpec>, &'static str> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    let chain: Option<Vec<JumpSpec>> = text.split(',').map(jump).collect();
    chain.ok_or("jump hosts as user@host:port, separated by commas, or none")
}

fn jump(text: &str) -> Option<JumpSpec> {
    let text = text.strip_prefix("ssh://").unwrap_or(text);
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(self::user(user).ok()?), rest),
        None => (None, text),
    };
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        // More than one colon and no brackets: an IPv6 address.
        None if rest.matches(':').count() > 1 => (rest, None),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(self::port).transpose().ok()?;
    Some(JumpSpec { user, host: host_name(host).ok()?, port })
}

/// A name or address to connect to; it may hold tokens.
pub(super) fn host_name(text: &str) -> Result<String, &'static str> {
    let fine = (1..=255).contains(&text.len())
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-:%".contains(c));
    if fine { Ok(text.to_owned()) } else { Err("a host name or an address") }
}

/// A name under which a key is recorded: one word that is no pattern.
pub(super) fn key_name(text: &str) -> Result<String, &'static str> {
    let fine = (1..=255).contains(&text.len())
        && !text.starts_with(['@', '#', '|'])
        && text.chars().all(|c| c.is_ascii_graphic() && !"*?!,".contains(c));
    if fine { Ok(text.to_owned()) } else { Err("a name without wildcards, commas and spaces") }
}

/// A login name. It goes over the wire and into no shell, but nobody means one with spaces or a leading hyphen.
pub(super) fn user(text: &str) -> Result<String, &'static str> {
    let fine = (1..=255).contains(&text.len())
        && !text.starts_with('-')
        && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"'\"`\\;&<>|(){}$".contains(c));
    if fine { Ok(text.to_owned()) } else { Err("a login name") }
}

/// A TCP port.
pub(super) fn port(text: &str) -> Result<u16, &'static str> {
    match whole(text).and_then(|n| u16::try_from(n).ok()) {
        Some(port @ 1..) => Ok(port),
        _ => Err("a port from 1 to 65535"),
    }
}

/// A count.
pub(super) fn count(text: &str) -> Result<u32, &'static str> {
    whole(text).and_then(|n| u32::try_from(n).ok()).filter(|n| *n < 1 << 31).ok_or("a whole number")
}

/// `yes` or `no`.
pub(super) fn yes_no(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("yes or no"),
    }
}

/// `StrictHostKeyChecking`.
pub(super) fn strictness(text: &str, place: &Place) -> Result<Strictness, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "ask" => Ok(Strictness::Strict),
        "accept-new" => Ok(Strictness::AcceptNew),
        "no" | "false" | "off" => Ok(Strictness::Off(place.clone())),
        _ => Err("yes, ask or accept-new"),
    }
}

/// A time: seconds, or numbers with their units such as `1m30s`.
pub(super) fn time(text: &str) -> Result<Duration, &'static str> {
    seconds(text).map(Duration::from_secs).ok_or("a time in seconds, or such as 1m30s")
}

/// A time that may be `none`.
pub(super) fn time_or_none(text: &str) -> Result<Option<Duration>, &'static str> {
    if text.eq_ignore_ascii_case("none") { Ok(None) } else { time(text).map(Some) }
}

fn seconds(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = whole(&rest[..unit_at])?;
        let unit = rest[unit_at..].chars().next();
        let factor = match unit {
            None | Some('s' | 'S') => 1,
            Some('m' | 'M') => 60,
            Some('h' | 'H') => 3600,
            Some('d' | 'D') => 86400,
            Some('w' | 'W') => 604_800,
            Some(_) => return None,
        };
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = &rest[unit_at + unit.map_or(0, char::len_utf8)..];
    }
    (total < 1 << 31).then_some(total)
}

fn whole(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_units() {
        for (text, expected) in
            [("0", 0), ("10", 10), ("1m", 60), ("1m30s", 90), ("1h1m1", 3661), ("2W", 1_209_600)]
        {
            assert_eq!(time(text), Ok(Duration::from_secs(expected)), "{text}");
        }
        for text in ["", "m", "-1", "1x", "1.5", "99999999999999999999", "4000000000"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn jump_hosts_are_read_in_every_form() {
        type Read<'a> = (Option<&'a str>, &'a str, Option<u16>);
        let table: [(&str, &[Read<'_>]); 6] = [
            ("none", &[]),
            ("a", &[(None, "a", None)]),
            ("u@a:2222,b", &[(Some("u"), "a", Some(2222)), (None, "b", None)]),
            ("ssh://u@a:22", &[(Some("u"), "a", Some(22))]),
            ("[fd00::7]:22,fd00::8", &[(None, "fd00::7", Some(22)), (None, "fd00::8", None)]),
            ("u@x@a", &[(Some("u@x"), "a", None)]),
        ];
        for (text, expected) in table {
            let chain = jump_chain(text).unwrap();
            let read: Vec<_> = chain.iter().map(|j| (j.user.as_deref(), j.host.as_str(), j.port)).collect();
            assert_eq!(read, expected, "{text}");
        }
        for text in
            ["", ",", "a,", "@a", "a:", "a:0", "a:x", "[a", "[a]x", "a b", "-oX", "$(x)", "a;b", "u@-a"]
        {
            assert!(jump_chain(text).is_err(), "{text:?}");
        }
    }
}
