//! Templates of the user that become files on hosts, or scripts that are run there: strict. In a script of a POSIX shell every
//! value is one quoted word by construction, as in our own scripts; in other files nothing is quoted, because nobody knows
//! for which language.
//!
//! Must never let a value that does not exist become an empty text.

use handlebars::{Handlebars, no_escape};
use serde_json::{Map, Value};

use super::{TemplateError, check, sh_quote};

/// A user's template.
pub struct FileTemplate {
    registry: Handlebars<'static>,
    path: String,
    is_script: bool,
}

impl std::fmt::Debug for FileTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileTemplate").field("path", &self.path).finish_non_exhaustive()
    }
}

impl FileTemplate {
    /// Reads a template; `path` is how errors name it. It is a script of a shell if its first line says so.
    ///
    /// # Errors
    /// It is not handlebars, or a script in which a value would not be one word.
    pub fn new(path: &str, text: &str) -> Result<Self, TemplateError> {
        Self::read(path, text, is_shell(text))
    }

    /// Reads the template of a script that a shell will run, whatever its first line says.
    ///
    /// # Errors
    /// It is not handlebars, or a value would not be one word in it.
    pub fn script(path: &str, text: &str) -> Result<Self, TemplateError> {
        Self::read(path, text, true)
    }

    fn read(path: &str, text: &str, is_script: bool) -> Result<Self, TemplateError> {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        let template = check::parse(path, text)?;
        if is_script {
            check::check(path, text, &template)?;
            registry.register_escape_fn(sh_quote);
        } else {
            registry.register_escape_fn(no_escape);
        }
        registry.register_template("file", template);
        Ok(Self { registry, path: path.to_owned(), is_script })
    }

    /// The file's content with these values.
    ///
    /// # Errors
    /// A value that does not exist, or that no shell can hold.
    pub fn render(&self, values: &Map<String, Value>) -> Result<String, TemplateError> {
        let text = self.registry.render("file", values).map_err(|error| TemplateError {
            path: self.path.clone(),
            line: error.line_no,
            problem: error.reason().to_string(),
            fix: "set it with -e NAME=VALUE or in the inventory (vars), or use host, address, instance, user, port or groups"
                .to_owned(),
        })?;
        if self.is_script && text.contains('\0') {
            return Err(TemplateError {
                path: self.path.clone(),
                line: None,
                problem: "a value has a NUL byte".to_owned(),
                fix: "no shell can hold one; remove it from the file it comes from".to_owned(),
            });
        }
        Ok(text)
    }
}

/// Whether the first line asks for a shell that knows single quotes as POSIX does.
fn is_shell(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let Some(words) = first.strip_prefix("#!") else { return false };
    let mut words = words.split_whitespace().filter_map(|word| word.rsplit('/').next());
    let shells = ["sh", "dash", "bash", "ash", "ksh", "mksh", "zsh", "busybox"];
    let is_one = |word: &str| shells.contains(&word);
    match words.next() {
        Some("env") => words.any(is_one),
        program => program.is_some_and(is_one),
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
    fn in_a_script_of_a_shell_a_value_is_one_word() {
        for shebang in ["#!/bin/sh", "#!/usr/bin/env bash", "#! /bin/dash -e", "#!/usr/bin/env -S sh -e"] {
            assert_eq!(
                render(&format!("{shebang}\necho {{{{name}}}}\n")).unwrap(),
                format!("{shebang}\necho 'a'\\''b<&\"'\n")
            );
            for wrong in ["echo \"{{name}}\"", "echo '{{name}}'", "echo {{{name}}}", "# {{name}}"] {
                let error = render(&format!("{shebang}\n{wrong}\n")).unwrap_err();
                assert_eq!(error.line, Some(2), "{wrong}: {error}");
            }
        }
        for other in ["#!/usr/bin/python3", "#!/usr/bin/env perl", "# sh", "", "#!"] {
            assert_eq!(render(&format!("{other}\n\"{{{{host}}}}\"")).unwrap(), format!("{other}\n\"web-1\""));
        }
    }

    #[test]
    fn what_is_run_is_a_script_whatever_its_first_line_says() {
        let values = serde_json::json!({"name": "a'b", "nul": "a\0b"});
        let values = values.as_object().unwrap();
        let rendered = |text: &str| FileTemplate::script("job.hbs", text)?.render(values);
        assert_eq!(rendered("echo {{name}}\n").unwrap(), "echo 'a'\\''b'\n");
        for wrong in ["echo \"{{name}}\"\n", "cat <<X\n{{name}}\nX\n", "echo {{nul}}\n", "echo {{nmae}}\n"] {
            let error = rendered(wrong).unwrap_err();
            assert_eq!(error.path, "job.hbs", "{wrong}");
        }
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
