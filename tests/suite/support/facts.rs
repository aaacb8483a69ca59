//! Facts as the facts script prints them, for hosts that are made up.

use egressctl::core::observed::Facts;
use egressctl::core::observed::facts::{HttpClient, parse_facts};

/// One frame of a script's output.
pub(crate) fn frame(name: &str, status: u32, text: &str) -> String {
    format!("@@ {name} {status} {}\n{text}\n", text.len())
}

/// The script's output on a host of which these facts are true.
pub(crate) fn printed(facts: &Facts) -> String {
    let lines = |lines: Vec<String>| lines.join("\n");
    let main = |table: u32| if table == 254 { String::new() } else { format!(" table {table}") };
    let route = facts.internet_route.as_ref().map(|route| format!("dev {} src {}", route.dev, route.source));
    let frames = [
        ("begin", "egressctl-facts 1".to_owned()),
        ("uid", facts.uid.to_string()),
        ("os", format!("PRETTY_NAME=\"{}\"", facts.os)),
        ("kernel", facts.kernel.clone()),
        ("iproute", facts.iproute.clone()),
        (
            "http",
            match facts.http_client {
                Some(HttpClient::Curl) => "curl",
                Some(HttpClient::Wget) => "wget",
                None => "none",
            }
            .to_owned(),
        ),
        ("instance", facts.instance.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("tables", String::new()),
        (
            "link",
            lines(
                facts
                    .links
                    .iter()
                    .map(|link| {
                        let up = if link.up { "UP" } else { "DOWN" };
                        format!("2: {}: <{up}> mtu {} link/ether {}", link.name, link.mtu, link.mac)
                    })
                    .collect(),
            ),
        ),
        ("addr", lines(facts.addresses.iter().map(|a| format!("2: {} inet {}", a.dev, a.net)).collect())),
        ("rule", lines(facts.rules.iter().map(|rule| format!("{}: {}", rule.priority, rule.text)).collect())),
        (
            "route",
            lines(facts.routes.iter().map(|route| format!("{}{}", route.text, main(route.table))).collect()),
        ),
        ("internet", route.unwrap_or_default()),
        ("rc.path", facts.rc_local.path.clone()),
        ("rc.state", if facts.rc_local.content.is_some() { "file" } else { "absent" }.to_owned()),
        ("rc.mode", format!("{:o}", facts.rc_local.mode)),
        ("rc.content", facts.rc_local.content.clone().unwrap_or_default()),
        ("end", String::new()),
    ];
    frames.iter().map(|(name, text)| frame(name, 0, text)).collect()
}

#[test]
fn what_is_printed_is_read_as_the_same_facts() {
    let base: egressctl::core::plan::Observed =
        serde_json::from_str(include_str!("../../plans/base.json")).unwrap();
    for facts in base.facts.values().filter_map(|facts| facts.seen()) {
        // What a rule's line says is the whole line, which the base leaves its priority out of.
        let mut expected = facts.clone();
        for rule in &mut expected.rules {
            rule.text = format!("{}: {}", rule.priority, rule.text);
        }
        assert_eq!(parse_facts(printed(facts).as_bytes()).unwrap(), expected);
    }
}
