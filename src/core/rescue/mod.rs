//! How to get a host back that cannot be reached: what is known of it, and the commands for somebody at the vendor's console.
//!
//! Pure. Every command is made of typed values or quoted words; what a host has named is shown escaped. Must never tell anybody
//! to remove more than what a run has brought about.

use std::fmt::Write;
use std::net::Ipv4Addr;

use serde::Serialize;
use serde_json::json;

use crate::core::model::{HostName, InstanceId};
use crate::core::observed::{CloudView, EipHolder, EniStatus, GuardState, Guards};
use crate::core::plan::rc_local;
use crate::core::plan::shim::Shim;
use crate::core::report::for_terminal;
use crate::core::template::{GUARD_FOLDER, sh_quote};

mod last_run;

pub use last_run::{LastRun, Part};

/// What is known of a host that somebody wants back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rescue {
    /// The host.
    pub host: HostName,
    /// Its instance.
    pub instance: InstanceId,
    /// The cloud's region.
    pub region: String,
    /// The address by which it is managed.
    pub address: Option<Ipv4Addr>,
    /// Its guards over the usual way, or why it cannot be reached that way.
    pub reached: Result<Guards, String>,
    /// The newest run that it took part in.
    pub run: Option<LastRun>,
    /// What the cloud says of it, line by line, or why the cloud could not be asked.
    pub cloud: Result<Vec<String>, String>,
}

/// What the cloud says of an instance and its inbound address.
#[must_use]
pub fn cloud_words(view: &CloudView, instance: &InstanceId) -> Vec<String> {
    let Some(seen) = view.instances.get(instance) else {
        return vec![format!("the cloud does not know {instance}")];
    };
    let mut lines =
        vec![format!("the instance is {:?}, its primary address is {}", seen.status, seen.primary_ip)];
    let enis = view.enis.values().filter(|eni| eni.instance.as_ref() == Some(instance) && !eni.primary);
    for eni in enis.clone() {
        let at = if eni.status == EniStatus::InUse { "is attached" } else { "is not at rest" };
        lines.push(format!("interface {} ({}, {}) {at}", eni.id, eni.mac, eni.primary_ip));
    }
    let ours: Vec<_> = enis.map(|eni| eni.id.clone()).collect();
    for eip in view.eips.values() {
        let to = match &eip.holder {
            Some(EipHolder::Instance(id)) if id == instance => "the instance".to_owned(),
            Some(EipHolder::Eni(id)) if ours.contains(id) => format!("interface {id}"),
            None => "nothing: nobody reaches the host by it".to_owned(),
            Some(_) => continue,
        };
        lines.push(format!("EIP {} is bound to {to}", eip.address));
    }
    lines
}

/// For people. Lines end with `\n`.
#[must_use]
pub fn rescue_text(rescue: &Rescue) -> String {
    let Rescue { host, instance, region, run, .. } = rescue;
    // Writing to a String cannot fail.
    let mut out = format!("{host} ({instance}, {region})\n\nWhat is known\n");
    let way = rescue.address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
    match &rescue.reached {
        Ok(guards) => {
            let _ = writeln!(out, "  it answers by SSH at {way}");
            for guard in &guards.standing {
                if let GuardState::Armed { left, .. } = guard.state {
                    let _ =
                        writeln!(out, "  a change waits to be confirmed, taken back in {} s", left.as_secs());
                }
            }
        }
        Err(why) => {
            let _ = writeln!(out, "  it does not answer by SSH at {way}: {}", for_terminal(why));
        }
    }
    match run {
        Some(last) => {
            let _ = writeln!(out, "  run {}: {}", last.run, for_terminal(&last.at));
        }
        None => out.push_str("  the journal knows of no run on it: what is wrong was not done from here\n"),
    }
    match &rescue.cloud {
        Ok(lines) => lines.iter().for_each(|line| {
            let _ = writeln!(out, "  {}", for_terminal(line));
        }),
        Err(why) => {
            let _ = writeln!(out, "  the cloud could not be asked: {}", for_terminal(why));
        }
    }
    for (title, steps) in steps(rescue) {
        let _ = write!(out, "\n{title}\n");
        for step in steps {
            let _ = writeln!(out, "  {step}");
        }
    }
    out
}

/// For machines: `{"schema_version":1,"rescue":{…},"steps":[{"title":…,"lines":[…]}]}`.
#[must_use]
pub fn rescue_json(rescue: &Rescue) -> String {
    let steps = steps(rescue).into_iter().map(|(title, lines)| json!({ "title": title, "lines": lines }));
    let steps: Vec<_> = steps.collect();
    format!("{:#}\n", json!({ "schema_version": 1, "rescue": rescue, "steps": steps }))
}

/// What to do, in order: a title, and lines that are commands or begin with `#`.
fn steps(rescue: &Rescue) -> Vec<(&'static str, Vec<String>)> {
    let (host, run) = (&rescue.host, rescue.run.as_ref());
    let mut steps = Vec::new();
    if let Some(last) = run.filter(|last| last.cut) {
        steps.push((
            "First, its address, for which the cloud alone is enough",
            vec![format!("egressctl resume {} --only-begun --limit {host}", last.run)],
        ));
    }
    if rescue.reached.is_err() {
        steps.push(("Wait, if the change was made a moment ago", vec![
            "# a change that nobody has confirmed is taken back by the host itself, after 180 s unless --confirm-timeout said otherwise"
                .to_owned(),
            format!("egressctl status {host}"),
        ]));
        steps.push(("Get in beside SSH", console(rescue)));
        if let Some(last) = run {
            let parts = last.parts();
            let newest = parts.last().map_or(last.guard.as_str(), |part| part.guard.as_str());
            steps.push(("There, as root: have the host take the change back", guarded(newest)));
            if !parts.is_empty() {
                let mut lines: Vec<String> = parts.iter().rev().flat_map(by_hand).collect();
                lines.push("ip -4 route get 1.1.1.1    # must leave by the primary interface".to_owned());
                steps.push((
                    "Where there is no such folder: what the run has brought about, last first",
                    lines,
                ));
            }
        }
    }
    if let Some(last) = run {
        let mut after = vec![format!("egressctl status {host}")];
        if last.open {
            after.push(format!("egressctl confirm {host}     # only while it waits for that"));
            after.push(format!("egressctl resume {} --limit {host}", last.run));
        }
        after.push(format!("egressctl rollback {} --limit {host}", last.run));
        let title = if rescue.reached.is_ok() { "From here" } else { "From here, when it answers again" };
        steps.push((title, after));
    }
    steps
}

fn console(rescue: &Rescue) -> Vec<String> {
    let Rescue { instance, region, .. } = rescue;
    let region = sh_quote(region);
    vec![
        "# the ECS console: the instance, Connect, by VNC; it needs no network of the host's, but a password of it".to_owned(),
        format!("aliyun ecs DescribeInstanceVncUrl --RegionId {region} --InstanceId {instance}"),
        "# or Cloud Assistant, if its agent is on the host: it needs the way out by the primary interface, and no login".to_owned(),
        format!(
            "aliyun ecs RunCommand --RegionId {region} --InstanceId.1 {instance} --Type RunShellScript --CommandContent COMMANDS"
        ),
    ]
}

fn guarded(guard: &str) -> Vec<String> {
    let folder = format!("{GUARD_FOLDER}/{guard}");
    vec![
        format!("ls {folder}            # armed.1, armed.2: it waits; rolledback: it was taken back"),
        format!("sh {folder}/rollback.sh now"),
        format!("cat {folder}/result    # reverted: everything is as it was"),
    ]
}

fn by_hand(Part { route, files, .. }: &Part) -> Vec<String> {
    let (table, priority, gateway) = (route.table, route.priority, route.gateway);
    let mut lines = Vec::new();
    match files {
        Some(files) => lines.extend(files.iter().rev().map(|file| {
            let path = sh_quote(&file.path);
            match (&file.before, &file.after) {
                (None, _) => format!("rm {path}"),
                (Some(_), Some(text)) if !rc_local::tables(text).is_empty() => {
                    let name = rc_local::mark_of(text, table);
                    format!("sed -i '/^# BEGIN {name}/,/^# END {name}/d' {path}")
                }
                (Some(_), _) => format!("# {path} was changed: egressctl rollback puts its former text back"),
            }
        })),
        None => lines.push(format!(
            "grep -rl -e '^# egressctl, table {table}:' -e '^# BEGIN .*egressctl' /etc    # files of ours, if it came so far"
        )),
    }
    match route.address {
        Some(address) => {
            if route.shim {
                let Shim { name, priority, mark, .. } = Shim::of(route);
                lines.push(format!("nft delete table ip {name}"));
                lines.push(format!("ip -4 rule del fwmark {mark:#x} lookup {table} pref {priority}"));
            }
            lines.push(format!("ip -4 rule del from {address} lookup {table} pref {priority}"));
            lines.push(format!("ip -4 route del default via {gateway} table {table}"));
            let dev = route.mac.map_or_else(
                || "DEVICE".to_owned(),
                |mac| format!("\"$(ip -o link | sed -n 's/^[0-9]*: \\([^:@]*\\).* {mac} .*/\\1/p')\""),
            );
            if let Some(form) = route.form.documented() {
                let metric = form.metric;
                lines.push(format!(
                    "ip -4 route del table main default via {gateway} dev {dev} metric {metric}"
                ));
            }
            lines.push(format!("ip -4 addr del {address}/{} dev {dev}", route.prefix()));
        }
        None => lines
            .push("# the interface did not exist yet: the run has changed nothing on the host".to_owned()),
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::plan::RouteTarget;
    use crate::core::plan::route::FileChange;

    fn rescue(reached: Result<Guards, String>) -> Rescue {
        let route = RouteTarget {
            mac: Some("00:16:3e:aa:bb:02".parse().unwrap()),
            address: Some([172, 16, 0, 20].into()),
            gateway: [172, 16, 0, 253].into(),
            primary_ip: [172, 16, 0, 10].into(),
            table: 101,
            priority: 4101,
            owner: None,
            shim: true,
            form: Default::default(),
        };
        let file = |path: &str, before: Option<&str>, after: &str| FileChange {
            path: path.to_owned(),
            before: before.map(str::to_owned),
            after: Some(after.to_owned()),
            mode_before: 0,
            mode_after: 0o644,
        };
        let run = LastRun {
            run: "20261122T161500Z-0001".parse().unwrap(),
            guard: "0123456789abcdef".to_owned(),
            at: "in the middle of: configure\u{1b}[2J".to_owned(),
            open: true,
            cut: true,
            route: Some(route),
            files: Some(vec![
                file("/etc/a b'c", None, "x"),
                file("/etc/rc.local", Some("#!/bin/sh\n"), "#!/bin/sh\n# BEGIN egressctl\n# END egressctl\n"),
            ]),
            others: Vec::new(),
        };
        Rescue {
            host: "web-1".parse().unwrap(),
            instance: "i-web1".parse().unwrap(),
            region: "cn-beijing".to_owned(),
            address: Some([10, 0, 0, 1].into()),
            reached,
            run: Some(run),
            cloud: Err("no credentials".to_owned()),
        }
    }

    #[test]
    fn a_host_that_is_cut_off_gets_its_address_first_and_then_its_own_way_back() {
        let text = rescue_text(&rescue(Err("connect: timed out".to_owned())));
        let order = [
            "does not answer by SSH at 10.0.0.1: connect: timed out",
            "the cloud could not be asked: no credentials",
            "egressctl resume 20261122T161500Z-0001 --only-begun --limit web-1",
            "aliyun ecs DescribeInstanceVncUrl --RegionId 'cn-beijing' --InstanceId i-web1",
            "sh /run/egressctl/guard/0123456789abcdef/rollback.sh now",
            "sed -i '/^# BEGIN egressctl/,/^# END egressctl/d' '/etc/rc.local'",
            "rm '/etc/a b'\\''c'",
            "nft delete table ip egressctl_shim_101",
            "ip -4 rule del fwmark 0x65 lookup 101 pref 4102",
            "ip -4 rule del from 172.16.0.20 lookup 101 pref 4101",
            "ip -4 route del default via 172.16.0.253 table 101",
            "ip -4 addr del 172.16.0.20/32 dev \"$(ip -o link | sed -n",
            "egressctl rollback 20261122T161500Z-0001 --limit web-1",
        ];
        let mut rest = text.as_str();
        for words in order {
            rest = rest
                .split_once(words)
                .unwrap_or_else(|| panic!("{words} is missing or too early in\n{text}"))
                .1;
        }
        assert!(!text.chars().any(crate::core::text::is_harmful), "{text}");
    }

    #[test]
    fn the_documented_form_is_taken_from_the_main_table_too() {
        use crate::core::plan::RouteForm;
        use crate::core::plan::route::Documented;
        let mut rescue = rescue(Err("connect: timed out".to_owned()));
        let route = rescue.run.as_mut().and_then(|last| last.route.as_mut()).unwrap();
        route.form = RouteForm::Documented(Documented { prefix: 24, metric: 30_000, connected: 30_000 });
        let text = rescue_text(&rescue);
        let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words} is missing in\n{text}"));
        assert!(
            at("ip -4 route del table main default via 172.16.0.253 dev")
                < at("ip -4 addr del 172.16.0.20/24 dev")
        );
        assert!(text.contains(" metric 30000\n") && !text.contains("172.16.0.20/32"), "{text}");
    }

    #[test]
    fn a_host_that_answers_needs_no_console() {
        let text = rescue_text(&rescue(Ok(Guards::default())));
        assert!(
            text.contains("it answers by SSH") && !text.contains("aliyun") && !text.contains("ip -4"),
            "{text}"
        );
        let document: serde_json::Value =
            serde_json::from_str(&rescue_json(&rescue(Ok(Guards::default())))).unwrap();
        assert_eq!(document["rescue"]["host"], "web-1");
        assert_eq!(document["steps"].as_array().unwrap().len(), 2);
    }
}
