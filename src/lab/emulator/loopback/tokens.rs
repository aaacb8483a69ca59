//! `ClientToken` over the wire.

use std::time::Duration;

use super::client::{ECS, Lab, quick};
use crate::lab::emulator::Tuning;

const WISH: [(&str, &str); 3] =
    [("VSwitchId", "vsw-lab-a"), ("SecurityGroupId", "sg-lab"), ("ClientToken", "token-1")];

fn enis(lab: &Lab) -> usize {
    lab.emulator.snapshot()["enis"].as_object().unwrap().len()
}

#[tokio::test]
async fn the_same_request_twice_has_one_effect() {
    let lab = Lab::new(1, quick()).await;
    let before = enis(&lab);
    let first = lab.ok(ECS, "CreateNetworkInterface", &WISH).await;
    let again = lab.ok(ECS, "CreateNetworkInterface", &WISH).await;
    assert_eq!(first["NetworkInterfaceId"], again["NetworkInterfaceId"]);
    assert_eq!(enis(&lab), before + 1);
    let mut other = WISH.to_vec();
    other.push(("Description", "other"));
    assert_eq!(lab.code(ECS, "CreateNetworkInterface", &other).await, "IdempotentParameterMismatch");
    assert_eq!(enis(&lab), before + 1);
}

#[tokio::test]
async fn a_token_whose_request_runs_must_wait() {
    let lab = Lab::new(1, Tuning { create: Duration::from_secs(2), ..quick() }).await;
    let before = enis(&lab);
    let (first, second) = tokio::join!(lab.ok(ECS, "CreateNetworkInterface", &WISH), async {
        while enis(&lab) == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        lab.code(ECS, "CreateNetworkInterface", &WISH).await
    });
    assert_eq!(second, "LastTokenProcessing");
    let later = lab.ok(ECS, "CreateNetworkInterface", &WISH).await;
    assert_eq!(later["NetworkInterfaceId"], first["NetworkInterfaceId"]);
    assert_eq!(enis(&lab), before + 1);
}

#[tokio::test]
async fn a_failure_may_be_repeated_with_its_token() {
    let lab = Lab::new(1, quick()).await;
    let mut wrong = WISH;
    wrong[0].1 = "vsw-none";
    assert_eq!(lab.code(ECS, "CreateNetworkInterface", &wrong).await, "InvalidVSwitchId.NotFound");
    assert_eq!(lab.code(ECS, "CreateNetworkInterface", &wrong).await, "InvalidVSwitchId.NotFound");
    lab.ok(ECS, "CreateNetworkInterface", &WISH).await;
}
