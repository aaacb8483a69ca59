//! Judging what the probes saw: expected, seen, and the likely cause where they differ. Pure.

use std::net::Ipv4Addr;

use crate::core::model::{EniId, InstanceId};
use crate::core::report::Check;

/// Answers of echo services, by URL.
pub type Answers = [(String, Result<Ipv4Addr, String>)];

/// The inbound check: over the internet, by the public address, the same host answers.
#[must_use]
pub fn inbound(address: Ipv4Addr, wanted: &InstanceId, seen: &Result<Option<InstanceId>, String>) -> Check {
    let expected = format!("SSH on {address} answers with the known host key as {wanted}");
    let (ok, seen, cause) = match seen {
        Ok(Some(instance)) if instance == wanted => (true, format!("{instance}, same host key"), None),
        Ok(Some(instance)) => (
            false,
            format!("{instance}, same host key"),
            Some("two hosts share one host key (a cloned image)"),
        ),
        // The host key was pinned, so it is the host; its id is a second witness that not every system has.
        Ok(None) => (true, "same host key; the host does not know its instance id".to_owned(), None),
        Err(reason) => (
            false,
            reason.clone(),
            Some(
                "the EIP is not bound to the interface, its security groups do not admit the port, or replies leave by \
                 the primary interface (policy route missing)",
            ),
        ),
    };
    Check { name: "inbound".to_owned(), ok, expected, seen, cause: cause.map(str::to_owned) }
}

/// The egress check: the host's own traffic leaves from one of the SNAT addresses.
#[must_use]
pub fn egress(expected: &[Ipv4Addr], own: Option<Ipv4Addr>, answers: &Answers) -> Check {
    judge("egress", expected, answers, |address| {
        if Some(address) == own {
            "the host still leaves from its own public address: the EIP is still on the primary interface, or the \
             default route leads out of the secondary one"
        } else {
            "another SNAT entry, a DNAT IP mapping or a proxy decides where this traffic leaves"
        }
    })
}

/// The interface's check: what the host sends from the secondary address leaves from the EIP.
#[must_use]
pub fn own_egress(eip: Ipv4Addr, snat: &[Ipv4Addr], answers: &Answers) -> Check {
    judge("secondary egress", &[eip], answers, |address| {
        if snat.contains(&address) {
            "packets from the secondary address leave by SNAT: the EIP is not bound to it, or its policy route is missing"
        } else {
            "something on the way translates the secondary address"
        }
    })
}

/// The shim's check: its table and its rule are on the host as they were given.
#[must_use]
pub fn shim(table: u32, differences: &[String]) -> Check {
    let ok = differences.is_empty();
    Check {
        name: "compatibility shim".to_owned(),
        ok,
        expected: format!("the nft table egressctl_shim_{table} and its rule, unchanged"),
        seen: if ok { "both, unchanged".to_owned() } else { format!("to do: {}", differences.join("; ")) },
        cause: (!ok).then(|| "somebody has edited or flushed them since".to_owned()),
    }
}

/// The check of a further interface's policy route: nothing of it is to be done.
#[must_use]
pub fn other(eni: &EniId, to_do: Option<&[String]>) -> Check {
    let lines = to_do.map(|lines| lines.iter().take(3).map(String::as_str).collect::<Vec<_>>().join("; "));
    Check {
        name: format!("policy route of {eni}"),
        ok: to_do.is_none(),
        expected: "address, table, rule and what keeps them, unchanged".to_owned(),
        seen: lines.map_or_else(|| "all of them, unchanged".to_owned(), |lines| format!("to do: {lines}")),
        cause: to_do.map(|_| "it was never applied, or somebody has edited it since".to_owned()),
    }
}

fn judge(
    name: &str,
    expected: &[Ipv4Addr],
    answers: &Answers,
    cause: impl Fn(Ipv4Addr) -> &'static str,
) -> Check {
    let wrong =
        answers.iter().filter_map(|(_, answer)| answer.as_ref().ok()).find(|ip| !expected.contains(ip));
    let any = answers.iter().any(|(_, answer)| answer.is_ok());
    let seen: Vec<String> = answers
        .iter()
        .map(|(url, answer)| match answer {
            Ok(address) => format!("{address} by {url}"),
            Err(reason) => format!("no answer by {url} ({reason})"),
        })
        .collect();
    let cause = match (wrong, any) {
        (Some(address), _) => Some(cause(*address).to_owned()),
        (None, true) => None,
        (None, false) => Some(
            "the host has no way out, the echo services do not answer, or the host has neither curl nor wget"
                .to_owned(),
        ),
    };
    Check {
        name: name.to_owned(),
        ok: any && wrong.is_none(),
        expected: expected.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
        seen: if seen.is_empty() { "no answers".to_owned() } else { seen.join(", ") },
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 250);
    const EIP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 11);

    fn answers(list: &[Result<Ipv4Addr, &str>]) -> Vec<(String, Result<Ipv4Addr, String>)> {
        list.iter().enumerate().map(|(n, a)| (format!("http://echo{n}/"), a.map_err(str::to_owned))).collect()
    }

    #[test]
    fn one_echo_service_may_be_silent_but_none_may_disagree() {
        assert!(egress(&[SNAT], Some(EIP), &answers(&[Ok(SNAT), Err("timeout")])).ok);
        assert!(!egress(&[SNAT], Some(EIP), &answers(&[Err("timeout"), Err("timeout")])).ok);
        assert!(!egress(&[SNAT], Some(EIP), &answers(&[])).ok);
        let check = egress(&[SNAT], Some(EIP), &answers(&[Ok(SNAT), Ok(EIP)]));
        assert!(!check.ok && check.cause.unwrap().contains("still leaves from its own"));
    }

    #[test]
    fn a_shim_that_was_edited_is_told() {
        assert!(shim(101, &[]).ok);
        let check = shim(101, &["+ nft replace table ip egressctl_shim_101".to_owned()]);
        assert!(!check.ok && check.seen.contains("replace"));
    }

    #[test]
    fn inbound_wants_the_same_instance() {
        let id: InstanceId = "i-1".parse().unwrap();
        assert!(inbound(EIP, &id, &Ok(Some(id.clone()))).ok);
        assert!(inbound(EIP, &id, &Ok(None)).ok);
        assert!(!inbound(EIP, &id, &Ok(Some("i-2".parse().unwrap()))).ok);
        assert!(!inbound(EIP, &id, &Err("no answer".to_owned())).ok);
    }

    #[test]
    fn secondary_egress_names_a_missing_policy_route() {
        let check = own_egress(EIP, &[SNAT], &answers(&[Ok(SNAT)]));
        assert!(!check.ok && check.cause.unwrap().contains("policy route"));
        assert!(own_egress(EIP, &[SNAT], &answers(&[Ok(EIP)])).ok);
    }
}
