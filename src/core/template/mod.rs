//! Strict rendering of what is pushed to hosts, and the only user of handlebars.
//!
//! Every `{{value}}` in a script is shell-quoted by construction; raw interpolation is refused when a template is loaded.
//! Must never see text that a host has printed, except as such a quoted value.

mod check;
mod context;
mod file;
mod guard;
mod lease;
mod quote;
mod scripts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use handlebars::Handlebars;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use file::FileTemplate;
pub use guard::{GUARD_DISK, GUARD_FOLDER, GuardParams, Phase};
pub use lease::{LeaseParams, LeaseVerb};
pub use quote::sh_quote;
pub(crate) use scripts::Kept;
pub use scripts::{
    APPLY_WAIT_SECONDS, ApplyParams, ONCE_FOLDER, OnceParams, PUBLIC_DESTINATION, ProbeParams, PushParams,
    RevertParams, StageParams,
};

/// The templates there are: name and the built-in text. The name is the file's name without `.hbs`.
const BUILTIN: [(&str, &str); 18] = [
    ("common.sh", include_str!("../../../templates/common.sh.hbs")),
    ("lease.sh", include_str!("../../../templates/lease.sh.hbs")),
    ("facts.sh", include_str!("../../../templates/facts.sh.hbs")),
    ("files.sh", include_str!("../../../templates/files.sh.hbs")),
    ("owners.sh", include_str!("../../../templates/owners.sh.hbs")),
    ("stage.sh", include_str!("../../../templates/stage.sh.hbs")),
    ("main_table.sh", include_str!("../../../templates/main_table.sh.hbs")),
    ("apply.sh", include_str!("../../../templates/apply.sh.hbs")),
    ("guard.sh", include_str!("../../../templates/guard.sh.hbs")),
    ("guards.sh", include_str!("../../../templates/guards.sh.hbs")),
    ("phases.sh", include_str!("../../../templates/phases.sh.hbs")),
    ("rollback.sh", include_str!("../../../templates/rollback.sh.hbs")),
    ("revert.sh", include_str!("../../../templates/revert.sh.hbs")),
    ("shim.sh", include_str!("../../../templates/shim.sh.hbs")),
    ("once.sh", include_str!("../../../templates/once.sh.hbs")),
    ("push.sh", include_str!("../../../templates/push.sh.hbs")),
    ("probe.sh", include_str!("../../../templates/probe.sh.hbs")),
    ("rc_local.sh", include_str!("../../../templates/rc_local.sh.hbs")),
];

/// A template, or a value for one, that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {problem}; {fix}", path, line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct TemplateError {
    /// The file, as the user named it, or `templates/NAME.hbs` for a built-in one.
    pub path: String,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub fix: String,
}

/// All templates, parsed, checked and once rendered with sample values.
pub struct Templates {
    registry: Handlebars<'static>,
    paths: BTreeMap<&'static str, String>,
    digest: String,
    /// The text of the way back, which is the same for every host.
    rollback: String,
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Templates").field("paths", &self.paths).finish_non_exhaustive()
    }
}

impl Templates {
    /// The templates this program comes with.
    ///
    /// # Errors
    /// Never in a program whose tests pass; the built-in texts go through the same checks as the user's.
    pub fn builtin() -> Result<Self, TemplateError> {
        Self::with_overrides(BTreeMap::new())
    }

    /// The built-in templates, some replaced by the user's. Keys are file names with or without `.hbs` or `.sh.hbs`;
    /// values are the path to name in messages, and the text.
    ///
    /// # Errors
    /// The first thing that is wrong: an unknown name, a syntax error, a value that would reach the shell unquoted, a
    /// value that does not exist.
    pub fn with_overrides(mut overrides: BTreeMap<String, (String, String)>) -> Result<Self, TemplateError> {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(sh_quote);
        let (mut paths, mut digest) = (BTreeMap::new(), Sha256::new());
        for (name, text) in BUILTIN {
            let short = name.trim_end_matches(".sh");
            let own = [short.to_owned(), name.to_owned(), format!("{name}.hbs")]
                .iter()
                .find_map(|key| overrides.remove(key));
            let (path, text) = own.unwrap_or_else(|| (format!("templates/{name}.hbs"), text.to_owned()));
            digest.update(format!("{name} {}\n{text}\n", text.len()));
            let template = check::parse(&path, &text)?;
            check::check(&path, &text, &template)?;
            registry.register_template(name, template);
            paths.insert(name, path);
        }
        if let Some((name, (path, _))) = overrides.into_iter().next() {
            return Err(TemplateError {
                path,
                line: None,
                problem: format!("there is no template {name:?}"),
                fix: format!(
                    "the templates are {}",
                    BUILTIN.map(|(name, _)| format!("{name}.hbs")).join(", ")
                ),
            });
        }
        let digest = HEXLOWER.encode(&digest.finalize());
        let mut templates = Self { registry, paths, digest, rollback: String::new() };
        templates.rollback = templates.rollback_script()?;
        templates.render_samples()?;
        Ok(templates)
    }

    /// SHA-256 over the names and texts of all templates: the same for two processes that push the same to hosts.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Renders one template. `name` is one of [`BUILTIN`].
    fn render<C: Serialize>(&self, name: &'static str, context: &C) -> Result<String, TemplateError> {
        let path = || self.paths.get(name).cloned().unwrap_or_else(|| name.to_owned());
        let failed = |line, problem: String, fix: &str| TemplateError {
            path: path(),
            line,
            problem,
            fix: fix.to_owned(),
        };
        let value = serde_json::to_value(context)
            .map_err(|error| failed(None, format!("its values cannot be used: {error}"), "report this"))?;
        if has_nul(&value) {
            let fix = "no shell can hold one; remove it from the inventory or the file it came from";
            return Err(failed(None, "a value has a NUL byte".to_owned(), fix));
        }
        self.registry.render(name, &value).map_err(|error| {
            let fix = "use only the values that the built-in template uses";
            failed(error.line_no, error.reason().to_string(), fix)
        })
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.values().any(has_nul),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
