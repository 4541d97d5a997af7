//! Tunnel packets in pieces (RFC 2473 section 7, RFC 8200 section 4.5). Few packets come here.
//!
//! ```text
//!   into a tunnel:    packet ── encapsulate ── cut ──> born fragments ──> output
//!                        └──> Forward::Fragmented
//!   out of a tunnel:  fragment ── Hold::Reassembling ──> table ──┬──> born reassembled, goes on
//!                                                                └──> born released, dropped
//! ```
//!
//! Only fragments between the ends of a tunnel of ours are kept, so no stranger fills the table. In
//! front of each that is kept stands what is known of it ([`Stash`]), for the packet that it becomes
//! or for the error that it causes.

use super::decide::Way;
use super::pieces::cut as cut_packet;
use super::{Lane, Packet, Path};
use crate::classify::packet::{fields, Fields};
use crate::classify::{Family, Meta, Origin};
use crate::icmp::Problem;
use crate::key::{Domain, Interface, InterfaceId};
use crate::rewrite::carrier;
use crate::rewrite::encap::{encapsulate, Limit};
use crate::rewrite::{ethernet, header_mut};
use crate::tunnels::Tunnel;
use crate::verdict::{Born, Drop, Forward, Hold, Verdict};
use crate::watch::Came;
use crate::worker::output::{Sent, NOBODY};
use crate::worker::{Meter, View};
use arrayvec::ArrayVec;
use packet::{
    Buf, Burst, Fragments, NoRoom, Pieces, Reassembly, RxTx, MAX_BURST, REASSEMBLY_NANOS,
};
use wire::ether::MacAddr;
use wire::ipv6::{next_header, walk, Fragment, HEADER_LEN};
use zerocopy::network_endian::U16;

/// Fragments that one worker keeps at most: what its share of the pools can spare.
const MAX_KEPT: usize = 384;

/// Fragments that it keeps beyond these, if they are not a packet's first: they may complete one.
const SPARE: usize = 64;

/// Where no more can be kept, packets that have been incomplete so long make room for others, in
/// nanoseconds: where fragments are lost, most of those that are kept wait in vain.
const AGES: [u64; 4] = [30_000_000_000, 10_000_000_000, 3_000_000_000, 1_000_000_000];

/// Octets of a fragment header.
const FRAGMENT_LEN: usize = 8;

/// Where the length stands in the fixed header, and the offset behind it.
const LENGTH_AT: usize = 4;
const OFFSET_AT: usize = HEADER_LEN + 2;

/// What one worker knows of the fragments that it makes and keeps.
pub(super) struct Pieced<B> {
    /// Fragments in the table.
    kept: usize,
    /// Packets that have become whole in this burst.
    whole: Lane<B>,
    /// Fragments that have turned out to be of no use in it.
    dead: ArrayVec<(B, Drop), { 2 * MAX_BURST }>,
    /// Packets cut so far, and the worker's number in front.
    cut: u32,
    /// Hides how many they were.
    seed: u32,
}

impl<B> Pieced<B> {
    /// Of worker number `index`. Identifications are distinct over 256 workers, and on each over
    /// 16 million packets.
    pub(super) fn new(index: usize, seed: u32) -> Self {
        Self {
            kept: 0,
            whole: Lane::new(),
            dead: ArrayVec::new(),
            cut: (index as u32) << 24,
            seed,
        }
    }

    /// Fragments that are kept.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// Whether any fragment is kept.
    pub(super) fn any(&self) -> bool {
        self.kept > 0
    }

    /// Whether anything has left the table.
    #[inline]
    pub(super) fn is_out(&self) -> bool {
        !self.whole.is_empty() || !self.dead.is_empty()
    }

    /// A value that no packet of late had and nobody guesses from the last (RFC 7739 section 5).
    fn identification(&mut self) -> u32 {
        let worker = self.cut & 0xff00_0000;
        self.cut = worker | (self.cut.wrapping_add(1) & 0x00ff_ffff);
        // Each step can be undone, so different values stay different.
        let mut mixed = self.cut ^ self.seed;
        mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x7feb_352d);
        mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x846c_a68b);
        mixed ^ (mixed >> 16)
    }
}

/// Octets that stand in front of a frame that is kept.
const STASH: usize = 16;

/// What is known of a packet beside its bytes, as bytes.
struct Stash;

impl Stash {
    /// Puts what is known in front of the frame.
    fn put<B: Buf>(buf: &mut B, meta: &Meta) -> Result<(), NoRoom> {
        buf.prepend(STASH)?;
        let [a, b] = meta.interface.0.to_be_bytes();
        let [c, d] = meta.domain.0.to_be_bytes();
        let flags = u8::from(meta.access) | u8::from(meta.group) << 1;
        let at = u8::try_from(meta.at).map_err(|_| NoRoom)?;
        let [e, f, g, h, i, j] = meta.mac.0;
        let octets = [a, b, c, d, flags, at, e, f, g, h, i, j, 0, 0, 0, 0];
        let place = buf.data_mut().first_chunk_mut().ok_or(NoRoom)?;
        *place = octets;
        Ok(())
    }

    /// Takes it off again.
    fn take<B: Buf>(buf: &mut B) -> Option<Meta> {
        let &[a, b, c, d, flags, at, e, f, g, h, i, j, ..] = buf.data().first_chunk::<STASH>()?;
        buf.trim_front(STASH).ok()?;
        Some(Meta {
            origin: Origin::Link,
            interface: InterfaceId(u16::from_be_bytes([a, b])),
            access: flags & 1 != 0,
            domain: Domain(u16::from_be_bytes([c, d])),
            family: Family::V6,
            at: usize::from(at),
            group: flags & 2 != 0,
            mac: MacAddr([e, f, g, h, i, j]),
            back: false,
            success: None,
        })
    }
}

/// The fragment header behind the fixed header, and what it says comes next.
fn header(data: &[u8], fields: &Fields) -> Option<(Fragment, u8)> {
    let payload = data.get(HEADER_LEN..fields.length)?;
    let next = *payload.first()?;
    // The walk would go on behind the header of a first fragment, which may be cut anywhere.
    let alone = payload.get(..FRAGMENT_LEN)?;
    let &[_, _, high, low, a, b, c, d] = alone.first_chunk()?;
    let place = u16::from_be_bytes([high, low]);
    let fragment = Fragment {
        offset: place & 0xfff8,
        more: place & 1 != 0,
        identification: u32::from_be_bytes([a, b, c, d]),
    };
    Some((fragment, next))
}

/// What is wrong with a fragment by itself, if anything is (RFC 8200 section 4.5).
fn wrong(data: &[u8], fields: &Fields, fragment: &Fragment, next: u8) -> Option<Problem> {
    let octets = fields.length.saturating_sub(HEADER_LEN + FRAGMENT_LEN);
    if octets == 0 || (fragment.more && octets % 8 != 0) {
        return Some(Problem::fragment(LENGTH_AT));
    }
    if usize::from(fragment.offset) + octets > usize::from(u16::MAX) {
        return Some(Problem::fragment(OFFSET_AT));
    }
    let payload = data.get(HEADER_LEN + FRAGMENT_LEN..fields.length)?;
    let least = |upper| match upper {
        next_header::IPV6 => HEADER_LEN,
        next_header::IPV4 => 20,
        _ => 8,
    };
    let whole_chain = fragment.offset > 0
        || walk(next, payload)
            .is_ok_and(|chain| payload.len() >= chain.offset + least(chain.upper));
    (!whole_chain).then_some(Problem::CHAIN)
}

/// Takes the fragment header of a packet that is whole by itself off (RFC 6946). What is in front of
/// the packet stays there.
fn unwrap<B: Buf>(packet: &mut Packet<B>, next: u8) -> Result<(), NoRoom> {
    let end = packet.meta.at + HEADER_LEN;
    let payload = packet.fields.length.checked_sub(HEADER_LEN + FRAGMENT_LEN);
    let payload = payload.and_then(|octets| u16::try_from(octets).ok());
    let data = packet.buf.data_mut();
    if data.len() < end + FRAGMENT_LEN {
        return Err(NoRoom);
    }
    data.copy_within(..end, FRAGMENT_LEN);
    packet.buf.trim_front(FRAGMENT_LEN)?;
    let header = header_mut(&mut packet.buf, packet.meta.at).ok_or(NoRoom)?;
    header.next_header = next;
    header.payload_length = U16::new(payload.ok_or(NoRoom)?);
    Ok(())
}

/// A tunnel whose path carries a packet in pieces only, and the way out.
pub(super) struct Narrow<'a> {
    pub(super) tunnel: &'a Tunnel,
    pub(super) limit: Limit,
    /// Octets that the path carries, outer header included.
    pub(super) mtu: u16,
    pub(super) interface: &'a Interface,
    /// The next hop.
    pub(super) to: MacAddr,
    pub(super) way: Way,
}

impl<T: RxTx, M: Meter> Path<T, M> {
    /// Into a tunnel in pieces.
    #[cold]
    #[inline(never)]
    pub(super) fn cut(
        &mut self,
        mut packet: Packet<T::Buf>,
        narrow: Narrow<'_>,
        view: &View<'_>,
        io: &mut T,
    ) {
        let Narrow { tunnel, limit, .. } = narrow;
        let (interface, way) = (narrow.interface, narrow.way);
        packet.forward();
        let (buf, at) = (&mut packet.buf, packet.meta.at);
        let mut pieces = Pieces::new();
        let identification = self.pieced.identification();
        let family = packet.meta.family;
        let outer = tunnel.outer();
        let inside = match tunnel.is_plain() {
            true => encapsulate(buf, at, family, &tunnel.header, limit, 0),
            false => {
                let number = Some(identification as u16);
                carrier::encapsulate(buf, (at, 0), family, tunnel, limit, number)
            }
        };
        let done = match outer {
            _ if inside.is_err() => Err(Drop::NoBuffer),
            Family::V4 => {
                let mtu = usize::from(narrow.mtu);
                cut_packet(buf.data(), mtu, &mut pieces, || io.alloc())
            }
            Family::V6 => {
                let fragments = io.fragments();
                let done = fragments.cut(buf, narrow.mtu, identification, &mut pieces);
                done.map_err(|_| Drop::NoBuffer)
            }
        };
        if let Err(reason) = done {
            return self.drop(packet.buf, reason, view, io);
        }
        let next = (interface, outer, narrow.to);
        self.send_pieces(packet, pieces, next, way, view, io);
    }

    /// Sends the pieces of a packet to a neighbour.
    pub(super) fn send_pieces(
        &mut self,
        packet: Packet<T::Buf>,
        pieces: Pieces<T::Buf>,
        (interface, family, to): (&Interface, Family, MacAddr),
        way: Way,
        view: &View<'_>,
        io: &mut T,
    ) {
        // An answer of ours stays one; what is forwarded is so in pieces.
        let verdict = match packet.meta.success {
            Some(_) => way.verdict,
            None => Verdict::Forward(Forward::Fragmented),
        };
        self.output.end(packet.buf, verdict, view, io);
        let macs = (to, interface.mac);
        // The binding counts one packet, with the first piece.
        let fragment = Verdict::Forward(Forward::Fragment);
        let [up, down] = [way.up, way.down].map(|binding| binding.unwrap_or(NOBODY));
        let mut sent = Sent::counted(fragment, up, down, packet.fields.length as u32);
        for mut piece in pieces {
            view.reader.count_born(Born::Fragment);
            match ethernet(&mut piece, 0, interface, family, macs) {
                Ok(()) => self.output.send(interface.port, piece, sent, view, io),
                Err(_) => self.drop(piece, Drop::NoBuffer, view, io),
            }
            sent = Sent::plain(fragment);
        }
    }

    /// A fragment between the ends of a tunnel.
    #[cold]
    #[inline(never)]
    pub(super) fn collect(&mut self, mut packet: Packet<T::Buf>, view: &View<'_>, io: &mut T) {
        let Some((fragment, next)) = header(packet.data(), &packet.fields) else {
            return self.drop(packet.buf, Drop::ExtensionMalformed, view, io);
        };
        let alone = fragment.offset == 0 && !fragment.more;
        if alone {
            return match unwrap(&mut packet, next) {
                Ok(()) => self.once_more(packet.buf, packet.meta),
                Err(_) => self.drop(packet.buf, Drop::ExtensionMalformed, view, io),
            };
        }
        if let Some(problem) = wrong(packet.data(), &packet.fields, &fragment, next) {
            let own = Some(packet.fields.destination);
            return self.tell(packet, problem, own, view, io);
        }
        let most = match fragment.offset {
            0 => MAX_KEPT,
            _ => MAX_KEPT + SPARE,
        };
        if self.pieced.kept >= most && !self.make_room(view, io) {
            return self.drop(packet.buf, Drop::ReassemblyFull, view, io);
        }
        let Packet { mut buf, meta, .. } = packet;
        if Stash::put(&mut buf, &meta).is_err() {
            return self.drop(buf, Drop::NoBuffer, view, io);
        }
        let mut dead = Burst::new();
        let at = STASH + meta.at;
        let outcome = io.fragments().collect(buf, at, view.now, &mut dead);
        if let Reassembly::Full(buf) = outcome {
            return self.drop(buf, Drop::ReassemblyFull, view, io);
        }
        let verdict = Verdict::Hold(Hold::Reassembling);
        view.reader.count(verdict);
        if view.watch.is_on() {
            view.watch.ends(verdict);
        }
        self.pieced.kept += 1;
        for buf in dead {
            self.discard(buf, Drop::FragmentsOverlap, view, io);
        }
        if let Reassembly::Whole(mut buf, pieces) = outcome {
            self.pieced.kept = self.pieced.kept.saturating_sub(pieces);
            view.reader.count_born(Born::Reassembled);
            let meta = Stash::take(&mut buf).filter(|_| buf.is_contiguous());
            // A lane has places for as many packets as there are fragments in a burst.
            match meta {
                Some(meta) => self.pieced.whole.push((buf, meta)),
                None => self.drop(buf, Drop::ReassembledTooLong, view, io),
            }
        }
    }

    /// Goes on with what has left the table during a burst: with whole packets as with any, with dead
    /// fragments to their end. They are packets of their own, and nobody watches the burst's now.
    #[cold]
    #[inline(never)]
    pub(super) fn bring_out(&mut self, view: &View<'_>, io: &mut T) {
        for (mut buf, reason) in std::mem::take(&mut self.pieced.dead) {
            Stash::take(&mut buf);
            let came = Came::Born(Born::Released);
            let watched = view.watch.is_on() && self.watch(came, buf.data(), view, io);
            self.bury(buf, reason, view, io);
            if watched {
                self.unwatch(view, io);
            }
        }
        let whole = std::mem::take(&mut self.pieced.whole);
        if view.watch.is_on() {
            self.release_watched(Born::Reassembled, whole, view, io);
        } else {
            self.run(whole, view, io);
        }
    }

    /// A fragment that has left the table in vain while its burst is under way.
    fn discard(&mut self, buf: T::Buf, reason: Drop, view: &View<'_>, io: &mut T) {
        if let Err(error) = self.pieced.dead.try_push((buf, reason)) {
            let (buf, reason) = error.element();
            self.bury(buf, reason, view, io);
        }
    }

    /// Gives up packets that have been incomplete too long. Their senders are told, if the first
    /// fragment came (RFC 8200 section 4.5). Returns how many fragments there were.
    #[cold]
    #[inline(never)]
    pub(super) fn expire(&mut self, view: &View<'_>, io: &mut T) -> usize {
        let mut count = 0;
        loop {
            let mut dead = Burst::new();
            io.fragments().expire(view.now, &mut dead);
            if dead.is_empty() {
                return count;
            }
            count += dead.len();
            for mut buf in dead {
                let meta = Stash::take(&mut buf);
                let came = Came::Born(Born::Released);
                let watched = view.watch.is_on() && self.watch(came, buf.data(), view, io);
                self.late(buf, meta, view, io);
                let lane = std::mem::take(&mut self.again);
                self.run(lane, view, io);
                if watched {
                    self.unwatch(view, io);
                }
            }
        }
    }

    /// Gives up the oldest of the packets that are incomplete, before their time and without a word.
    fn make_room(&mut self, view: &View<'_>, io: &mut T) -> bool {
        let mut dead = Burst::new();
        for age in AGES {
            let then = view.now.saturating_add(REASSEMBLY_NANOS - age);
            io.fragments().expire(then, &mut dead);
            if !dead.is_empty() {
                break;
            }
        }
        let any = !dead.is_empty();
        for buf in dead {
            self.discard(buf, Drop::ReassemblyTimeout, view, io);
        }
        any
    }

    /// Drops all fragments that are kept.
    pub(super) fn abandon(&mut self, view: &View<'_>, io: &mut T) {
        let mut dead = Burst::new();
        while self.pieced.any() {
            io.fragments().expire(u64::MAX, &mut dead);
            if dead.is_empty() {
                return;
            }
            for buf in dead.drain(..) {
                self.bury(buf, Drop::ReassemblyTimeout, view, io);
            }
        }
    }

    /// A fragment whose others did not come in time.
    fn late(&mut self, buf: T::Buf, meta: Option<Meta>, view: &View<'_>, io: &mut T) {
        let reason = Drop::ReassemblyTimeout;
        let read = meta.and_then(|meta| {
            let data = buf.data().get(meta.at..)?;
            let fields = fields(data)?;
            Some((meta, fields, header(data, &fields)?))
        });
        match read {
            Some((meta, fields, (fragment, _))) if fragment.offset == 0 => {
                self.pieced.kept = self.pieced.kept.saturating_sub(1);
                view.reader.count_born(Born::Released);
                let own = Some(fields.destination);
                let packet = Packet { buf, meta, fields };
                self.tell(packet, Problem::REASSEMBLY, own, view, io);
            }
            _ => self.bury(buf, reason, view, io),
        }
    }

    /// A fragment that was kept in vain.
    fn bury(&mut self, buf: T::Buf, reason: Drop, view: &View<'_>, io: &mut T) {
        self.pieced.kept = self.pieced.kept.saturating_sub(1);
        view.reader.count_born(Born::Released);
        self.drop(buf, reason, view, io);
    }
}
