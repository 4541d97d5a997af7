//! Telling others: the sender of a packet by an answer, control by a copy or a question.

use super::{Packet, Path};
use crate::classify::packet::{read, Fields};
use crate::classify::{Family, Meta, Origin};
use crate::hold::{Held, Wanted};
use crate::icmp::{self, Problem};
use crate::police::Police;
use crate::verdict::{Born, Drop, Forward, Hold, Punt, Reply, Verdict};
use crate::worker::{Meter, View};
use packet::{Buf, RxTx};
use std::net::Ipv6Addr;
use wire::ether;
use wire::ipv4::address::{mapped, unmapped};
use wire::{icmpv4, icmpv6};
use zerocopy::{FromBytes, IntoBytes};

impl<T: RxTx, M: Meter> Path<T, M> {
    /// Sends the answer that stands at the front of the buffer of its question.
    pub(super) fn answer(&mut self, question: Packet<T::Buf>, reply: Reply) {
        let Packet { buf, meta, fields } = question;
        let mut answer = Meta::here(meta.domain, meta.family, Verdict::Reply(reply));
        if meta.family.is_link_local(fields.source) {
            answer.back = true;
            answer.interface = meta.interface;
            answer.mac = meta.mac;
        }
        self.once_more(buf, answer);
    }

    /// Has a packet take another round. Every packet of a round asks for this at most once, so there
    /// is room.
    pub(super) fn once_more(&mut self, buf: T::Buf, meta: Meta) {
        let _ = self.again.try_push((buf, meta));
    }

    /// Tells a packet's sender what is wrong with it, where that is allowed. `own` is our address
    /// when the packet was for it.
    pub(super) fn tell(
        &mut self,
        mut packet: Packet<T::Buf>,
        problem: Problem,
        own: Option<Ipv6Addr>,
        view: &View<'_>,
        io: &mut T,
    ) {
        let meta = packet.meta;
        let allowed = meta.origin != Origin::Here
            && !meta.group
            && match meta.family {
                Family::V6 => icmpv6::may_send_error(problem.error, packet.data()),
                Family::V4 => icmpv4::may_send_error(packet.data()),
            };
        let from = own.or_else(|| error_source(&meta, &packet.fields, view));
        let Some(from) = from.filter(|_| allowed) else {
            return self.drop(packet.buf, problem.silently(), view, io);
        };
        let source = packet.fields.source;
        if let Err(reason) = self.limits.take_icmp(&meta, source, view.now) {
            return self.drop(packet.buf, reason, view, io);
        }
        let done = match meta.family {
            Family::V6 => icmp::error(&mut packet.buf, meta.at, from, problem.error),
            Family::V4 => icmp::ipv4::error(&mut packet.buf, meta.at, unmapped(from), problem),
        };
        match done {
            Ok(()) => self.answer(packet, problem.reply),
            Err(_) => self.drop(packet.buf, Drop::NoBuffer, view, io),
        }
    }

    /// Copies a packet to control. What the host's own stack behind a twin needs as well goes there
    /// too: it resolves its neighbours itself, and errors may be about its packets.
    pub(super) fn punt(
        &mut self,
        packet: Packet<T::Buf>,
        reason: Punt,
        view: &View<'_>,
        io: &mut T,
    ) {
        let end = match self.copy(&packet, reason, view) {
            Ok(()) => Verdict::Punt(reason),
            Err(reason) => Verdict::Drop(reason),
        };
        let shared = matches!(
            reason,
            Punt::NeighbourDiscovery
                | Punt::RouterAdvertisement
                | Punt::IcmpError
                | Punt::Dhcp
                | Punt::Arp
        );
        let interface = view.fib.interface_of(packet.meta.interface);
        let twin = interface.and_then(|interface| interface.twin);
        match twin.filter(|_| shared && packet.meta.origin == Origin::Link) {
            None => self.output.end(packet.buf, end, view, io),
            Some(twin) => {
                let verdict = match end {
                    Verdict::Drop(_) => Verdict::Forward(Forward::ToHostStack),
                    punted => punted,
                };
                self.whole_frame(packet.buf, twin, verdict, view, io);
            }
        }
    }

    fn copy(&mut self, packet: &Packet<T::Buf>, reason: Punt, view: &View<'_>) -> Result<(), Drop> {
        let meta = &packet.meta;
        let source = packet.fields.source;
        let peer = Police::is_peer(reason, source, meta, view.fib);
        let police = &mut self.limits.punts;
        police.take(reason, peer, source, meta, view.now)?;
        // What strangers send leaves room for what peers do.
        if !peer && self.rings.is_filling() {
            return Err(Drop::PuntFull);
        }
        let own = view.fib.interface_of(meta.interface).map(|i| i.mac);
        let to = match ether::Header::ref_from_prefix(packet.buf.data()) {
            Ok((received, _)) if meta.origin == Origin::Link => received.destination,
            _ => own.unwrap_or_default(),
        };
        let kind = match reason {
            Punt::Arp => ether::ethertype::ARP,
            _ => meta.family.ethertype(),
        };
        let header = ether::Header::new(to, meta.mac, kind);
        self.rings
            .punt(reason, meta.interface, &[header.as_bytes(), packet.data()])
            .map_err(|_| Drop::PuntFull)
    }

    /// Keeps a packet back until its next hop is known, and asks control for it.
    pub(super) fn keep(
        &mut self,
        packet: Packet<T::Buf>,
        wanted: Wanted,
        view: &View<'_>,
        io: &mut T,
    ) {
        let source = (packet.meta.origin != Origin::Here).then_some(packet.fields.source);
        let Packet { buf, meta, fields } = packet;
        if self.hold.waits_for(wanted) {
            return self.drop(buf, Drop::NeighbourBusy, view, io);
        }
        if !self.limits.punts.take_neighbour(source, view.now) {
            return self.drop(buf, Drop::NeighbourLimited, view, io);
        }
        if self.rings.want(wanted.interface, wanted.address).is_err() {
            return self.drop(buf, Drop::PuntFull, view, io);
        }
        if let Some(longest) = self.hold.make_room() {
            view.reader.count_born(Born::Released);
            self.drop(longest.buf, Drop::NeighbourBusy, view, io);
        }
        let held = Held {
            buf,
            meta,
            destination: meta.family.address(fields.destination),
            wanted,
            until: view.now.saturating_add(self.hold_nanos),
        };
        match self.hold.put(held) {
            Ok(()) => {
                let verdict = Verdict::Hold(Hold::NeighbourUnresolved);
                view.reader.count(verdict);
                if view.watch.is_on() {
                    view.watch.ends(verdict);
                }
            }
            Err(buf) => self.drop(buf, Drop::NeighbourBusy, view, io),
        }
    }

    /// A held packet whose neighbour did not answer.
    pub(super) fn fail(&mut self, held: Held<T::Buf>, view: &View<'_>, io: &mut T) {
        let Held { buf, meta, .. } = held;
        match read(buf.data().get(meta.at..).unwrap_or_default(), &meta) {
            Ok((fields, _)) => {
                let packet = Packet { buf, meta, fields };
                self.tell(packet, Problem::NEIGHBOUR, None, view, io);
            }
            Err(_) => self.drop(buf, Drop::NeighbourFailed, view, io),
        }
    }
}

/// The address that an error is sent from. A host or neighbour on the link sees the interface's;
/// anyone else must not learn from it where a host is.
fn error_source(meta: &Meta, fields: &Fields, view: &View<'_>) -> Option<Ipv6Addr> {
    if meta.family == Family::V4 {
        // What came in on a link shows no more than that the link's router had it.
        let interface = view.fib.interface_of(meta.interface);
        let own = interface.filter(|_| meta.origin == Origin::Link);
        let own = own.and_then(|interface| interface.ipv4);
        let source = own.or_else(|| view.fib.ipv4_error_source(meta.domain));
        return source.map(|source| mapped(source.octets()));
    }
    let on_link =
        meta.origin == Origin::Link && (meta.access || fields.source.is_unicast_link_local());
    let own = view
        .fib
        .interface_of(meta.interface)
        .and_then(|interface| interface.address);
    own.filter(|_| on_link)
        .or_else(|| view.fib.error_source(meta.domain))
}
