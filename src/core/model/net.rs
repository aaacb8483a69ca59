//! Addresses of layer 2 and 3, and the one rule about them that the cloud documents but no API tells.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::ModelError;

/// A 48-bit hardware address; the one stable name a network device has on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddr(pub [u8; 6]);

impl FromStr for MacAddr {
    type Err = ModelError;
    fn from_str(text: &str) -> Result<Self, ModelError> {
        let error = || ModelError::new(text, "a MAC address such as 00:16:3e:aa:bb:02");
        let mut bytes = [0u8; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts
                .next()
                .filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))
                .ok_or_else(error)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| error())?;
        }
        if parts.next().is_some() { Err(error()) } else { Ok(Self(bytes)) }
    }
}

impl TryFrom<String> for MacAddr {
    type Error = ModelError;
    fn try_from(text: String) -> Result<Self, ModelError> {
        text.parse()
    }
}

impl From<MacAddr> for String {
    fn from(mac: MacAddr) -> Self {
        mac.to_string()
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A network device's name on a host: at most 15 characters of a strict set (the kernel's limit is IFNAMSIZ - 1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IfName(String);

impl IfName {
    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IfName {
    type Err = ModelError;
    fn from_str(text: &str) -> Result<Self, ModelError> {
        let fine = (1..=15).contains(&text.len())
            && !text.starts_with(['-', '.'])
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        if fine {
            Ok(Self(text.to_owned()))
        } else {
            Err(ModelError::new(text, "a network device name such as eth1"))
        }
    }
}

impl TryFrom<String> for IfName {
    type Error = ModelError;
    fn try_from(text: String) -> Result<Self, ModelError> {
        text.parse()
    }
}

impl From<IfName> for String {
    fn from(name: IfName) -> Self {
        name.0
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The gateway of a vSwitch: broadcast minus two, because the first and the last three addresses of every vSwitch are
/// reserved by the cloud (so `.253` in a /24). `None` for networks too small to be a vSwitch (longer than /29).
#[must_use]
pub fn gateway_of(vswitch: Ipv4Net) -> Option<Ipv4Addr> {
    (vswitch.prefix_len() <= 29).then(|| Ipv4Addr::from(u32::from(vswitch.broadcast()) - 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateway_is_broadcast_minus_two() {
        let gateway = |net: &str| gateway_of(net.parse().unwrap());
        assert_eq!(gateway("172.16.20.0/24"), Some(Ipv4Addr::new(172, 16, 20, 253)));
        assert_eq!(gateway("10.0.0.0/20"), Some(Ipv4Addr::new(10, 0, 15, 253)));
        assert_eq!(gateway("10.0.0.0/30"), None);
    }

    #[test]
    fn mac_round_trips_in_lower_case() {
        assert_eq!("00:16:3E:aa:BB:02".parse::<MacAddr>().unwrap().to_string(), "00:16:3e:aa:bb:02");
        for bad in ["", "00:16:3e:aa:bb", "00:16:3e:aa:bb:02:03", "0:16:3e:aa:bb:02", "00:16:3e:aa:bb:+2"] {
            assert!(bad.parse::<MacAddr>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn device_names_are_strict() {
        assert!("eth1".parse::<IfName>().is_ok());
        for bad in ["", "-eth1", "a b", "sixteencharslong", "eth1;x", "../x"] {
            assert!(bad.parse::<IfName>().is_err(), "{bad:?}");
        }
    }
}
