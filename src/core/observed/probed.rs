//! What the probe script answers: as which address the world sees a host.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::frame::{Frames, HostTextError, shown};
use crate::core::model::InstanceId;
use crate::core::template::ProbeParams;

/// One echo service's answer: its URL, and the address it saw or why there is none (escaped, short).
pub type EchoAnswer = (String, Result<Ipv4Addr, String>);

/// All answers of one probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// The instance id, by the metadata service or cloud-init's record.
    pub instance: Option<InstanceId>,
    /// Asked as any program on the host would.
    pub default: Vec<EchoAnswer>,
    /// Asked from the secondary interface's address; empty if the probe had none.
    pub from_eni: Vec<EchoAnswer>,
}

/// Reads what the probe script for these values has printed.
///
/// # Errors
/// What could not be read, and where. A service that did not answer is part of the report, not an error.
pub fn parse_probe(stdout: &[u8], params: &ProbeParams) -> Result<ProbeReport, HostTextError> {
    let frames = Frames::parse(stdout, "egressctl-probe 1")?;
    let answers = |kind: &str| -> Result<Vec<EchoAnswer>, HostTextError> {
        let answer = |(index, url): (usize, &String)| {
            let name = format!("{kind}.{index}");
            let (frame, text) = (frames.get(&name)?, frames.text(&name)?);
            let seen = if frame.status == 0 {
                address_in(&text)
            } else {
                Err(format!("status {}: {}", frame.status, shown(text.trim())))
            };
            Ok((url.clone(), seen))
        };
        params.echo.iter().enumerate().map(answer).collect()
    };
    Ok(ProbeReport {
        instance: frames.line("instance")?.parse().ok(),
        default: answers("default")?,
        from_eni: if params.address.is_some() { answers("eni")? } else { Vec::new() },
    })
}

/// Keys under which echo services put the caller's address.
const KEYS: [&str; 8] = ["ip", "origin", "query", "ip_addr", "ipAddress", "client_ip", "address", "IPv4"];

/// The one IPv4 address in an echo service's answer, JSON or text such as `ip: 203.0.113.9`.
fn address_in(text: &str) -> Result<Ipv4Addr, String> {
    if let Ok(Value::Object(fields)) = serde_json::from_str(text) {
        let known = KEYS.iter().find_map(|key| fields.get(*key)).and_then(Value::as_str);
        if let Some(value) = known {
            // A proxy on the way may have put its own caller in front: "a, b".
            return only_address(value.split(',').next().unwrap_or_default(), text);
        }
    }
    only_address(text, text)
}

fn only_address(text: &str, whole: &str) -> Result<Ipv4Addr, String> {
    let mut found = text
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .filter_map(|word| word.trim_matches('.').parse::<Ipv4Addr>().ok());
    let first = found.next().ok_or_else(|| format!("no IPv4 address in {}", shown(whole.trim())))?;
    if found.any(|other| other != first) {
        return Err(format!("several addresses in {}", shown(whole.trim())));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_of_real_kinds() {
        let good = [
            "203.0.113.9",
            "203.0.113.9\n",
            "ip: 203.0.113.9",
            r#"{"ip":"203.0.113.9"}"#,
            r#"{"origin": "203.0.113.9, 10.0.0.1"}"#,
            r#"{"status":"success","query":"203.0.113.9","lat":1.5}"#,
            "当前 IP：203.0.113.9  来自于：中国\n",
            "<html><body>Current IP Address: 203.0.113.9.</body></html>",
            r#"{"data":{"x":"203.0.113.9"}}"#,
        ];
        for text in good {
            assert_eq!(address_in(text), Ok(Ipv4Addr::new(203, 0, 113, 9)), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_answer_is_not_guessed() {
        for text in [
            "",
            "2001:db8::1",
            "version 1.2.3.4, you are 203.0.113.9",
            r#"{"ip":"x"}"#,
            "300.1.1.1",
            "1.2.3.4.5",
        ] {
            assert!(address_in(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_report_keeps_answers_and_failures_apart() {
        let params = ProbeParams {
            echo: vec!["http://a/".to_owned(), "http://b/".to_owned()],
            address: Some(Ipv4Addr::new(172, 16, 0, 20)),
            seconds: 1,
        };
        let text = "@@ begin 0 17\negressctl-probe 1\n@@ instance 0 6\ni-lab1\n@@ default.0 0 11\n203.0.113.9\n@@ default.1 28 5\ncurl!\n@@ eni.0 0 2\n{}\n@@ eni.1 0 7\n1.2.3.4\n@@ end 0 0\n\n";
        let report = parse_probe(text.as_bytes(), &params).unwrap();
        assert_eq!(report.instance.unwrap().as_str(), "i-lab1");
        assert_eq!(report.default[0], ("http://a/".to_owned(), Ok(Ipv4Addr::new(203, 0, 113, 9))));
        assert_eq!(report.default[1].1, Err("status 28: \"curl!\"".to_owned()));
        assert!(report.from_eni[0].1.is_err());
        assert_eq!(report.from_eni[1].1, Ok(Ipv4Addr::new(1, 2, 3, 4)));
        assert!(parse_probe(text.replace("eni.1", "eni.2").as_bytes(), &params).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,80}") {
            let _ = address_in(&text);
        }
    }
}
