//! The IPv4 header and what is for us: what `packet` and `own` are for IPv6.
//!
//! A router looks at more of an IPv4 packet than of an IPv6 one: the header has a checksum of its own,
//! which is verified before anything is believed (RFC 1812 section 5.2.2), and options, which are
//! carried on as they are. Only a source route would have us send the packet elsewhere than its
//! destination says; such packets end here (RFC 7126 sections 4.3 and 4.4), and so do broken options.

use super::inside::{datagram, inside, Inside};
use super::own::Own;
use super::packet::{Fields, Plan};
use super::{Meta, Origin};
use crate::verdict::{Drop, Punt};
use std::net::Ipv4Addr;
use wire::checksum;
use wire::dhcpv4::SERVER_PORT;
use wire::icmpv4::{self, kind};
use wire::ipv4::address::{is_group, mapped, never_a_destination, never_a_source, unmapped};
use wire::ipv4::{option_kind, protocol, Header, HeaderError, HeaderOptions, Parts};
use wire::udp::PMIP_CONTROL;
use zerocopy::FromBytes;

/// Reads the fields of the packet at the front of `data`, which may have padding behind it.
#[inline]
pub(crate) fn fields(data: &[u8]) -> Result<Fields, Drop> {
    let parts = Header::split(data).map_err(|error| match error {
        HeaderError::Checksum => Drop::Ipv4Checksum,
        _ => Drop::Ipv4Malformed,
    })?;
    let Parts {
        header,
        options,
        payload,
    } = parts;
    if !options.is_empty() {
        check_options(options)?;
    }
    Ok(Fields {
        source: mapped(header.source),
        destination: mapped(header.destination),
        next_header: header.protocol,
        hop_limit: header.ttl(),
        length: header.header_len() + payload.len(),
    })
}

fn check_options(options: &[u8]) -> Result<(), Drop> {
    for option in HeaderOptions::new(options) {
        match option.map(|option| option.kind) {
            Err(_) | Ok(option_kind::LOOSE_SOURCE_ROUTE | option_kind::STRICT_SOURCE_ROUTE) => {
                return Err(Drop::Ipv4Options);
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Plans the way of the packet `data` with these `fields`.
#[inline]
pub(crate) fn plan(data: &[u8], fields: &Fields, meta: &Meta) -> Plan {
    let source = unmapped(fields.source);
    let destination = unmapped(fields.destination);
    if meta.origin == Origin::Here {
        return match () {
            () if meta.back => Plan::Back,
            () if is_group(destination) || destination.is_link_local() => {
                Plan::Drop(Drop::InjectInvalid)
            }
            () => Plan::Lookup { source: false },
        };
    }
    if is_group(destination) {
        return group(source, meta);
    }
    if never_a_source(source) {
        return Plan::Drop(Drop::SourceInvalid);
    }
    if never_a_destination(destination) {
        return Plan::Drop(Drop::DestinationInvalid);
    }
    if source.is_link_local() || destination.is_link_local() {
        return match meta.origin {
            Origin::Link => Plan::Own {
                source: meta.access,
            },
            _ if source.is_link_local() => Plan::Drop(Drop::SourceInvalid),
            _ => Plan::Drop(Drop::DestinationInvalid),
        };
    }
    if meta.origin == Origin::Link && !meta.access {
        if let Some(inside) = tunnelled(data, fields) {
            return Plan::Tunnelled(inside);
        }
    }
    Plan::Lookup {
        source: meta.access || meta.origin != Origin::Link,
    }
}

/// What the packet holds, if it is whole and may be a tunnel's.
#[inline]
fn tunnelled(data: &[u8], fields: &Fields) -> Option<Inside> {
    let upper = fields.next_header;
    if !matches!(
        upper,
        protocol::IPV6 | protocol::IPV4 | protocol::GRE | protocol::UDP
    ) {
        return None;
    }
    let (header, _) = Header::ref_from_prefix(data).ok()?;
    let at = header.header_len();
    let data = data.get(..fields.length)?;
    match upper {
        _ if header.is_fragment() => None,
        protocol::UDP => datagram(data, at),
        _ => inside(upper, data, at),
    }
}

/// To a group, or to everyone on the link. Only who has no address yet may have none.
fn group(source: Ipv4Addr, meta: &Meta) -> Plan {
    if meta.origin != Origin::Link {
        Plan::Drop(Drop::MulticastUnwanted)
    } else if never_a_source(source) && !source.is_unspecified() {
        Plan::Drop(Drop::SourceInvalid)
    } else {
        Plan::Multicast
    }
}

/// Looks at a packet for one of our addresses.
pub(crate) fn unicast(data: &[u8], fields: &Fields, meta: &Meta) -> Own {
    let Ok((header, _)) = Header::ref_from_prefix(data) else {
        return Own::Drop(Drop::Ipv4Malformed);
    };
    if header.is_fragment() {
        return Own::Other(Drop::ReassemblyNeeded);
    }
    match fields.next_header {
        protocol::ICMP => icmp(data, fields, meta, header.header_len()),
        protocol::IPV6 | protocol::IPV4 | protocol::GRE | protocol::UDP
            if tunnelled(data, fields).is_some() =>
        {
            tunnelled(data, fields).map_or(Own::Port, Own::Tunnelled)
        }
        protocol::UDP if asks_for_lease(data, fields, meta) => Own::Punt(Punt::Dhcpv4),
        // To a relay agent, if it is from a server.
        protocol::UDP if !meta.access && port(data) == Some(SERVER_PORT) => Own::Dhcp,
        // No host signals.
        protocol::UDP if !meta.access && port(data) == Some(PMIP_CONTROL) => {
            Own::Punt(Punt::Mobility)
        }
        protocol::UDP | protocol::TCP => Own::Port,
        protocol::IGMP => Own::Other(Drop::Unanswerable),
        // The octet that names the protocol.
        _ => Own::Protocol { pointer: 9 },
    }
}

/// Looks at a packet to a group, or to everyone on the link.
pub(crate) fn multicast(data: &[u8], fields: &Fields, meta: &Meta) -> Own {
    if asks_for_lease(data, fields, meta) {
        Own::Punt(Punt::Dhcpv4)
    } else {
        Own::Other(Drop::MulticastUnwanted)
    }
}

/// Whether a packet is a host's message to DHCPv4 servers.
fn asks_for_lease(data: &[u8], fields: &Fields, meta: &Meta) -> bool {
    if !meta.access || meta.origin != Origin::Link || fields.next_header != protocol::UDP {
        return false;
    }
    port(data) == Some(SERVER_PORT)
}

/// The destination port of a datagram that is whole.
fn port(data: &[u8]) -> Option<u16> {
    let (header, _) = Header::ref_from_prefix(data).ok()?;
    let port: &[u8; 2] = data.get(header.header_len() + 2..)?.first_chunk()?;
    (!header.is_fragment()).then_some(u16::from_be_bytes(*port))
}

fn icmp(data: &[u8], fields: &Fields, meta: &Meta, at: usize) -> Own {
    let message = data.get(at..fields.length).unwrap_or_default();
    let whole = message.len() >= icmpv4::HEADER_LEN;
    if !whole || !checksum::verifies(checksum::add(0, message)) {
        return Own::Drop(Drop::IcmpMalformed);
    }
    match message.first() {
        Some(&kind::ECHO_REQUEST) => Own::Echo { icmp: at },
        // About a tunnel's packet, perhaps; no host has seen one.
        Some(&(kind::DESTINATION_UNREACHABLE | kind::TIME_EXCEEDED))
            if meta.origin == Origin::Link && !meta.access =>
        {
            Own::Punt(Punt::IcmpError)
        }
        _ => Own::Other(Drop::Unanswerable),
    }
}
