//! Names and identifiers. Each is a checked string; the check is the same for what a user wrote and what a cloud sent.
//!
//! Must never accept white space, shell metacharacters, control characters or a leading dash.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is not a value of the wanted type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub struct ModelError {
    /// The text as given, shown escaped.
    pub value: String,
    /// What would have been accepted, as a noun phrase.
    pub expected: &'static str,
}

impl ModelError {
    /// An error that says what `value` should have been.
    #[must_use]
    pub fn new(value: &str, expected: &'static str) -> Self {
        Self { value: value.chars().take(80).collect(), expected }
    }
}

fn is_word(text: &str, max: usize, extra: &[char]) -> bool {
    let mut chars = text.chars();
    text.len() <= max
        && chars.next().is_some_and(|c| c.is_ascii_alphanumeric())
        && chars.all(|c| c.is_ascii_alphanumeric() || extra.contains(&c))
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:literal, $extra:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ModelError;
            fn from_str(text: &str) -> Result<Self, ModelError> {
                if is_word(text, $max, $extra) { Ok(Self(text.to_owned())) } else { Err(ModelError::new(text, $expected)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = ModelError;
            fn try_from(text: String) -> Result<Self, ModelError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text_id!(
    /// A host's name in the inventory: the key under which people know it.
    HostName, 253, &['.', ':', '_', '-'],
    "a host name (a letter or digit, then letters, digits and . : _ -, at most 253 characters)"
);
text_id!(
    /// The cloud's name of a host, `i-…`.
    InstanceId, 64, &['_', '-'], "an instance id such as i-2ze1abcdefghijklmnop"
);
text_id!(
    /// An elastic network interface, `eni-…`.
    EniId, 64, &['_', '-'], "a network interface id such as eni-2ze1abcdefghijklmnop"
);
text_id!(
    /// The allocation of an elastic public address, `eip-…`.
    AllocationId, 64, &['_', '-'], "an EIP allocation id such as eip-2ze1abcdefghijklmnop"
);
text_id!(
    /// A subnet of a VPC, `vsw-…`.
    VSwitchId, 64, &['_', '-'], "a vSwitch id such as vsw-2ze1abcdefghijklmnop"
);
text_id!(
    /// A virtual private cloud, `vpc-…`.
    VpcId, 64, &['_', '-'], "a VPC id such as vpc-2ze1abcdefghijklmnop"
);
text_id!(
    /// A security group, `sg-…`.
    SecurityGroupId, 64, &['_', '-'], "a security group id such as sg-2ze1abcdefghijklmnop"
);
text_id!(
    /// A resource group, `rg-…`.
    ResourceGroupId, 64, &['_', '-'], "a resource group id such as rg-aek1abcdefghijk"
);
text_id!(
    /// A NAT gateway, `ngw-…`.
    NatGatewayId, 64, &['_', '-'], "a NAT gateway id such as ngw-2ze1abcdefghijklmnop"
);
text_id!(
    /// A region such as `cn-beijing`.
    RegionId, 64, &['-'], "a region id such as cn-beijing"
);
text_id!(
    /// A zone of a region, such as `cn-beijing-h`.
    ZoneId, 64, &['-'], "a zone id such as cn-beijing-h"
);
text_id!(
    /// One apply, rollback or other journalled run, such as `20261122T161500Z-3f9a`.
    RunId, 64, &['-', 'T', 'Z'], "a run id such as 20261122T161500Z-3f9a"
);
text_id!(
    /// Who runs the program and where, such as `ann@bastion-1`: for people, not for access.
    Operator, 80, &['.', '_', '-', '@'], "an operator such as ann@bastion-1"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_reach_a_shell_are_refused() {
        for bad in ["", "-oProxyCommand=x", "a b", "a;b", "a$(b)", "a\nb", "ä", "a'b"] {
            assert!(bad.parse::<HostName>().is_err(), "{bad:?}");
            assert!(bad.parse::<InstanceId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ordinary_names_pass() {
        assert_eq!("web-1.example_x".parse::<HostName>().unwrap().as_str(), "web-1.example_x");
        assert_eq!("i-2ze0001".parse::<InstanceId>().unwrap().to_string(), "i-2ze0001");
    }
}
