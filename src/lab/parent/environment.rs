//! The environment of the command in the lab: the caller's, with the lab's variables and without ways around the lab.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::Command;

use crate::lab::paths;

/// Where a proxy might be named: the lab has no way to it.
const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/// Sets and removes variables of `command`, which otherwise inherits the caller's.
pub(super) fn prepare(
    command: &mut Command,
    lab: &BTreeMap<String, String>,
    caller: impl Iterator<Item = (OsString, OsString)>,
) {
    let mut own_state = false;
    for (name, _) in caller {
        let text = name.to_string_lossy();
        own_state |= text.starts_with("EGRESSCTL_STATE");
        if PROXIES.contains(&text.to_uppercase().as_str()) {
            command.env_remove(&name);
        }
    }
    command.env_remove("ALIBABA_CLOUD_SECURITY_TOKEN");
    command.envs(lab);
    if !own_state {
        command.env("XDG_STATE_HOME", paths::state("state"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(caller: &[(&str, &str)]) -> BTreeMap<String, Option<String>> {
        let mut command = Command::new("true");
        let lab = BTreeMap::from([("EGRESSCTL_LAB".to_owned(), "/run/egressctl-lab".to_owned())]);
        prepare(&mut command, &lab, caller.iter().map(|(name, value)| (name.into(), value.into())));
        let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
        command.get_envs().map(|(name, value)| (text(name), value.map(text))).collect()
    }

    #[test]
    fn proxies_are_taken_away_in_both_spellings() {
        let changes = prepared(&[("http_proxy", "x"), ("HTTPS_PROXY", "x"), ("EDITOR", "vi")]);
        assert_eq!(changes["http_proxy"], None);
        assert_eq!(changes["HTTPS_PROXY"], None);
        assert!(!changes.contains_key("EDITOR"));
        assert_eq!(changes["EGRESSCTL_LAB"].as_deref(), Some("/run/egressctl-lab"));
    }

    #[test]
    fn state_is_private_unless_the_caller_chose_a_place() {
        assert_eq!(prepared(&[])["XDG_STATE_HOME"].as_deref(), Some("/run/egressctl-lab/state"));
        assert!(!prepared(&[("EGRESSCTL_STATE_DIR", "/x")]).contains_key("XDG_STATE_HOME"));
    }

    #[test]
    fn a_real_session_token_does_not_follow_into_the_lab() {
        assert_eq!(prepared(&[])["ALIBABA_CLOUD_SECURITY_TOKEN"], None);
    }
}
