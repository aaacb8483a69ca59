//! What can keep a host's network the way it is: the managers we know how to write for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What owns a host's network, and therefore keeps the policy route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// systemd-networkd, by a `.network` file.
    Networkd,
    /// netplan (with systemd-networkd behind it), by a file in `/etc/netplan`.
    Netplan,
    /// NetworkManager, by a keyfile.
    NetworkManager,
    /// The network-scripts of the Red Hat family: `ifcfg-`, `route-` and `rule-` files.
    Ifcfg,
    /// ifupdown of the Debian family: a stanza in `interfaces.d`.
    Ifupdown,
    /// wicked of SUSE: `ifcfg-`, `ifroute-` and `ifrule-` files.
    Wicked,
    /// A marked block in `rc.local`.
    RcLocal,
    /// A oneshot unit of ours with a timer that looks after it; for hosts whose owner is none of the others.
    Unit,
}

impl Owner {
    /// All of them, with the word that inventories and plans use.
    pub const WORDS: [(&'static str, Self); 8] = [
        ("networkd", Self::Networkd),
        ("netplan", Self::Netplan),
        ("network-manager", Self::NetworkManager),
        ("ifcfg", Self::Ifcfg),
        ("ifupdown", Self::Ifupdown),
        ("wicked", Self::Wicked),
        ("rc-local", Self::RcLocal),
        ("unit", Self::Unit),
    ];

    /// The word that inventories and plans use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Networkd => "networkd",
            Self::Netplan => "netplan",
            Self::NetworkManager => "network-manager",
            Self::Ifcfg => "ifcfg",
            Self::Ifupdown => "ifupdown",
            Self::Wicked => "wicked",
            Self::RcLocal => "rc-local",
            Self::Unit => "unit",
        }
    }

    /// Its usual name, for people.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Networkd => "systemd-networkd",
            Self::Netplan => "netplan",
            Self::NetworkManager => "NetworkManager",
            Self::Ifcfg => "the network-scripts",
            Self::Ifupdown => "ifupdown",
            Self::Wicked => "wicked",
            Self::RcLocal => "rc.local",
            Self::Unit => "a systemd unit",
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_owner_has_one_word_everywhere() {
        for (word, owner) in Owner::WORDS {
            assert_eq!(owner.word(), word);
            assert_eq!(serde_json::to_value(owner).unwrap(), word);
        }
    }
}
