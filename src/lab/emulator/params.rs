//! The parameters of one call, read the way the vendor documents them: repeated keys, JSON arrays, comma lists, tags.
//!
//! Must never treat an empty value as given: SDKs send some unset parameters as empty strings.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::errors::{ApiError, INVALID_PARAMETER, MISSING_PARAMETER};

/// Decoded parameters by key. The last of two equal keys counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params {
    given: BTreeMap<String, String>,
    /// A number by which lists are shuffled before they are answered; not part of the request.
    pub(crate) shuffle: Option<u64>,
}

impl FromIterator<(String, String)> for Params {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self { given: pairs.into_iter().collect(), shuffle: None }
    }
}

/// The keys of the older signature, which are not parameters of any action.
const ENVELOPE: [&str; 11] = [
    "Action",
    "Version",
    "Format",
    "Timestamp",
    "SignatureNonce",
    "SignatureMethod",
    "SignatureVersion",
    "SignatureType",
    "AccessKeyId",
    "SecurityToken",
    "Signature",
];

impl Params {
    /// All keys with their values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// A given, non-empty value.
    #[must_use]
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.given.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A mandatory value.
    ///
    /// # Errors
    /// `MissingParameter`.
    pub(crate) fn required(&self, key: &str) -> Result<&str, ApiError> {
        self.get(key).ok_or_else(|| missing(key))
    }

    /// A boolean, absent meaning false; `True` is how the Python SDK writes it.
    ///
    /// # Errors
    /// `InvalidParameter`.
    pub(crate) fn flag(&self, key: &str) -> Result<bool, ApiError> {
        match self.get(key) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(invalid(key, "is not a boolean")),
        }
    }

    /// A non-negative number.
    ///
    /// # Errors
    /// `InvalidParameter`.
    pub(crate) fn number(&self, key: &str) -> Result<Option<usize>, ApiError> {
        self.get(key).map(|text| text.parse().map_err(|_| invalid(key, "is not a number"))).transpose()
    }

    /// An IPv4 address.
    ///
    /// # Errors
    /// `InvalidParameter`.
    pub(crate) fn address(&self, key: &str) -> Result<Option<Ipv4Addr>, ApiError> {
        self.get(key).map(|text| text.parse().map_err(|_| invalid(key, "is not an IPv4 address"))).transpose()
    }

    /// The values of `Key.1`, `Key.2`, …, in the order of their numbers.
    #[must_use]
    pub(crate) fn list(&self, key: &str) -> Vec<&str> {
        let mut items: Vec<(usize, &str)> = self
            .given
            .iter()
            .filter_map(|(name, value)| {
                let number = name.strip_prefix(key)?.strip_prefix('.')?.parse().ok()?;
                (!value.is_empty()).then_some((number, value.as_str()))
            })
            .collect();
        items.sort_unstable();
        items.into_iter().map(|(_, value)| value).collect()
    }

    /// The items of a JSON array of strings in one parameter.
    ///
    /// # Errors
    /// `InvalidParameter` if it is not one, or holds more than `max` items.
    pub(crate) fn json_list(&self, key: &str, max: usize) -> Result<Option<Vec<String>>, ApiError> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let items: Vec<String> =
            serde_json::from_str(text).map_err(|_| invalid(key, "is not a JSON array of strings"))?;
        if items.len() > max { Err(invalid(key, "has too many items")) } else { Ok(Some(items)) }
    }

    /// The items of a comma list.
    ///
    /// # Errors
    /// `InvalidParameter` if there are more than `max`.
    pub(crate) fn comma_list(&self, key: &str, max: usize) -> Result<Option<Vec<&str>>, ApiError> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let items: Vec<&str> = text.split(',').map(str::trim).collect();
        if items.len() > max { Err(invalid(key, "has too many items")) } else { Ok(Some(items)) }
    }

    /// `Tag.N.Key` with `Tag.N.Value` where one is given (an empty value counts as none).
    #[must_use]
    pub(crate) fn tags(&self) -> Vec<(&str, Option<&str>)> {
        let mut tags: Vec<(usize, &str, Option<&str>)> = self
            .given
            .iter()
            .filter_map(|(name, key)| {
                let number = name.strip_prefix("Tag.")?.strip_suffix(".Key")?;
                Some((number.parse().ok()?, key.as_str(), self.get(&format!("Tag.{number}.Value"))))
            })
            .collect();
        tags.sort_unstable();
        tags.into_iter().map(|(_, key, value)| (key, value)).collect()
    }

    /// What makes two requests with one `ClientToken` the same: everything but the token and the older signature's keys.
    #[must_use]
    pub(crate) fn essence(&self) -> Self {
        let kept = |key: &str| key != "ClientToken" && !ENVELOPE.contains(&key);
        self.given.iter().filter(|(key, _)| kept(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}

/// `MissingParameter` for a key.
#[must_use]
pub(crate) fn missing(key: &str) -> ApiError {
    MISSING_PARAMETER.because(format!(
        "The input parameter \"{key}\" that is mandatory for processing this request is not supplied."
    ))
}

/// `InvalidParameter` for a key.
#[must_use]
pub(crate) fn invalid(key: &str, why: &str) -> ApiError {
    INVALID_PARAMETER.because(format!("The specified parameter \"{key}\" {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn lists_are_ordered_by_number_and_not_by_text() {
        let given = params(&[("Id.10", "j"), ("Id.2", "b"), ("Id.1", "a"), ("Id.x", "?"), ("Idle.1", "?")]);
        assert_eq!(given.list("Id"), ["a", "b", "j"]);
    }

    #[test]
    fn booleans_of_every_sdk_are_read() {
        let given = params(&[("A", "True"), ("B", "false"), ("C", "yes"), ("D", "")]);
        assert!(given.flag("A").unwrap());
        assert!(!given.flag("B").unwrap() && !given.flag("D").unwrap() && !given.flag("E").unwrap());
        assert_eq!(given.flag("C").unwrap_err().code, "InvalidParameter");
    }

    #[test]
    fn tags_keep_their_pairs() {
        let given =
            params(&[("Tag.2.Key", "b"), ("Tag.1.Key", "a"), ("Tag.1.Value", "1"), ("Tag.2.Value", "")]);
        assert_eq!(given.tags(), [("a", Some("1")), ("b", None)]);
    }

    #[test]
    fn lists_in_one_parameter_are_limited() {
        let given = params(&[("J", r#"["a","b"]"#), ("C", "a, b"), ("X", "a")]);
        assert_eq!(given.json_list("J", 2).unwrap().unwrap(), ["a", "b"]);
        assert_eq!(given.json_list("J", 1).unwrap_err().code, "InvalidParameter");
        assert_eq!(given.json_list("X", 9).unwrap_err().code, "InvalidParameter");
        assert_eq!(given.comma_list("C", 2).unwrap().unwrap(), ["a", "b"]);
        assert!(given.comma_list("C", 1).is_err());
    }

    #[test]
    fn the_essence_leaves_out_what_changes_with_a_retry() {
        let one = params(&[("A", "1"), ("ClientToken", "t"), ("SignatureNonce", "n1")]);
        let two = params(&[("A", "1"), ("ClientToken", "t"), ("SignatureNonce", "n2")]);
        assert_eq!(one.essence(), two.essence());
        assert_ne!(one.essence(), params(&[("A", "2")]).essence());
    }
}
