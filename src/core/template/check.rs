//! What a template may be: plain values, `if`, `unless` and `each`, and every value where the shell takes a quoted word.
//!
//! `{{x}}` becomes `'…'`. Inside quotes of its own, in a comment or in a here-document that would not be a word any more,
//! so a value is accepted only where the shell is outside of all of these. The reading of the shell's text errs towards
//! refusing.

use handlebars::Template;
use handlebars::template::{HelperTemplate, Parameter, TemplateElement};

use super::TemplateError;

/// Reads a template's text.
pub(super) fn parse(path: &str, text: &str) -> Result<Template, TemplateError> {
    Template::compile(text).map_err(|error| TemplateError {
        path: path.to_owned(),
        line: error.pos().map(|(line, _)| line),
        problem: error.reason().to_string(),
        fix: "correct the handlebars syntax".to_owned(),
    })
}

/// Refuses what could let a value reach the shell as anything but one word.
pub(super) fn check(path: &str, text: &str, template: &Template) -> Result<(), TemplateError> {
    let mut walk = Walk { path, shell: vec![Shell::Plain { parens: 0 }], previous: '\n' };
    if text.contains('\0') {
        return Err(walk.refuse(1, "the template has a NUL byte", "remove it"));
    }
    walk.elements(template)
}

/// Where in the shell's grammar a point of the text is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shell {
    /// Outside of quotes, at this depth of parentheses of its own.
    Plain {
        parens: usize,
    },
    Single,
    Double,
    Backtick,
    Comment,
    Brace,
}

struct Walk<'a> {
    path: &'a str,
    shell: Vec<Shell>,
    previous: char,
}

impl Walk<'_> {
    fn refuse(&self, line: usize, problem: &str, fix: &str) -> TemplateError {
        TemplateError {
            path: self.path.to_owned(),
            line: Some(line),
            problem: problem.to_owned(),
            fix: fix.to_owned(),
        }
    }

    fn elements(&mut self, template: &Template) -> Result<(), TemplateError> {
        for (index, element) in template.elements.iter().enumerate() {
            let line = template.mapping.get(index).map_or(1, |place| place.0);
            match element {
                TemplateElement::RawString(text) => self.text(line, text)?,
                TemplateElement::Comment(_) => {}
                TemplateElement::Expression(value) => self.value(line, value)?,
                TemplateElement::HelperBlock(block) => self.block(line, block)?,
                TemplateElement::HtmlExpression(_) => {
                    let fix = "write {{x}}; every value is quoted for the shell";
                    return Err(self.refuse(line, "{{{x}}} and {{&x}} are not quoted", fix));
                }
                TemplateElement::DecoratorExpression(_) | TemplateElement::DecoratorBlock(_) => {
                    return Err(self.refuse(line, "decorators ({{* }}) are not supported", "remove it"));
                }
                // Partials, and whatever handlebars may learn.
                _ => {
                    let fix = "write its text in place; common.sh.hbs is put before every script";
                    return Err(self.refuse(line, "partials ({{> }}) are not supported", fix));
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, line: usize, value: &HelperTemplate) -> Result<(), TemplateError> {
        let plain = value.params.is_empty() && value.hash.is_empty();
        if !plain || !matches!(value.name, Parameter::Path(_) | Parameter::Name(_)) {
            return Err(self.refuse(
                line,
                "helpers that print something are not supported",
                "use plain values",
            ));
        }
        if !matches!(self.shell.last(), Some(Shell::Plain { .. })) || self.previous == '\\' {
            let fix = "put it into a variable first (name={{x}}) and use \"$name\"";
            let problem =
                "a value stands inside quotes, a comment or behind a backslash, where it is not one word";
            return Err(self.refuse(line, problem, fix));
        }
        self.previous = '\'';
        Ok(())
    }

    fn block(&mut self, line: usize, block: &HelperTemplate) -> Result<(), TemplateError> {
        let name = block.name.as_name().unwrap_or_default();
        if !["if", "unless", "each"].contains(&name) || block.block_param.is_some() {
            return Err(self.refuse(
                line,
                "only the blocks if, unless and each are supported",
                "rewrite it with these",
            ));
        }
        let before = self.shell.clone();
        for template in [&block.template, &block.inverse].into_iter().flatten() {
            self.elements(template)?;
            if self.shell != before {
                let fix = "close in the block what is opened in it";
                return Err(self.refuse(
                    line,
                    "a quote, comment or parenthesis crosses the end of a block",
                    fix,
                ));
            }
        }
        Ok(())
    }

    fn text(&mut self, line: usize, text: &str) -> Result<(), TemplateError> {
        let mut chars = text.chars().peekable();
        let mut line = line;
        while let Some(c) = chars.next() {
            let next = chars.peek().copied();
            line += usize::from(c == '\n');
            let escaped = self.previous == '\\';
            let previous = std::mem::replace(&mut self.previous, c);
            let at = self.shell.last().cloned().unwrap_or(Shell::Plain { parens: 0 });
            match at {
                Shell::Single if c == '\'' => self.leave(),
                Shell::Single => {}
                Shell::Comment if c == '\n' => self.leave(),
                Shell::Comment => {}
                _ if escaped => self.previous = ' ',
                _ if c == '$' && next == Some('{') => {
                    chars.next();
                    self.previous = '{';
                    self.shell.push(Shell::Brace);
                }
                _ if c == '$' && next == Some('(') => {
                    chars.next();
                    self.previous = '(';
                    self.shell.push(Shell::Plain { parens: 0 });
                }
                Shell::Backtick if c == '`' => self.leave(),
                Shell::Double if c == '"' => self.leave(),
                Shell::Brace if c == '}' => self.leave(),
                Shell::Backtick | Shell::Double => {}
                Shell::Brace | Shell::Plain { .. } if c == '"' => self.shell.push(Shell::Double),
                Shell::Brace | Shell::Plain { .. } if c == '\'' => self.shell.push(Shell::Single),
                Shell::Brace => {}
                Shell::Plain { .. } if c == '`' => self.shell.push(Shell::Backtick),
                Shell::Plain { .. } if c == '#' && " \t\n;(&|".contains(previous) => {
                    self.shell.push(Shell::Comment);
                }
                // Inside of $(( )), which opens two parentheses, it shifts.
                Shell::Plain { parens }
                    if c == '<' && next == Some('<') && (parens == 0 || self.shell.len() == 1) =>
                {
                    return Err(self.refuse(
                        line,
                        "here-documents are not supported",
                        "use printf and a pipe",
                    ));
                }
                Shell::Plain { parens } if c == '(' => self.set_parens(parens + 1),
                Shell::Plain { parens } if c == ')' && parens > 0 => self.set_parens(parens - 1),
                Shell::Plain { .. } if c == ')' && self.shell.len() > 1 => self.leave(),
                Shell::Plain { .. } => {}
            }
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.shell.pop();
    }

    fn set_parens(&mut self, depth: usize) {
        if let Some(Shell::Plain { parens }) = self.shell.last_mut() {
            *parens = depth;
        }
    }
}
