//! The facts script's output as typed values. Pure; whatever the bytes are, it answers or refuses.

use std::collections::BTreeMap;

use super::{Facts, HttpClient, RcLocal, RouteChoice, lines, surroundings};
use crate::core::observed::HostTextError;
use crate::core::observed::frame::{Frames, shown};
use crate::core::text::is_harmful;

/// Reads what the facts script has printed. Words that ip(8) may add in later versions are skipped; a value of the wrong
/// kind, or a command that failed, is an error, because an empty list would say "there is none". Where `ip` is not
/// iproute2's, the lists are empty and `iproute` says so.
///
/// # Errors
/// What could not be read, and where.
pub fn parse_facts(stdout: &[u8]) -> Result<Facts, HostTextError> {
    let frames = Frames::parse(stdout, "egressctl-facts 1")?;
    let number = |name: &str, radix| {
        let text = frames.line(name)?;
        u32::from_str_radix(&text, radix)
            .map_err(|_| HostTextError::new(name, format!("{} is not a number", shown(&text))))
    };
    let iproute = frames.line("iproute")?;
    let tables = lines::table_names(&frames.text("tables")?);
    let known = iproute.contains("iproute2");
    let list = |name: &str, command: &str| -> Result<String, HostTextError> {
        if !known {
            return Ok(String::new());
        }
        let frame = frames.get(name)?;
        if frame.status != 0 {
            return Err(HostTextError::new(command, format!("it ended with status {}", frame.status)));
        }
        let text = frames.text(name)?;
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err(HostTextError::new(command, "it has control characters"));
        }
        Ok(text)
    };
    Ok(Facts {
        uid: number("uid", 10)?,
        os: os_name(&frames.text("os")?),
        kernel: clean(&frames.line("kernel")?),
        http_client: match frames.line("http")?.as_str() {
            "curl" => Some(HttpClient::Curl),
            "wget" => Some(HttpClient::Wget),
            _ => None,
        },
        instance: frames.line("instance")?.parse().ok(),
        links: lines::links(&list("link", "ip -o link")?)?,
        addresses: lines::addresses(&list("addr", "ip -4 -o addr")?)?,
        rules: lines::rules(&list("rule", "ip -4 rule")?, &tables)?,
        routes: match known {
            true => lines::routes(&list("route", "ip -4 route show table all")?, &tables)?,
            false => surroundings::net_tools(&frames.optional("nettools")),
        },
        internet_route: internet_route(&frames)?,
        rc_local: rc_local(&frames, number("rc.mode", 8)?)?,
        system: surroundings::system(&frames)?,
        files: surroundings::files(&frames),
        iproute: clean(&iproute),
    })
}

/// Short, one line, nothing that a terminal could obey or that changes how its neighbours are seen.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !is_harmful(*c)).take(120).collect()
}

fn os_name(text: &str) -> String {
    let fields: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value))
        .collect();
    let value = fields.get("PRETTY_NAME").or_else(|| fields.get("ID")).copied().unwrap_or_default();
    clean(value.trim().trim_matches(['"', '\'']))
}

fn internet_route(frames: &Frames<'_>) -> Result<Option<RouteChoice>, HostTextError> {
    let frame = frames.get("internet")?;
    let text = frames.line("internet")?;
    if frame.status != 0 {
        return Ok(None);
    }
    let after = |key: &str| text.split_whitespace().skip_while(|word| *word != key).nth(1);
    let bad =
        |what: &str| HostTextError::new("ip -4 route get", format!("it has no {what}: {}", shown(&text)));
    match (after("dev"), after("src")) {
        (None, _) => Ok(None),
        (Some(dev), source) => Ok(Some(RouteChoice {
            dev: dev.parse().map_err(|_| bad("device name"))?,
            source: source.and_then(|word| word.parse().ok()).ok_or_else(|| bad("source address"))?,
        })),
    }
}

fn rc_local(frames: &Frames<'_>, mode: u32) -> Result<RcLocal, HostTextError> {
    let path = frames.text("rc.path")?;
    let strict = path.starts_with("/etc/")
        && path.len() <= 200
        && !path.split('/').any(|part| part == "..")
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
    let frame = frames.get("rc.content")?;
    let (content, obstacle) = match frames.line("rc.state")?.as_str() {
        "absent" => (None, None),
        "file" if frame.status != 0 => (None, Some("it cannot be read")),
        "file" => match std::str::from_utf8(frame.bytes) {
            Ok(text) if !text.contains('\0') => (Some(text.to_owned()), None),
            _ => (None, Some("it is not UTF-8 text")),
        },
        "dangling-link" => (None, Some("it is a link that leads nowhere")),
        "foreign-link" => (None, Some("it is a link that leads out of /etc")),
        "not-a-file" => (None, Some("it is not a regular file")),
        "unreadable" => (None, Some("it cannot be read")),
        "too-large" => (None, Some("it is larger than 64 KiB")),
        "not-text" => (None, Some("it has NUL bytes, so it is not text")),
        "immutable" => (None, Some("it has the attribute \"immutable\" or \"append only\"")),
        "read-only" => (None, Some("its folder cannot be written")),
        other => return Err(HostTextError::new("rc.local", format!("unknown state {}", shown(other)))),
    };
    let obstacle =
        if strict || obstacle.is_some() { obstacle } else { Some("its path has unusual characters") };
    let path = if strict { path } else { "/etc/rc.local".to_owned() };
    Ok(RcLocal { path, content, mode: mode & 0o7777, obstacle: obstacle.map(str::to_owned) })
}
