//! Who rides: one look at the headers of each frame, and all that has to be looked up for it.

use super::{at_mut, Came, Desk, Kind, Rider, AHEAD, STAYS};
use crate::classify::plain::{header, is_opaque, Ip4, Ip6, Link};
use crate::classify::Family;
use crate::key::{Domain, InterfaceKind};
use crate::table::{self, Probe};
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
struct Dock {
    vlan: u16,
    domain: Domain,
    access: bool,
    ipv4: bool,
    /// Our link-layer address; of no interface one that no frame is for.
    own: u64,
    /// The upper bits of an adjacency's word for a neighbour on it.
    word: u64,
}

impl Dock {
    /// How packets come that were in no tunnel.
    #[inline(always)]
    fn came(&self) -> Came {
        match self.access {
            true => Came::Host,
            false => Came::Core,
        }
    }

    #[inline(never)]
    fn of(port: PortId, vlan: u16, view: &View<'_>) -> Self {
        let id = (vlan != UNTAGGED).then_some(vlan);
        let id = view.fib.interface(port, id);
        let interface = id.and_then(|id| Some((id, view.fib.interface_of(id)?)));
        let Some((id, interface)) = interface else {
            return Self {
                vlan,
                domain: Domain(0),
                access: false,
                ipv4: false,
                own: u64::MAX,
                word: 0,
            };
        };
        let [a, b, c, d, e, f] = interface.mac.0;
        Self {
            vlan,
            domain: interface.domain,
            access: interface.kind == InterfaceKind::Access,
            ipv4: interface.ipv4.is_some(),
            own: u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
            word: (u64::from(id.0) + 1) << 48,
        }
    }
}

/// What the frame before was, for the next one is most likely from the same neighbour.
struct Before {
    dock: Dock,
    /// Its link-layer header, if it had no tag and was for us.
    link: Link,
    family: Family,
}

/// How many of what a burst has.
#[derive(Clone, Copy, Default)]
pub(super) struct Seats {
    pub(super) riders: usize,
    pub(super) pairs: usize,
    pub(super) sources: usize,
    /// A bit for each number of a kind that there is.
    pub(super) kinds: u8,
}

impl Seats {
    /// Kinds of IPv6, by their bits.
    const V6: u8 = 0b01_0101;

    /// The family of all riders, none where they are of both.
    pub(super) fn family(self) -> Option<table::Family> {
        match (self.kinds & Self::V6, self.kinds & !Self::V6) {
            (_, 0) => Some(table::Family::V6),
            (0, _) => Some(table::Family::V4),
            _ => None,
        }
    }
}

impl Desk {
    /// Finds a burst's riders and asks for what has to be looked up for them.
    #[inline(always)]
    pub(super) fn board<B: Buf>(
        &mut self,
        burst: &Burst<B>,
        port: PortId,
        view: &View<'_>,
    ) -> Seats {
        let mut seats = Seats::default();
        let mut before = Before {
            dock: Dock::of(port, UNTAGGED, view),
            link: Link::NONE,
            family: Family::V6,
        };
        self.ports = [STAYS; MAX_BURST];
        let mut place = 0;
        while place < burst.len() {
            let kind = self.one(burst, place, port, &mut before, &mut seats, view);
            place += 1;
            if before.link != Link::NONE {
                place = self.run(kind, burst, place, &before, &mut seats);
            }
        }
        seats
    }

    /// Looks at one packet, whatever it is; says of what kind it is if it boards.
    #[inline(never)]
    fn one<B: Buf>(
        &mut self,
        burst: &[B],
        place: usize,
        port: PortId,
        before: &mut Before,
        seats: &mut Seats,
        view: &View<'_>,
    ) -> Option<Kind> {
        look_ahead(burst, place);
        let buf = burst.get(place)?;
        let frame = buf.data();
        let (link, _) = Link::of(frame)?;
        let at = before.look(buf, link, port, view)?;
        let packet = frame.get(at..)?;
        let dock = &before.dock;
        let (kind, at) = match before.family {
            Family::V6 => self.ipv6(packet, at, dock, seats)?,
            Family::V4 => {
                let came = dock.came();
                let family = Family::V4;
                let boards = self.ipv4(packet, came, dock.domain, seats);
                boards.then_some((Kind { came, family }, at))?
            }
        };
        if kind.came == Came::Host {
            *at_mut(&mut self.senders, seats.riders) = link.sender() | dock.word;
        }
        if kind.came != Came::Tunnel {
            buf.prefetch_front();
        }
        *at_mut(&mut self.riders, seats.riders) = Rider {
            place: place as u8,
            at: at as u8,
            kind: kind.number(),
            source: seats.sources as u8,
        };
        seats.kinds |= 1 << kind.number();
        seats.riders += 1;
        seats.sources += usize::from(kind.came != Came::Core);
        Some(kind)
    }

    /// Boards packets from a place on for as long as they are of the same kind and behind the same
    /// link-layer header as the one before, which most in a burst are: loops that look at no more than
    /// that. Returns the place of one that is not.
    #[inline(always)]
    fn run<B: Buf>(
        &mut self,
        kind: Option<Kind>,
        burst: &[B],
        place: usize,
        before: &Before,
        seats: &mut Seats,
    ) -> usize {
        match kind {
            Some(Kind {
                came: Came::Core,
                family: Family::V6,
            }) => self.run_plain::<false, B>(burst, place, before, seats),
            Some(Kind {
                came: Came::Host,
                family: Family::V6,
            }) => self.run_plain::<true, B>(burst, place, before, seats),
            Some(Kind {
                came: Came::Tunnel,
                family: Family::V6,
            }) => self.run_tunnel(burst, place, before, seats),
            _ => place,
        }
    }

    /// IPv6 packets that are in no tunnel, from a core link or from a host.
    #[inline(never)]
    fn run_plain<const HOST: bool, B: Buf>(
        &mut self,
        burst: &[B],
        from: usize,
        before: &Before,
        seats: &mut Seats,
    ) -> usize {
        let (link, domain) = (before.link, before.dock.domain);
        let sender = link.sender() | before.dock.word;
        let kind = match HOST {
            true => Came::Host,
            false => Came::Core,
        };
        let kind = Kind {
            came: kind,
            family: Family::V6,
        };
        let count = seats.riders;
        let mut place = from;
        let waiting = burst.get(from..).unwrap_or_default().iter();
        let riders = self.riders.get_mut(count..).unwrap_or_default().iter_mut();
        let destinations = self.destinations.get_mut(count..).unwrap_or_default();
        let mut source = seats.sources;
        for ((buf, rider), destination) in waiting.zip(riders).zip(destinations) {
            look_ahead(burst, place);
            let Some(packet) = behind(buf, link) else {
                break;
            };
            let Some((ip, _)) = header::<Ip6>(packet) else {
                break;
            };
            let plain = ip.next(packet.len()).is_some_and(is_opaque);
            if !plain || !ip.goes_on() {
                break;
            }
            buf.prefetch_front();
            let (own, other) = ip.ends();
            *destination = Probe::ipv6(domain, *other);
            if HOST {
                *at_mut(&mut self.sources, source) = Probe::ipv6(domain, *own);
                *at_mut(&mut self.senders, count + place - from) = sender;
            }
            *rider = Rider {
                place: place as u8,
                at: ether::HEADER_LEN as u8,
                kind: kind.number(),
                source: source as u8,
            };
            source += usize::from(HOST);
            place += 1;
        }
        seats.riders += place - from;
        seats.sources = source;
        place
    }

    /// IPv6 packets in what may be tunnels.
    #[inline(never)]
    fn run_tunnel<B: Buf>(
        &mut self,
        burst: &[B],
        from: usize,
        before: &Before,
        seats: &mut Seats,
    ) -> usize {
        let (link, domain) = (before.link, before.dock.domain);
        let kind = Kind {
            came: Came::Tunnel,
            family: Family::V6,
        };
        let mut place = from;
        while let Some(buf) = burst.get(place) {
            look_ahead(burst, place);
            let Some(packet) = behind(buf, link) else {
                break;
            };
            let Some((outer, payload)) = header::<Ip6>(packet) else {
                break;
            };
            if outer.next(packet.len()) != Some(next_header::IPV6)
                || !self.ipv6_inside(payload, domain, seats)
            {
                break;
            }
            *at_mut(&mut self.pair_of, seats.riders) = self.pair(outer, domain, seats) as u8;
            *at_mut(&mut self.riders, seats.riders) = Rider {
                place: place as u8,
                at: (ether::HEADER_LEN + HEADER_LEN) as u8,
                kind: kind.number(),
                source: seats.sources as u8,
            };
            seats.riders += 1;
            seats.sources += 1;
            place += 1;
        }
        place
    }

    /// Looks at an IPv6 packet that starts at `at` in its frame. Of one that may have come out of a tunnel
    /// the inner packet boards. Says of what kind it is that boards, and where it starts; what is asked for
    /// about it stands behind all that is asked for so far.
    #[inline(always)]
    fn ipv6(
        &mut self,
        packet: &[u8],
        at: usize,
        dock: &Dock,
        seats: &mut Seats,
    ) -> Option<(Kind, usize)> {
        let (ip, payload) = header::<Ip6>(packet)?;
        let next = ip.next(packet.len())?;
        let (came, family) = (dock.came(), Family::V6);
        // From a host, one in another is a packet like any other.
        let inside = came == Came::Core && matches!(next, next_header::IPV6 | next_header::IPV4);
        if !inside {
            let options = matches!(
                next,
                next_header::HOP_BY_HOP | next_header::DESTINATION_OPTIONS
            );
            // Control, or whoever puts them together, may want those that come in on a core link.
            let fragment = came == Came::Core && next == next_header::FRAGMENT;
            self.ask(ip, came, dock.domain, seats);
            let boards = !options && !fragment && ip.goes_on();
            return boards.then_some((Kind { came, family }, at));
        }
        let (family, boards) = match next {
            next_header::IPV6 => (Family::V6, self.ipv6_inside(payload, dock.domain, seats)),
            _ => (
                Family::V4,
                self.ipv4(payload, Came::Tunnel, dock.domain, seats),
            ),
        };
        if !boards {
            return None;
        }
        *at_mut(&mut self.pair_of, seats.riders) = self.pair(ip, dock.domain, seats) as u8;
        let came = Came::Tunnel;
        Some((Kind { came, family }, at + HEADER_LEN))
    }

    /// Looks at an IPv6 packet in what may be a tunnel.
    #[inline(always)]
    fn ipv6_inside(&mut self, packet: &[u8], domain: Domain, seats: &Seats) -> bool {
        let Some((ip, _)) = header::<Ip6>(packet) else {
            return false;
        };
        let Some(next) = ip.next(packet.len()) else {
            return false;
        };
        self.ask(ip, Came::Tunnel, domain, seats);
        let options = matches!(
            next,
            next_header::HOP_BY_HOP | next_header::DESTINATION_OPTIONS
        );
        !options && ip.goes_on()
    }

    /// Looks at an IPv4 packet, behind which there may be padding.
    #[inline(always)]
    fn ipv4(&mut self, packet: &[u8], came: Came, domain: Domain, seats: &Seats) -> bool {
        let Some((ip, _)) = header::<Ip4>(packet) else {
            return false;
        };
        let destination = Probe::ipv4(domain, ip.destination().octets());
        *at_mut(&mut self.destinations, seats.riders) = destination;
        if came != Came::Core {
            let source = Probe::ipv4(domain, ip.source().octets());
            *at_mut(&mut self.sources, seats.sources) = source;
        }
        ip.length(packet.len()).is_some()
    }

    /// Asks for an IPv6 packet's addresses.
    #[inline(always)]
    fn ask(&mut self, ip: &Ip6, came: Came, domain: Domain, seats: &Seats) {
        let (source, destination) = ip.ends();
        *at_mut(&mut self.destinations, seats.riders) = Probe::ipv6(domain, *destination);
        if came != Came::Core {
            *at_mut(&mut self.sources, seats.sources) = Probe::ipv6(domain, *source);
        }
    }

    /// The number of a packet's outer pair: that of the one before if it is the same.
    #[inline(always)]
    fn pair(&mut self, ip: &Ip6, domain: Domain, seats: &mut Seats) -> usize {
        let pair = OuterPair {
            domain,
            local: ip.destination(),
            remote: ip.source(),
        };
        if seats.pairs == 0 || *at_mut(&mut self.pairs, seats.pairs - 1) != pair {
            *at_mut(&mut self.pairs, seats.pairs) = pair;
            seats.pairs += 1;
        }
        seats.pairs - 1
    }
}

/// Asks for a packet some places further on.
#[inline(always)]
fn look_ahead<B: Buf>(burst: &[B], place: usize) {
    if let Some(buf) = burst.get(place + AHEAD) {
        buf.prefetch();
    }
}

/// The packet of a frame that begins with this link-layer header, and of which the port has taken nothing
/// off.
#[inline(always)]
fn behind<B: Buf>(buf: &B, link: Link) -> Option<&[u8]> {
    let whole = buf.is_contiguous() && buf.stripped_vlan().is_none();
    let (its, packet) = Link::of(buf.data())?;
    (whole && its == link).then_some(packet)
}

impl Before {
    /// Looks at the link-layer header of a frame; says where the packet starts, if it is one for us.
    #[inline]
    fn look<B: Buf>(
        &mut self,
        buf: &B,
        link: Link,
        port: PortId,
        view: &View<'_>,
    ) -> Option<usize> {
        if !buf.is_contiguous() {
            return None;
        }
        let (vlan, ether_type, at) = match (buf.stripped_vlan(), link.ether_type()) {
            (Some(control), plain) => (vlan(control), plain, ether::HEADER_LEN),
            (None, ethertype::VLAN) => {
                let (tag, _) = header::<ether::Tag>(buf.data().get(ether::HEADER_LEN..)?)?;
                let at = ether::HEADER_LEN + ether::TAG_LEN;
                (vlan(tag.control.get()), tag.ethertype.get(), at)
            }
            (None, plain) => (UNTAGGED, plain, ether::HEADER_LEN),
        };
        self.link = Link::NONE;
        if vlan != self.dock.vlan {
            self.dock = Dock::of(port, vlan, view);
        }
        if !link.is_for(self.dock.own) {
            return None;
        }
        self.family = match ether_type {
            ethertype::IPV6 => Family::V6,
            ethertype::IPV4 if self.dock.ipv4 => Family::V4,
            _ => return None,
        };
        // What the port took off is in no header, so the next frame may be another's.
        if ether_type == link.ether_type() && buf.stripped_vlan().is_none() {
            self.link = link;
        }
        Some(at)
    }
}

/// The VLAN that tag control information names.
fn vlan(control: u16) -> u16 {
    match control & VLAN_ID {
        0 => UNTAGGED,
        vlan => vlan,
    }
}
