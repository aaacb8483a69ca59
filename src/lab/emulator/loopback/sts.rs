//! Sessions of roles: given, accepted with their token, and ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::Value;

use super::client::{ECS, Lab, STS, USER, VPC, Who, quick};
use crate::core::model::Secret;
use crate::lab::spec::{OPERATOR_ROLE, REGION};
use crate::ports::Clock;

const PROVIDER: &str = "acs:ram::1234567890123456:oidc-provider/lab";

fn arn(role: &str) -> String {
    format!("acs:ram::1234567890123456:role/{role}")
}

/// The wall's clock, and how far ahead of it.
struct Ahead(Arc<AtomicI64>);

impl Clock for Ahead {
    fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond() + self.0.load(Ordering::Relaxed)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn a_session_is_accepted_with_its_token_until_it_ends() {
    let ahead = Arc::new(AtomicI64::new(0));
    let clock = Arc::new(Ahead(Arc::clone(&ahead)));
    let lab = Lab::build(1, quick(), |emulator| emulator.with_clock(clock)).await;
    let role = arn(OPERATOR_ROLE);
    let params = [("RoleArn", role.as_str()), ("RoleSessionName", "night-run"), ("DurationSeconds", "900")];
    let (status, answer) = lab.send(USER, STS, "AssumeRole", &params).await;
    assert_eq!(status, 200, "{answer}");
    let keys = &answer["Credentials"];
    let who = Who {
        id: text(&keys["AccessKeyId"]),
        secret: text(&keys["AccessKeySecret"]),
        token: Some(text(&keys["SecurityToken"])),
    };
    let region = [("RegionId", REGION)];
    for (version, action) in [(ECS, "DescribeInstances"), (VPC, "DescribeEipAddresses")] {
        assert_eq!(lab.send(who, version, action, &region).await.0, 200, "{action}");
    }
    let (_, identity) = lab.send(who, STS, "GetCallerIdentity", &[]).await;
    let wanted = format!("acs:ram::1234567890123456:assumed-role/{OPERATOR_ROLE}/night-run");
    assert_eq!((text(&identity["Arn"]), text(&identity["IdentityType"])), (&*wanted, "AssumedRoleUser"));
    // A session may take a role, too.
    assert_eq!(lab.send(who, STS, "AssumeRole", &params).await.0, 200);
    for (wrong, status, code) in [
        (Who { token: None, ..who }, 404, "InvalidAccessKeyId.NotFound"),
        (Who { token: Some("x"), ..who }, 403, "InvalidSecurityToken.MismatchWithAccessKey"),
        (Who { secret: "x", ..who }, 400, "SignatureDoesNotMatch"),
        (Who { token: who.token, ..USER }, 403, "InvalidSecurityToken.MismatchWithAccessKey"),
    ] {
        let (got, body) = lab.send(wrong, ECS, "DescribeInstances", &region).await;
        assert_eq!((got, text(&body["Code"])), (status, code));
    }
    let later = |seconds: i64| {
        ahead.store(seconds * 1000, Ordering::Relaxed);
        lab.ahead_ms.store(seconds * 1000, Ordering::Relaxed);
    };
    later(890);
    assert_eq!(lab.send(who, ECS, "DescribeInstances", &region).await.0, 200);
    later(901);
    let (status, body) = lab.send(who, ECS, "DescribeInstances", &region).await;
    assert_eq!((status, text(&body["Code"])), (403, "InvalidSecurityToken.Expired"));
    let seen = format!("{:?} {} {}", lab.emulator, lab.emulator.snapshot(), lab.door("/_lab/calls").await);
    assert!(!seen.contains(who.secret) && !seen.contains(who.token.unwrap()));
}

#[tokio::test]
async fn what_is_wrong_with_a_role_is_refused() {
    let lab = Lab::new(1, quick()).await;
    let role = arn(OPERATOR_ROLE);
    let good = [("RoleArn", role.as_str()), ("RoleSessionName", "ok")];
    for (changed, code) in [
        (("RoleArn", ""), "MissingParameter"),
        (("RoleSessionName", ""), "MissingParameter"),
        (("RoleArn", "role/x"), "InvalidParameter.RoleArn"),
        (("RoleArn", "acs:ram::1234567890123456:role/nobody"), "EntityNotExist.Role"),
        (("RoleArn", "acs:ram::1:role/lab-operator"), "EntityNotExist.Role"),
        (("RoleSessionName", "a"), "InvalidParameter.RoleSessionName"),
        (("RoleSessionName", "a b"), "InvalidParameter.RoleSessionName"),
        (("DurationSeconds", "899"), "InvalidParameter.DurationSeconds"),
        (("DurationSeconds", "43201"), "InvalidParameter.DurationSeconds"),
        (("Policy", "{"), "InvalidParameter.PolicyGrammar"),
    ] {
        let mut params: Vec<(&str, &str)> =
            good.iter().copied().filter(|(name, _)| *name != changed.0).collect();
        params.push(changed);
        assert_eq!(lab.code(STS, "AssumeRole", &params).await, code, "{changed:?}");
    }
    let stranger = Who { secret: "wrong", ..USER };
    let (status, body) = lab.send(stranger, STS, "AssumeRole", &good).await;
    assert_eq!((status, text(&body["Code"])), (400, "SignatureDoesNotMatch"));
    assert_eq!(lab.emulator.writes(), 0);
}

#[tokio::test]
async fn a_token_of_an_identity_provider_needs_no_signature() {
    let token = Secret::new("header.payload.signature".to_owned());
    let lab = Lab::build(1, quick(), |emulator| emulator.with_identity(PROVIDER, token)).await;
    let ask = async |provider: &str, token: &str, version: &str, action: &str| {
        let query = format!(
            "Action={action}&Version={version}&RoleArn={}&RoleSessionName=pod&OIDCProviderArn={provider}&OIDCToken={token}",
            arn(OPERATOR_ROLE)
        );
        lab.unsigned(&format!("POST /?{query} HTTP/1.1\r\ncontent-length: 0")).await
    };
    let (status, body) = ask(PROVIDER, "header.payload.signature", STS, "AssumeRoleWithOIDC").await;
    assert_eq!(status, 200, "{body}");
    assert!(text(&body["Credentials"]["AccessKeyId"]).starts_with("STS."));
    for (provider, token, action, code) in [
        (PROVIDER, "another", "AssumeRoleWithOIDC", "AuthenticationFail.OIDCToken.Invalid"),
        ("acs:ram::1:oidc-provider/x", "t", "AssumeRoleWithOIDC", "EntityNotExist.OIDCProvider"),
        (PROVIDER, "header.payload.signature", "AssumeRole", "IncompleteSignature"),
        (PROVIDER, "header.payload.signature", "GetCallerIdentity", "IncompleteSignature"),
    ] {
        let (_, body) = ask(provider, token, STS, action).await;
        assert_eq!(body["Code"], code, "{action} {provider}");
    }
    let (_, body) = ask(PROVIDER, "header.payload.signature", ECS, "AssumeRoleWithOIDC").await;
    assert_eq!(body["Code"], "IncompleteSignature", "no other product has an action without a signature");
}
