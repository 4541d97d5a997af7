//! The link layer: which interface a frame belongs to, and whether it is for us.

use super::{Family, Meta, Origin};
use crate::fib::Fib;
use crate::key::{Interface, InterfaceId, InterfaceKind};
use crate::verdict::Drop;
use packet::{Buf, PortId};
use wire::ether::{ethertype, Header, MacAddr, Tag, HEADER_LEN, TAG_LEN};
use zerocopy::FromBytes;

/// The VLAN identifier's bits in tag control information.
const VLAN_ID: u16 = 0x0fff;

/// What a frame is.
pub(crate) enum Entry {
    /// An IPv6 or IPv4 packet for us or the group.
    Packet(Meta),
    /// An ARP packet on an interface that has an IPv4 address.
    Arp(Meta),
    /// For the host's own stack behind this port.
    HostStack(PortId),
    /// Nothing for us.
    Drop(Drop),
}

/// Looks at the link-layer header of a frame from `port`, which lies in one buffer.
#[inline]
pub(crate) fn link<B: Buf>(buf: &B, port: PortId, fib: &Fib) -> Entry {
    let data = buf.data();
    let Ok((header, behind)) = Header::ref_from_prefix(data) else {
        return Entry::Drop(Drop::Runt);
    };
    let (ether_type, tag, at) = match (header.ethertype.get(), buf.stripped_vlan()) {
        (ethertype::VLAN, None) => match Tag::ref_from_prefix(behind) {
            Ok((tag, _)) => {
                let control = tag.control.get();
                (tag.ethertype.get(), Some(control), HEADER_LEN + TAG_LEN)
            }
            Err(_) => return Entry::Drop(Drop::Runt),
        },
        (plain, stripped) => (plain, stripped, HEADER_LEN),
    };
    // Identifier 0 is a tag for priority only (802.1Q).
    let vlan = tag.map(|tag| tag & VLAN_ID).filter(|&id| id != 0);
    let found = fib
        .interface(port, vlan)
        .and_then(|id| Some((id, fib.interface_of(id)?)));
    let Some((id, interface)) = found else {
        return Entry::Drop(Drop::UnknownVlan);
    };
    let to = header.destination;
    if to != interface.mac && !to.is_group() && !fib.is_router(id, to) {
        return Entry::Drop(Drop::NotForUs);
    }
    // An answer to a group would reach everyone; a frame of our own has gone round a loop.
    let from = header.source;
    if from.is_group() || from == interface.mac {
        return Entry::Drop(Drop::LinkSourceInvalid);
    }
    let meta = |family| meta(id, interface, family, (to, from), at);
    if ether_type == ethertype::IPV6 {
        return Entry::Packet(meta(Family::V6));
    }
    match (ether_type, interface.twin) {
        (ethertype::IPV4, _) if interface.ipv4.is_some() => Entry::Packet(meta(Family::V4)),
        (ethertype::ARP, _) if interface.ipv4.is_some() => Entry::Arp(meta(Family::V4)),
        (ethertype::IPV4 | ethertype::ARP, Some(twin)) => Entry::HostStack(twin),
        // A second tag is a VLAN within a VLAN, and none of those is configured.
        (ethertype::VLAN, _) => Entry::Drop(Drop::UnknownVlan),
        _ => Entry::Drop(Drop::UnknownEtherType),
    }
}

#[inline(always)]
fn meta(
    id: InterfaceId,
    interface: &Interface,
    family: Family,
    (to, from): (MacAddr, MacAddr),
    at: usize,
) -> Meta {
    Meta {
        origin: Origin::Link,
        interface: id,
        access: interface.kind == InterfaceKind::Access,
        domain: interface.domain,
        family,
        at,
        group: to.is_group(),
        mac: from,
        back: false,
        success: None,
    }
}
