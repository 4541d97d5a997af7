//! What happens inside a tunnel to a packet is told to whoever sent it (RFC 2473 section 8).
//!
//! ```text
//!   error of a router in the tunnel      | IPv6 | ICMPv6 | outer (limit, fragment) | inner ...
//!   what the inner packet's sender gets                  | IPv6 | ICMPv6           | inner ...
//! ```
//!
//! To the sender the tunnel is one link, so whatever failed inside is an address that cannot be reached;
//! only a packet that was too big is told as such (section 8.2). Such an error names nobody in the tunnel:
//! it comes from our address on the host's link, or from `error_source`, as all errors do. An IPv4 sender
//! is told in ICMP that a host cannot be reached, or, where it forbade fragments, what the tunnel carries
//! (section 8.3).

use super::Engine;
use crate::counters::Counter;
use crate::frame;
use crate::routing::is_access;
use dataplane::key::InterfaceId;
use roles::effect::{Path, TunnelEnds};
use roles::{BoundPrefix, Now, Role};
use std::net::{IpAddr, Ipv4Addr};
use wire::icmpv4;
use wire::icmpv6::{code, may_send_error, ErrorMessage};
use wire::ipv4;
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

    /// The same of an IPv4 packet.
    fn inner_ipv4(&self) -> Option<(&'a ipv4::Header, &'a [u8])> {
        let there = self.chain.upper == next_header::IPV4 && self.chain.has_upper_header();
        let (header, _) = ipv4::Header::ref_from_prefix(self.inner).ok()?;
        (there && header.version() == 4).then_some((header, self.inner))
    }

    /// What the error means to whom the tunnel is one link (RFC 2473 section 8.1).
    fn meant(&self, error: ErrorMessage) -> Option<Meant> {
        match error {
            ErrorMessage::TimeExceeded { code } => {
                (code == code::HOP_LIMIT_EXCEEDED).then_some(Meant::Unreachable)
            }
            ErrorMessage::DestinationUnreachable { .. } => Some(Meant::Unreachable),
            ErrorMessage::ParameterProblem { pointer, .. } => {
                let limit = self.chain.encapsulation_limit?;
                (pointer as usize == HEADER_LEN + limit.offset).then_some(Meant::Unreachable)
            }
            ErrorMessage::PacketTooBig { mtu } => {
                // In front of the inner packet stand our headers, and those of a fragment only
                // where nobody would be told.
                let overhead = (HEADER_LEN + self.chain.offset) as u32;
                Some(Meant::TooBig(mtu.saturating_sub(overhead)))
            }
        }
    }

    /// What the sender of the IPv6 packet inside is told, if anything is (section 8.2).
    fn told(&self, error: ErrorMessage, inner: &Header) -> Option<ErrorMessage> {
        match self.meant(error)? {
            Meant::Unreachable => Some(ErrorMessage::DestinationUnreachable {
                code: code::ADDRESS_UNREACHABLE,
            }),
            Meant::TooBig(mtu) => {
                let length = HEADER_LEN + usize::from(inner.payload_length.get());
                let mtu = mtu.max(MIN_MTU as u32);
                (length > MIN_MTU).then_some(ErrorMessage::PacketTooBig { mtu })
            }
        }
    }

    /// The same of an IPv4 packet (section 8.3).
    fn told_ipv4(&self, error: ErrorMessage, inner: &ipv4::Header) -> Option<icmpv4::ErrorMessage> {
        match self.meant(error)? {
            Meant::Unreachable => Some(icmpv4::ErrorMessage::DestinationUnreachable {
                code: icmpv4::code::HOST_UNREACHABLE,
            }),
            Meant::TooBig(mtu) => {
                // No path carries less, so the tunnel's MTU is never below this.
                let mtu = mtu.max((MIN_MTU - HEADER_LEN) as u32);
                let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
                (inner.dont_fragment() && inner.total_length.get() > mtu)
                    .then_some(icmpv4::ErrorMessage::FragmentationNeeded { mtu })
            }
        }
    }
}

/// What an error from inside a tunnel means to the sender of the packet inside.
enum Meant {
    /// What it sends to cannot be reached.
    Unreachable,
    /// It sent more than these octets.
    TooBig(u32),
}

impl<R: Role> Engine<R> {
    /// Passes an error about a packet of a tunnel of ours on to the sender of the packet inside, where
    /// that is to be told and may be. Whether anyone was.
    pub(super) fn relay(&mut self, now: Now, error: ErrorMessage, quoted: &Quoted<'_>) -> bool {
        let relayed = match (quoted.inner(), quoted.inner_ipv4()) {
            (Some((inner, packet)), _) => self.relayed(error, quoted, inner, packet),
            (_, Some((inner, packet))) => self.relayed_ipv4(error, quoted, inner, packet),
            (None, None) => None,
        };
        let Some(relayed) = relayed else {
            return false;
        };
        if !self.answers.take(now.monotonic) {
            self.out.counters.count(Counter::AnswerLimited);
            return false;
        }
        match relayed {
            Relayed::V6(packet) => self.out.packet(&packet),
            Relayed::V4(packet) => self.out.packet_ipv4(&packet),
        }
    }

    /// The error that the sender of an IPv6 packet gets.
    fn relayed(
        &mut self,
        error: ErrorMessage,
        quoted: &Quoted<'_>,
        inner: &Header,
        packet: &[u8],
    ) -> Option<Relayed> {
        let (from, to) = (inner.source.into(), inner.destination.into());
        let source = match self.entered(quoted.ends, IpAddr::V6(from), IpAddr::V6(to))? {
            Path::Access { link, .. } => {
                let link = self.routing.link(InterfaceId(link.interface));
                link.map(|link| link.link_local)
            }
            Path::Anchor { .. } => self.routing.error_source,
            _ => None,
        };
        let (told, source) = quoted.told(error, inner).zip(source)?;
        if !may_send_error(told, packet) {
            self.out.counters.count(Counter::AnswerForbidden);
            return None;
        }
        Some(Relayed::V6(frame::error_about(source, from, packet, told)))
    }

    /// The same for an IPv4 packet. Where the domain has no address of ours for it, it comes from that on
    /// a core link.
    fn relayed_ipv4(
        &mut self,
        error: ErrorMessage,
        quoted: &Quoted<'_>,
        inner: &ipv4::Header,
        packet: &[u8],
    ) -> Option<Relayed> {
        let (from, to) = (Ipv4Addr::from(inner.source), inner.destination.into());
        let on_link = match self.entered(quoted.ends, IpAddr::V4(from), IpAddr::V4(to))? {
            Path::Access { link, .. } => {
                let link = self.routing.link(InterfaceId(link.interface));
                link.and_then(|link| link.interface.ipv4)
            }
            Path::Anchor { .. } => None,
            _ => return None,
        };
        let core = self.routing.links.iter().filter(|link| !is_access(link));
        let mut of_core = core.filter_map(|link| link.interface.ipv4);
        let source = on_link
            .or(self.routing.ipv4_error_source)
            .or_else(|| of_core.next());
        let (told, source) = quoted.told_ipv4(error, inner).zip(source)?;
        if !icmpv4::may_send_error(packet) {
            self.out.counters.count(Counter::AnswerForbidden);
            return None;
        }
        let relayed = frame::error_about_ipv4(source, from, packet, told);
        Some(Relayed::V4(relayed))
    }

    /// The binding by which a packet between these addresses entered the tunnel between `ends`. An
    /// error that quotes anything else was made up.
    fn entered(&self, ends: TunnelEnds, from: IpAddr, to: IpAddr) -> Option<Path> {
        let covering = |address| match address {
            IpAddr::V4(address) => self.bindings.get(&BoundPrefix::V4(address)),
            IpAddr::V6(address) => {
                let prefixes = (0..=128).rev();
                let mut all = prefixes.filter_map(|length| HomeNetworkPrefix::new(address, length));
                all.find_map(|prefix| self.bindings.get(&BoundPrefix::V6(prefix)))
            }
        };
        let by = |address| covering(address).map(|installed| installed.path);
        match (by(from), by(to)) {
            (Some(path @ Path::Access { tunnel, .. }), _) if tunnel == ends => Some(path),
            (_, Some(path @ Path::Anchor { tunnel })) if tunnel == ends => Some(path),
            _ => None,
        }
    }
}

/// A packet with an error for the sender of a packet that was in a tunnel.
enum Relayed {
    V6(Vec<u8>),
    V4(Vec<u8>),
}
