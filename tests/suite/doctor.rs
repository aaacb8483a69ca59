//! `egressctl doctor` in a lab: by the lab's key, by the instance's role, by a profile that takes a role, and with what is broken.

use serde_json::Value;

use crate::support::lab::{Lab, User, users};

/// Every look is kept as a file; the variables of the lab's key are taken away where another source is meant.
const SCRIPT: &str = r##"
export HOME="$(mktemp -d)"
trap 'rm -rf "$HOME"' EXIT
cd "$HOME"
looks=()
look() {
    local name=$1 code=0; shift
    "$@" >"$name.out" 2>"$name.err" || code=$?
    looks+=("$name"); echo "$code" >"$name.rc"
}
plain() { env -u ALIBABA_CLOUD_ACCESS_KEY_ID -u ALIBABA_CLOUD_ACCESS_KEY_SECRET "$@"; }
look key "$EGRESSCTL" doctor --json
# The lab's inventory names the environment; from here on any source may win.
sed 's/credentials: environment/credentials: auto/' "$EGRESSCTL_INVENTORY" >"$EGRESSCTL_LAB/auto.yaml"
export EGRESSCTL_INVENTORY="$EGRESSCTL_LAB/auto.yaml"
look text "$EGRESSCTL" doctor
look bare env -u EGRESSCTL_INVENTORY "$EGRESSCTL" doctor --json
look role plain "$EGRESSCTL" doctor --json
mkdir -p .aliyun
cat >.aliyun/config.json <<END
{"current": "operator", "profiles": [{"name": "operator", "mode": "ChainableRamRoleArn", "source_profile": "here",
   "ram_role_arn": "acs:ram::1234567890123456:role/lab-operator", "ram_session_name": "doctor"},
  {"name": "here", "mode": "EcsRamRole"}]}
END
chmod 644 .aliyun/config.json
look profile plain "$EGRESSCTL" doctor --json
plain "$EGRESSCTL" plan >plan.out 2>plan.err || { cat plan.err >&2; exit 97; }
chmod 600 .aliyun/config.json
look safe plain "$EGRESSCTL" doctor --json
echo '{"current": "operator"' >.aliyun/config.json
look broken plain "$EGRESSCTL" doctor --json
look wrong env ALIBABA_CLOUD_ACCESS_KEY_SECRET=canary-of-doctor "$EGRESSCTL" doctor --json
look nowhere env EGRESSCTL_VPC_ENDPOINT=http://127.0.0.1:1 "$EGRESSCTL" doctor --json
look regionless env -u EGRESSCTL_INVENTORY -u ALIBABA_CLOUD_REGION_ID "$EGRESSCTL" doctor --json
echo 'cloud: {region: cn-lab-1, network: sideways}' >bad.yaml
look mistaken "$EGRESSCTL" doctor --json -i bad.yaml
if grep -rlF -e "$ALIBABA_CLOUD_ACCESS_KEY_SECRET" -e canary-of-doctor -- *.out *.err; then exit 98; fi
echo '{'
for name in "${looks[@]}"; do
    [ "$name" = text ] && continue
    printf '"%s": {"code": %s, "found": ' "$name" "$(cat "$name.rc")"; cat "$name.out"; printf '},\n'
done
printf '"text": "%s"}\n' "$(sed 's/["\\]/\\&/g' text.out | sed ':a;N;$!ba;s/\n/\\n/g')"
"##;

fn findings(found: &Value) -> String {
    let list = found["findings"].as_array().unwrap();
    list.iter()
        .map(|it| format!("{}: {}\n", it["severity"].as_str().unwrap(), it["what"].as_str().unwrap()))
        .collect()
}

fn check(user: User) {
    let text = Lab::stdout_of(user, &["--hosts", "1"], SCRIPT);
    let seen: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let assumed = |role: &str| format!("acs:ram::1234567890123456:assumed-role/{role}");
    let lab_user = "acs:ram::1234567890123456:user/lab".to_owned();
    for (name, source, arn) in [
        ("key", "environment", lab_user.clone()),
        ("bare", "environment", lab_user),
        ("role", "ecs-ram-role", assumed("egressctl-lab/lab")),
        ("profile", "cli-profile", assumed("lab-operator/doctor")),
        ("safe", "cli-profile", assumed("lab-operator/doctor")),
    ] {
        let (code, found) = (&seen[name]["code"], &seen[name]["found"]);
        assert_eq!((code, &found["fine"]), (&0.into(), &true.into()), "{user:?} {name}: {found:#}");
        assert_eq!(found["credentials"]["source"], source, "{name}: {found:#}");
        assert_eq!(found["identity"]["arn"], arn.as_str(), "{name}");
        assert_eq!(found["endpoints"].as_array().unwrap().len(), 3);
        assert!(found["clock_ahead_ms"].as_i64().unwrap().abs() < 10_000, "{name}: {found:#}");
        let warned = findings(found).contains("chmod 600");
        assert_eq!(warned, name == "profile", "{name}: {found:#}");
    }
    assert!(seen["role"]["found"]["credentials"]["expires_ms"].is_i64());
    let passed: Vec<&str> = seen["role"]["found"]["passed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|passed| passed["source"].as_str().unwrap())
        .collect();
    assert_eq!(passed, ["environment", "oidc", "cli-profile", "ini-file"]);
    for (name, wanted) in [
        ("broken", "config.json:"),
        ("wrong", "SignatureDoesNotMatch"),
        ("nowhere", "http://127.0.0.1:1 does not answer"),
        ("regionless", "no region is given"),
        ("mistaken", "cloud.network is \"sideways\""),
    ] {
        let found = &seen[name]["found"];
        assert_eq!((&seen[name]["code"], &found["fine"]), (&1.into(), &false.into()), "{name}: {found:#}");
        assert!(findings(found).contains(wanted), "{name}: {found:#}");
    }
    let text = seen["text"].as_str().unwrap();
    assert!(text.starts_with("credentials   environment: environment variables\n"), "{text}");
    assert!(text.trim_end().ends_with("Nothing is in the way of a run."), "{text}");
}

#[test]
fn it_tells_who_we_are_and_what_is_in_the_way() {
    for user in users() {
        check(user);
    }
}
