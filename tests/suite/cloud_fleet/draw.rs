//! What a seed draws: a fleet with its hosts in every state that a run can meet, and a fault file.

use std::fmt::Write;

use egressctl::lab::spec::{Case, HostSpec, LabSpec, SUBNETS, Sshd};
use fastrand::Rng;

/// The state in which a host is when the story begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Fresh,
    PrePaidByTraffic,
    /// By bandwidth; whether the inventory consents to the change.
    PrePaid {
        consent: bool,
    },
    NoSnat,
    Converted,
    EniCreated,
    EniAttached,
    /// An earlier run has finished it.
    Done,
    /// An earlier run was killed so many milliseconds after it began.
    Killed(u64),
}

impl Start {
    /// It is to be refused, now and always.
    pub(super) const fn is_refused(self) -> bool {
        matches!(self, Self::NoSnat | Self::PrePaid { consent: false })
    }

    fn draw(rng: &mut Rng) -> Self {
        match rng.u32(0..20) {
            0 | 1 => Self::PrePaidByTraffic,
            2 => Self::PrePaid { consent: true },
            3 => Self::PrePaid { consent: false },
            4 => Self::NoSnat,
            5 | 6 => Self::Converted,
            7 | 8 => Self::EniCreated,
            9 | 10 => Self::EniAttached,
            11 => Self::Done,
            12..=14 => Self::Killed(rng.u64(0..9_000)),
            _ => Self::Fresh,
        }
    }
}

/// The worst that a fault file can do to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worst {
    /// Nothing that patience does not overcome.
    Delays,
    /// Hosts are refused or taken back.
    Refuses,
    /// Progress is impossible for as long as the faults last.
    Blocks,
}

/// A fleet and what goes wrong with it.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    pub(super) starts: Vec<Start>,
    pub(super) faults: String,
    pub(super) worst: Worst,
}

impl Drawn {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let starts: Vec<Start> = (0..rng.usize(1..=12)).map(|_| Start::draw(rng)).collect();
        let (faults, worst) = faults(rng, starts.len());
        Self { starts, faults, worst }
    }

    /// The lab's blueprint of such a fleet.
    pub(super) fn spec(&self, seed: u64) -> LabSpec {
        // The first six hosts of every lab are special.
        let mut spec = LabSpec::new(seed, Sshd::Builtin, self.starts.len() + 6, None).unwrap();
        spec.hosts.drain(..6);
        for (host, start) in spec.hosts.iter_mut().zip(&self.starts) {
            host.case = match start {
                Start::PrePaidByTraffic => Case::PrePaidByTraffic,
                Start::PrePaid { .. } => Case::PrePaid,
                Start::NoSnat => Case::NoSnat,
                _ => Case::Fresh,
            };
            if *start == Start::NoSnat {
                darken(host);
            }
        }
        spec
    }
}

fn darken(host: &mut HostSpec) {
    let subnet = SUBNETS[2];
    host.vswitch = subnet.id.parse().unwrap();
    host.cidr = subnet.cidr.parse().unwrap();
    let number = u32::try_from(host.index).unwrap();
    host.address = (u32::from(host.cidr.network()) + 10 + number).into();
}

const WRITES: [&str; 8] = [
    "ConvertNatPublicIpToEip",
    "CreateNetworkInterface",
    "AttachNetworkInterface",
    "DetachNetworkInterface",
    "DeleteNetworkInterface",
    "AssociateEipAddress",
    "UnassociateEipAddress",
    "ModifyInstanceChargeType",
];
const TRANSITIONS: [&str; 5] = [
    "AttachNetworkInterface",
    "AssociateEipAddress",
    "UnassociateEipAddress",
    "DetachNetworkInterface",
    "DeleteNetworkInterface",
];
const PASSING: [&str; 6] = [
    "TaskConflict",
    "OperationConflict",
    "IncorrectEipStatus",
    "InvalidOperation.InvalidEniState",
    "OperationFailed.SystemBusy",
    "InvalidBindingStatus",
];
const REFUSING: [&str; 9] = [
    "InvalidVSwitchId.IpNotEnough",
    "EniPerInstanceLimitExceeded",
    "MaxEIPQuotaExceeded",
    "Forbidden.FinancialLocked",
    "InvalidOperation.HotPlugNotSupport",
    "SecurityGroupInstanceLimitExceed",
    "BIND_INSTANCE_HAVE_PORTMAP_OR_BIND_EIP",
    "InvalidInstanceId.PlanedChange",
    "Forbidden.RAM",
];

/// A fault file of up to six rules.
fn faults(rng: &mut Rng, hosts: usize) -> (String, Worst) {
    let mut text = format!("seed: {}\n", rng.u32(..));
    if rng.bool() {
        text += "delays: {attach: 1s..8s, detach: 1s..8s, associate: 500ms..8s, unassociate: 200ms..8s, \
                 convert: 500ms..8s, charge: 1s..8s, create: 0ms..2s, delete: 0ms..3s}\n";
    }
    let tokens = ["forgotten", "replayed", "refused"][rng.usize(..3)];
    let _ = writeln!(text, "failed_tokens: {tokens}\nrules:");
    let (count, most) = (rng.usize(0..=6), rng.u32(0..10));
    let mut worst = Worst::Delays;
    for _ in 0..count {
        let (rule, effect) = match most {
            0..=4 => soft(rng),
            5..=7 if rng.bool() => soft(rng),
            5..=7 => refusing(rng),
            _ if rng.bool() => soft(rng),
            _ => blocking(rng),
        };
        worst = worst.max(effect);
        let host = if rng.u32(0..3) == 0 {
            format!(", host: host-{:03}", 7 + rng.usize(..hosts))
        } else {
            String::new()
        };
        let _ = writeln!(text, "  - {{{rule}{host}}}");
    }
    // What became of a write whose answer got lost, and whose next copy is refused, is for a human to say.
    let lost = ["lost_", "reset", "garbage", "slow"].iter().any(|word| text.contains(word));
    if lost && worst == Worst::Refuses {
        worst = Worst::Blocks;
    }
    if count == 0 {
        text = text.replace("rules:\n", "");
    }
    (text, worst)
}

fn any<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a str {
    of[rng.usize(..of.len())]
}

/// Something that patience overcomes.
fn soft(rng: &mut Rng) -> (String, Worst) {
    let write = any(rng, &WRITES);
    let from = rng.u32(0..30);
    let rule = match rng.u32(0..17) {
        0 => format!(
            "from: {from}s, until: {}s, do: {{error: {{code: Throttling.User, retry_after: {}ms}}}}",
            from + rng.u32(1..20),
            rng.u32(100..3000)
        ),
        1 => format!("from: {from}s, until: {}s, do: {{error: {{code: Throttling}}}}", from + rng.u32(1..20)),
        2 => format!("action: {write}, nth: 1-{}, chance: 0.5, do: lost_answer", rng.u32(1..4)),
        3 => format!("action: {write}, chance: 0.5, times: {}, do: lost_request", rng.u32(1..3)),
        4 => format!("chance: 0.2, times: {}, do: reset", rng.u32(1..4)),
        5 => format!(
            "chance: 0.2, times: {}, do: {{garbage: {{status: {}, body: {}, effect: {}}}}}",
            rng.u32(1..4),
            any(rng, &["500", "502", "503", "200"]),
            any(rng, &["html", "empty", "half_json", "list"]),
            rng.bool()
        ),
        6 => format!("do: {{slow: {{request: 0ms..{}s, answer: 0ms..{}s}}}}", rng.u32(1..3), rng.u32(1..3)),
        7 => format!("action: {write}, nth: 1, do: {{slow: {{answer: {}s}}}}", rng.u32(8..40)),
        8 => format!("action: {write}, nth: 1, do: {{slow: {{request: {}s}}}}", rng.u32(1..14)),
        9 => format!("do: {{stale: {{by: 0ms..{}ms}}}}", rng.u32(100..3000)),
        10 => format!("action: {write}, do: {{takes: {{time: {}s..{}s}}}}", rng.u32(0..10), rng.u32(10..20)),
        11 => format!("action: CreateNetworkInterface, do: {{hidden: {{time: 0s..{}s}}}}", rng.u32(1..6)),
        12 => format!("kind: writes, chance: 0.3, do: {{twice: {{after: 0ms..{}ms}}}}", rng.u32(100..3000)),
        13 => format!(
            "action: {write}, from: {from}s, until: {}s, do: {{error: {{code: {}}}}}",
            from + rng.u32(1..15),
            any(rng, &PASSING)
        ),
        14 => "do: shuffled".to_owned(),
        15 => {
            format!("action: {write}, do: {{quota: {{calls: {}, per: {}s}}}}", rng.u32(3..20), rng.u32(1..8))
        }
        _ => format!(
            "action: {write}, nth: {}, do: {{error: {{code: {}}}}}",
            rng.u32(1..3),
            any(rng, &["ServiceUnavailable", "InternalError"])
        ),
    };
    (rule, Worst::Delays)
}

/// Something that takes hosts back, or refuses them. What is sent to take something back has no second way.
fn refusing(rng: &mut Rng) -> (String, Worst) {
    let write = any(rng, &WRITES);
    let (from, times) = (rng.u32(1..4), rng.u32(1..6));
    let error = match rng.u32(0..3) {
        0 => {
            let effect = any(rng, &TRANSITIONS[..2]);
            return (format!("action: {effect}, nth: {from}, do: falls_back"), worst(effect));
        }
        1 => any(rng, &REFUSING).to_owned(),
        _ => format!("Never.Seen, status: {}", any(rng, &["400", "403", "404", "409"])),
    };
    (format!("action: {write}, nth: {from}-, times: {times}, do: {{error: {{code: {error}}}}}"), worst(write))
}

/// Refusing this call lets a host be taken back, or leaves it where it is.
fn worst(action: &str) -> Worst {
    let undo =
        ["DetachNetworkInterface", "DeleteNetworkInterface", "AssociateEipAddress", "UnassociateEipAddress"];
    if undo.contains(&action) { Worst::Blocks } else { Worst::Refuses }
}

/// Something that nothing overcomes while it lasts.
fn blocking(rng: &mut Rng) -> (String, Worst) {
    let (write, transition) = (any(rng, &WRITES), any(rng, &TRANSITIONS));
    let rule = match rng.u32(0..7) {
        0 => format!("action: {transition}, do: {{stuck: {{}}}}"),
        1 => format!("action: {transition}, do: {{stuck: {{repeats: {}}}}}", rng.u32(1..4)),
        2 => format!("action: {transition}, do: {{stuck: {{time: {}s}}}}", rng.u32(20..400)),
        3 => format!("action: {write}, do: {}", any(rng, &["lost_request", "lost_answer", "reset"])),
        4 => format!("action: {write}, do: {{error: {{code: {}}}}}", any(rng, &PASSING)),
        5 => format!(
            "action: '*', from: {}s, do: {{error: {{code: {}}}}}",
            rng.u32(0..40),
            any(rng, &["Throttling.Api", "ServiceUnavailable", "Forbidden.RAM"])
        ),
        _ => format!("action: {write}, do: {{error: {{code: {}}}}}", any(rng, &REFUSING)),
    };
    (rule, Worst::Blocks)
}
