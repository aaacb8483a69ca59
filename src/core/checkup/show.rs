//! A check-up as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Checkup, Severity};
use crate::core::text::clean_line;

/// The longest line of what came from elsewhere, in characters.
const MOST: usize = 600;

/// For people.
#[must_use]
pub fn checkup_text(checkup: &Checkup, now_ms: i64) -> String {
    let mut text = String::new();
    let mut line = |head: &str, body: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{head:<14}{}", clean_line(body.as_bytes(), MOST));
    };
    match &checkup.credentials {
        Some(used) => {
            line("credentials", &format!("{}: {}", used.source, used.origin));
            if let Some(end) = used.expires_ms {
                line("", &format!("session until {}, {}", time(end), left(end - now_ms)));
            }
        }
        None => line("credentials", "none"),
    }
    for passed in &checkup.passed {
        line("", &format!("not {}: {}", passed.source, passed.why));
    }
    match &checkup.identity {
        Some(who) => line("identity", &format!("{} {} of account {}", who.kind, who.arn, who.account)),
        None => line("identity", "unknown"),
    }
    for (index, reached) in checkup.endpoints.iter().enumerate() {
        let answers = match reached.took_ms {
            Some(took) => format!("answers in {took} ms"),
            None => "does not answer".to_owned(),
        };
        let inside = if reached.internal { ", inside the VPC" } else { "" };
        let head = if index == 0 { "endpoints" } else { "" };
        line(head, &format!("{} {}{inside}: {answers}", reached.product, reached.url));
    }
    match checkup.clock_ahead_ms {
        Some(ahead) if ahead.unsigned_abs() < 2000 => line("clock", "as the cloud's"),
        Some(ahead) => {
            let side = if ahead > 0 { "ahead of" } else { "behind" };
            line("clock", &format!("{} {side} the cloud's", span(ahead.unsigned_abs())));
        }
        None => line("clock", "not compared: no endpoint answered"),
    }
    for place in &checkup.places {
        line(&place.what, &format!("{}: {}", place.path, place.state));
    }
    for finding in &checkup.findings {
        let head = match finding.severity {
            Severity::Problem => "PROBLEM",
            Severity::Warning => "warning",
        };
        line(head, &finding.what);
    }
    line("", "");
    let fine = if checkup.is_fine() { "Nothing is in the way of a run.\n" } else { "A run would fail.\n" };
    format!("{}\n\n{fine}", text.trim_end())
}

/// For machines.
#[must_use]
pub fn checkup_json(checkup: &Checkup) -> String {
    let mut document = json!({ "schema_version": 1, "fine": checkup.is_fine() });
    if let (Value::Object(all), Ok(Value::Object(found))) = (&mut document, serde_json::to_value(checkup)) {
        all.extend(found);
    }
    format!("{document:#}\n")
}

fn time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%F %T UTC").to_string()
}

fn left(ms: i64) -> String {
    if ms > 0 { format!("for {}", span(ms.unsigned_abs())) } else { "which is over".to_owned() }
}

/// A span of time in the two units that matter.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Finding, Identity, PassedOver, Place, Reached, Used};
    use super::*;

    fn checkup() -> Checkup {
        let reached = |product: &str, took_ms| Reached {
            product: product.into(),
            url: format!("https://{product}-vpc.cn-beijing.aliyuncs.com"),
            internal: product == "vpc",
            took_ms,
        };
        Checkup {
            credentials: Some(Used {
                source: "cli-profile".into(),
                origin: "profile \"prod\" (RamRoleArn) of /h/.aliyun/config.json".into(),
                expires_ms: Some(3_600_000),
            }),
            passed: vec![PassedOver { source: "oidc".into(), why: "not\x1b[31mset".into() }],
            identity: Some(Identity {
                account: "12".into(),
                arn: "acs:ram::12:user/ann".into(),
                kind: "RAMUser".into(),
            }),
            endpoints: vec![reached("ecs", Some(12)), reached("vpc", None)],
            clock_ahead_ms: Some(-301_000),
            places: vec![Place { what: "state".into(), path: "/s".into(), state: "is there".into() }],
            findings: vec![Finding::problem("p"), Finding::warning("w")],
        }
    }

    #[test]
    fn text_is_for_people() {
        let wanted = "\
credentials   cli-profile: profile \"prod\" (RamRoleArn) of /h/.aliyun/config.json
              session until 1970-01-01 01:00:00 UTC, for 30 min 0 s
              not oidc: not\\u{1b}[31mset
identity      RAMUser acs:ram::12:user/ann of account 12
endpoints     ecs https://ecs-vpc.cn-beijing.aliyuncs.com: answers in 12 ms
              vpc https://vpc-vpc.cn-beijing.aliyuncs.com, inside the VPC: does not answer
clock         5 min 1 s behind the cloud's
state         /s: is there
PROBLEM       p
warning       w

A run would fail.
";
        assert_eq!(checkup_text(&checkup(), 1_800_000), wanted);
        let empty = checkup_text(&Checkup::default(), 0);
        assert!(
            empty.starts_with("credentials   none\nidentity      unknown\nclock         not compared"),
            "{empty}"
        );
        assert!(empty.ends_with("\n\nNothing is in the way of a run.\n"));
    }

    #[test]
    fn json_is_for_machines() {
        let document: Value = serde_json::from_str(&checkup_json(&checkup())).unwrap();
        assert_eq!((&document["schema_version"], &document["fine"]), (&json!(1), &json!(false)));
        assert_eq!(document["credentials"]["expires_ms"], 3_600_000);
        assert_eq!(document["identity"]["kind"], "RAMUser");
        assert_eq!(document["endpoints"][1]["took_ms"], Value::Null);
        assert_eq!(document["findings"][0]["severity"], "problem");
    }

    #[test]
    fn spans_have_two_units() {
        let all = [999, 61_000, 3_661_000, 90_000_000].map(span);
        assert_eq!(all, ["0 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
