//! The vendor's spelling of text for signatures: percent-encoding, sorted pairs, hexadecimal.

use std::fmt::Write as _;

/// RFC 3986 percent-encoding of UTF-8: only letters, digits and `-_.~` stay.
pub(in super::super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// `key=value` pairs joined with `&`, sorted by key in byte order.
pub(in super::super) fn query<'a>(pairs: impl Iterator<Item = &'a (String, String)>) -> String {
    let mut pairs: Vec<&(String, String)> = pairs.collect();
    pairs.sort_unstable();
    let parts: Vec<String> = pairs.into_iter().map(|(k, v)| format!("{}={}", encode(k), encode(v))).collect();
    parts.join("&")
}

/// Lower-case hexadecimal.
pub(in super::super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _infallible = write!(out, "{byte:02x}");
    }
    out
}

/// The bytes of lower-case hexadecimal.
pub(in super::super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(encode("aZ9-_.~ *+/é"), "aZ9-_.~%20%2A%2B%2F%C3%A9");
    }

    #[test]
    fn hexadecimal_is_strict() {
        assert_eq!(unhex("00ff").unwrap(), [0, 255]);
        assert_eq!(hex(&[0, 255]), "00ff");
        for bad in ["0", "0g", "FF"] {
            assert!(unhex(bad).is_none(), "{bad}");
        }
    }
}
