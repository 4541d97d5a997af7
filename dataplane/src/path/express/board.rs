//! Who rides: one look at the headers of each frame, and all that has to be looked up for it.

use super::{at_mut, Came, Desk, Rider, NOBODY_ELSE};
use crate::classify::plain::{header, is_opaque, Ip4, Ip6, Link};
use crate::classify::Family;
use crate::key::{Domain, InterfaceKind};
use crate::table::Probe;
use crate::tunnels::OuterPair;
use crate::worker::View;
use packet::{Buf, Burst, PortId, MAX_BURST};
use wire::ether::{self, ethertype};
use wire::ipv6::{next_header, HEADER_LEN};

/// The VLAN identifier's bits in tag control information.
const VLAN_ID: u16 = 0x0fff;

/// What stands for no tag, and for a tag without a VLAN: no VLAN identifier.
const UNTAGGED: u16 = u16::MAX;

/// The interface that a frame comes in on: a port, or one VLAN of it.
#[derive(Clone, Copy)]
pub(super) struct Dock {
    port: PortId,
    vlan: u16,
    /// Our link-layer address; of no interface one that no frame is for.
    own: u64,
    /// The lower bits of an adjacency's word for a neighbour on it.
    word: u64,
    domain: Domain,
    access: bool,
    ipv4: bool,
}

impl Dock {
    /// Of frames without a tag.
    #[inline]
    pub(super) fn untagged(port: PortId, view: &View<'_>) -> Self {
        Self::of(port, UNTAGGED, view)
    }

    #[inline(never)]
    fn of(port: PortId, vlan: u16, view: &View<'_>) -> Self {
        let id = view.fib.interface(port, (vlan != UNTAGGED).then_some(vlan));
        let Some((id, interface)) = id.and_then(|id| Some((id, view.fib.interface_of(id)?))) else {
            return Self {
                port,
                vlan,
                own: u64::MAX,
                word: 0,
                domain: Domain(0),
                access: false,
                ipv4: false,
            };
        };
        let [a, b, c, d, e, f] = interface.mac.0;
        Self {
            port,
            vlan,
            own: u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
            word: u64::from(id.0) + 1,
            domain: interface.domain,
            access: interface.kind == InterfaceKind::Access,
            ipv4: interface.ipv4.is_some(),
        }
    }
}

/// How many of what a burst has.
#[derive(Clone, Copy, Default)]
pub(super) struct Seats {
    pub(super) riders: usize,
    pub(super) pairs: usize,
    pub(super) sources: usize,
}

/// What boards: where its header is, and its addresses to look up.
struct Boards {
    at: usize,
    family: Family,
    source: Probe,
    destination: Probe,
}

impl Desk {
    /// Finds a burst's riders and asks for what has to be looked up for them.
    #[inline(always)]
    pub(super) fn board<B: Buf>(
        &mut self,
        burst: &Burst<B>,
        mut dock: Dock,
        view: &View<'_>,
    ) -> Seats {
        let mut seats = Seats::default();
        for (place, buf) in (0u8..).zip(burst) {
            let frame = buf.data();
            let Some(link) = Link::of(frame).filter(|_| buf.is_contiguous()) else {
                continue;
            };
            let mut ether_type = link.from as u16;
            let mut vlan = UNTAGGED;
            let mut at = ether::HEADER_LEN;
            if ether_type == ethertype::VLAN || buf.stripped_vlan().is_some() {
                let Some(tagged) = tag(buf, ether_type) else {
                    continue;
                };
                (vlan, ether_type, at) = tagged;
            }
            if vlan != dock.vlan {
                dock = Dock::of(dock.port, vlan, view);
            }
            let packet = frame.get(at..).unwrap_or_default();
            if !link.is_for(dock.own) {
                continue;
            }
            let boards = match ether_type {
                ethertype::IPV6 => self.ipv6(packet, at, &dock, &mut seats),
                ethertype::IPV4 if dock.ipv4 => {
                    ipv4(packet, at, dock.domain).map(|boards| (boards, None))
                }
                _ => None,
            };
            let Some((boards, pair)) = boards else {
                continue;
            };
            let came = match pair {
                Some(pair) => Came::Tunnel(pair),
                None if dock.access => Came::Host(link.from & !0xffff | dock.word),
                None => Came::Core,
            };
            if !matches!(came, Came::Core) {
                *at_mut(&mut self.sources, seats.sources) = boards.source;
                seats.sources += 1;
            }
            *at_mut(&mut self.destinations, seats.riders) = boards.destination;
            *at_mut(&mut self.riders, seats.riders) = Rider {
                came,
                domain: dock.domain,
                place,
                at: boards.at as u8,
                family: boards.family,
            };
            seats.riders += 1;
        }
        if seats.riders < MAX_BURST {
            at_mut(&mut self.riders, seats.riders).place = NOBODY_ELSE;
        }
        seats
    }

    /// Looks at an IPv6 packet that starts at `at` in its frame. Of one that may have come out of a tunnel
    /// the inner packet boards, and the number of its outer pair is told.
    #[inline(always)]
    fn ipv6(
        &mut self,
        packet: &[u8],
        at: usize,
        dock: &Dock,
        seats: &mut Seats,
    ) -> Option<(Boards, Option<u8>)> {
        let (ip, payload) = header::<Ip6>(packet)?;
        let next = ip.next(packet.len())?;
        if !is_opaque(next) {
            let inner = at + HEADER_LEN;
            let boards = match next {
                next_header::IPV6 if !dock.access => ipv6(payload, inner, dock.domain)?,
                next_header::IPV4 if !dock.access => ipv4(payload, inner, dock.domain)?,
                next_header::IPV6 | next_header::IPV4 | next_header::FRAGMENT if dock.access => {
                    return Some((ipv6(packet, at, dock.domain)?, None));
                }
                _ => return None,
            };
            let pair = self.pair(ip, dock.domain, seats);
            return Some((boards, Some(pair)));
        }
        if !ip.goes_on() {
            return None;
        }
        let boards = Boards {
            at,
            family: Family::V6,
            source: Probe::ipv6(dock.domain, ip.source().octets()),
            destination: Probe::ipv6(dock.domain, ip.destination().octets()),
        };
        Some((boards, None))
    }

    /// The number of a packet's outer pair: that of the one before if it is the same.
    #[inline(always)]
    fn pair(&mut self, ip: &Ip6, domain: Domain, seats: &mut Seats) -> u8 {
        let pair = OuterPair {
            domain,
            local: ip.destination(),
            remote: ip.source(),
        };
        if seats.pairs == 0 || *at_mut(&mut self.pairs, seats.pairs - 1) != pair {
            *at_mut(&mut self.pairs, seats.pairs) = pair;
            seats.pairs += 1;
        }
        (seats.pairs - 1) as u8
    }
}

/// The VLAN of a frame with a tag, in the frame or taken off by the port; what is behind it, and where.
#[cold]
fn tag<B: Buf>(buf: &B, ether_type: u16) -> Option<(u16, u16, usize)> {
    let vlan = |control: u16| match control & VLAN_ID {
        0 => UNTAGGED,
        vlan => vlan,
    };
    if let Some(control) = buf.stripped_vlan() {
        return Some((vlan(control), ether_type, ether::HEADER_LEN));
    }
    let (tag, _) = header::<ether::Tag>(buf.data().get(ether::HEADER_LEN..)?)?;
    let at = ether::HEADER_LEN + ether::TAG_LEN;
    Some((vlan(tag.control.get()), tag.ethertype.get(), at))
}

/// Looks at an IPv6 packet behind whose header nothing is for routers.
#[inline(always)]
fn ipv6(packet: &[u8], at: usize, domain: Domain) -> Option<Boards> {
    let (ip, _) = header::<Ip6>(packet)?;
    let next = ip.next(packet.len())?;
    let options = matches!(
        next,
        next_header::HOP_BY_HOP | next_header::DESTINATION_OPTIONS
    );
    (!options && ip.goes_on()).then(|| Boards {
        at,
        family: Family::V6,
        source: Probe::ipv6(domain, ip.source().octets()),
        destination: Probe::ipv6(domain, ip.destination().octets()),
    })
}

/// Looks at an IPv4 packet, behind which there may be padding.
#[inline(always)]
fn ipv4(packet: &[u8], at: usize, domain: Domain) -> Option<Boards> {
    let (ip, _) = header::<Ip4>(packet)?;
    ip.length(packet.len())?;
    Some(Boards {
        at,
        family: Family::V4,
        source: Probe::ipv4(domain, ip.source().octets()),
        destination: Probe::ipv4(domain, ip.destination().octets()),
    })
}
