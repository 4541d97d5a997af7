//! The IP header: whether the packet is whole, whether its addresses may stand where they do, and
//! what has to be looked up for it.
//!
//! A packet that a tunnel of ours may have brought is recognised here, by its outer addresses, so
//! that its inner addresses take part in the same batched lookup as everything else. An outer pair
//! that is no tunnel goes on as an ordinary packet and meets its end when its destination turns out
//! to be one of our addresses.

use super::inside::{inside, Inside};
use super::{ipv4, Family, Meta, Origin};
use crate::verdict::Drop;
use std::net::Ipv6Addr;
use wire::ipv6::address::stays_on_link;
use wire::ipv6::{next_header, walk, Header};

/// Addresses and lengths of one packet, copied out of its header. IPv4 addresses are in the form that
/// IPv6 has for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    pub(crate) source: Ipv6Addr,
    pub(crate) destination: Ipv6Addr,
    /// Next header, or IPv4's protocol.
    pub(crate) next_header: u8,
    /// Hop limit, or IPv4's time to live.
    pub(crate) hop_limit: u8,
    /// Octets of the whole packet, padding left out.
    pub(crate) length: usize,
}

impl Fields {
    /// Of a packet that has none.
    pub(crate) const NONE: Self = Self {
        source: Ipv6Addr::UNSPECIFIED,
        destination: Ipv6Addr::UNSPECIFIED,
        next_header: 0,
        hop_limit: 0,
        length: 0,
    };
}

/// What comes next for a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plan {
    /// Look up destination and, where `source` says so, source.
    Lookup { source: bool },
    /// Its addresses do not leave the link: it is for one of our addresses or for nobody. Where
    /// `source` says so, the source has to be a host's.
    Own { source: bool },
    /// To a group on the link.
    Multicast,
    /// An answer to where the question came from.
    Back,
    /// It may have come out of a tunnel between these addresses.
    Tunnelled(Inside),
    /// It may be a fragment of what came out of a tunnel between these addresses.
    Fragment,
    /// It ends here.
    Drop(Drop),
}

/// Reads the header of the packet `data` and plans its way.
#[inline]
pub(crate) fn read(data: &[u8], meta: &Meta) -> Result<(Fields, Plan), Drop> {
    let read = match meta.family {
        Family::V6 => match fields(data) {
            Some(fields) => Ok((fields, plan(data, &fields, meta))),
            None => Err(Drop::Ipv6Malformed),
        },
        Family::V4 => ipv4::fields(data).map(|fields| (fields, ipv4::plan(data, &fields, meta))),
    };
    read.map_err(|reason| match meta.origin {
        Origin::Link => reason,
        Origin::Tunnel(_) => Drop::InnerMalformed,
        Origin::Here => Drop::InjectInvalid,
    })
}

/// Reads the fields of the IPv6 packet at the front of `data`, which may have padding behind it.
#[inline]
pub(crate) fn fields(data: &[u8]) -> Option<Fields> {
    let (header, payload) = Header::split(data).ok()?;
    // A jumbogram says 0; none fits into a buffer (RFC 2675).
    if payload.is_empty() && header.next_header == next_header::HOP_BY_HOP {
        return None;
    }
    Some(Fields {
        source: Ipv6Addr::from(header.source),
        destination: Ipv6Addr::from(header.destination),
        next_header: header.next_header,
        hop_limit: header.hop_limit,
        length: wire::ipv6::HEADER_LEN + payload.len(),
    })
}

/// Whether an address may stand nowhere on a wire: unspecified, loopback or IPv4-mapped
/// (RFC 4291 sections 2.5 and 2.5.5.2).
#[inline]
fn never_on_a_wire(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    bits <= 1 || bits >> 32 == 0xffff
}

/// Plans the way of the IPv6 packet `data` with these `fields`.
#[inline]
fn plan(data: &[u8], fields: &Fields, meta: &Meta) -> Plan {
    let Fields {
        source,
        destination,
        ..
    } = *fields;
    if meta.origin == Origin::Here {
        return here(destination, meta);
    }
    if destination.is_multicast() {
        return multicast(source, meta);
    }
    if source.is_multicast() || never_on_a_wire(source) {
        return Plan::Drop(Drop::SourceInvalid);
    }
    if never_on_a_wire(destination) {
        return Plan::Drop(Drop::DestinationInvalid);
    }
    let local_source = source.is_unicast_link_local();
    let local_destination = destination.is_unicast_link_local();
    if local_source || local_destination {
        return match meta.origin {
            Origin::Link => Plan::Own {
                source: meta.access && !local_source,
            },
            _ if local_source => Plan::Drop(Drop::SourceInvalid),
            _ => Plan::Drop(Drop::DestinationInvalid),
        };
    }
    if meta.origin == Origin::Link && !meta.access {
        if let Some(plan) = tunnelled(data, fields) {
            return plan;
        }
    }
    Plan::Lookup {
        source: meta.access || meta.origin != Origin::Link,
    }
}

fn here(destination: Ipv6Addr, meta: &Meta) -> Plan {
    if meta.back {
        Plan::Back
    } else if destination.is_multicast() || stays_on_link(destination) {
        Plan::Drop(Drop::InjectInvalid)
    } else {
        Plan::Lookup { source: false }
    }
}

fn multicast(source: Ipv6Addr, meta: &Meta) -> Plan {
    if meta.origin != Origin::Link {
        return Plan::Drop(Drop::MulticastUnwanted);
    }
    let unspecified = source.is_unspecified();
    if source.is_multicast() || (never_on_a_wire(source) && !unspecified) {
        return Plan::Drop(Drop::SourceInvalid);
    }
    Plan::Multicast
}

/// Whether the packet may be a tunnel's: its inner packet stands behind the fixed header, or behind a
/// destination options header that the tunnel's entry put there (RFC 2473 section 4.1.1). Of
/// fragments, those count that may be a tunnel packet's or a mobility message's.
#[inline]
fn tunnelled(data: &[u8], fields: &Fields) -> Option<Plan> {
    let inner = wire::ipv6::HEADER_LEN;
    match fields.next_header {
        next_header::IPV6 | next_header::IPV4 | next_header::GRE => {
            inside(fields.next_header, data, inner).map(Plan::Tunnelled)
        }
        next_header::DESTINATION_OPTIONS => {
            let payload = data.get(inner..fields.length)?;
            let chain = walk(fields.next_header, payload).ok()?;
            let plain = chain.fragment.is_none() && chain.routing.is_none();
            let inside = inside(chain.upper, data, inner + chain.offset);
            inside.filter(|_| plain).map(Plan::Tunnelled)
        }
        next_header::FRAGMENT => {
            let ours = matches!(
                data.get(inner..fields.length)?.first()?,
                &next_header::IPV6
                    | &next_header::IPV4
                    | &next_header::GRE
                    | &next_header::DESTINATION_OPTIONS
                    | &next_header::MOBILITY
            );
            ours.then_some(Plan::Fragment)
        }
        _ => None,
    }
}
