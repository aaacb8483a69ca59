//! What arrives: one HTTP request of the RPC style, taken apart but not yet believed.
//!
//! Must never keep the raw query for later use: clients write a space as `+` and sign it as `%20`, so a query is decoded
//! here and canonicalised again where the signature is checked.

use std::collections::BTreeMap;

use super::errors::{ApiError, INVALID_PARAMETER};
use super::params::Params;

/// Decoded `key=value` pairs, in the order they came.
pub(crate) type Pairs = Vec<(String, String)>;

/// A request as the HTTP server hands it over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// Upper case.
    pub method: String,
    /// The path as sent.
    pub path: String,
    /// The query, decoded.
    pub query: Pairs,
    /// The form body, decoded; empty for other bodies.
    pub form: Pairs,
    /// Header values by lower-case name, in the order they came.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Request {
    /// Takes a request apart.
    ///
    /// # Errors
    /// `InvalidParameter` if the query or the form body is not valid percent-encoded UTF-8.
    pub(crate) fn new(
        method: &str,
        path: &str,
        query: &str,
        headers: impl IntoIterator<Item = (String, String)>,
        body: Vec<u8>,
    ) -> Result<Self, ApiError> {
        let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in headers {
            by_name.entry(name.to_ascii_lowercase()).or_default().push(value);
        }
        let mut request = Self {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            query: decode_pairs(query)?,
            form: Pairs::new(),
            headers: by_name,
            body,
        };
        let is_form = request
            .header("content-type")
            .is_some_and(|kind| kind.trim().starts_with("application/x-www-form-urlencoded"));
        if is_form {
            let text = std::str::from_utf8(&request.body)
                .map_err(|_| INVALID_PARAMETER.because("The form body is not UTF-8."))?;
            request.form = decode_pairs(text)?;
        }
        Ok(request)
    }

    /// The first value of a header.
    #[must_use]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|values| values.first()).map(String::as_str)
    }

    /// The parameters of the action: query and form body together.
    #[must_use]
    pub(crate) fn params(&self) -> Params {
        self.query.iter().chain(&self.form).cloned().collect()
    }

    /// The action: the header of the newer signature, the parameter of the older.
    #[must_use]
    pub(crate) fn action(&self) -> String {
        self.named("x-acs-action", "Action")
    }

    /// The API version, which also tells the product.
    #[must_use]
    pub(crate) fn version(&self) -> String {
        self.named("x-acs-version", "Version")
    }

    fn named(&self, header: &str, parameter: &str) -> String {
        let parameter =
            || self.query.iter().chain(&self.form).find(|(k, _)| k == parameter).map(|(_, v)| v.as_str());
        self.header(header).or_else(parameter).unwrap_or_default().trim().to_owned()
    }
}

/// Decodes `a=b&c=d`: `+` and `%20` are spaces, a key without `=` has the empty value.
fn decode_pairs(text: &str) -> Result<Pairs, ApiError> {
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decode(key)?, decode(value)?))
        })
        .collect()
}

fn decode(text: &str) -> Result<String, ApiError> {
    let bad = || INVALID_PARAMETER.because("A parameter is not valid percent-encoded UTF-8.");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = rest.next().and_then(hex_digit).ok_or_else(bad)?;
                let low = rest.next().and_then(hex_digit).ok_or_else(bad)?;
                high << 4 | low
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Result<Pairs, ApiError> {
        Request::new("post", "/", text, [], Vec::new()).map(|request| request.query)
    }

    #[test]
    fn plus_and_percent_twenty_are_the_same_space() {
        let space = vec![("A".to_owned(), "x y".to_owned())];
        assert_eq!(query("A=x+y").unwrap(), space);
        assert_eq!(query("A=x%20y").unwrap(), space);
        assert_eq!(query("A=x%2By").unwrap()[0].1, "x+y");
    }

    #[test]
    fn broken_escapes_are_refused() {
        for bad in ["A=%", "A=%2", "A=%zz", "A=%ff", "A=%+1"] {
            assert_eq!(query(bad).unwrap_err().code, "InvalidParameter", "{bad}");
        }
    }

    #[test]
    fn a_form_body_adds_parameters_and_a_json_body_does_not() {
        let with = |kind: &str| {
            let headers = [("Content-Type".to_owned(), kind.to_owned())];
            Request::new("POST", "/", "A=1", headers, b"B=2".to_vec()).unwrap().params()
        };
        assert_eq!(with("application/x-www-form-urlencoded").get("B"), Some("2"));
        assert_eq!(with("application/json").get("B"), None);
    }

    #[test]
    fn the_action_header_wins_over_the_parameter() {
        let headers = [("X-Acs-Action".to_owned(), "Two".to_owned())];
        let request = Request::new("GET", "/", "Action=One&Version=v", headers, Vec::new()).unwrap();
        assert_eq!((request.action().as_str(), request.version().as_str()), ("Two", "v"));
    }
}
