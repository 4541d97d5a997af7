//! What becomes of a rider: where it goes, and its headers written.

use super::seats::{Run, Seats};
use super::ways::{by, LastRoute, Way, Ways};
use super::{at, at_mut, Came, Desk, Kind, STAYS};
use crate::classify::plain::{header, Ip4, Ip6, Lead};
use crate::classify::Family;
use crate::key::BindingId;
use crate::path::decide::{host, onward, tunnelled, Allowed, Looked, Onward};
use crate::path::Known;
use crate::rewrite::decap::merged;
use crate::rewrite::front::{self, Forwarded};
use crate::table::Found;
use crate::verdict::{Forward, Verdict};
use crate::worker::output::{Sent, NOBODY};
use crate::worker::View;
use packet::{Buf, Burst, PortId, MAX_BURST};
use wire::ether;
use wire::ipv6::HEADER_LEN;

/// Octets of a link-layer header without a tag.
const LINK: u8 = ether::HEADER_LEN as u8;

/// What riders of one burst are decided by.
struct Guide<'a, 'b> {
    known: &'b Known,
    ways: Ways<'a>,
    view: &'b View<'a>,
    /// Whether the same was found for all riders, who are to one site and out of one tunnel at the most.
    alike: bool,
}

/// What was found for a rider.
#[derive(Clone, Copy)]
struct Looks {
    /// The bindings of its source, where that is asked for, and of its destination.
    up: Option<Found>,
    down: Option<Found>,
    /// Where a host's packet came from, or which outer pair it came between.
    from: u64,
}

/// Where a rider goes, and who counts it.
#[derive(Clone, Copy)]
struct Course<'a> {
    way: Way<'a>,
    forward: Forward,
    up: BindingId,
    down: BindingId,
    /// Whether others go the same to the same site, for whom the same was found.
    shared: bool,
}

impl Desk {
    /// Writes the new headers of all that ride, and notes down by which ports they leave and what is
    /// counted then. Of a burst that rides as one to one port, that port.
    #[inline(always)]
    pub(super) fn ride<B: Buf>(
        &mut self,
        seats: Seats,
        alike: bool,
        burst: &mut Burst<B>,
        known: &Known,
        view: &View<'_>,
    ) -> Option<PortId> {
        if view.fib.is_far() {
            self.prefetch_routes(seats.runs, view);
        }
        let mut route = LastRoute::NONE;
        let guide = &Guide {
            known,
            ways: Ways::of(view),
            view,
            alike: alike && seats.pairs <= 1,
        };
        if seats.kinds & 1 << 0 != 0 {
            self.ride_kind::<0, B>(seats.runs, burst, guide, &mut route);
        }
        if seats.kinds & 1 << 1 != 0 {
            self.ride_kind::<1, B>(seats.runs, burst, guide, &mut route);
        }
        if seats.kinds & 1 << 2 != 0 {
            self.ride_kind::<2, B>(seats.runs, burst, guide, &mut route);
        }
        if seats.kinds & 1 << 3 != 0 {
            self.ride_kind::<3, B>(seats.runs, burst, guide, &mut route);
        }
        if seats.kinds & 1 << 4 != 0 {
            self.ride_kind::<4, B>(seats.runs, burst, guide, &mut route);
        }
        if seats.kinds & 1 << 5 != 0 {
            self.ride_kind::<5, B>(seats.runs, burst, guide, &mut route);
        }
        // Without a branch for each: most bursts leave as one.
        let ports = self.ports.get(..burst.len()).unwrap_or_default();
        let first = *ports.first()?;
        let differ = ports.iter().fold(0, |all, port| all | (port.0 ^ first.0));
        (differ == 0 && first != STAYS).then_some(first)
    }

    /// Asks for the routes of those whose destinations nobody has bound.
    #[inline(never)]
    fn prefetch_routes(&self, runs: usize, view: &View<'_>) {
        for run in self.runs.iter().take(runs) {
            if Kind::of(run.kind).family != Family::V6 {
                continue;
            }
            let (first, count) = (run.first.into(), run.count.into());
            let all = self.destinations.iter().zip(&self.down);
            for (destination, down) in all.skip(first).take(count) {
                if down.is_none() {
                    view.fib.prefetch(run.domain, destination.address());
                }
            }
        }
    }

    /// The same for those of one kind: a function of its own for each, so that a loop has all registers.
    #[inline(never)]
    fn ride_kind<'a, const KIND: u8, B: Buf>(
        &mut self,
        runs: usize,
        burst: &mut Burst<B>,
        guide: &Guide<'a, '_>,
        route: &mut LastRoute<'a>,
    ) {
        let kind = const { Kind::of(KIND) };
        for run in 0..runs.min(MAX_BURST) {
            let run = *at(&self.runs, run);
            if run.kind != KIND {
                continue;
            }
            // Of hosts' packets, senders have to be the same as well.
            if guide.alike && kind.came != Came::Host {
                let course = self.course(kind, &run, 0, guide, route);
                if let Some(course) = course.filter(|course| course.shared) {
                    self.ride_together::<KIND, B>(&run, burst, course);
                    continue;
                }
            }
            for number in 0..run.count.into() {
                let place = usize::from(run.place) + number;
                let course = self.course(kind, &run, number, guide, route);
                let Some((course, buf)) = course.zip(burst.get_mut(place)) else {
                    continue;
                };
                let untagged = kind.untagged();
                let straight = run.at == untagged && course.way.egress.exit.front == LINK;
                if straight {
                    if let Some(octets) = ride(kind, untagged, LINK, buf, &course.way) {
                        self.note(place, &course, octets);
                    }
                } else if let Some(octets) = ride_tagged::<KIND, B>(run.at, buf, course.way) {
                    self.note(place, &course, octets);
                }
            }
        }
    }

    /// Notes down by which port the packet in this place leaves, and what is counted then.
    #[inline(always)]
    fn note(&mut self, place: usize, course: &Course<'_>, octets: u32) {
        *at_mut(&mut self.ports, place) = course.way.egress.exit.port;
        *at_mut(&mut self.sent, place) = course.sent(octets);
    }

    /// A run that takes one course: in a loop that has nothing else to do.
    #[inline(never)]
    fn ride_together<const KIND: u8, B: Buf>(
        &mut self,
        run: &Run,
        burst: &mut Burst<B>,
        course: Course<'_>,
    ) {
        let kind = const { Kind::of(KIND) };
        let (place, count) = (usize::from(run.place), usize::from(run.count));
        let packets = burst.get_mut(place..place + count).unwrap_or_default();
        let ports = self.ports.get_mut(place..).unwrap_or_default();
        let notes = self.sent.get_mut(place..).unwrap_or_default();
        let way = &course.way;
        let (port, untagged) = (way.egress.exit.port, kind.untagged());
        let straight = run.at == untagged && way.egress.exit.front == LINK;
        for ((buf, port_of), note) in packets.iter_mut().zip(ports).zip(notes) {
            let octets = match straight {
                true => ride(kind, untagged, LINK, buf, way),
                false => ride_tagged::<KIND, B>(run.at, buf, *way),
            };
            if let Some(octets) = octets {
                *port_of = port;
                *note = course.sent(octets);
            }
        }
    }

    /// What was found for a rider by its number in its run.
    #[inline(always)]
    fn looks(&self, kind: Kind, run: &Run, number: usize) -> Looks {
        let rider = usize::from(run.first) + number;
        let source = usize::from(run.source) + number;
        Looks {
            up: match kind.came {
                Came::Core => None,
                Came::Host | Came::Tunnel => *at(&self.up, source),
            },
            down: *at(&self.down, rider),
            from: match kind.came {
                Came::Core => 0,
                Came::Host => *at(&self.senders, rider),
                Came::Tunnel => u64::from(*at(&self.pair_of, rider)),
            },
        }
    }

    /// Decides for a rider; none where anything is to be done but to send it on.
    #[inline(always)]
    fn course<'a>(
        &self,
        kind: Kind,
        run: &Run,
        number: usize,
        guide: &Guide<'a, '_>,
        route: &mut LastRoute<'a>,
    ) -> Option<Course<'a>> {
        let ways = &guide.ways;
        let looks = self.looks(kind, run, number);
        let allowed = match kind.came {
            Came::Core => Allowed::Anywhere { up: None },
            Came::Host => {
                let is_at = |host| ways.neighbours.get(host) == looks.from;
                host(looks.up, is_at).ok()?
            }
            Came::Tunnel => {
                let tunnel = (*at(&self.tunnels, looks.from as usize))?;
                match looks.up {
                    // Mostly so, and told by one word.
                    Some(found) if found.word().anchors(tunnel) => {
                        Allowed::Anywhere { up: Some(found.id) }
                    }
                    _ => {
                        let (source, destination) = (looks.up, looks.down);
                        let looked = Looked {
                            source,
                            destination,
                        };
                        tunnelled(tunnel, looked, guide.known).ok()?
                    }
                }
            }
        };
        match allowed {
            Allowed::Anywhere { up } => {
                let up = up.unwrap_or(NOBODY);
                let rider = usize::from(run.first) + number;
                self.onward(kind, rider, looks.down, up, guide, route)
            }
            Allowed::Into { tunnel, up } => Some(Course {
                way: ways.into(tunnel)?,
                forward: Forward::Encapsulated,
                up,
                down: NOBODY,
                shared: true,
            }),
            Allowed::To { host, down } => Some(Course {
                way: ways.to(host)?.into(),
                forward: Forward::Delivered,
                up: NOBODY,
                down,
                shared: true,
            }),
        }
    }

    /// The same for one whose source allows it to go where its destination says.
    #[inline(always)]
    fn onward<'a>(
        &self,
        kind: Kind,
        rider: usize,
        found: Option<Found>,
        up: BindingId,
        guide: &Guide<'a, '_>,
        route: &mut LastRoute<'a>,
    ) -> Option<Course<'a>> {
        let (ways, view) = (&guide.ways, guide.view);
        let out_of_tunnel = kind.came == Came::Tunnel;
        let (way, forward) = match onward(found.map(Found::forwarding), out_of_tunnel, false) {
            Onward::Tunnel(tunnel, forward) => (ways.into(tunnel)?, forward),
            Onward::Host(host, forward) => (ways.to(host)?.into(), forward),
            Onward::Route(forward) => {
                let destination = at(&self.destinations, rider);
                let (egress, same) = match kind.family {
                    Family::V6 => (route.to(destination, ways, view)?, route.is_of_site()),
                    Family::V4 => {
                        let to = destination.ipv4_address();
                        let egress = by(view.fib.route(destination.domain(), to), ways)?;
                        (egress, true)
                    }
                };
                return Some(Course {
                    way: egress.into(),
                    forward,
                    up,
                    down: NOBODY,
                    shared: same,
                });
            }
            Onward::Pending => return None,
        };
        Some(Course {
            way,
            forward,
            up,
            down: found.map_or(NOBODY, |found| found.id),
            shared: true,
        })
    }
}

impl Course<'_> {
    /// What is counted for a packet of so many octets.
    #[inline(always)]
    fn sent(&self, octets: u32) -> Sent {
        Sent::counted(Verdict::Forward(self.forward), self.up, self.down, octets)
    }
}

impl Kind {
    /// Where a packet starts in a frame without a tag.
    #[inline(always)]
    const fn untagged(self) -> u8 {
        match self.came {
            Came::Core | Came::Host => LINK,
            Came::Tunnel => LINK + HEADER_LEN as u8,
        }
    }
}

/// [`ride`] where there is a tag, or will be.
#[inline(never)]
fn ride_tagged<const KIND: u8, B: Buf>(at: u8, buf: &mut B, way: Way<'_>) -> Option<u32> {
    ride(Kind::of(KIND), at, way.egress.exit.front, buf, &way)
}

/// Writes new headers to a packet that starts at `at` in its frame and will have `front` octets of link layer;
/// says how many octets are counted then. None where that takes more than new headers: nothing has changed.
#[inline(always)]
fn ride<B: Buf>(kind: Kind, at: u8, front: u8, buf: &mut B, way: &Way<'_>) -> Option<u32> {
    let Way {
        egress,
        entrance,
        room,
    } = way;
    let start = usize::from(at);
    let octets = buf.data().len().checked_sub(start)?;
    let (forwarded, length) = match (kind.family, kind.came) {
        (Family::V6, Came::Core | Came::Host) => (Forwarded::Hop, octets),
        (Family::V6, Came::Tunnel) => {
            let (ip, _) = header::<Ip6>(buf.data().get(start..)?)?;
            // There is a hop left, so nothing else changes.
            let lead = ip.lead().further();
            let mark = merged(outer(buf, start)?.mark(), lead.mark())?;
            (Forwarded::V6(lead.marked(mark)), octets)
        }
        (Family::V4, came) => {
            let (ip, _) = header::<Ip4>(buf.data().get(start..)?)?;
            let class = match came {
                Came::Tunnel => ip.class() & !3 | merged(outer(buf, start)?.mark(), ip.class())?,
                Came::Core | Came::Host => ip.class(),
            };
            (Forwarded::V4(class), ip.total_length())
        }
    };
    // The others were found to have none.
    let padded = kind.family == Family::V4 && octets > length;
    if length > usize::from(*room) || (padded && buf.set_len(start + length).is_err()) {
        return None;
    }
    match entrance {
        Some(entrance) => front::tunnel(buf, at, front, forwarded, entrance, *egress).ok()?,
        None => front::link(buf, at, front, forwarded, *egress).ok()?,
    }
    Some(length as u32)
}

/// The first octets of the header that ends where the packet starts.
#[inline(always)]
fn outer<B: Buf>(buf: &B, at: usize) -> Option<Lead> {
    let outer = buf.data().get(at.checked_sub(HEADER_LEN)?..)?;
    Some(header::<Ip6>(outer)?.0.lead())
}
