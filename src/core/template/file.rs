//! Templates of the user that become files on hosts: strict, and nothing is quoted, because nobody knows for which language.
//!
//! Must never let a value that does not exist become an empty text.

use handlebars::{Handlebars, no_escape};
use serde_json::{Map, Value};

use super::{TemplateError, check};

/// A user's template.
pub struct FileTemplate {
    registry: Handlebars<'static>,
    path: String,
}

impl std::fmt::Debug for FileTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileTemplate").field("path", &self.path).finish_non_exhaustive()
    }
}

impl FileTemplate {
    /// Reads a template; `path` is how errors name it.
    ///
    /// # Errors
    /// It is not handlebars.
    pub fn new(path: &str, text: &str) -> Result<Self, TemplateError> {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(no_escape);
        registry.register_template("file", check::parse(path, text)?);
        Ok(Self { registry, path: path.to_owned() })
    }

    /// The file's content with these values.
    ///
    /// # Errors
    /// A value that does not exist.
    pub fn render(&self, values: &Map<String, Value>) -> Result<String, TemplateError> {
        self.registry.render("file", values).map_err(|error| TemplateError {
            path: self.path.clone(),
            line: error.line_no,
            problem: error.reason().to_string(),
            fix: "set it with -e NAME=VALUE, or use host, address, instance, user, port or groups".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str) -> Result<String, TemplateError> {
        let values =
            serde_json::json!({"host": "web-1", "name": "a'b<&\"", "groups": ["x", "y"], "flag": false});
        let values = values.as_object().unwrap().clone();
        FileTemplate::new("motd.hbs", text)?.render(&values)
    }

    #[test]
    fn values_stand_as_they_are() {
        assert_eq!(
            render("{{host}}: {{name}}\n{{#each groups}}[{{this}}]{{/each}}").unwrap(),
            "web-1: a'b<&\"\n[x][y]"
        );
        assert_eq!(render("{{#if flag}}a{{else}}b{{/if}}").unwrap(), "b");
    }

    #[test]
    fn what_is_missing_is_said_with_its_line() {
        for text in ["x\n{{nmae}}", "x\n{{#each hosts}}{{/each}}", "x\n{{> part}}"] {
            let error = render(text).unwrap_err();
            assert_eq!((error.path.as_str(), error.line), ("motd.hbs", Some(2)), "{text}: {error}");
        }
        assert!(render("{{#if}").unwrap_err().problem.contains("syntax"));
    }
}
