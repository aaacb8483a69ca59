//! What a host tells of the guards on it, whoever's they are: armed, confirmed, or taken back, and how that went.
//!
//! Must never take more from a host than fits a screen: a guard is one of a few, and its words are cut and escaped.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::frame::{HostTextError, shown};
use super::guarded::GuardState;
use crate::core::model::IfName;
use crate::core::text::clean_line;

/// One guard on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Which change it guards: what its folder on the host is called.
    pub tx: String,
    /// Its state.
    pub state: GuardState,
    /// Everything that it guards has been brought about. An armed guard over less is of a change that was cut off, or is under way.
    pub whole: bool,
    /// A process of the change is at work on the host.
    pub busy: bool,
    /// What the change is about.
    pub route: Option<GuardedRoute>,
    /// How taking it back went; `None` while that is under way, and of a guard that has taken nothing back.
    pub end: Option<TakenBack>,
}

/// The policy route that a guard is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GuardedRoute {
    /// The device.
    pub dev: IfName,
    /// The secondary interface's address.
    pub address: Ipv4Addr,
    /// Its routing table.
    pub table: u32,
    /// Its rule's priority.
    pub priority: u32,
}

/// How a host took a change back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TakenBack {
    /// Everything is as it was. Otherwise a human is needed.
    pub complete: bool,
    /// What is not as it was, for people; escaped, may be empty.
    pub told: String,
}

/// All guards of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Guards {
    /// In the order of their names.
    pub standing: Vec<Standing>,
    /// Changes whose way back lies on the disk: files of theirs are not confirmed. Under systemd the next boot takes these back.
    pub on_disk: Vec<String>,
}

const GREETING: &str = "egressctl-guards 1";
const MAX_LINES: usize = 250;
const MAX_GUARDS: usize = 20;

/// Reads what the guards script has printed. An answer without its last line is an error.
///
/// # Errors
/// What could not be read; that the host could not be looked at.
pub fn parse_guards(stdout: &[u8]) -> Result<Guards, HostTextError> {
    let text = String::from_utf8_lossy(stdout);
    let mut guards = Guards::default();
    for line in text.lines().take(MAX_LINES).skip_while(|line| *line != GREETING).skip(1) {
        let error = |problem: &str| HostTextError::new("guards", format!("{problem}: {}", shown(line)));
        let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
        let count = guards.standing.len();
        match (key, guards.standing.last_mut()) {
            ("result", _) if rest == "ok" => return Ok(guards),
            ("result", _) => return Err(error("it could not look")),
            ("guard", _) if count < MAX_GUARDS => {
                guards.standing.push(guard(rest).ok_or_else(|| error("a guard that makes no sense"))?);
            }
            ("disk", _) if guards.on_disk.len() < MAX_GUARDS => {
                guards.on_disk.push(tx(rest).ok_or_else(|| error("no name of a change"))?);
            }
            ("whole", Some(last)) if rest.is_empty() => last.whole = true,
            ("busy", Some(last)) if rest.is_empty() => last.busy = true,
            // A host whose device is gone has no name for it: what is known without it is in the journal.
            ("what", Some(last)) => last.route = route(rest),
            ("end", Some(last)) => last.end = Some(end(rest).ok_or_else(|| error("an unknown end"))?),
            _ => return Err(error("an unknown line")),
        }
    }
    Err(HostTextError::new("guards", "the answer is cut off"))
}

fn tx(text: &str) -> Option<String> {
    let fits = (8..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then(|| text.to_owned())
}

fn guard(rest: &str) -> Option<Standing> {
    let (name, state) = rest.split_once(' ')?;
    let state = state.parse().ok()?;
    Some(Standing { tx: tx(name)?, state, whole: false, busy: false, route: None, end: None })
}

fn route(rest: &str) -> Option<GuardedRoute> {
    let mut words = rest.split(' ');
    let mut next = || words.next();
    let route = GuardedRoute {
        dev: next()?.parse().ok()?,
        address: next()?.parse().ok()?,
        table: next()?.parse().ok()?,
        priority: next()?.parse().ok()?,
    };
    words.next().is_none().then_some(route)
}

fn end(rest: &str) -> Option<TakenBack> {
    let (word, told) = rest.split_once(' ').unwrap_or((rest, ""));
    let complete = match word {
        "reverted" => true,
        "not-reverted" => false,
        _ => return None,
    };
    Some(TakenBack { complete, told: clean_line(told.trim_end_matches(';').as_bytes(), 300) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const TX: &str = "0123456789abcdef";

    #[test]
    fn guards_are_read() {
        let text = format!(
            "motd\n{GREETING}\nguard {TX} armed 2 1250\nwhole\nbusy\nwhat eth1 172.16.0.20 101 4101\nguard {TX}0 rolledback\n\
             end not-reverted  /etc/x was edited\u{1b} since;\ndisk {TX}\nresult ok\n"
        );
        let guards = parse_guards(text.as_bytes()).unwrap();
        let [armed, taken_back] = guards.standing.as_slice() else { panic!("{guards:?}") };
        assert_eq!(armed.state, GuardState::Armed { generation: 2, left: Duration::from_millis(12_500) });
        assert!(armed.whole && armed.busy && armed.end.is_none());
        let route = armed.route.as_ref().unwrap();
        assert_eq!((route.dev.as_str(), route.table, route.priority), ("eth1", 101, 4101));
        let end = taken_back.end.as_ref().unwrap();
        assert_eq!((end.complete, end.told.as_str()), (false, "/etc/x was edited\\u{1b} since"));
        assert_eq!(guards.on_disk, [TX]);
        assert_eq!(parse_guards(format!("{GREETING}\nresult ok\n").as_bytes()), Ok(Guards::default()));
    }

    #[test]
    fn nonsense_is_an_error() {
        for bad in [
            "",
            "result ok\n",
            "egressctl-guards 1\n",
            "egressctl-guards 1\nwhole\nresult ok\n",
            "egressctl-guards 1\nguard ../x armed 1 1\nresult ok\n",
            "egressctl-guards 1\nguard 0123456789abcdef asleep\nresult ok\n",
            "egressctl-guards 1\nguard 0123456789abcdef rolledback\nend well\nresult ok\n",
            "egressctl-guards 1\nresult failed the login is not root\n",
        ] {
            assert!(parse_guards(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_guards(&[b"egressctl-guards 1\nguard 0123456789abcdef armed 1 1\n".as_slice(), &bytes].concat());
        }
    }
}
