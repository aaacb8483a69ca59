//! The name template of a network interface: `{{host}}` and `{{instance}}`, nothing else.
//!
//! Must never leave a placeholder in a name: what cannot be replaced is a mistake.

use crate::core::model::{HostName, InstanceId};

/// What names consist of unless the inventory says otherwise.
pub(super) const DEFAULT: &str = "egress-{{host}}";

/// A checked template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NameTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Host,
    Instance,
}

impl NameTemplate {
    /// Splits a template; the error says what would have been accepted.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once("{{") {
            let Some((placeholder, after)) = after.split_once("}}") else {
                return Err("a name whose {{ is closed by }}".to_owned());
            };
            pieces.push(Piece::Literal(literal.to_owned()));
            pieces.push(match placeholder.trim() {
                "host" => Piece::Host,
                "instance" => Piece::Instance,
                _ => return Err("a name with no placeholders but {{host}} and {{instance}}".to_owned()),
            });
            rest = after;
        }
        pieces.push(Piece::Literal(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// The name for one host.
    pub(super) fn render(&self, host: &HostName, instance: &InstanceId) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => text.as_str(),
                Piece::Host => host.as_str(),
                Piece::Instance => instance.as_str(),
            })
            .collect()
    }
}

/// Whether the cloud takes `name` for an interface: 2 to 128 characters, a letter first, no URL.
pub(super) fn is_interface_name(name: &str) -> bool {
    (2..=128).contains(&name.chars().count())
        && name.starts_with(char::is_alphabetic)
        && name.chars().all(|c| c.is_alphanumeric() || ":_-.".contains(c))
        && !name.starts_with("http:")
        && !name.starts_with("https:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str) -> Result<String, String> {
        NameTemplate::parse(template).map(|t| t.render(&"web-1".parse().unwrap(), &"i-1".parse().unwrap()))
    }

    #[test]
    fn only_known_placeholders_are_replaced() {
        assert_eq!(render(DEFAULT).as_deref(), Ok("egress-web-1"));
        assert_eq!(render("{{ instance }}.{{host}}x").as_deref(), Ok("i-1.web-1x"));
        assert_eq!(render("plain").as_deref(), Ok("plain"));
        for bad in ["{{", "a{{host", "{{hosts}}", "{{}}", "{{#if host}}", "{{{host}}}", "{{../host}}"] {
            assert!(render(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn interface_names_are_those_the_cloud_takes() {
        for good in ["ab", "egress-web.example:1", &"a".repeat(128)] {
            assert!(is_interface_name(good), "{good}");
        }
        for bad in ["", "a", "1a", "-a", "http://a", "https:x", "a b", "a}}", &"a".repeat(129)] {
            assert!(!is_interface_name(bad), "{bad}");
        }
    }
}
