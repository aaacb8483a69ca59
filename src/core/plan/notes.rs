//! What the move of an address changes for others: nothing to refuse, everything to know.

use std::net::Ipv4Addr;

use super::{Code, Finding};
use crate::core::observed::{CloudView, Eni, Instance};

/// What to know about a host whose EIP will move to the interface.
pub(super) fn of_move(
    view: &CloudView,
    instance: &Instance,
    eni: Option<&Eni>,
    inbound: Option<Ipv4Addr>,
    egress: &[Ipv4Addr],
) -> Vec<Finding> {
    let list =
        |addresses: &[Ipv4Addr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    let mut notes = Vec::new();
    if let Some(old) = inbound.filter(|_| !egress.is_empty()) {
        notes.push(
            Finding::note(
                format!("outbound connections: {old} -> {}", list(egress)),
                "whoever knows the host by the address it comes from (allowlists of partners and databases, mail \
                 reputation, licence servers) must know the new one first",
            )
            .coded(Code::EgressChanges),
        );
    }
    notes.push(
        Finding::note(
            "the public address is translated to the secondary interface",
            "programs that read it from the metadata service (eipv4) may find none, and FTP, SIP and the like are not \
             translated inside",
        )
        .coded(Code::OwnAddressUnseen),
    );
    notes.push(
        Finding::note(
            "the EIP is bound to an interface and no longer to the instance",
            "it is then charged a configuration fee, which is waived only while it is bound to an instance; traffic costs \
             what it did; EIP and interface outlive the instance unless they are released",
        )
        .coded(Code::EipBilled),
    );
    notes.extend(source_check(view, instance, eni));
    notes
}

/// Whether the two interfaces drop packets that are not theirs alike.
fn source_check(view: &CloudView, instance: &Instance, eni: Option<&Eni>) -> Option<Finding> {
    let primary = view.enis.values().find(|it| it.primary && it.instance.as_ref() == Some(&instance.id))?;
    let word = |on: bool| if on { "on" } else { "off" };
    let (first, second) = (primary.source_dest_check?, eni.map(|eni| eni.source_dest_check));
    let what = match second {
        Some(Some(second)) if second != first => format!(
            "the source and destination check is {} on the primary interface and {} on the secondary one",
            word(first),
            word(second)
        ),
        None if !first => {
            "the source and destination check is off on the primary interface; on a new interface it may \
                           be on"
                .to_owned()
        }
        _ => return None,
    };
    let why = "a packet that takes the wrong interface is let through by one and dropped by the other; hosts that forward \
               packets of others notice";
    Some(Finding::note(what, why).coded(Code::SourceCheck))
}
