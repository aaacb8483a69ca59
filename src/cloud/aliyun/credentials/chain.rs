//! The vendor's chain: which source there is, in its order.
//!
//! Must never go on to the next source from one that is there but broken: who would act then is not who was meant.

use std::path::PathBuf;
use std::sync::Arc;

use super::cli_file::{self, CliFile};
use super::metadata::Metadata;
use super::provider::Provider;
use super::session::check;
use super::sts::{Oidc, USUAL_SECONDS, Wanted};
use super::uri::{self, Uri};
use super::{Candidate, Keys, Passed, error, file, ini_file};
use crate::cloud::aliyun::endpoints::{self, Endpoint, Side};
use crate::cloud::aliyun::env::Env;
use crate::cloud::aliyun::tuning::Tuning;
use crate::core::inventory::CredentialSource;
use crate::core::model::Secret;
use crate::ports::CloudError;

/// The order of the vendor's SDKs.
const ORDER: [CredentialSource; 6] = [
    CredentialSource::Environment,
    CredentialSource::Oidc,
    CredentialSource::CliProfile,
    CredentialSource::IniFile,
    CredentialSource::EcsRamRole,
    CredentialSource::Uri,
];

/// What has a say in where keys come from.
pub(in crate::cloud::aliyun) struct Setup<'a> {
    pub(in crate::cloud::aliyun) source: CredentialSource,
    /// The profile or section, if one is named.
    pub(in crate::cloud::aliyun) profile: Option<String>,
    pub(in crate::cloud::aliyun) env: &'a Env,
    pub(in crate::cloud::aliyun) metadata_base: Option<&'a str>,
    /// The STS that is given, if one is.
    pub(in crate::cloud::aliyun) sts_given: Option<&'a str>,
    pub(in crate::cloud::aliyun) region: &'a str,
    pub(in crate::cloud::aliyun) side: Side,
    pub(in crate::cloud::aliyun) tuning: &'a Tuning,
}

/// The sources that may have keys.
#[derive(Default)]
pub(super) struct Found {
    pub(super) candidates: Vec<Candidate>,
    pub(super) passed: Vec<Passed>,
    pub(super) warnings: Vec<String>,
    /// The last candidate is certainly there.
    pub(super) certain: bool,
}

/// A source that is there, with what is unsafe about it, or why it is not.
type Sight = Result<(String, Provider, Vec<String>), String>;

impl Setup<'_> {
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.env.get("HOME").map(PathBuf::from)
    }

    /// Where sessions are asked for.
    pub(in crate::cloud::aliyun) fn sts(&self, region: Option<&str>, vpc: bool) -> Result<Endpoint, String> {
        let named = self.env.get("ALIBABA_CLOUD_STS_REGION");
        let region = region.or(named.as_deref());
        if region.is_some_and(|region| region.parse::<crate::core::model::RegionId>().is_err()) {
            return Err("the region of STS is not a region id such as cn-beijing".to_owned());
        }
        endpoints::sts(region, self.region, if vpc { Side::Vpc } else { self.side }, self.sts_given)
    }

    /// What to ask of STS: the role, the session's name and its length in seconds.
    pub(super) fn wanted(
        &self,
        (arn, name, seconds): (String, Option<String>, Option<u64>),
        policy: Option<String>,
    ) -> Result<Wanted, String> {
        let role = arn.strip_prefix("acs:ram::").and_then(|rest| rest.split_once(":role/"));
        if role.is_none_or(|(account, role)| account.is_empty() || role.is_empty()) {
            return Err("the role is not of the form acs:ram::ACCOUNT:role/NAME".to_owned());
        }
        let name = name.or_else(|| self.env.get("ALIBABA_CLOUD_ROLE_SESSION_NAME"));
        let session_name = name.unwrap_or_else(|| "egressctl".to_owned());
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        if !(2..=64).contains(&session_name.len()) || !session_name.chars().all(fine) {
            return Err("the session's name is not of 2 to 64 letters, digits and - _ . @".to_owned());
        }
        // Zero is how the command line writes that nothing is said.
        let seconds = seconds.filter(|seconds| *seconds > 0).unwrap_or(u64::from(USUAL_SECONDS));
        match u32::try_from(seconds) {
            Ok(seconds @ 900..=43_200) => Ok(Wanted { arn, session_name, seconds, policy }),
            _ => Err(format!("the session's length is {seconds} s; expected 900 to 43200")),
        }
    }
}

/// Looks where the source says; for `auto`, up to the first that is there for certain.
pub(super) fn look(setup: &Setup<'_>) -> Result<Found, CloudError> {
    let mut found = Found::default();
    walk(setup, &mut found)?;
    match found.candidates.as_slice() {
        [] => Err(nothing(found.passed.iter())),
        _ => Ok(found),
    }
}

/// What was passed over before a source that is there and broken; nothing if none is.
pub(in crate::cloud::aliyun) fn before_broken(setup: &Setup<'_>) -> Vec<Passed> {
    let mut found = Found::default();
    walk(setup, &mut found).err().map(|_| found.passed).unwrap_or_default()
}

fn walk(setup: &Setup<'_>, found: &mut Found) -> Result<(), CloudError> {
    let auto = setup.source == CredentialSource::Auto;
    for source in ORDER.into_iter().filter(|source| auto || *source == setup.source) {
        match sight(source, setup).map_err(error)? {
            Ok((origin, provider, warnings)) => {
                // Only asking tells whether there is a metadata service. Without another choice it has to be it.
                let certain = source != CredentialSource::EcsRamRole;
                found.candidates.push(Candidate { source, origin, provider });
                found.warnings.extend(warnings);
                if certain {
                    found.certain = true;
                    return Ok(());
                }
            }
            Err(why) => found.passed.push(Passed { source, why }),
        }
    }
    Ok(())
}

/// That no source has keys, and how to get some.
pub(super) fn nothing<'p>(passed: impl Iterator<Item = &'p Passed>) -> CloudError {
    let all: Vec<&Passed> = passed.collect();
    match all.as_slice() {
        [only] => error(only.why.clone()),
        _ => {
            let list: Vec<String> =
                all.iter().map(|passed| format!("{}: {}", passed.source.word(), passed.why)).collect();
            error(format!(
                "no source has credentials ({}); set the variables, run `aliyun configure`, or give this instance a RAM role",
                list.join("; ")
            ))
        }
    }
}

/// Whether a source is there. The outer error is a source that is there and broken.
fn sight(source: CredentialSource, setup: &Setup<'_>) -> Result<Sight, String> {
    match source {
        CredentialSource::Auto => Ok(Err("it is the choice of another".to_owned())),
        CredentialSource::Environment => environment(setup.env),
        CredentialSource::Oidc => oidc(setup),
        CredentialSource::CliProfile => cli_profile(setup),
        CredentialSource::IniFile => ini_section(setup),
        CredentialSource::EcsRamRole => Ok(match Metadata::new(setup.metadata_base, None, setup.env) {
            Ok(metadata) => {
                let origin = "the metadata service of this instance".to_owned();
                Ok((origin, Provider::Metadata(metadata), Vec::new()))
            }
            Err(why) => Err(why.to_owned()),
        }),
        CredentialSource::Uri => match setup.env.get(uri::VARIABLE) {
            Some(text) => {
                let origin = format!("the URI of {}", uri::VARIABLE);
                let uri = Uri::new(&text)?;
                let warnings = uri.warning().into_iter().collect();
                Ok(Ok((origin, Provider::Uri(uri), warnings)))
            }
            None => Ok(Err(format!("{} is not set", uri::VARIABLE))),
        },
    }
}

fn environment(env: &Env) -> Result<Sight, String> {
    const ID: &str = "ALIBABA_CLOUD_ACCESS_KEY_ID";
    const SECRET: &str = "ALIBABA_CLOUD_ACCESS_KEY_SECRET";
    match (env.get(ID), env.get(SECRET)) {
        (Some(id), Some(secret)) => {
            let token = env.get("ALIBABA_CLOUD_SECURITY_TOKEN").map(Secret::new);
            let keys = Keys { id, secret: Secret::new(secret), token };
            check(&keys).map_err(|what| format!("the environment holds {what}"))?;
            Ok(Ok(("environment variables".to_owned(), Provider::Fixed(Arc::new(keys)), Vec::new())))
        }
        (None, None) => Ok(Err(format!("{ID} and {SECRET} are not set"))),
        // Half a key is a mistake, and not the wish to act as somebody else.
        (Some(_), None) => Err(format!("{ID} is set but {SECRET} is not; set both or neither")),
        (None, Some(_)) => Err(format!("{SECRET} is set but {ID} is not; set both or neither")),
    }
}

fn oidc(setup: &Setup<'_>) -> Result<Sight, String> {
    const NAMES: [&str; 3] =
        ["ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE"];
    match NAMES.map(|name| setup.env.get(name)) {
        [Some(arn), Some(provider_arn), Some(token_file)] => {
            let wanted =
                setup.wanted((arn, None, None), None).map_err(|what| format!("{}: {what}", NAMES[0]))?;
            let origin = format!("the role {} by the token in {token_file}", wanted.arn);
            let token_file = token_file.into();
            let oidc = Oidc { wanted, provider_arn, token_file, endpoint: setup.sts(None, false)? };
            Ok(Ok((origin, Provider::Oidc(Box::new(oidc)), Vec::new())))
        }
        // The role alone has other uses.
        [_, None, None] => Ok(Err(format!("{} and {} are not set", NAMES[1], NAMES[2]))),
        given => {
            let missing: Vec<&str> = NAMES
                .iter()
                .zip(&given)
                .filter(|(_, value)| value.is_none())
                .map(|(name, _)| *name)
                .collect();
            Err(format!(
                "{} is not set but the other variables for a role by a token are",
                missing.join(" and ")
            ))
        }
    }
}

fn cli_profile(setup: &Setup<'_>) -> Result<Sight, String> {
    const DISABLED: &str = "ALIBABA_CLOUD_CLI_PROFILE_DISABLED";
    if setup.env.is_true(DISABLED) {
        return Ok(Err(format!("{DISABLED} forbids the command line's profiles")));
    }
    let Some(home) = setup.home() else { return Ok(Err("HOME is not set".to_owned())) };
    let path = home.join(cli_file::PLACE);
    let Some(file) = file::read_if_there(&path)? else {
        return Ok(Err(format!("there is no {}", path.display())));
    };
    let json = cli_file::json(&path, &file.text)?;
    let (origin, provider) = CliFile::new(&path, &json, setup)?.chosen()?;
    Ok(Ok((origin, provider, file.warning.into_iter().collect())))
}

fn ini_section(setup: &Setup<'_>) -> Result<Sight, String> {
    if let Some(found) = ini_file::look(setup)? {
        return Ok(Ok((found.origin, found.provider, found.warnings)));
    }
    Ok(Err(match setup.home() {
        Some(home) => {
            let [python, others] = ini_file::PLACES.map(|place| home.join(place).display().to_string());
            format!("there is neither {python} nor {others}")
        }
        None => "HOME is not set".to_owned(),
    }))
}
