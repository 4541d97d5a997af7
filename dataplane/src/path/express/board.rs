//! Who rides: one look at the headers of each frame, and all that has to be looked up for it.

use super::{at_mut, Came, Desk, Kind, Rider, STAYS};
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
struct Dock {
    vlan: u16,
    domain: Domain,
    access: bool,
    ipv4: bool,
    /// Our link-layer address; of no interface one that no frame is for.
    own: u64,
    /// The lower bits of an adjacency's word for a neighbour on it.
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
            word: u64::from(id.0) + 1,
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
        for coach in &mut self.coaches {
            coach.count = 0;
        }
        self.ports = [STAYS; MAX_BURST];
        for (place, buf) in burst.iter().enumerate() {
            let frame = buf.data();
            let whole = buf.is_contiguous() && buf.stripped_vlan().is_none();
            let Some((link, behind)) = Link::of(frame) else {
                continue;
            };
            let (at, packet) = if link == before.link && whole {
                (ether::HEADER_LEN, behind)
            } else {
                match before.look(buf, link, port, view) {
                    Some(at) => (at, frame.get(at..).unwrap_or_default()),
                    None => continue,
                }
            };
            let boards = match before.family {
                Family::V6 => self.ipv6(packet, at, &before.dock, &mut seats),
                Family::V4 => ipv4(packet, at, before.dock.came(), before.dock.domain),
            };
            if let Some(boards) = boards {
                if boards.kind.came == Came::Host {
                    let sender = link.sender() | before.dock.word;
                    *at_mut(&mut self.senders, place) = sender;
                }
                self.seat(place, &boards, before.dock.domain, &mut seats);
            }
        }
        seats
    }

    /// Gives a packet its place in its coach.
    #[inline(always)]
    fn seat(&mut self, place: usize, boards: &Boards, domain: Domain, seats: &mut Seats) {
        if let Some(coach) = self.coaches.get_mut(boards.kind.number()) {
            *at_mut(&mut coach.places, coach.count) = place as u8;
            coach.count += 1;
        }
        *at_mut(&mut self.riders, place) = Rider {
            domain,
            at: boards.at as u8,
            destination: seats.riders as u8,
            source: seats.sources as u8,
            pair: boards.pair as u8,
        };
        *at_mut(&mut self.destinations, seats.riders) = boards.destination;
        seats.riders += 1;
        if boards.kind.came != Came::Core {
            *at_mut(&mut self.sources, seats.sources) = boards.source;
            seats.sources += 1;
        }
    }

    /// Looks at an IPv6 packet that starts at `at` in its frame. Of one that may have come out of a tunnel
    /// the inner packet boards.
    #[inline(always)]
    fn ipv6(&mut self, packet: &[u8], at: usize, dock: &Dock, seats: &mut Seats) -> Option<Boards> {
        let (ip, payload) = header::<Ip6>(packet)?;
        let next = ip.next(packet.len())?;
        let came = dock.came();
        if is_opaque(next) {
            return ip
                .goes_on()
                .then(|| Boards::ipv6(ip, at, came, dock.domain));
        }
        let inner = at + HEADER_LEN;
        let boards = match (came, next) {
            (_, next_header::HOP_BY_HOP | next_header::DESTINATION_OPTIONS) => return None,
            // From a host it is a packet like any other.
            (Came::Host, _) => {
                return ip
                    .goes_on()
                    .then(|| Boards::ipv6(ip, at, came, dock.domain));
            }
            (_, next_header::IPV6) => ipv6_inside(payload, inner, dock.domain)?,
            (_, next_header::IPV4) => ipv4(payload, inner, Came::Tunnel, dock.domain)?,
            _ => return None,
        };
        let pair = self.pair(ip, dock.domain, seats);
        Some(Boards { pair, ..boards })
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

/// A packet that boards.
struct Boards {
    kind: Kind,
    /// Where its header starts in the frame.
    at: usize,
    /// Number of its outer pair.
    pair: usize,
    source: Probe,
    destination: Probe,
}

impl Boards {
    #[inline(always)]
    fn ipv6(ip: &Ip6, at: usize, came: Came, domain: Domain) -> Self {
        let (source, destination) = ip.ends();
        Self {
            kind: Kind {
                came,
                family: Family::V6,
            },
            at,
            pair: 0,
            source: Probe::ipv6(domain, *source),
            destination: Probe::ipv6(domain, *destination),
        }
    }
}

/// Looks at an IPv6 packet in what may be a tunnel.
#[inline(always)]
fn ipv6_inside(packet: &[u8], at: usize, domain: Domain) -> Option<Boards> {
    let (ip, _) = header::<Ip6>(packet)?;
    let next = ip.next(packet.len())?;
    let options = matches!(
        next,
        next_header::HOP_BY_HOP | next_header::DESTINATION_OPTIONS
    );
    let goes_on = !options && ip.goes_on();
    goes_on.then(|| Boards::ipv6(ip, at, Came::Tunnel, domain))
}

/// Looks at an IPv4 packet, behind which there may be padding.
#[inline(always)]
fn ipv4(packet: &[u8], at: usize, came: Came, domain: Domain) -> Option<Boards> {
    let (ip, _) = header::<Ip4>(packet)?;
    ip.length(packet.len())?;
    Some(Boards {
        kind: Kind {
            came,
            family: Family::V4,
        },
        at,
        pair: 0,
        source: Probe::ipv4(domain, ip.source().octets()),
        destination: Probe::ipv4(domain, ip.destination().octets()),
    })
}

impl Before {
    /// Looks at the link-layer header of a frame that is not like the one before; says where the packet
    /// starts, if it is one for us.
    #[inline(never)]
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
