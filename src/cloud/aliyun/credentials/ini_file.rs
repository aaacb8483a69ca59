//! Sections of the SDKs' file, `~/.alibabacloud/credentials.ini` (Python's name) or `~/.alibabacloud/credentials` (the others').
//!
//! Must never use a section in part.

use std::path::{Path, PathBuf};

use super::Keys;
use super::chain::Setup;
use super::cli_file::meant;
use super::file::{self, Text};
use super::ini::{self, Section};
use super::metadata::Metadata;
use super::provider::Provider;
use super::session::check;
use super::sts::{Oidc, Role, Wanted};
use crate::cloud::aliyun::endpoints::Endpoint;
use crate::core::model::Secret;

/// Names another file.
pub(super) const VARIABLE: &str = "ALIBABA_CLOUD_CREDENTIALS_FILE";
/// The usual ones, below the home directory.
pub(super) const PLACES: [&str; 2] = [".alibabacloud/credentials.ini", ".alibabacloud/credentials"];

/// What was found.
pub(super) struct Found {
    pub(super) origin: String,
    pub(super) provider: Provider,
    pub(super) warnings: Vec<String>,
}

/// The chosen section of the file that is named, or of the usual one that has it; nothing if there is neither.
///
/// # Errors
/// A sentence with the file and the line or the key.
pub(super) fn look(setup: &Setup<'_>) -> Result<Option<Found>, String> {
    let name = setup.profile.as_deref().unwrap_or("default");
    let paths: Vec<PathBuf> = match setup.env.get(VARIABLE) {
        Some(path) => {
            let path = PathBuf::from(path);
            // One that was named has to be there.
            file::read(&path).map_err(|what| format!("{what} (named by {VARIABLE})"))?;
            vec![path]
        }
        None => setup.home().map(|home| PLACES.map(|place| home.join(place)).to_vec()).unwrap_or_default(),
    };
    let (mut found, mut missing) = (None, Vec::new());
    for path in paths {
        let Some(Text { text, warning }) = file::read_if_there(&path)? else { continue };
        let shown = path.display().to_string();
        let sections = ini::parse(text.expose()).map_err(|(line, what)| format!("{shown}:{line}: {what}"))?;
        match (sections.get(name), &mut found) {
            (Some(section), None) => found = Some(used(&path, name, section, setup, warning)?),
            (Some(_), Some(found)) => found.warnings.push(format!(
                "[{name}] is in {shown} as well, which is not used; keep it in one of the two files"
            )),
            (None, _) => {
                let known = meant(name, sections.keys().map(String::as_str));
                missing.push(format!("{shown}: there is no section [{name}]; {known}"));
            }
        }
    }
    match missing.first() {
        Some(missing) if found.is_none() => Err(missing.clone()),
        _ => Ok(found),
    }
}

fn used(
    path: &Path,
    name: &str,
    section: &Section,
    setup: &Setup<'_>,
    warning: Option<String>,
) -> Result<Found, String> {
    let shown = path.display().to_string();
    let reader = Reader { shown: &shown, name, section, setup };
    let (line, kind) = reader.required("type")?;
    let provider = match kind {
        "access_key" => Provider::Fixed(reader.keys()?.into()),
        "ram_role_arn" => {
            let base = Provider::Fixed(reader.keys()?.into());
            let (wanted, endpoint) = reader.session()?;
            let external_id = reader.text("external_id");
            Provider::Role(Box::new(Role { base, wanted, external_id, endpoint }))
        }
        "oidc_role_arn" => {
            let provider_arn = reader.required("oidc_provider_arn")?.1.to_owned();
            let token_file = reader.required("oidc_token_file_path")?.1.into();
            let (wanted, endpoint) = reader.session()?;
            Provider::Oidc(Box::new(Oidc { wanted, provider_arn, token_file, endpoint }))
        }
        "ecs_ram_role" => {
            let metadata = Metadata::new(setup.metadata_base, reader.text("role_name"), setup.env);
            Provider::Metadata(metadata.map_err(|why| format!("{shown}:{line}: {why}"))?)
        }
        "rsa_key_pair" => {
            return Err(format!(
                "{shown}:{line}: the type rsa_key_pair is not supported here; use access_key or ram_role_arn"
            ));
        }
        other => {
            return Err(format!(
                "{shown}:{line}: the type {other:.40?} is not known; expected one of access_key, ram_role_arn, \
                 oidc_role_arn, ecs_ram_role"
            ));
        }
    };
    let origin = format!("section [{name}] ({kind}) of {shown}");
    Ok(Found { origin, provider, warnings: warning.into_iter().collect() })
}

struct Reader<'a> {
    shown: &'a str,
    name: &'a str,
    section: &'a Section,
    setup: &'a Setup<'a>,
}

impl<'a> Reader<'a> {
    fn text(&self, key: &str) -> Option<String> {
        self.section.get(key).map(|(_, text)| text.to_owned())
    }

    fn required(&self, key: &str) -> Result<(usize, &'a str), String> {
        self.section.get(key).ok_or_else(|| {
            let (shown, name, line) = (self.shown, self.name, self.section.line);
            format!("{shown}:{line}: the section [{name}] has no {key}; add a line {key} = …")
        })
    }

    fn keys(&self) -> Result<Keys, String> {
        let (_, id) = self.required("access_key_id")?;
        let (line, secret) = self.required("access_key_secret")?;
        let token = self.text("security_token").map(Secret::new);
        let keys = Keys { id: id.to_owned(), secret: Secret::new(secret.to_owned()), token };
        check(&keys).map_err(|what| format!("{}:{line}: there is {what}", self.shown))?;
        Ok(keys)
    }

    fn session(&self) -> Result<(Wanted, Endpoint), String> {
        let (line, arn) = self.required("role_arn")?;
        let wrong = |what: String| format!("{}:{line}: {what}", self.shown);
        let wanted =
            self.setup.wanted((arn.to_owned(), self.text("role_session_name"), None), self.text("policy"));
        Ok((wanted.map_err(wrong)?, self.setup.sts(None, false).map_err(wrong)?))
    }
}
