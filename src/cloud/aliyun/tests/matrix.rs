//! Every error code on every call it can come from, and on those it is not documented for: the outcome is the one of the
//! vectors' advice, which is not made from the client's own table.

use std::sync::MutexGuard;

use super::*;

/// The writes, whether they take a token, and in which state of the world they are done already.
const WRITES: [(&str, bool); 8] = [
    ("ModifyInstanceChargeType", true),
    ("ConvertNatPublicIpToEip", false),
    ("CreateNetworkInterface", true),
    ("AttachNetworkInterface", false),
    ("DetachNetworkInterface", false),
    ("DeleteNetworkInterface", false),
    ("AssociateEipAddress", true),
    ("UnassociateEipAddress", true),
];
/// What the vectors have codes for and the procedure does not call; they go the same way.
const OTHERS: [(&str, bool); 4] = [
    ("AllocateEipAddress", true),
    ("ReleaseEipAddress", false),
    ("CreateSnatEntry", true),
    ("DeleteSnatEntry", true),
];
const READ: &str = "DescribeRegions";

/// The outcome is unknown after these, whatever the advice calls it.
const UNSURE: [&str; 4] =
    ["ServiceUnavailable", "InternalError", "LastTokenProcessing", "SignatureNonceUsed"];

/// What the server does with the action under test.
#[derive(Default)]
struct Play {
    action: &'static str,
    code: String,
    always: bool,
    /// The world shows the wish as fulfilled.
    fulfilled: bool,
    tokens: Vec<String>,
}

struct Stage {
    play: Arc<Mutex<Play>>,
    cloud: Aliyun,
    _stub: Stub,
}

fn world(seen: &Seen, done: bool, of: &str) -> Reply {
    match seen.action() {
        "DescribeInstances" => {
            let mut it = instance_json(1, done);
            if !done {
                it["InstanceChargeType"] = json!("PrePaid");
            }
            instances_json(vec![it])
        }
        "DescribeNetworkInterfaces" => {
            let at_home = eni_json("eni-1", "InUse", "i-1");
            let free = eni_json("eni-1", "Available", "");
            enis_json(match (of, done) {
                ("DeleteNetworkInterface", true) => vec![],
                ("DetachNetworkInterface", false) | ("AttachNetworkInterface", true) => vec![at_home],
                _ => vec![free],
            })
        }
        "DescribeEipAddresses" => {
            let bound = (of == "AssociateEipAddress") == done;
            let (status, kind, at) =
                if bound { ("InUse", "NetworkInterface", "eni-1") } else { ("Available", "", "") };
            eips_json(vec![eip_json("eip-1", status, kind, at)])
        }
        other => panic!("{other} was not meant to be called"),
    }
}

impl Stage {
    async fn build(budget: Duration) -> Self {
        let play = Arc::new(Mutex::new(Play::default()));
        let script = Arc::clone(&play);
        let stub = Stub::start(move |seen, _| {
            let mut play = script.lock().unwrap();
            if seen.action() != play.action {
                return world(seen, play.fulfilled, play.action);
            }
            play.tokens.push(seen.param("ClientToken").to_owned());
            if play.always || play.tokens.len() == 1 {
                return fail(400, &play.code);
            }
            ok(json!({"NetworkInterfaceId": "eni-9"}))
        })
        .await;
        let short = Duration::from_millis(2);
        let tuning = Tuning {
            retry_budget: budget,
            slow_budget: budget,
            slow_pause: short,
            throttle_window: short,
            refusal_span: short,
            poll_min: Duration::from_millis(1),
            quota_share: 1e6,
            ..hurry()
        };
        let cloud = client_with(&stub, tuning);
        Self { play, cloud, _stub: stub }
    }

    fn play(&self) -> MutexGuard<'_, Play> {
        self.play.lock().unwrap()
    }

    /// Makes the call, and tells how it ended and with which tokens it was sent.
    async fn run(
        &self,
        action: &'static str,
        code: &str,
        always: bool,
        fulfilled: bool,
    ) -> (Result<(), CloudError>, Vec<String>) {
        *self.play() = Play { action, code: code.to_owned(), always, fulfilled, tokens: Vec::new() };
        let (cloud, i, eni, eip) = (&self.cloud, id("i-1"), id("eni-1"), id("eip-1"));
        let holder = EipHolder::Eni(id("eni-1"));
        let ended = match action {
            "ModifyInstanceChargeType" => cloud.make_post_paid(&i, "t").await,
            "ConvertNatPublicIpToEip" => cloud.convert_public_ip(&i).await,
            "CreateNetworkInterface" => cloud.create_eni(&writes::spec(), "t").await.map(drop),
            "AttachNetworkInterface" => cloud.attach_eni(&eni, &i).await,
            "DetachNetworkInterface" => cloud.detach_eni(&eni, &i).await,
            "DeleteNetworkInterface" => cloud.delete_eni(&eni).await,
            "AssociateEipAddress" => cloud.associate_eip(&eip, &holder, None, "t").await,
            "UnassociateEipAddress" => cloud.unassociate_eip(&eip, &holder, None, "t").await,
            READ => cloud.api.read(&client::Call::read(Product::Ecs, READ)).await.map(drop),
            other => {
                let token = OTHERS.iter().any(|(name, token)| *name == other && *token).then_some("t");
                let call = client::Call::write(Product::Vpc, other, token);
                cloud.api.write(&call, &settle::Look::Nowhere).await.map(drop)
            }
        };
        (ended, self.play().tokens.clone())
    }

    /// One code on one action, against what the advice says.
    async fn check(&self, action: &'static str, token: bool, code: &str, advice: &str) {
        let told = format!("{action} {code} ({advice})");
        let (ended, sent) = self.run(action, code, false, false).await;
        let (write, unsure) = (action != READ, UNSURE.contains(&code));
        match advice {
            _ if unsure && write && !token => {
                assert_eq!(ended.unwrap_err().kind, CloudErrorKind::Unknown, "{told}");
                assert_eq!(sent.len(), 1, "{told}: nobody knows, so nothing may be sent again");
            }
            // These keys cannot be renewed.
            _ if code == "InvalidSecurityToken.Expired" => {
                assert_eq!((ended.unwrap_err().kind, sent.len()), (CloudErrorKind::Account, 1), "{told}");
            }
            "no" | "treat-as-done-after-describe" => {
                let error = ended.expect_err(&told);
                let kinds = [CloudErrorKind::Refused, CloudErrorKind::NotFound, CloudErrorKind::Account];
                assert!(kinds.contains(&error.kind), "{told}: {:?}", error.kind);
                assert_eq!(sent.len(), 1, "{told}");
                // What a person sees names the code, the request and the vendor's own words.
                let text = error.to_string();
                assert!(text.contains(code) && text.contains("R-1") && text.contains("no"), "{told}: {text}");
            }
            "backoff" | "poll-state-then-retry" | "backoff-with-new-ClientToken" => {
                assert!(ended.is_ok() && sent.len() == 2, "{told}: {ended:?}, {sent:?}");
                let same = unsure || code.contains("Throttling");
                assert!(!token || (sent[0] == sent[1]) == same, "{told}: {sent:?}");
            }
            other => panic!("{told}: {other}"),
        }
        let looks = WRITES.iter().any(|(name, _)| *name == action) && action != "CreateNetworkInterface";
        if looks && (unsure || advice == "treat-as-done-after-describe" || advice == "poll-state-then-retry")
        {
            let (ended, sent) = self.run(action, code, true, true).await;
            assert!(ended.is_ok() && sent.len() == 1, "{told}, done already: {ended:?}, {sent:?}");
        }
    }
}

/// Action, code, advice.
fn vectors() -> Vec<(String, String, String)> {
    let rows: Vec<Value> =
        serde_json::from_str(include_str!("../../../../tests/vectors/error-codes.json")).unwrap();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(row, "action"), text(row, "code"), text(row, "retry"))).collect()
}

#[tokio::test]
async fn every_code_on_every_call_has_the_documented_outcome() {
    let stage = Stage::build(Duration::from_secs(20)).await;
    let (rows, mut pairs, mut listed) = (vectors(), 0, 0);
    let codes: BTreeSet<&str> = rows.iter().map(|(_, code, _)| code.as_str()).collect();
    for (action, token) in WRITES.into_iter().chain(OTHERS).chain([(READ, false)]) {
        for code in &codes {
            let of = |action: &str| rows.iter().find(|row| row.0 == action && row.1 == *code);
            let own = of(action).or_else(|| of("*"));
            listed += usize::from(own.is_some());
            // Where it is not documented for this call, it means what it means elsewhere; only of a release it is good news
            // that the EIP is gone.
            let elsewhere = || rows.iter().find(|row| row.1 == *code && row.0 != "ReleaseEipAddress");
            let advice = own.or_else(elsewhere).map_or("no", |row| row.2.as_str());
            stage.check(action, token, code, advice).await;
            pairs += 1;
        }
    }
    assert_eq!(pairs, 13 * codes.len());
    assert!(listed >= 219, "{listed}");
}

#[tokio::test]
async fn patience_with_every_code_ends() {
    let stage = Stage::build(Duration::from_millis(15)).await;
    for (action, code, advice) in vectors() {
        let known = WRITES.into_iter().chain(OTHERS).find(|(name, _)| *name == action);
        let (action, _) = known.unwrap_or(WRITES[6]);
        if !matches!(advice.as_str(), "no" | "treat-as-done-after-describe") {
            let error = stage.run(action, &code, true, false).await.0.expect_err(&code);
            let kinds = [CloudErrorKind::Busy, CloudErrorKind::Unknown, CloudErrorKind::Account];
            assert!(kinds.contains(&error.kind), "{action} {code}: {:?}", error.kind);
        }
    }
}

#[tokio::test]
async fn a_code_nobody_knows_refuses_the_host_and_shows_the_vendors_words() {
    let stage = Stage::build(Duration::from_secs(20)).await;
    for (action, _) in WRITES.into_iter().chain(OTHERS).chain([(READ, false)]) {
        let (ended, sent) = stage.run(action, "Something.Quite.New", false, false).await;
        let error = ended.unwrap_err();
        assert_eq!((error.kind, sent.len()), (CloudErrorKind::Refused, 1), "{action}");
        assert_eq!(error.to_string(), format!("{action}: no [Something.Quite.New] (request R-1)"));
    }
}
