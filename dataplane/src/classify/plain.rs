//! Headers as words: what the express reads of a frame, a few loads at places that are known.
//!
//! ```text
//!   to 6 | from 6 | type 2 | lead 8 | source 16 | destination 16      IPv6
//!                          | lead 8 | middle 8 | destination 4        IPv4
//!   |── 8 ──|── 8 ──────|
//! ```
//!
//! A header is *plain* when nothing in it asks for more than to be forwarded. What is not may be
//! fine too; the rest of `classify` tells.

use std::net::{Ipv4Addr, Ipv6Addr};
use wire::checksum;
use wire::ether;
use wire::ipv4;
use wire::ipv6::{next_header, HEADER_LEN};
use zerocopy::little_endian::U64 as Octets;
use zerocopy::network_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The link-layer header of a frame, as it stands there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// Destination, and the first two octets of the source.
    first: u64,
    /// Source and ethertype.
    second: u64,
}

impl Link {
    /// What no frame has: the two words do not agree on the octets that they share.
    pub(crate) const NONE: Self = Self {
        first: u64::MAX,
        second: 0,
    };

    /// The bit of a group's address among source and ethertype.
    const GROUP: u64 = 1 << 56;

    /// Of a frame, and what is behind it.
    #[inline(always)]
    pub(crate) fn of(frame: &[u8]) -> Option<(Self, &[u8])> {
        let (front, rest): (&[u8; ether::HEADER_LEN], _) = frame.split_first_chunk()?;
        let (first, second) = (front.first_chunk()?, front.last_chunk()?);
        let link = Self {
            first: u64::from_ne_bytes(*first),
            second: u64::from_ne_bytes(*second),
        };
        Some((link, rest))
    }

    /// Whether it is for `own` address and from a neighbour's.
    pub(crate) fn is_for(self, own: u64) -> bool {
        let (to, from) = (u64::from_be(self.first), u64::from_be(self.second));
        to >> 16 == own && from >> 16 != own && from & Self::GROUP == 0
    }

    /// What it says of what follows.
    pub(crate) const fn ether_type(self) -> u16 {
        u64::from_be(self.second) as u16
    }

    /// Source in the lower 48 bits, its first octet lowest, the others zero.
    #[inline(always)]
    pub(crate) const fn sender(self) -> u64 {
        u64::from_le(self.second) & ((1 << 48) - 1)
    }
}

/// The first eight octets of an IPv6 header as a word in which the first is lowest, so that none is turned
/// round on the way from one header to another:
///
/// ```text
///   hop limit 8 | next header 8 | payload length, turned round 16 | flow label 16, turned round
///     | class, lower half 4 | flow label, upper part 4 | version 4 | class, upper half 4
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lead(u64);

impl Lead {
    /// Where the payload length stands.
    const LENGTH: u32 = 32;
    /// Where the next header stands.
    const NEXT: u32 = 48;
    /// One hop.
    const HOP: u64 = 1 << 56;
    /// Where the congestion mark stands: the lower two bits of the class.
    const MARK: u32 = 12;
    /// The traffic class.
    const CLASS: u64 = 0xf00f;
    /// The version, and what it is.
    const VERSION: u64 = 0xf0;
    const SIX: u64 = 0x60;

    /// Whether it is that of an IPv6 packet of so many octets.
    #[inline(always)]
    fn is_of(self, octets: usize) -> bool {
        // Of a packet that is too long for the field, the upper half stands where nothing is asked for.
        let length = (octets.wrapping_sub(HEADER_LEN) as u32).swap_bytes();
        let asked = Self::VERSION | 0xffff << Self::LENGTH;
        self.0 & asked == Self::SIX | u64::from(length) << (Self::LENGTH - 16)
    }

    /// Next header.
    #[inline(always)]
    pub(crate) const fn next(self) -> u8 {
        (self.0 >> Self::NEXT) as u8
    }

    /// Whether there is a hop left behind this one.
    #[inline(always)]
    pub(crate) const fn goes_on(self) -> bool {
        self.0 >= 2 * Self::HOP
    }

    /// With one hop less, of which there has to be one.
    #[inline(always)]
    #[must_use]
    pub(crate) const fn further(self) -> Self {
        Self(self.0.wrapping_sub(Self::HOP))
    }

    /// Congestion mark.
    #[inline(always)]
    pub(crate) const fn mark(self) -> u8 {
        (self.0 >> Self::MARK) as u8 & 3
    }

    /// With this congestion mark.
    #[inline(always)]
    #[must_use]
    pub(crate) const fn marked(self, mark: u8) -> Self {
        Self(self.0 & !(3 << Self::MARK) | (mark as u64) << Self::MARK)
    }

    /// Flow label.
    #[inline(always)]
    pub(crate) const fn label(self) -> u32 {
        (self.0 as u32).swap_bytes() & 0xf_ffff
    }

    /// The class of this, and nothing else.
    #[inline(always)]
    #[must_use]
    pub(crate) const fn class(self) -> Self {
        Self(self.0 & Self::CLASS)
    }

    /// A traffic class, and nothing else.
    #[inline(always)]
    pub(crate) const fn of_class(class: u8) -> Self {
        Self((class as u64) >> 4 | (class as u64 & 0xf) << Self::MARK)
    }

    /// With the parts of an outer header, which has zeros there: flow label and payload length. The next header
    /// changes by `next`.
    #[inline(always)]
    pub(crate) const fn laid_over(self, label: u32, length: u16, next: u8) -> u64 {
        self.0
            | label.swap_bytes() as u64
            | (length.swap_bytes() as u64) << Self::LENGTH
            | (next as u64) << Self::NEXT
    }
}

/// An IPv6 header.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Ip6 {
    /// Version 4, traffic class 8, flow label 20, payload length 16, next header 8, hop limit 8.
    lead: Octets,
    source: [u8; 16],
    destination: [u8; 16],
}

/// By the first octet of an address: whether it is one that routers forward, global unicast (RFC 4291
/// section 2.5.4) or unique local (RFC 4193).
static TRAVELS: [bool; 256] = {
    let mut travels = [false; 256];
    let mut first = 0;
    while first < 256 {
        travels[first] = first >> 5 == 1 || first & 0xfe == 0xfc;
        first += 1;
    }
    travels
};

/// By the first octet of an IPv4 address: whether it is one that routers forward, for certain.
static TRAVELS_IPV4: [bool; 256] = {
    let mut travels = [false; 256];
    let mut first = 1;
    while first < 224 {
        // 127 is loopback, and of 169 a part is bound to the link.
        travels[first] = first != 127 && first != 169;
        first += 1;
    }
    travels
};

#[inline(always)]
fn has(table: &[bool; 256], first: u8) -> bool {
    table.get(usize::from(first)).copied().unwrap_or(false)
}

impl Ip6 {
    /// What follows the header, if it is plain but perhaps for that and the hop limit, and the packet is
    /// `octets` long.
    #[inline(always)]
    pub(crate) fn next(&self, octets: usize) -> Option<u8> {
        let lead = self.lead();
        let [first_of_source, ..] = self.source;
        let [first_of_destination, ..] = self.destination;
        let travel = has(&TRAVELS, first_of_source) & has(&TRAVELS, first_of_destination);
        let plain = lead.is_of(octets) && travel;
        plain.then_some(lead.next())
    }

    /// Its first eight octets.
    #[inline(always)]
    pub(crate) fn lead(&self) -> Lead {
        Lead(self.lead.get())
    }

    /// Writes them.
    #[inline(always)]
    pub(crate) fn set_lead(&mut self, lead: Lead) {
        self.lead.set(lead.0);
    }

    /// Whether there is a hop left behind this one.
    #[inline(always)]
    pub(crate) fn goes_on(&self) -> bool {
        self.lead().goes_on()
    }

    /// Source.
    #[inline(always)]
    pub(crate) fn source(&self) -> Ipv6Addr {
        Ipv6Addr::from(self.source)
    }

    /// Destination.
    #[inline(always)]
    pub(crate) fn destination(&self) -> Ipv6Addr {
        Ipv6Addr::from(self.destination)
    }

    /// Both addresses, as they stand there.
    #[inline(always)]
    pub(crate) fn ends(&self) -> (&[u8; 16], &[u8; 16]) {
        (&self.source, &self.destination)
    }
}

/// What a next header asks of a router: nothing, or a look behind it or at where the packet goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asks(u8);

impl Asks {
    /// Nothing: a router has no business with it.
    const NOTHING: u8 = 0;
    /// What is behind it may be for every router.
    const OPTIONS: u8 = 1;
    /// It may be for us as the end of a tunnel, or as whoever puts fragments together.
    const INSIDE: u8 = 2;
    /// ICMPv6, which may be for us.
    const ICMP: u8 = 4;
    /// Mobility, which may be for us.
    const MOBILITY: u8 = 8;

    /// By next header.
    const OF: [u8; 256] = {
        let mut of = [Self::NOTHING; 256];
        of[next_header::HOP_BY_HOP as usize] = Self::OPTIONS;
        of[next_header::DESTINATION_OPTIONS as usize] = Self::OPTIONS;
        of[next_header::IPV4 as usize] = Self::INSIDE;
        of[next_header::IPV6 as usize] = Self::INSIDE;
        of[next_header::FRAGMENT as usize] = Self::INSIDE;
        of[next_header::ICMPV6 as usize] = Self::ICMP;
        of[next_header::MOBILITY as usize] = Self::MOBILITY;
        of
    };

    /// What this one asks.
    #[inline(always)]
    pub(crate) fn of(next: u8) -> Self {
        static OF: [u8; 256] = Asks::OF;
        Self(OF.get(usize::from(next)).copied().unwrap_or(Self::OPTIONS))
    }

    /// Nothing.
    #[inline(always)]
    pub(crate) fn nothing(self) -> bool {
        self.0 == Self::NOTHING
    }

    /// A look at options.
    #[inline(always)]
    pub(crate) fn options(self) -> bool {
        self.0 == Self::OPTIONS
    }

    /// Whether it is ICMPv6.
    #[inline(always)]
    pub(crate) fn icmp(self) -> bool {
        self.0 == Self::ICMP
    }

    /// Whether it is mobility.
    #[inline(always)]
    pub(crate) fn mobility(self) -> bool {
        self.0 == Self::MOBILITY
    }
}

/// An IPv4 header without options.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Ip4 {
    /// Version 4, length 4, traffic class 8, total length 16, identification 16, flags 3, offset 13.
    lead: U64,
    /// Time to live 8, protocol 8, checksum 16, source 32.
    middle: U64,
    destination: U32,
}

impl Ip4 {
    /// Octets of the packet, if its header is plain, checksum and time to live included, and there are
    /// as many as `room`.
    #[inline(always)]
    pub(crate) fn length(&self, room: usize) -> Option<usize> {
        let (lead, middle) = (self.lead.get(), self.middle.get());
        let destination = self.destination.get();
        let low = |word: u64| word & 0xffff_ffff;
        let sum = (lead >> 32) + low(lead) + (middle >> 32) + low(middle) + u64::from(destination);
        let length = self.total_length();
        let plain = lead >> 56 == 0x45
            && (ipv4::HEADER_LEN..=room).contains(&length)
            && middle >> 56 > 1
            && has(&TRAVELS_IPV4, (middle >> 24) as u8)
            && has(&TRAVELS_IPV4, (destination >> 24) as u8)
            && checksum::verifies(sum);
        plain.then_some(length)
    }

    /// Octets of the packet, as it says itself.
    #[inline(always)]
    pub(crate) fn total_length(&self) -> usize {
        (self.lead.get() >> 32) as usize % (1 << 16)
    }

    /// Traffic class.
    #[inline(always)]
    pub(crate) fn class(&self) -> u8 {
        (self.lead.get() >> 48) as u8
    }

    /// Source.
    #[inline(always)]
    pub(crate) fn source(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.middle.get() as u32)
    }

    /// Destination.
    #[inline(always)]
    pub(crate) fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.destination.get())
    }
}

/// The header at the front of a packet, and what follows it.
#[inline(always)]
pub(crate) fn header<T: FromBytes + KnownLayout + Immutable + Unaligned>(
    packet: &[u8],
) -> Option<(&T, &[u8])> {
    T::ref_from_prefix(packet).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use wire::ether::MacAddr;

    #[test]
    fn a_link_header_tells_whose_it_is() {
        let [own, other] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 9]].map(MacAddr);
        let is_for = |to, from| {
            let header = ether::Header::new(to, from, ether::ethertype::IPV6);
            let (link, _) = Link::of(header.as_bytes()).unwrap();
            assert_eq!(link.ether_type(), ether::ethertype::IPV6);
            assert!(link != Link::NONE);
            link.is_for(0x0200_0000_0001)
        };
        assert!(is_for(own, other));
        assert!(!is_for(other, own));
        assert!(!is_for(own, own));
        assert!(!is_for(own, MacAddr([3, 0, 0, 0, 0, 9])));
        assert!(Link::of(&[0; 13]).is_none());
    }

    #[test]
    fn what_a_next_header_asks_of_a_router() {
        let those = |ask: fn(Asks) -> bool| -> Vec<u8> {
            (0..=255).filter(|&next| ask(Asks::of(next))).collect()
        };
        assert_eq!(those(|it| !it.nothing()), [0, 4, 41, 44, 58, 60, 135]);
        assert_eq!(those(Asks::options), [0, 60]);
        assert_eq!(those(Asks::icmp), [58]);
        assert_eq!(those(Asks::mobility), [135]);
    }

    #[test]
    fn the_first_octets_of_an_ipv6_header_are_what_they_are_in_wire() {
        for (class, label, hops) in [(0, 0, 2), (0xff, 0xf_ffff, 255), (0x12, 0x3_4567, 64)] {
            let mut header = wire::ipv6::Header::new([0x20; 16], [0xfc; 16], 17, hops, 8);
            header.set_traffic_class(class);
            header.set_flow_label(label);
            let mut plain: Ip6 = zerocopy::transmute!(header);
            assert_eq!(plain.next(48), Some(17));
            assert_eq!(plain.next(49), None);
            assert_eq!(plain.next(48 + (1 << 16)), None);
            assert!(plain.goes_on());
            let lead = plain.lead();
            assert_eq!((lead.label(), lead.mark()), (label, class & 3));
            assert!(lead.class() == Lead::of_class(class));
            plain.set_lead(lead.further().marked(!class & 3));
            header.hop_limit -= 1;
            header.set_traffic_class(class ^ 3);
            assert_eq!(plain.as_bytes(), header.as_bytes());
            plain.set_lead(Lead(Lead::SIX | lead.class().laid_over(label, 8, 17)));
            header.set_traffic_class(class);
            header.hop_limit = 0;
            assert_eq!(plain.as_bytes(), header.as_bytes());
            assert!(!plain.goes_on());
        }
        let seven: wire::ipv6::Header = wire::ipv6::Header::new([0x20; 16], [0xfc; 16], 17, 1, 0);
        let mut octets: [u8; HEADER_LEN] = zerocopy::transmute!(seven);
        let last: Ip6 = zerocopy::transmute!(octets);
        assert!(last.next(HEADER_LEN) == Some(17) && !last.goes_on());
        octets[0] ^= 0x10;
        let seven: Ip6 = zerocopy::transmute!(octets);
        assert_eq!(seven.next(HEADER_LEN), None);
    }

    #[test]
    fn addresses_that_travel() {
        let travels = |address: &str| match address.parse().unwrap() {
            IpAddr::V6(address) => has(&TRAVELS, address.octets()[0]),
            IpAddr::V4(address) => has(&TRAVELS_IPV4, address.octets()[0]),
        };
        for address in [
            "2001:db8::1",
            "3fff::",
            "fd00::1",
            "fc00::",
            "1.0.0.1",
            "223.1.1.1",
        ] {
            assert!(travels(address), "{address}");
        }
        for address in ["::1", "fe80::1", "ff02::1", "::ffff:1.2.3.4", "4000::"] {
            assert!(!travels(address), "{address}");
        }
        for address in [
            "0.0.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!travels(address), "{address}");
        }
    }

    #[test]
    fn a_plain_ipv4_header_is_whole_right_and_without_options() {
        let header = |change: fn(&mut ipv4::Header)| {
            let [from, to] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(198, 51, 100, 1)];
            let mut header = ipv4::Header::new(from, to, 17, 9, 28);
            change(&mut header);
            zerocopy::transmute!(header)
        };
        let length = |change, room| {
            let plain: Ip4 = header(change);
            plain.length(room)
        };
        assert_eq!(length(|_| (), 28), Some(28));
        assert_eq!(length(|_| (), 46), Some(28));
        assert_eq!(length(|_| (), 27), None);
        assert_eq!(length(|it| it.total_length.set(29), 64), None);
        assert_eq!(length(|it| it.answer(1, 28), 28), None);
        assert_eq!(length(|it| it.answer(2, 28), 28), Some(28));
        assert_eq!(length(|it| it.answer(2, 19), 28), None);
        assert_eq!(length(|it| it.destination = [127, 0, 0, 1], 28), None);
        let plain: Ip4 = header(|_| ());
        assert_eq!(plain.source(), Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(plain.destination(), Ipv4Addr::new(198, 51, 100, 1));
    }
}
