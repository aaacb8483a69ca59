//! Every effect of a fault file as a client meets it on the wire.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::client::{ECS, Lab, VPC, quick};
use crate::core::model::InstanceId;
use crate::lab::emulator::faults::FaultFile;

const WISH: [(&str, &str); 2] = [("VSwitchId", "vsw-lab-a"), ("SecurityGroupId", "sg-lab")];

async fn lab(faults: &str) -> Lab {
    let lab = Lab::new(3, quick()).await;
    lab.emulator.set_faults(FaultFile::parse("faults", faults).unwrap());
    lab
}

fn web_1(lab: &Lab) -> String {
    let snapshot = lab.emulator.snapshot();
    let hosts = snapshot["instances"].as_object().unwrap();
    hosts.values().find(|host| host["name"] == "web-1").unwrap()["id"].as_str().unwrap().to_owned()
}

fn enis(lab: &Lab) -> usize {
    lab.emulator.snapshot()["enis"].as_object().unwrap().len()
}

/// A new interface; its id.
async fn made(lab: &Lab) -> String {
    let answer = lab.ok(ECS, "CreateNetworkInterface", &WISH).await;
    answer["NetworkInterfaceId"].as_str().unwrap().to_owned()
}

async fn status(lab: &Lab, eni: &str) -> Option<String> {
    let seen = lab.ok(ECS, "DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", eni)]).await;
    let list = seen["NetworkInterfaceSets"]["NetworkInterfaceSet"].as_array().unwrap().clone();
    list.first().map(|eni| eni["Status"].as_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_its_documented_status_and_tells_when_to_come_back() {
    let lab = lab(
        "rules:\n  - {action: CreateNetworkInterface, nth: 1, do: {error: {code: MaxEniCountExceeded}}}\n  \
         - {action: CreateNetworkInterface, nth: 2, do: {error: {code: Throttling.User, retry_after: 700ms}}}\n",
    )
    .await;
    let before = enis(&lab);
    let (status, body) = lab.call(ECS, "CreateNetworkInterface", &WISH).await;
    assert_eq!((status, body["Code"].as_str()), (403, Some("MaxEniCountExceeded")));
    let answer = lab.bare(ECS, "CreateNetworkInterface", &WISH).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("x-acs-retry-after: 700\r\n"), "{answer}");
    assert_eq!(enis(&lab), before);
    made(&lab).await;
    let calls = lab.emulator.calls();
    assert_eq!(calls[0].fault.as_deref(), Some("rule 1 (error)"));
    assert_eq!(calls[2].fault, None);
}

#[tokio::test(start_paused = true)]
async fn lost_and_reset_differ_in_the_effect_and_on_the_wire() {
    for (effect, made) in [("lost_request", 0), ("lost_answer", 1), ("reset", 0)] {
        let lab = lab(&format!("rules: [{{action: CreateNetworkInterface, do: {effect}}}]")).await;
        let before = enis(&lab);
        let answer = lab.bare(ECS, "CreateNetworkInterface", &WISH).await;
        match answer {
            Ok(text) => assert!(text.is_empty() && effect != "reset", "{effect}: {text}"),
            Err(error) => assert_eq!((error.kind(), effect), (std::io::ErrorKind::ConnectionReset, "reset")),
        }
        assert_eq!(enis(&lab), before + made, "{effect}");
        assert_eq!(lab.emulator.calls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_is_no_answer_of_the_api() {
    for (body, made, end) in
        [("html", 0, "</html>"), ("half_json", 1, "\"0B1A-"), ("empty", 0, "\r\n\r\n"), ("list", 1, "]")]
    {
        let effect = made == 1;
        let lab = lab(&format!("rules: [{{do: {{garbage: {{body: {body}, effect: {effect}}}}}}}]")).await;
        let before = enis(&lab);
        let answer = lab.bare(ECS, "CreateNetworkInterface", &WISH).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.ends_with(end), "{body}: {answer}");
        assert_eq!(enis(&lab), before + made, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_is_slow_before_and_after_the_effect() {
    let lab = lab("rules: [{action: Create*, do: {slow: {request: 3s, answer: 4s}}}]").await;
    let (before, began) = (enis(&lab), Instant::now());
    let looks = async {
        sleep(Duration::from_secs(2)).await;
        let early = enis(&lab);
        sleep(Duration::from_secs(3)).await;
        (early, enis(&lab))
    };
    let (_, seen) = tokio::join!(made(&lab), looks);
    assert_eq!(seen, (before, before + 1));
    assert!(began.elapsed() >= Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn stale_looks_see_what_was_and_hidden_things_are_not_there() {
    let lab = lab("rules: [{do: {stale: {by: 2s}}}]").await;
    let eni = made(&lab).await;
    assert_eq!(status(&lab, &eni).await, None);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(status(&lab, &eni).await.as_deref(), Some("Available"));

    let lab = self::lab("rules: [{do: {hidden: {time: 5s}}}]").await;
    let (eni, instance) = (made(&lab).await, web_1(&lab));
    assert_eq!(status(&lab, &eni).await, None);
    let there = [("NetworkInterfaceId", eni.as_str()), ("InstanceId", instance.as_str())];
    assert_eq!(lab.code(ECS, "AttachNetworkInterface", &there).await, "InvalidEniId.NotFound");
    sleep(Duration::from_secs(6)).await;
    lab.ok(ECS, "AttachNetworkInterface", &there).await;
}

#[tokio::test(start_paused = true)]
async fn transitions_hang_fall_back_and_take_their_time() {
    let lab = lab(
        "rules:\n  - {action: Attach*, nth: 1, do: falls_back}\n  - {action: Attach*, nth: 2, do: {takes: {time: 30s}}}\n  \
         - {action: Detach*, nth: 1, do: {stuck: {repeats: 2}}}\n  - {action: Delete*, nth: 1, do: {stuck: {time: 50s}}}\n  \
         - {action: Unass*, do: {stuck: {}}}\n",
    )
    .await;
    let (eni, instance) = (made(&lab).await, web_1(&lab));
    let there = [("NetworkInterfaceId", eni.as_str()), ("InstanceId", instance.as_str())];
    let own = [("NetworkInterfaceId", eni.as_str())];
    let is = async |wanted: Option<&str>| assert_eq!(status(&lab, &eni).await.as_deref(), wanted);
    lab.ok(ECS, "AttachNetworkInterface", &there).await;
    sleep(Duration::from_secs(1)).await;
    is(Some("Available")).await;
    assert_eq!(lab.fabric.take(), Vec::<String>::new());
    lab.ok(ECS, "AttachNetworkInterface", &there).await;
    sleep(Duration::from_secs(29)).await;
    is(Some("Attaching")).await;
    sleep(Duration::from_secs(2)).await;
    is(Some("InUse")).await;
    for _ in 0..3 {
        lab.ok(ECS, "DetachNetworkInterface", &there).await;
        is(Some("Detaching")).await;
    }
    sleep(Duration::from_secs(1)).await;
    is(Some("Available")).await;
    lab.ok(ECS, "DeleteNetworkInterface", &own).await;
    sleep(Duration::from_secs(49)).await;
    is(Some("Deleting")).await;
    sleep(Duration::from_secs(2)).await;
    is(None).await;

    let eip = [("AllocationId", "eip-lab-bastion"), ("InstanceId", "i-lab-bastion")];
    lab.ok(VPC, "UnassociateEipAddress", &eip).await;
    sleep(Duration::from_secs(3_000)).await;
    let bastion = |lab: &Lab| lab.emulator.snapshot()["eips"]["eip-lab-bastion"]["status"].clone();
    assert_eq!(bastion(&lab), "Unassociating");
    lab.emulator.set_faults(FaultFile::default());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bastion(&lab), "Available");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_delivered_twice_meets_its_token_or_the_state() {
    let lab = lab("rules: [{do: {twice: {after: 1s}}}]").await;
    let before = enis(&lab);
    let instance: InstanceId = web_1(&lab).parse().unwrap();
    lab.ok(ECS, "CreateNetworkInterface", &[WISH[0], WISH[1], ("ClientToken", "t")]).await;
    lab.ok(ECS, "ConvertNatPublicIpToEip", &[("InstanceId", instance.as_str())]).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(enis(&lab), before + 1);
    made(&lab).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(enis(&lab), before + 3, "without a token it is made twice");
    assert_eq!(lab.emulator.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn lists_are_shuffled_without_loss_on_one_page() {
    let ids = |body: &Value| -> Vec<String> {
        let list = body["NetworkInterfaceSets"]["NetworkInterfaceSet"].as_array().unwrap();
        list.iter().map(|eni| eni["NetworkInterfaceId"].as_str().unwrap().to_owned()).collect()
    };
    let lab = lab("").await;
    let straight = ids(&lab.ok(ECS, "DescribeNetworkInterfaces", &[("MaxResults", "100")]).await);
    lab.emulator.set_faults(FaultFile::parse("f", "rules: [{do: shuffled}]").unwrap());
    let mut orders = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let mut seen = ids(&lab.ok(ECS, "DescribeNetworkInterfaces", &[("MaxResults", "100")]).await);
        orders.insert(seen.clone());
        seen.sort();
        assert_eq!(seen, straight);
    }
    assert!(orders.len() > 1);
}

#[tokio::test(start_paused = true)]
async fn quotas_and_failed_tokens_follow_the_file() {
    let lab = lab(
        "quotas: {eni: 6}\nfailed_tokens: replayed\nrules: [{action: Create*, nth: 1, do: {error: {code: Operation.Conflict}}}]",
    )
    .await;
    assert_eq!(enis(&lab), 5);
    let with = |token| [WISH[0], WISH[1], ("ClientToken", token)];
    assert_eq!(lab.code(ECS, "CreateNetworkInterface", &with("a")).await, "Operation.Conflict");
    assert_eq!(lab.code(ECS, "CreateNetworkInterface", &with("a")).await, "Operation.Conflict");
    lab.ok(ECS, "CreateNetworkInterface", &with("b")).await;
    assert_eq!(lab.code(ECS, "CreateNetworkInterface", &with("c")).await, "MaxEniCountExceeded");
}
