//! The ad-hoc verbs in a lab: hosts whose addresses only the cloud knows, the built-in sshd, by root and by an ordinary user.

use serde_json::Value;

use crate::support::lab::{Lab, User, openssh_or_refusal, users};

const SCRIPT: &str = r##"
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here"
"$EGRESSCTL" ping --json >ping.json
"$EGRESSCTL" facts --json >facts.json
"$EGRESSCTL" run -- sh -c 'echo "same"; cat /proc/self/comm' >run.out
head -c 3000000 /dev/urandom >src
"$EGRESSCTL" push src /etc/pushed --mode 640 >first.out
"$EGRESSCTL" push src /etc/pushed >second.out
sum=$(sha256sum <src)
"$EGRESSCTL" run -- sh -c '[ "$(sha256sum </etc/pushed)" = "$1" ] && stat -c %a /etc/pushed && ls -A /etc | grep -c "^.egressctl" || :' sh "$sum" >check.out
"$EGRESSCTL" run -l web-1 -- sh -c 'echo $$ >/etc/pid; exec sleep 600' >/dev/null 2>&1 &
for try in $(seq 200); do "$EGRESSCTL" lab exec web-1 -- test -s /etc/pid && break; sleep 0.1; done
kill -INT $!
code=0; wait $! || code=$?
[ "$code" = 130 ] || exit 99
# A loaded machine may take its time over the last breath.
for try in $(seq 100); do
    gone=yes; "$EGRESSCTL" lab exec web-1 -- sh -c '! kill -0 "$(cat /etc/pid)"' 2>/dev/null && break
    gone=no; sleep 0.1
done
[ "$gone" = yes ] || exit 98
echo '{"ping":'; cat ping.json; echo ',"facts":'; cat facts.json
for name in run first second check; do printf ',"%s":' "$name"; printf '"'; sed 's/["\\]/\\&/g' "$name.out" | sed ':a;N;$!ba;s/\n/\\n/g' | tr -d '\n'; echo '"'; done
echo '}'
"##;

fn check(user: User, args: &[&str]) {
    let text = Lab::stdout_of(user, args, SCRIPT);
    let seen: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let hosts = |verb: &str| seen[verb]["hosts"].as_array().unwrap().clone();
    for (ping, facts) in hosts("ping").iter().zip(hosts("facts")) {
        assert_eq!(
            (&ping["outcome"], &facts["outcome"]),
            (&"ok".into(), &"ok".into()),
            "{user:?} {ping} {facts}"
        );
        assert!(ping["host_key"].as_str().unwrap().starts_with("SHA256:"));
        assert_eq!(facts["facts"]["uid"], 0);
        assert!(facts["facts"]["instance"].as_str().unwrap().starts_with("i-lab"), "{facts}");
    }
    assert_eq!(hosts("ping").len(), 6);
    let said = |name: &str| seen[name].as_str().unwrap().trim_end().to_owned();
    let all = "-- done-1 web-[1-2] prepaid-1 dark-1 api-1 (6 hosts)";
    assert_eq!(said("run"), format!("{all}\n  same\n  cat"), "{user:?}");
    assert_eq!(said("first"), format!("{all}: ~ changed; new, mode 0640"));
    assert_eq!(said("second"), format!("{all}: = ok"));
    assert_eq!(said("check"), format!("{all}\n  640\n  0"), "{user:?}: whole, and nothing left behind");
}

#[test]
fn hosts_are_found_by_the_cloud_and_served_by_the_built_in_sshd() {
    for user in users() {
        check(user, &[]);
    }
}

#[test]
fn the_same_holds_for_openssh() {
    if openssh_or_refusal() {
        check(User::Same, &["--sshd", "openssh"]);
    }
}

const CLOUD: &str = r#"
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here"
code=0; "$EGRESSCTL" preflight --json >preflight.json || code=$?
[ "$code" = 2 ] || exit 99
"$EGRESSCTL" preflight --hosts --json -l web-1,done-1 >hosts.json
"$EGRESSCTL" inventory discover --region "$ALIBABA_CLOUD_REGION_ID" --name 'web-*' --out new.yaml
# What was discovered is good enough to ask the cloud for the plan; only the key to log in is missing.
"$EGRESSCTL" preflight -i new.yaml --json >again.json
for name in preflight hosts again; do [ "$name" = preflight ] && echo '{' || echo ','; printf '"%s":' "$name"; cat "$name.json"; done; echo '}'
"#;

#[test]
fn a_preflight_sees_a_lab_and_what_is_discovered_in_it() {
    let text = Lab::stdout_of(User::Same, &[], CLOUD);
    let seen: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let verdicts = |name: &str| {
        let hosts = seen[name]["hosts"].as_array().unwrap();
        hosts.iter().map(|it| it["verdict"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(verdicts("preflight"), "unchanged change change change refused change");
    assert_eq!(
        (verdicts("hosts").as_str(), &seen["hosts"]["reach"]),
        ("unchanged change", &"cloud and hosts".into())
    );
    assert_eq!(verdicts("again"), "change change");
}
