//! Profiles of the vendor's command line, `~/.aliyun/config.json`.
//!
//! Must never use a profile in part: a mode that is not known here is refused by its name.

use std::path::Path;

use serde_json::Value;

use super::Keys;
use super::chain::Setup;
use super::external::External;
use super::metadata::Metadata;
use super::provider::Provider;
use super::session::check;
use super::sts::{Oidc, Role};
use crate::core::model::Secret;
use crate::core::near::nearest;

/// Where it is, below the home directory.
pub(super) const PLACE: &str = ".aliyun/config.json";

/// A file of profiles.
pub(super) struct CliFile<'a> {
    shown: String,
    profiles: Vec<&'a Value>,
    current: Option<&'a str>,
    setup: &'a Setup<'a>,
}

/// Reads the text of the file.
///
/// # Errors
/// A sentence with the line.
pub(super) fn json(path: &Path, text: &Secret<String>) -> Result<Value, String> {
    // Read as a tree: errors of reading it into types would quote what they met.
    serde_json::from_str(text.expose()).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!(
            "{}:{line}:{column}: this is not JSON; run `aliyun configure` to write it anew",
            path.display()
        )
    })
}

impl<'a> CliFile<'a> {
    pub(super) fn new(path: &Path, file: &'a Value, setup: &'a Setup<'a>) -> Result<Self, String> {
        let shown = path.display().to_string();
        let profiles = file.get("profiles").and_then(Value::as_array);
        let profiles =
            profiles.ok_or_else(|| format!("{shown}: it has no list of profiles; run `aliyun configure`"))?;
        let current = file.get("current").and_then(Value::as_str).filter(|name| !name.is_empty());
        Ok(Self { shown, profiles: profiles.iter().collect(), current, setup })
    }

    /// The chosen profile: its name with its mode, and how to get its keys.
    pub(super) fn chosen(&self) -> Result<(String, Provider), String> {
        let name = self.setup.profile.as_deref().or(self.current).ok_or_else(|| {
            format!("{}: it has no current profile; name one by ALIBABA_CLOUD_PROFILE", self.shown)
        })?;
        let provider = self.provider(name, &mut Vec::new())?;
        let mode = self.find(name)?.get("mode").and_then(Value::as_str).unwrap_or_default();
        Ok((format!("profile {name:?} ({mode}) of {}", self.shown), provider))
    }

    fn find(&self, name: &str) -> Result<&'a Value, String> {
        let named = |profile: &&&Value| profile.get("name").and_then(Value::as_str) == Some(name);
        let mut found = self.profiles.iter().filter(named);
        match (found.next(), found.next()) {
            (Some(profile), None) => Ok(profile),
            (Some(_), Some(_)) => {
                Err(format!("{}: the profile {name:?} is there twice; keep one", self.shown))
            }
            (None, _) => {
                let known = self.profiles.iter().filter_map(|profile| profile.get("name")?.as_str());
                Err(format!("{}: there is no profile {name:?}; {}", self.shown, meant(name, known)))
            }
        }
    }

    /// How to get a profile's keys. `above` are the profiles that lead here.
    fn provider(&self, name: &str, above: &mut Vec<String>) -> Result<Provider, String> {
        let profile = Profile { file: self, name, value: self.find(name)? };
        let setup = self.setup;
        match profile.required("mode")?.as_str() {
            "AK" => Ok(Provider::Fixed(profile.keys(None)?.into())),
            "StsToken" => {
                let token = profile.required("sts_token")?;
                Ok(Provider::Fixed(profile.keys(Some(token))?.into()))
            }
            "RamRoleArn" => {
                let token = profile.text("sts_token")?;
                profile.role(Provider::Fixed(profile.keys(token)?.into()))
            }
            "EcsRamRole" => {
                let metadata = Metadata::new(setup.metadata_base, profile.text("ram_role_name")?, setup.env);
                Ok(Provider::Metadata(metadata.map_err(|why| profile.wrong(why))?))
            }
            "OIDC" => {
                let token_file = profile.required("oidc_token_file")?.into();
                let provider_arn = profile.required("oidc_provider_arn")?;
                let (wanted, endpoint) = profile.session()?;
                Ok(Provider::Oidc(Box::new(Oidc { wanted, provider_arn, token_file, endpoint })))
            }
            "ChainableRamRoleArn" => {
                let source = profile.required("source_profile")?;
                above.push(name.to_owned());
                if above.contains(&source) {
                    let circle = [above.as_slice(), &[source]].concat().join(" -> ");
                    return Err(
                        profile.wrong(&format!("source_profile leads in a circle ({circle}); break it"))
                    );
                }
                let base = self.provider(&source, above)?;
                profile.role(base)
            }
            "External" => {
                let name = format!("profile {name:?} of {}", self.shown);
                let external = External::new(&profile.required("process_command")?, name);
                Ok(Provider::External(external.map_err(|what| profile.wrong(&what))?))
            }
            mode => Err(profile.wrong(&refused(mode))),
        }
    }
}

/// What to do about a mode that is not used here.
fn refused(mode: &str) -> String {
    let instead = match mode {
        "CloudSSO" | "OAuth" => {
            "its sign-in needs a browser: use a profile of mode External that prints the session, or a RAM role"
        }
        "RsaKeyPair" => {
            "key pairs are not supported by the vendor's SDKs either: use an access key or a RAM role"
        }
        "CredentialsURI" => "set ALIBABA_CLOUD_CREDENTIALS_URI and credentials: uri instead",
        _ => {
            return format!(
                "the mode {mode:.40?} is not known; expected one of AK, StsToken, RamRoleArn, EcsRamRole, OIDC, \
                 ChainableRamRoleArn, External"
            );
        }
    };
    format!("the mode {mode} is not supported here; {instead}")
}

/// Which name was meant, or which there are.
pub(super) fn meant<'n>(name: &str, known: impl Iterator<Item = &'n str> + Clone) -> String {
    match nearest(name, known.clone()).first() {
        Some(near) => format!("did you mean {near:?}?"),
        None => {
            let all: Vec<String> = known.take(20).map(|name| format!("{name:?}")).collect();
            if all.is_empty() { "it has none".to_owned() } else { format!("it has {}", all.join(", ")) }
        }
    }
}

struct Profile<'p, 'a> {
    file: &'p CliFile<'a>,
    name: &'p str,
    value: &'a Value,
}

impl Profile<'_, '_> {
    fn wrong(&self, what: &str) -> String {
        format!("{}: profile {:?}: {what}", self.file.shown, self.name)
    }

    /// A text that is not empty.
    fn text(&self, field: &str) -> Result<Option<String>, String> {
        match self.value.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.wrong(&format!("{field} is not a text"))),
        }
    }

    fn required(&self, field: &str) -> Result<String, String> {
        self.text(field)?.ok_or_else(|| {
            self.wrong(&format!(
                "{field} is missing or empty; run `aliyun configure --profile {}`",
                self.name
            ))
        })
    }

    fn keys(&self, token: Option<String>) -> Result<Keys, String> {
        let keys = Keys {
            id: self.required("access_key_id")?,
            secret: Secret::new(self.required("access_key_secret")?),
            token: token.map(Secret::new),
        };
        check(&keys).map_err(|what| self.wrong(&format!("it has {what}")))?;
        Ok(keys)
    }

    fn role(&self, base: Provider) -> Result<Provider, String> {
        let (wanted, endpoint) = self.session()?;
        let external_id = self.text("external_id")?;
        Ok(Provider::Role(Box::new(Role { base, wanted, external_id, endpoint })))
    }

    fn session(&self) -> Result<(super::sts::Wanted, crate::cloud::aliyun::endpoints::Endpoint), String> {
        let seconds = match self.value.get("expired_seconds") {
            None | Some(Value::Null) => None,
            Some(value) => {
                Some(value.as_u64().ok_or_else(|| self.wrong("expired_seconds is not a whole number"))?)
            }
        };
        let name = match self.text("ram_session_name")? {
            Some(name) => Some(name),
            None => self.text("role_session_name")?,
        };
        let enable_vpc = match self.value.get("enable_vpc") {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(_) => return Err(self.wrong("enable_vpc is neither true nor false")),
        };
        let (setup, region) = (self.file.setup, self.text("sts_region")?);
        let wanted = setup.wanted((self.required("ram_role_arn")?, name, seconds), self.text("policy")?);
        let wanted = wanted.map_err(|what| self.wrong(&what))?;
        let endpoint = setup.sts(region.as_deref(), enable_vpc).map_err(|what| self.wrong(&what))?;
        Ok((wanted, endpoint))
    }
}
