//! What is held against arbitrary input, one function for each target: reading it never panics, and what must be true of the
//! answer is true.
//!
//! The targets and the suite (which replays the corpus) share this file. It must use nothing but the package's public face.

mod host;

pub use host::{guards, owner_files, rc_local, surroundings};

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use egressctl::core::inventory::{Context, HostKeyCheck, LoginContext, SshDesired, parse, roster};
use egressctl::core::observed::applied::{parse_apply, parse_revert, parse_stage};
use egressctl::core::observed::facts::parse_facts;
use egressctl::core::observed::lease::parse_lease;
use egressctl::core::observed::probed::parse_probe;
use egressctl::core::observed::pushed::{PushEnd, parse_push};
use egressctl::core::observed::{ApplyEnd, HostTextError, LeaseEnd};
use egressctl::core::saved::SavedPlan;
use egressctl::core::ssh_config::{Included, Query, SshConfig, resolve};
use egressctl::core::template::ProbeParams;
use egressctl::core::text::is_harmful;
use egressctl::ssh::known_hosts::{Findings, KeyBlob, KnownHosts, Verdict};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A line that must be found whatever stands before it.
const LAST: (&str, &str) =
    ("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIOAiG4H6IDlQ2nhBOMDJnhBVgjY2eo8g1YzeKzOPxBgw");
/// Where that key is on record.
const LAST_NAME: &str = "last.example";

const HOSTS: &str = "hosts:\n- {name: web-1, address: 10.0.0.1}\n- {name: db.example, address: 10.0.0.2}\n";

/// It is fit for a terminal.
fn harmless(text: &str) {
    assert!(!text.chars().any(is_harmful), "{text:?}");
}

/// The same, on one line.
fn one_line(text: &str) {
    harmless(text);
    assert!(!text.contains('\n'), "{text:?}");
}

fn refused<T>(answer: Result<T, HostTextError>) -> Option<T> {
    answer.map_err(|error| one_line(&error.to_string())).ok()
}

/// A revoked key is never known, and no line hides the one behind it.
pub fn known_hosts(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (algorithm, base64) = LAST;
    let Ok(last) = KeyBlob::parse(algorithm, base64) else { panic!("the last line's key is damaged") };
    let file =
        Arc::new(KnownHosts::parse("known_hosts", &format!("{text}\n{LAST_NAME} {algorithm} {base64}\n")));
    file.malformed().iter().for_each(|line| one_line(line));
    let found = Findings::look_up(&[Arc::clone(&file)], &[LAST_NAME.to_owned()]);
    assert!(found.recorded.iter().any(|record| record.key == last));
    assert!(matches!(found.judge(&last), Verdict::Known(_) | Verdict::Revoked(_)));
    let names = ["web-1", "[10.0.0.1]:2222", "10.0.0.1"].map(str::to_owned);
    let found = Findings::look_up(&[file], &names);
    for record in &found.revoked {
        assert!(matches!(found.judge(&record.key), Verdict::Revoked(_)));
    }
    for record in &found.authorities {
        let is_plain = found.recorded.iter().any(|plain| plain.key == record.key);
        assert!(is_plain || !matches!(found.judge(&record.key), Verdict::Known(_)));
    }
}

/// Nothing in a configuration switches the check of host keys off, and only `accept-new` loosens it.
pub fn ssh_config(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Err(error) = SshConfig::option("-o", &text) {
        one_line(&error.to_string());
    }
    let mut include = |pattern: &str| {
        let file = Included { file: pattern.to_owned(), text: "Host db*\nUser included\n".to_owned() };
        if pattern.contains('*') { Ok(Vec::new()) } else { Ok(vec![file]) }
    };
    let config = match SshConfig::parse("config", &text, &mut include) {
        Ok(config) => config,
        Err(mistakes) => return mistakes.iter().for_each(|mistake| one_line(&mistake.to_string())),
    };
    let query = Query { name: "web-1".to_owned(), default_user: "me".to_owned(), ..Query::default() };
    match resolve(&config, &query) {
        Ok(found) => found.notes.iter().for_each(|note| one_line(&note.what)),
        Err(error) => one_line(&error.to_string()),
    }
    let plain: String = text.to_lowercase().chars().filter(|c| !matches!(c, '"' | '\'' | '\\')).collect();
    let login = LoginContext { config, usual_keys: vec![PathBuf::from("/id")], ..LoginContext::default() };
    match roster("inventory.yaml", HOSTS, &Context { login, ..Context::default() }) {
        Ok(found) => found.hosts.iter().for_each(|host| checked(&host.ssh, plain.contains("accept-new"))),
        Err(mistakes) => harmless(&mistakes.to_string()),
    }
}

/// The host's key is checked, and the keys of all hosts on the way to it.
fn checked(ssh: &SshDesired, may_learn: bool) {
    match ssh.host_key_check {
        HostKeyCheck::Strict => {}
        HostKeyCheck::AcceptNew => assert!(may_learn, "keys are learned, and nobody asked for it"),
        other @ (HostKeyCheck::Pinned | HostKeyCheck::Ca) => panic!("{other:?} cannot be asked for here"),
    }
    ssh.jumps.iter().flatten().for_each(|jump| checked(&jump.ssh, may_learn));
}

/// No two hosts have one name; what is enough for everything is enough to log in, to the same hosts.
pub fn inventory(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let context = Context::default();
    let all = parse("inventory.yaml", &text, &context).map_err(|mistakes| {
        assert!(!mistakes.0.is_empty());
        harmless(&mistakes.to_string());
    });
    let logins =
        roster("inventory.yaml", &text, &context).map_err(|mistakes| harmless(&mistakes.to_string()));
    if let Ok(logins) = &logins {
        let names: BTreeSet<_> = logins.hosts.iter().map(|host| &host.name).collect();
        assert_eq!(names.len(), logins.hosts.len());
    }
    if let Ok(all) = all {
        let Ok(logins) = logins else { panic!("right for everything, wrong for logins") };
        assert!(all.hosts.iter().map(|host| &host.name).eq(logins.hosts.iter().map(|host| &host.name)));
    }
}

/// The facts script's answer.
pub fn facts(input: &[u8]) {
    refused(parse_facts(input));
}

/// The probe script's answer: one answer for every question, and none of a service's words unescaped.
pub fn probe(input: &[u8]) {
    let echo = ["http://a/", "http://b/"].map(str::to_owned).to_vec();
    let params = ProbeParams { echo, address: Some([172, 16, 0, 20].into()), seconds: 1 };
    if let Some(report) = refused(parse_probe(input, &params)) {
        assert_eq!((report.default.len(), report.from_eni.len()), (2, 2));
        for (_, seen) in report.default.iter().chain(&report.from_eni) {
            if let Err(why) = seen {
                one_line(why);
            }
        }
    }
}

/// The answers of the scripts that change a host.
pub fn apply(input: &[u8]) {
    for report in [parse_apply(input), parse_stage(input), parse_revert(input)] {
        let Some(report) = refused(report) else { continue };
        let kinds: BTreeSet<String> = report.changed.iter().map(|kind| format!("{kind:?}")).collect();
        assert_eq!(kinds.len(), report.changed.len());
        report.kept.iter().for_each(|kept| one_line(kept));
        if let ApplyEnd::Reverted { code, detail } | ApplyEnd::NotReverted { code, detail } = &report.end {
            one_line(code);
            one_line(detail);
        }
    }
}

/// The lease script's answer: a host that is held is held by somebody.
pub fn lease(input: &[u8]) {
    if let Some(report) = refused(parse_lease(input)) {
        assert!(report.end != LeaseEnd::Held || report.holder.is_some());
        if let LeaseEnd::Refused(why) = &report.end {
            one_line(why);
        }
        if let Some(holder) = &report.holder {
            one_line(&holder.told(i64::MAX));
            one_line(&holder.nonce);
        }
    }
}

/// The push script's answer.
pub fn push(input: &[u8]) {
    if let Some(report) = refused(parse_push(input)) {
        assert!(report.mode_before.unwrap_or(0) <= 0o7777 && report.mode_after.unwrap_or(0) <= 0o7777);
        report.backup.iter().for_each(|backup| one_line(backup));
        if let PushEnd::Refused { code, detail } = &report.end {
            one_line(code);
            one_line(detail);
        }
    }
}

/// A saved plan as it is, and the plan inside under a hash that fits: what is read is written again as the same.
pub fn saved(input: &[u8]) {
    let sealed = serde_json::from_slice::<Value>(input).ok().map(|mut file| {
        let plan = file.get_mut("plan").map(Value::take).unwrap_or(file);
        let hash = HEXLOWER.encode(&Sha256::digest(plan.to_string()));
        json!({ "format": "egressctl-plan", "version": 1, "hash": hash, "plan": plan }).to_string()
    });
    for file in [Some(input), sealed.as_ref().map(String::as_bytes)].into_iter().flatten() {
        match SavedPlan::decode(file) {
            Ok((plan, _)) => {
                let written =
                    plan.encode().ok().and_then(|(text, _)| SavedPlan::decode(text.as_bytes()).ok());
                assert_eq!(written.map(|(plan, _)| plan), Some(plan));
            }
            Err(error) => harmless(&error.to_string()),
        }
    }
}
