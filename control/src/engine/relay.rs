//! What happens inside a tunnel to a packet is told to whoever sent it (RFC 2473 section 8).
//!
//! ```text
//!   error of a router in the tunnel      | IPv6 | ICMPv6 | outer (limit, fragment) | inner ...
//!   what the inner packet's sender gets                  | IPv6 | ICMPv6           | inner ...
//! ```
//!
//! To the sender the tunnel is one link, so whatever failed inside is an address that cannot be reached;
//! only a packet that was too big is told as such (section 8.2). Such an error names nobody in the tunnel:
//! it comes from our address on the host's link, or from `error_source`, as all errors do.

use super::Engine;
use crate::counters::Counter;
use crate::frame;
use dataplane::key::InterfaceId;
use roles::effect::{Path, TunnelEnds};
use roles::{BoundPrefix, Now, Role};
use std::net::Ipv6Addr;
use wire::icmpv6::{code, may_send_error, ErrorMessage};
use wire::ipv6::{next_header, walk, Chain, Header, HEADER_LEN, MIN_MTU};
use wire::mh::HomeNetworkPrefix;
use zerocopy::FromBytes;

/// A packet of a tunnel, as an error quotes it: cut, perhaps, anywhere behind its first header.
pub(super) struct Quoted<'a> {
    /// The tunnel that it was sent into.
    pub(super) ends: TunnelEnds,
    /// Octets of the whole packet, as its header has them.
    pub(super) length: usize,
    chain: Chain,
    /// What stands behind its headers.
    inner: &'a [u8],
}

impl<'a> Quoted<'a> {
    /// Reads the packet at the front of `quoted`; none for what no tunnel's entry sends.
    pub(super) fn read(quoted: &'a [u8]) -> Option<Self> {
        let (outer, rest) = Header::ref_from_prefix(quoted).ok()?;
        let chain = walk(outer.next_header, rest).ok()?;
        // A later fragment shows no more than what its packet starts with.
        let tunnelled = match chain.upper {
            next_header::IPV6 | next_header::IPV4 => chain.routing.is_none(),
            next_header::DESTINATION_OPTIONS => !chain.has_upper_header(),
            _ => false,
        };
        (outer.version() == 6 && tunnelled).then(|| Self {
            ends: TunnelEnds::plain(outer.source.into(), outer.destination.into()),
            length: HEADER_LEN + usize::from(outer.payload_length.get()),
            chain,
            inner: rest.get(chain.offset..).unwrap_or_default(),
        })
    }

    /// The IPv6 packet inside, as far as it is quoted, with its header.
    fn inner(&self) -> Option<(&'a Header, &'a [u8])> {
        let there = self.chain.upper == next_header::IPV6 && self.chain.has_upper_header();
        let (header, _) = Header::ref_from_prefix(self.inner).ok()?;
        (there && header.version() == 6).then_some((header, self.inner))
    }

    /// What the sender of the packet inside is told, if anything is (RFC 2473 sections 8.1, 8.2).
    fn told(&self, error: ErrorMessage, inner: &Header) -> Option<ErrorMessage> {
        let unreachable = ErrorMessage::DestinationUnreachable {
            code: code::ADDRESS_UNREACHABLE,
        };
        match error {
            ErrorMessage::TimeExceeded { code } => {
                (code == code::HOP_LIMIT_EXCEEDED).then_some(unreachable)
            }
            ErrorMessage::DestinationUnreachable { .. } => Some(unreachable),
            ErrorMessage::ParameterProblem { pointer, .. } => {
                let limit = self.chain.encapsulation_limit?;
                (pointer as usize == HEADER_LEN + limit.offset).then_some(unreachable)
            }
            ErrorMessage::PacketTooBig { mtu } => {
                let length = HEADER_LEN + usize::from(inner.payload_length.get());
                // In front of the inner packet stand our headers, and those of a fragment only
                // where nobody would be told.
                let overhead = (HEADER_LEN + self.chain.offset) as u32;
                let mtu = mtu.saturating_sub(overhead).max(MIN_MTU as u32);
                (length > MIN_MTU).then_some(ErrorMessage::PacketTooBig { mtu })
            }
        }
    }
}

impl<R: Role> Engine<R> {
    /// Passes an error about a packet of a tunnel of ours on to the sender of the packet inside, where
    /// that is to be told and may be. Whether anyone was.
    pub(super) fn relay(&mut self, now: Now, error: ErrorMessage, quoted: &Quoted<'_>) -> bool {
        let Some((inner, packet)) = quoted.inner() else {
            return false;
        };
        let (from, to) = (Ipv6Addr::from(inner.source), inner.destination.into());
        let source = match self.entered(quoted.ends, from, to) {
            Some(Path::Access { link, .. }) => {
                let link = self.routing.link(InterfaceId(link.interface));
                link.map(|link| link.link_local)
            }
            Some(Path::Anchor { .. }) => self.routing.error_source,
            _ => None,
        };
        let (Some(told), Some(source)) = (quoted.told(error, inner), source) else {
            return false;
        };
        if !may_send_error(told, packet) {
            self.out.counters.count(Counter::AnswerForbidden);
            return false;
        }
        if !self.answers.take(now.monotonic) {
            self.out.counters.count(Counter::AnswerLimited);
            return false;
        }
        let relayed = frame::error_about(source, from, packet, told);
        self.out.packet(&relayed)
    }

    /// The binding by which a packet between these addresses entered the tunnel between `ends`. An
    /// error that quotes anything else was made up.
    fn entered(&self, ends: TunnelEnds, from: Ipv6Addr, to: Ipv6Addr) -> Option<Path> {
        let covering = |address| {
            let prefixes = (0..=128).rev();
            let mut all = prefixes.filter_map(|length| HomeNetworkPrefix::new(address, length));
            all.find_map(|prefix| self.bindings.get(&BoundPrefix::V6(prefix)))
        };
        let by = |address| covering(address).map(|installed| installed.path);
        match (by(from), by(to)) {
            (Some(path @ Path::Access { tunnel, .. }), _) if tunnel == ends => Some(path),
            (_, Some(path @ Path::Anchor { tunnel })) if tunnel == ends => Some(path),
            _ => None,
        }
    }
}
