//! The closed list of what can be found, by names that scripts and people can rely on; `docs/preflight.md` explains each.
//!
//! A code is never reused for something else, and never goes: old journals and saved plans name them.

use serde::{Deserialize, Serialize};

use super::Severity;
use super::Severity::{Note, Refusal, Unreachable, Warning};

macro_rules! codes {
    ($($name:ident $text:literal [$($severity:ident),+];)*) => {
        /// What kind of thing was found.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Code {
            $(#[doc = concat!("`", $text, "`")] $name,)*
            /// Anything else: found by an older or a later version.
            #[default]
            #[serde(other)]
            Other,
        }

        impl Code {
            /// All codes but [`Code::Other`], in the order of the documents.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* Self::Other => "other" }
            }

            /// The code of this name, or [`Code::Other`].
            #[must_use]
            pub fn named(name: &str) -> Self {
                Self::ALL.iter().copied().find(|code| code.as_str() == name).unwrap_or_default()
            }

            /// How much findings of this kind can matter.
            #[must_use]
            pub const fn severities(self) -> &'static [Severity] {
                match self { $(Self::$name => &[$($severity),+],)* Self::Other => &[Refusal, Unreachable, Warning, Note] }
            }
        }
    };
}

codes! {
    InstanceMissing "instance-missing" [Refusal];
    ClassicNetwork "classic-network" [Refusal];
    InstanceNotRunning "instance-not-running" [Refusal];
    InstanceLocked "instance-locked" [Refusal];
    BandwidthZero "bandwidth-zero" [Refusal];
    SubscriptionEnding "subscription-ending" [Refusal];
    SubscriptionEndUnknown "subscription-end-unknown" [Warning];
    ChargeType "charge-type" [Refusal];
    ChargeTypeRefused "charge-type-refused" [Refusal];
    ChargeTypeCost "charge-type-cost" [Warning];
    NoPublicAddress "no-public-address" [Refusal];
    TwoPublicAddresses "two-public-addresses" [Refusal];
    EipLocked "eip-locked" [Refusal];
    EipInTransition "eip-in-transition" [Refusal];
    EipElsewhere "eip-elsewhere" [Refusal];
    EipShared "eip-shared" [Refusal];
    EipQuota "eip-quota" [Refusal];
    EniAmbiguous "eni-ambiguous" [Refusal];
    EniBusy "eni-busy" [Refusal];
    EniSlots "eni-slots" [Refusal];
    EniSlotsUnknown "eni-slots-unknown" [Warning];
    EniHotPlug "eni-hot-plug" [Refusal];
    EniRestartNeeded "eni-restart-needed" [Refusal];
    EniGeneration "eni-generation" [Refusal];
    EniQuota "eni-quota" [Refusal];
    OtherInterface "other-interface" [Refusal];
    VswitchMissing "vswitch-missing" [Refusal];
    VswitchElsewhere "vswitch-elsewhere" [Refusal];
    VswitchTooSmall "vswitch-too-small" [Refusal];
    VswitchFull "vswitch-full" [Refusal];
    VswitchRouteTable "vswitch-route-table" [Warning];
    VswitchAcl "vswitch-acl" [Warning];
    Ipv4Gateway "ipv4-gateway" [Refusal];
    GroupCount "group-count" [Refusal];
    GroupMissing "group-missing" [Refusal];
    GroupElsewhere "group-elsewhere" [Refusal];
    GroupMix "group-mix" [Refusal];
    GroupType "group-type" [Warning];
    GroupFull "group-full" [Refusal];
    InboundClosed "inbound-closed" [Refusal];
    InboundLimited "inbound-limited" [Warning];
    SnatMissing "snat-missing" [Refusal];
    SnatHeadroom "snat-headroom" [Warning];
    RouteElsewhere "route-elsewhere" [Refusal];
    RouteUnseen "route-unseen" [Refusal];
    NatGatewayLocked "nat-gateway-locked" [Refusal];
    DnatMapsHost "dnat-maps-host" [Refusal];
    DnatOnHost "dnat-on-host" [Refusal];
    DnatOnEni "dnat-on-eni" [Refusal];
    SourceCheck "source-check" [Note];
    EgressChanges "egress-changes" [Note];
    OwnAddressUnseen "own-address-unseen" [Note];
    EipBilled "eip-billed" [Note];
    PermissionMissing "permission-missing" [Refusal, Warning];
    ReadFailed "read-failed" [Warning];
    HostUnreachable "host-unreachable" [Unreachable];
    HostMistaken "host-mistaken" [Refusal];
    NotRoot "not-root" [Refusal];
    NoIproute2 "no-iproute2" [Refusal];
    NoPrimary "no-primary" [Refusal];
    AmbiguousDevice "ambiguous-device" [Refusal];
    SameDevice "same-device" [Refusal];
    TableTaken "table-taken" [Refusal];
    PriorityTaken "priority-taken" [Refusal];
    SourceTaken "source-taken" [Refusal];
    NumberMoved "number-moved" [Note];
    RouteLeft "route-left" [Warning];
    EgressElsewhere "egress-elsewhere" [Refusal];
    EgressSource "egress-source" [Refusal];
    NoDefault "no-default" [Refusal];
    MainTaken "main-taken" [Refusal];
    RcLocal "rc-local" [Refusal];
    InterfacesNotRead "interfaces-not-read" [Refusal];
    InterfaceConfigured "interface-configured" [Refusal];
    NetworkManagerTooOld "network-manager-too-old" [Refusal];
    NetworkdRemovesRules "networkd-removes-rules" [Refusal];
    NoSystemd "no-systemd" [Refusal];
    HostObstacle "host-obstacle" [Refusal];
    HostRemark "host-remark" [Warning, Note];
    ShimNoNft "shim-no-nft" [Refusal];
    ShimRpFilter "shim-rp-filter" [Refusal];
    ShimRuleTaken "shim-rule-taken" [Refusal];
    ShimMarkTaken "shim-mark-taken" [Refusal];
    ShimFlushed "shim-flushed" [Refusal, Warning];
    ShimNotKept "shim-not-kept" [Refusal];
    ShimForm "shim-form" [Refusal];
    DocumentedForm "documented-form" [Refusal, Warning];
    MetricTooSmall "metric-too-small" [Refusal];
    OwnerWithoutMetric "owner-without-metric" [Refusal];
    NoHttpClient "no-http-client" [Refusal, Warning];
    RunUnfinished "run-unfinished" [Refusal];
    PlanStale "plan-stale" [Refusal];
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_files_and_unknown_ones_are_read() {
        for code in Code::ALL {
            let text = serde_json::to_string(code).unwrap();
            assert_eq!(text, format!("\"{code}\""));
            assert_eq!(serde_json::from_str::<Code>(&text).unwrap(), *code);
            assert_eq!(Code::named(code.as_str()), *code);
        }
        assert_eq!(serde_json::from_str::<Code>("\"of-a-later-version\"").unwrap(), Code::Other);
        assert_eq!(Code::named("of-a-later-version"), Code::Other);
    }

    /// The table of the documents has every code, once, in this order, with these severities.
    #[test]
    fn the_documents_explain_every_code() {
        let text = include_str!("../../../docs/preflight.md");
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        let rows: Vec<(String, String)> = rows
            .filter_map(|row| {
                let mut cells = row.split(" | ");
                Some((cells.next()?.trim_end_matches('`').to_owned(), cells.next()?.to_owned()))
            })
            .collect();
        let words = |code: &Code| {
            let words: Vec<&str> = code.severities().iter().map(|severity| severity.label()).collect();
            words.join(", ")
        };
        let want: Vec<(String, String)> =
            Code::ALL.iter().map(|code| (code.to_string(), words(code))).collect();
        assert_eq!(rows, want);
    }
}
