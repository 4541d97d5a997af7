//! A packet for one of our addresses, or for a group on the link: what is it?

use super::inside::{inside, Inside};
use super::packet::Fields;
use super::{ipv4, Family, Meta};
use crate::verdict::{Drop, Punt};
use wire::checksum;
use wire::dhcpv6::{ALL_RELAYS_AND_SERVERS, SERVER_PORT};
use wire::icmpv6::kind;
use wire::ipv6::{next_header, walk, Chain, HEADER_LEN};

/// Multicast Listener Discovery messages (RFC 2710, RFC 3810).
mod listener {
    pub(super) const QUERY: u8 = 130;
    pub(super) const DONE: u8 = 132;
    pub(super) const REPORT_2: u8 = 143;
}

/// What a packet for us turned out to be. Offsets count from its IP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Own {
    /// An echo request with its ICMP header here.
    Echo { icmp: usize },
    /// A copy goes to control.
    Punt(Punt),
    /// A Multicast Listener Discovery message of a host.
    Listener,
    /// A tunnel packet.
    Tunnelled(Inside),
    /// For the port of DHCPv6 servers and relay agents. Who sent it tells whether control wants it.
    Dhcp,
    /// For a port that control does not listen on: UDP or TCP.
    Port,
    /// For a protocol that is not spoken here; the octet that says so.
    Protocol { pointer: usize },
    /// A routing header that asks for more visits; the octet that says so.
    Routing { pointer: usize },
    /// Something that the host's own stack may want, and nobody else.
    Other(Drop),
    /// Broken.
    Drop(Drop),
}

/// Looks at a packet for one of our unicast addresses.
pub(crate) fn unicast(data: &[u8], fields: &Fields, meta: &Meta) -> Own {
    if meta.family == Family::V4 {
        return ipv4::unicast(data, fields, meta);
    }
    let chain = match chain(data, fields) {
        Ok(chain) => chain,
        Err(end) => return end,
    };
    if let Some(inside) = inside(chain.upper, data, HEADER_LEN + chain.offset) {
        return Own::Tunnelled(inside);
    }
    match chain.upper {
        // A host on the link has no other address before it is attached: let it not crowd out those
        // whose messages come from afar.
        next_header::MOBILITY if bound_to_link(fields) => Own::Drop(Drop::MobilityLinkLocal),
        next_header::MOBILITY => Own::Punt(Punt::Mobility),
        next_header::ICMPV6 => icmp(data, fields, meta, &chain),
        next_header::UDP if port(data, fields, &chain) == Some(SERVER_PORT) => Own::Dhcp,
        next_header::UDP | next_header::TCP => Own::Port,
        next_header::NONE => Own::Other(Drop::Unanswerable),
        _ => Own::Protocol {
            pointer: pointer_to(data, fields, &chain),
        },
    }
}

/// Whether one of the packet's ends is a link-local address.
fn bound_to_link(fields: &Fields) -> bool {
    fields.source.is_unicast_link_local() || fields.destination.is_unicast_link_local()
}

/// Looks at a packet to a group.
pub(crate) fn multicast(data: &[u8], fields: &Fields, meta: &Meta) -> Own {
    if meta.family == Family::V4 {
        return ipv4::multicast(data, fields, meta);
    }
    match chain(data, fields) {
        Ok(chain) if chain.upper == next_header::ICMPV6 => match icmp(data, fields, meta, &chain) {
            Own::Echo { .. } | Own::Punt(Punt::IcmpError) => Own::Other(Drop::MulticastUnwanted),
            Own::Other(_) => Own::Other(Drop::MulticastUnwanted),
            other => other,
        },
        // Clients send from their link-local address (RFC 8415 section 13.1).
        Ok(chain)
            if meta.access
                && chain.upper == next_header::UDP
                && fields.destination == ALL_RELAYS_AND_SERVERS
                && fields.source.is_unicast_link_local()
                && port(data, fields, &chain) == Some(SERVER_PORT) =>
        {
            Own::Punt(Punt::Dhcp)
        }
        Ok(_) if fields.source.is_unspecified() => Own::Drop(Drop::SourceInvalid),
        Ok(_) | Err(Own::Other(_) | Own::Routing { .. }) => Own::Other(Drop::MulticastUnwanted),
        Err(end) => end,
    }
}

/// The destination port of a datagram.
fn port(data: &[u8], fields: &Fields, chain: &Chain) -> Option<u16> {
    let datagram = data.get(HEADER_LEN + chain.offset..fields.length)?;
    let ports: &[u8; 4] = datagram.first_chunk()?;
    Some(u16::from_be_bytes([ports[2], ports[3]]))
}

/// Walks the extension headers and refuses what cannot be handled whole.
fn chain(data: &[u8], fields: &Fields) -> Result<Chain, Own> {
    let payload = data.get(HEADER_LEN..fields.length).unwrap_or_default();
    let chain =
        walk(fields.next_header, payload).map_err(|_| Own::Drop(Drop::ExtensionMalformed))?;
    if let Some(routing) = chain.routing.filter(|routing| routing.segments_left > 0) {
        // The Routing Type octet (RFC 8200 section 4.4).
        let pointer = HEADER_LEN + routing.offset + 2;
        return Err(Own::Routing { pointer });
    }
    match chain.fragment {
        Some(fragment) if fragment.offset != 0 || fragment.more => {
            Err(Own::Other(Drop::ReassemblyNeeded))
        }
        _ => Ok(chain),
    }
}

fn icmp(data: &[u8], fields: &Fields, meta: &Meta, chain: &Chain) -> Own {
    let at = HEADER_LEN + chain.offset;
    let broken = Own::Drop(Drop::IcmpMalformed);
    let Some(message) = data.get(at..fields.length) else {
        return broken;
    };
    let &[message_type, code, ..] = message else {
        return broken;
    };
    if message.len() < 8 || !sum_is_right(message, fields) {
        return broken;
    }
    match message_type {
        kind::ROUTER_SOLICITATION..=kind::REDIRECT
            // RFC 4861 sections 6.1 and 7.1: anything else has passed a router.
            if fields.hop_limit != 255 || code != 0 =>
        {
            broken
        }
        kind::ROUTER_SOLICITATION if meta.access => Own::Punt(Punt::RouterSolicitation),
        kind::ROUTER_SOLICITATION => Own::Other(Drop::MulticastUnwanted),
        kind::ROUTER_ADVERTISEMENT => Own::Punt(Punt::RouterAdvertisement),
        kind::NEIGHBOUR_SOLICITATION..=kind::REDIRECT => {
            Own::Punt(Punt::NeighbourDiscovery)
        }
        // Neighbour and listener discovery alone have no source address yet.
        listener::QUERY..=listener::DONE | listener::REPORT_2 => {
            Own::Listener
        }
        _ if fields.source.is_unspecified() => Own::Drop(Drop::SourceInvalid),
        kind::ECHO_REQUEST => Own::Echo { icmp: at },
        kind::NODE_INFORMATION_REPLY if meta.access => Own::Punt(Punt::NodeInformation),
        0..128 => Own::Punt(Punt::IcmpError),
        // Unknown informational messages get no answer (RFC 4443 section 2.4 b).
        _ => Own::Other(Drop::Unanswerable),
    }
}

fn sum_is_right(message: &[u8], fields: &Fields) -> bool {
    let length = u32::try_from(message.len()).unwrap_or(0);
    let pseudo = checksum::pseudo_header_v6(
        &fields.source.octets(),
        &fields.destination.octets(),
        length,
        next_header::ICMPV6,
    );
    checksum::verifies(checksum::add(pseudo, message))
}

/// Where the octet stands that names the upper layer: in the fixed header or in the last extension
/// header. The chain was walked before, so every header in it is whole.
fn pointer_to(data: &[u8], fields: &Fields, chain: &Chain) -> usize {
    let mut pointer = 6;
    let mut header = fields.next_header;
    let mut at = HEADER_LEN;
    while at < HEADER_LEN + chain.offset {
        let Some(&[next, units]) = data.get(at..).and_then(|rest| rest.first_chunk()) else {
            break;
        };
        pointer = at;
        at += match header {
            next_header::FRAGMENT => 8,
            _ => (usize::from(units) + 1) * 8,
        };
        header = next;
    }
    pointer
}
