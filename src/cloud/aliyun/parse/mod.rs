//! Answers of the API as the core's records.
//!
//! Tolerates absent wrappers, empty text for "none" and unknown fields; anything else that does not fit is an error that
//! names the action and the field, never a guess.

mod account;
mod instance;
mod interface;
mod network;

use std::fmt::Display;
use std::str::FromStr;

use serde_json::Value;

pub(super) use account::{attribute, ingress, nat_gateway, security_group, total, vpc};
pub(super) use instance::{InstanceRecord, found, instance, instances};
pub(super) use interface::{EniRecord, eip, eips, eni, enis, has_tag_value};
pub(super) use network::{default_route, forward, internet_gateway, snat, vswitch};

use super::client::error;
use crate::ports::{CloudError, CloudErrorKind};

/// A record of an answer, which knows where it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rec<'a> {
    value: &'a Value,
    action: &'static str,
}

/// The value at a path of names joined by dots.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| value.get(name)).filter(|value| !value.is_null())
}

/// Takes the list at a path out of an answer; a missing wrapper is an empty list.
pub(super) fn list_at(answer: &mut Value, path: &str) -> Vec<Value> {
    let found = path.split('.').try_fold(answer, |value, name| value.get_mut(name));
    found.and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default()
}

impl<'a> Rec<'a> {
    pub(super) const fn new(action: &'static str, value: &'a Value) -> Self {
        Self { value, action }
    }

    /// Text that is there and not empty. A number counts as its text.
    fn text(self, path: &str) -> Option<String> {
        match at(self.value, path)? {
            Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The list at a path; a missing wrapper is an empty list.
    fn list(self, path: &str) -> impl Iterator<Item = Self> {
        let list = at(self.value, path).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let action = self.action;
        list.iter().map(move |value| Self { value, action })
    }

    /// The texts of a list.
    fn texts<T: FromStr<Err: Display>>(self, path: &str) -> Result<Vec<T>, CloudError> {
        let texts = self.list(path).filter_map(|item| item.value.as_str()).filter(|text| !text.is_empty());
        texts.map(|text| text.parse().map_err(|why| self.odd(path, &why))).collect()
    }

    /// A value that must be there.
    fn need<T: FromStr<Err: Display>>(self, path: &str) -> Result<T, CloudError> {
        self.optional(path)?.ok_or_else(|| self.odd(path, &"it is missing"))
    }

    /// A value that may be missing.
    fn optional<T: FromStr<Err: Display>>(self, path: &str) -> Result<Option<T>, CloudError> {
        let parse = |text: String| text.parse().map_err(|why| self.odd(path, &why));
        self.text(path).map(parse).transpose()
    }

    /// A switch, as JSON or as text.
    fn flag(self, path: &str) -> Option<bool> {
        match at(self.value, path)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => text.to_ascii_lowercase().parse().ok(),
            _ => None,
        }
    }

    /// The reasons in `OperationLocks`.
    fn locks(self) -> Vec<String> {
        self.list("OperationLocks.LockReason").filter_map(|lock| lock.text("LockReason")).collect()
    }

    fn odd(self, path: &str, why: &dyn Display) -> CloudError {
        let ids = [
            "InstanceId",
            "NetworkInterfaceId",
            "AllocationId",
            "VSwitchId",
            "SnatEntryId",
            "ForwardEntryId",
        ];
        let id = ids.iter().find_map(|name| self.text(name)).unwrap_or_else(|| "a record".to_owned());
        let message: String = format!("{path} of {id:?}: {why}").chars().take(300).collect();
        error(CloudErrorKind::Protocol, self.action, message)
    }
}
