//! Who rides: one look at the headers of each frame, and all that has to be looked up for it. Strangers'
//! signalling over its rate ends here ([`Gate`]).

use super::dock::{Before, Dock};
use super::gate::Gate;
use super::seats::Seats;
use super::{at_mut, Came, Desk, Kind, AHEAD, STAYS};
use crate::classify::plain::{header, Asks, Ip4, Ip6, Link};
use crate::classify::Family;
use crate::key::Domain;
use crate::table::Probe;
use crate::tunnels::OuterPair;
use crate::worker::View;
use packet::{Buf, PortId, MAX_BURST};
use wire::ether;
use wire::ipv6::{next_header, HEADER_LEN};

/// What a look at a packet found.
pub(super) enum Look {
    /// It boards with those of this kind.
    Boards(Kind),
    /// It goes the general way.
    Stays,
    /// The gate refuses it.
    Ends,
}

impl Desk {
    /// Finds a burst's riders and asks for what has to be looked up for them. What the gate refuses is still to
    /// be [set apart](super::flood::set_apart); places are those that packets have without it.
    #[inline(always)]
    pub(super) fn board<B: Buf>(&mut self, burst: &[B], port: PortId, mut gate: Gate<'_>) -> Seats {
        let mut seats = Seats::default();
        let mut before = Before::none(port, gate.view);
        self.ports = [STAYS; MAX_BURST];
        let mut place = 0;
        let mut kind = None;
        while place < burst.len() {
            match self.one(burst, place, &mut before, &mut gate, &mut seats) {
                Look::Boards(its) => kind = Some(its),
                Look::Stays => {}
                Look::Ends => {
                    seats.end(place);
                    // In a flood the next may well end too, and that is where such ones do.
                    kind = kind.or(Some(const { Kind::of(0) }));
                }
            }
            place = self.run(kind, burst, place + 1, &before, &mut gate, &mut seats);
        }
        seats
    }

    /// Looks at one packet, whatever it is.
    #[inline(never)]
    fn one<B: Buf>(
        &mut self,
        burst: &[B],
        place: usize,
        before: &mut Before,
        gate: &mut Gate<'_>,
        seats: &mut Seats,
    ) -> Look {
        look_ahead(burst, place);
        let Some(buf) = burst.get(place) else {
            return Look::Stays;
        };
        let frame = buf.data();
        let link = Link::of(frame).map(|(link, _)| link);
        let at = link.and_then(|link| before.look(buf, link, gate.view));
        let Some((link, at)) = link.zip(at) else {
            return Look::Stays;
        };
        let packet = frame.get(at..).unwrap_or_default();
        let dock = &before.dock;
        if before.family == Family::V6 && dock.came() == Came::Core {
            let look =
                header::<Ip6>(packet).and_then(|(ip, _)| gate.look(dock.domain, ip, packet.len()));
            if let Some(look) = look {
                return look;
            }
        }
        let boards = match before.family {
            Family::V6 => self.ipv6(packet, at, dock, gate.view, seats),
            Family::V4 => {
                let came = dock.came();
                let family = Family::V4;
                let boards = self.ipv4(packet, came, dock.domain, seats);
                boards.then_some((Kind { came, family }, at))
            }
        };
        let Some((kind, at)) = boards else {
            return Look::Stays;
        };
        if kind.came == Came::Host {
            *at_mut(&mut self.senders, seats.riders) = link.sender() | dock.word;
        }
        if kind.came != Came::Tunnel {
            buf.prefetch_front();
        }
        let (place, domain) = (seats.place(place), dock.domain);
        self.seat(kind, (place, 1), at, domain, seats);
        Look::Boards(kind)
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
        gate: &mut Gate<'_>,
        seats: &mut Seats,
    ) -> usize {
        // The last that boarded may have come by another interface than the last that was looked at.
        let kind = kind.filter(|kind| match kind.came {
            Came::Tunnel => before.is_like(Came::Core, Family::V6),
            came => before.is_like(came, kind.family),
        });
        let view = gate.view;
        match kind.map(Kind::number) {
            Some(0) => self.run_core(burst, place, before, gate, seats),
            Some(1) => self.run_plain::<1, B>(burst, place, before, view, seats),
            Some(2) => self.run_plain::<2, B>(burst, place, before, view, seats),
            Some(3) => self.run_plain::<3, B>(burst, place, before, view, seats),
            Some(4) => {
                let stopped = self.run_tunnel(burst, place, before, view, seats);
                match stopped < burst.len() {
                    true => self.run_tunnels(burst, stopped, before, gate, seats),
                    false => stopped,
                }
            }
            _ => place,
        }
    }

    /// Packets that are in no tunnel, from a core link or from a host. Returns the place of the first that
    /// does not board with them.
    #[inline(always)]
    fn run_plain<const KIND: u8, B: Buf>(
        &mut self,
        burst: &[B],
        from: usize,
        before: &Before,
        view: &View<'_>,
        seats: &mut Seats,
    ) -> usize {
        let (count, _) = self.ask_plain::<KIND, B>(burst, from, 0, before, view, seats);
        if count > 0 {
            let (first, domain) = (seats.place(from), before.dock.domain);
            let kind = const { Kind::of(KIND) };
            self.seat(kind, (first, count), ether::HEADER_LEN, domain, seats);
        }
        from + count
    }

    /// Asks for what has to be looked up for such packets, of which `more` have no seats yet. Returns how many
    /// they are, and the header of the one behind them if it is a Mobility Header.
    #[inline(always)]
    pub(super) fn ask_plain<'b, const KIND: u8, B: Buf>(
        &mut self,
        burst: &'b [B],
        from: usize,
        more: usize,
        before: &Before,
        view: &View<'_>,
        seats: &Seats,
    ) -> (usize, Option<&'b Ip6>) {
        let kind = const { Kind::of(KIND) };
        let host = kind.came == Came::Host;
        let (link, domain) = (before.link, before.dock.domain);
        let sender = link.sender() | before.dock.word;
        let mut count = 0;
        let mut mobility = None;
        let waiting = burst.get(from..).unwrap_or_default();
        let (rider, source) = (seats.riders + more, seats.sources + more);
        let destinations = self.destinations.get_mut(rider..).unwrap_or_default();
        for (buf, destination) in waiting.iter().zip(destinations) {
            look_ahead(waiting, count);
            let Some((to, own)) = (match kind.family {
                Family::V6 => {
                    let Some((ip, octets)) = ipv6_behind::<IPV6_END, B>(buf, link) else {
                        break;
                    };
                    let Some(next) = ip.next(octets) else {
                        break;
                    };
                    let asks = Asks::of(next);
                    if !asks.nothing() {
                        mobility = asks.mobility().then_some(ip);
                        if !asks.icmp() || is_anchors(next, ip, view) {
                            break;
                        }
                    }
                    let (from, to) = ip.ends();
                    ip.goes_on().then(|| {
                        let probe = |address| Probe::ipv6(domain, address);
                        (probe(*to), probe(*from))
                    })
                }
                Family::V4 => {
                    let packet = behind(buf, link);
                    packet.and_then(|packet| plain_ipv4(packet, domain))
                }
            }) else {
                break;
            };
            buf.prefetch_front();
            *destination = to;
            if host {
                *at_mut(&mut self.sources, source + count) = own;
                *at_mut(&mut self.senders, rider + count) = sender;
            }
            count += 1;
        }
        (count, mobility)
    }

    /// IPv6 packets in what may be tunnels.
    #[inline(never)]
    pub(super) fn run_tunnel<B: Buf>(
        &mut self,
        burst: &[B],
        from: usize,
        before: &Before,
        view: &View<'_>,
        seats: &mut Seats,
    ) -> usize {
        let (link, domain) = (before.link, before.dock.domain);
        let kind = const { Kind::of(4) };
        let (rider, source) = (seats.riders, seats.sources);
        let mut count = 0;
        let mut last: Option<&Ip6> = None;
        let waiting = burst.get(from..).unwrap_or_default();
        let pair_of = self.pair_of.get_mut(rider..).unwrap_or_default();
        let destinations = self.destinations.get_mut(rider..).unwrap_or_default();
        let sources = self.sources.get_mut(source..).unwrap_or_default();
        let asked = destinations.iter_mut().zip(sources);
        for ((buf, pair), (destination, own)) in waiting.iter().zip(pair_of).zip(asked) {
            look_ahead(waiting, count);
            let Some((outer, octets)) = ipv6_behind::<INSIDE_END, B>(buf, link) else {
                break;
            };
            let inside = buf.data().get(IPV6_END..).and_then(header::<Ip6>);
            let Some((ip, _)) = inside else {
                break;
            };
            if outer.next(octets) != Some(next_header::IPV6) {
                break;
            }
            if !goes_on_inside(ip, octets - HEADER_LEN, view) {
                break;
            }
            if last.is_none_or(|last| last.ends() != outer.ends()) {
                let first = (rider + count, source + count);
                enter(
                    &mut self.pairs,
                    &mut self.first_of,
                    first,
                    outer,
                    domain,
                    seats,
                );
                last = Some(outer);
            }
            *pair = (seats.pairs - 1) as u8;
            let (inner, other) = ip.ends();
            *destination = Probe::ipv6(domain, *other);
            *own = Probe::ipv6(domain, *inner);
            count += 1;
        }
        if count > 0 {
            let (first, at) = (seats.place(from), ether::HEADER_LEN + HEADER_LEN);
            self.seat(kind, (first, count), at, domain, seats);
        }
        from + count
    }

    /// Looks at an IPv6 packet that starts at `at` in its frame. Of one that may have come out of a tunnel
    /// the inner packet boards. Says of what kind it is that boards, and where it starts; what is asked for
    /// about it stands behind all that is asked for so far.
    fn ipv6(
        &mut self,
        packet: &[u8],
        at: usize,
        dock: &Dock,
        view: &View<'_>,
        seats: &mut Seats,
    ) -> Option<(Kind, usize)> {
        let (ip, payload) = header::<Ip6>(packet)?;
        let next = ip.next(packet.len())?;
        let (came, family) = (dock.came(), Family::V6);
        // From a host, one in another is a packet like any other.
        let inside = came == Came::Core && matches!(next, next_header::IPV6 | next_header::IPV4);
        if !inside {
            let options = Asks::of(next).options();
            // Control, or whoever puts them together, may want those that come in on a core link.
            let fragment = came == Came::Core && next == next_header::FRAGMENT;
            self.ask(ip, came, dock.domain, seats);
            let boards = !options && !fragment && ip.goes_on() && !is_anchors(next, ip, view);
            return boards.then_some((Kind { came, family }, at));
        }
        let (family, boards) = match next {
            next_header::IPV6 => {
                let boards = self.ipv6_inside(payload, dock.domain, view, seats);
                (Family::V6, boards)
            }
            _ => (
                Family::V4,
                self.ipv4(payload, Came::Tunnel, dock.domain, seats),
            ),
        };
        if !boards {
            return None;
        }
        let (first, domain) = ((seats.riders, seats.sources), dock.domain);
        enter(
            &mut self.pairs,
            &mut self.first_of,
            first,
            ip,
            domain,
            seats,
        );
        *at_mut(&mut self.pair_of, seats.riders) = (seats.pairs - 1) as u8;
        let came = Came::Tunnel;
        Some((Kind { came, family }, at + HEADER_LEN))
    }

    /// Looks at an IPv6 packet in what may be a tunnel.
    fn ipv6_inside(
        &mut self,
        packet: &[u8],
        domain: Domain,
        view: &View<'_>,
        seats: &Seats,
    ) -> bool {
        let Some((ip, _)) = header::<Ip6>(packet) else {
            return false;
        };
        self.ask(ip, Came::Tunnel, domain, seats);
        goes_on_inside(ip, packet.len(), view)
    }

    /// Looks at an IPv4 packet.
    fn ipv4(&mut self, packet: &[u8], came: Came, domain: Domain, seats: &Seats) -> bool {
        let Some((destination, source)) = plain_ipv4(packet, domain) else {
            return false;
        };
        *at_mut(&mut self.destinations, seats.riders) = destination;
        if came != Came::Core {
            *at_mut(&mut self.sources, seats.sources) = source;
        }
        true
    }

    /// Asks for an IPv6 packet's addresses.
    fn ask(&mut self, ip: &Ip6, came: Came, domain: Domain, seats: &Seats) {
        let (source, destination) = ip.ends();
        *at_mut(&mut self.destinations, seats.riders) = Probe::ipv6(domain, *destination);
        if came != Came::Core {
            *at_mut(&mut self.sources, seats.sources) = Probe::ipv6(domain, *source);
        }
    }
}

/// The addresses of an IPv4 packet that is to be forwarded, destination first; behind it there may be padding.
#[inline(always)]
fn plain_ipv4(packet: &[u8], domain: Domain) -> Option<(Probe, Probe)> {
    let (ip, _) = header::<Ip4>(packet)?;
    ip.length(packet.len())?;
    let ends = [ip.source(), ip.destination()];
    let [from, to] = ends.map(|end| Probe::ipv4(domain, end.octets()));
    Some((to, from))
}

/// Whether a packet may be for us at the address that we have in a prefix which we anchor; of Mobility
/// Headers the gate has seen to that.
#[inline(always)]
pub(super) fn is_anchors(next: u8, ip: &Ip6, view: &View<'_>) -> bool {
    next == next_header::ICMPV6 && view.fib.is_anchor_address(ip.destination())
}

/// Whether an IPv6 packet of so many octets that is in what may be a tunnel may go on.
#[inline(always)]
fn goes_on_inside(ip: &Ip6, octets: usize, view: &View<'_>) -> bool {
    let Some(next) = ip.next(octets) else {
        return false;
    };
    let asks = Asks::of(next);
    let passes = asks.nothing() || !asks.options() && !is_anchors(next, ip, view);
    passes && ip.goes_on()
}

/// Has the outer pair of this rider, and of its source, looked up: it is the last one then.
#[inline(never)]
fn enter(
    pairs: &mut [OuterPair; MAX_BURST],
    first_of: &mut [(u8, u8); MAX_BURST],
    first: (usize, usize),
    outer: &Ip6,
    domain: Domain,
    seats: &mut Seats,
) {
    let pair = OuterPair {
        domain,
        local: outer.destination(),
        remote: outer.source(),
    };
    if seats.pairs == 0 || *at_mut(pairs, seats.pairs - 1) != pair {
        *at_mut(pairs, seats.pairs) = pair;
        *at_mut(first_of, seats.pairs) = (first.0 as u8, first.1 as u8);
        seats.pairs += 1;
    }
}

/// Asks for a packet some places further on.
#[inline(always)]
pub(super) fn look_ahead<B: Buf>(burst: &[B], place: usize) {
    if let Some(buf) = burst.get(place + AHEAD) {
        buf.prefetch();
    }
}

/// Where an IPv6 header ends in a frame without a tag, and where one inside it does.
pub(super) const IPV6_END: usize = ether::HEADER_LEN + HEADER_LEN;
const INSIDE_END: usize = IPV6_END + HEADER_LEN;

/// The header of an IPv6 packet behind this link-layer header, and the packet's octets; the frame has `END`
/// octets, and the port has taken nothing off.
#[inline(always)]
pub(super) fn ipv6_behind<const END: usize, B: Buf>(buf: &B, link: Link) -> Option<(&Ip6, usize)> {
    let whole = buf.is_contiguous() && buf.stripped_vlan().is_none();
    let frame = buf.data();
    // Asked for in one go.
    let front: &[u8; END] = frame.first_chunk()?;
    let (its, packet) = Link::of(front)?;
    let (ip, _) = header::<Ip6>(packet)?;
    (whole && its == link).then(|| (ip, frame.len() - ether::HEADER_LEN))
}

/// The packet of a frame that begins with this link-layer header, and of which the port has taken nothing
/// off.
#[inline(always)]
fn behind<B: Buf>(buf: &B, link: Link) -> Option<&[u8]> {
    let whole = buf.is_contiguous() && buf.stripped_vlan().is_none();
    let (its, packet) = Link::of(buf.data())?;
    (whole && its == link).then_some(packet)
}
