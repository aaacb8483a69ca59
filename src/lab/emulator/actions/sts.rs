//! STS: who calls, and sessions of roles.

use serde_json::{Value, json};

use super::super::answer::second;
use super::super::errors::{
    ApiError, DURATION_BAD, INTERNAL, OIDC_TOKEN_BAD, POLICY_BAD, PROVIDER_UNKNOWN, ROLE_ARN_BAD,
    ROLE_UNKNOWN, SESSION_NAME_BAD,
};
use super::super::verify::{Assumed, Caller};
use super::account::ACCOUNT;
use super::{Context, Done};
use crate::lab::spec::{OPERATOR_ROLE, RAM_ROLE};

/// The roles of the lab's account, with their ids.
const ROLES: [(&str, &str); 2] = [(RAM_ROLE, "300000000000000002"), (OPERATOR_ROLE, "300000000000000003")];

/// `GetCallerIdentity`.
pub(super) fn caller(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let of = |role: &str, session: &str| {
        let id = ROLES.iter().find(|(name, _)| *name == role).map_or("", |(_, id)| id);
        json!({
            "AccountId": ACCOUNT,
            "Arn": format!("acs:ram::{ACCOUNT}:assumed-role/{role}/{session}"),
            "IdentityType": "AssumedRoleUser",
            "PrincipalId": format!("{id}:{session}"),
            "RoleId": id,
        })
    };
    Done::read(match &context.caller {
        Caller::Nobody | Caller::User => json!({
            "AccountId": ACCOUNT,
            "Arn": format!("acs:ram::{ACCOUNT}:user/lab"),
            "IdentityType": "RAMUser",
            "PrincipalId": "300000000000000001",
            "UserId": "300000000000000001",
        }),
        Caller::Role => of(RAM_ROLE, "lab"),
        Caller::Assumed(assumed) => of(&assumed.role, &assumed.session),
    })
}

/// `AssumeRole`.
pub(super) fn assume(context: &mut Context<'_>) -> Result<Done, ApiError> {
    give(context, json!({}))
}

/// `AssumeRoleWithOIDC`, which comes without a signature.
pub(super) fn assume_with_token(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let params = context.params;
    let (provider, token) = (params.required("OIDCProviderArn")?, params.required("OIDCToken")?);
    match context.sessions.believes(provider, token) {
        Some(true) => give(context, json!({ "OIDCTokenInfo": { "Issuer": "https://issuer.lab.example" } })),
        Some(false) => Err(OIDC_TOKEN_BAD.into()),
        None => Err(PROVIDER_UNKNOWN.into()),
    }
}

fn give(context: &Context<'_>, mut answer: Value) -> Result<Done, ApiError> {
    let params = context.params;
    let (arn, session) = (params.required("RoleArn")?, params.required("RoleSessionName")?);
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if !(2..=64).contains(&session.len()) || !session.chars().all(fine) {
        return Err(SESSION_NAME_BAD.into());
    }
    let seconds = params.number("DurationSeconds")?.unwrap_or(3600);
    let seconds = i64::try_from(seconds).ok().filter(|seconds| (900..=43_200).contains(seconds));
    let seconds = seconds.ok_or(DURATION_BAD)?;
    if params
        .get("Policy")
        .is_some_and(|text| !serde_json::from_str::<Value>(text).is_ok_and(|it| it.is_object()))
    {
        return Err(POLICY_BAD.into());
    }
    let (account, role) = arn
        .strip_prefix("acs:ram::")
        .and_then(|rest| rest.split_once(":role/"))
        .filter(|(_, role)| !role.is_empty())
        .ok_or(ROLE_ARN_BAD)?;
    let id = ROLES.iter().find(|(name, _)| account == ACCOUNT && *name == role).map(|(_, id)| id);
    let id = id.ok_or(ROLE_UNKNOWN)?;
    let assumed = Assumed { role: role.to_owned(), session: session.to_owned() };
    let expires_ms = context.now_ms + seconds * 1000;
    let given = context.sessions.give(assumed, expires_ms).ok_or(INTERNAL)?;
    answer["AssumedRoleUser"] = json!({
        "AssumedRoleId": format!("{id}:{session}"),
        "Arn": format!("acs:ram::{ACCOUNT}:assumed-role/{role}/{session}"),
    });
    answer["Credentials"] = json!({
        "AccessKeyId": given.key.id,
        "AccessKeySecret": given.key.secret.expose(),
        "SecurityToken": given.token.expose(),
        "Expiration": second(given.expires_ms),
    });
    Done::read(answer)
}
