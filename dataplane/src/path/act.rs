//! Carrying out what was decided for one packet.

use super::decide::{check_host, decide, is_attached, Looked, Step, Way};
use super::Path;
use crate::classify::own::{self, Own};
use crate::classify::packet::{Fields, Plan};
use crate::classify::{Meta, Origin};
use crate::hold::{Held, Wanted};
use crate::icmp::{self, Problem};
use crate::key::{AdjacencyId, Interface, InterfaceId, TunnelId};
use crate::rewrite::decap::decapsulate;
use crate::rewrite::encap::{encapsulate, Limit};
use crate::rewrite::{count_hop, ethernet, link_length, tag};
use crate::verdict::{self, Drop, Forward, Punt, Reply, Verdict};
use crate::worker::output::Sent;
use crate::worker::View;
use packet::{Buf, PortId, RxTx};
use std::net::Ipv6Addr;
use wire::ether;
use wire::icmpv6::may_send_error;
use wire::ipv6::{next_header, MIN_MTU};
use zerocopy::FromBytes;

impl<T: RxTx> Path<T> {
    /// The last stage of a round, for one packet.
    #[inline]
    #[allow(clippy::too_many_arguments)]
    pub(super) fn act(
        &mut self,
        buf: T::Buf,
        meta: Meta,
        fields: &Fields,
        plan: Plan,
        looked: Looked,
        view: &View<'_>,
        io: &mut T,
    ) {
        let step = match plan {
            Plan::Lookup { .. } | Plan::Tunnelled { .. } => {
                decide(&meta, fields, looked, &self.known, view)
            }
            Plan::Own { .. } => return self.on_link(buf, meta, fields, looked, view, io),
            Plan::Multicast => return self.multicast(buf, meta, fields, looked, view, io),
            Plan::Back => return self.back(buf, meta, fields, view, io),
            Plan::Drop(reason) => Step::Drop(reason),
        };
        match step {
            Step::Tunnel(tunnel, way) => self.tunnel(buf, meta, fields, tunnel, way, view, io),
            Step::Neighbour(adjacency, way) => {
                self.neighbour(buf, meta, fields, adjacency, way, view, io);
            }
            Step::Own => self.own(buf, meta, fields, view, io),
            other => self.rest(buf, meta, fields, other, view, io),
        }
    }

    /// Steps that do not send the packet on.
    fn rest(
        &mut self,
        buf: T::Buf,
        meta: Meta,
        fields: &Fields,
        step: Step,
        view: &View<'_>,
        io: &mut T,
    ) {
        match step {
            Step::Punt(reason) => self.punt(buf, meta, fields, reason, view, io),
            Step::Hold(wanted) => self.keep(buf, meta, fields, wanted, view, io),
            Step::Tell(problem) => self.tell(buf, meta, fields, problem, None, view, io),
            Step::Drop(reason) => self.drop(buf, reason, view, io),
            // These send it on, and none of those who call this have one.
            Step::Tunnel(..) | Step::Neighbour(..) | Step::Own => {
                self.drop(buf, Drop::Unanswerable, view, io);
            }
        }
    }

    pub(super) fn drop(&mut self, buf: T::Buf, reason: Drop, view: &View<'_>, io: &mut T) {
        self.output.end(buf, Verdict::Drop(reason), view, io);
    }

    /// Into a tunnel.
    #[inline]
    #[allow(clippy::too_many_arguments)]
    fn tunnel(
        &mut self,
        mut buf: T::Buf,
        meta: Meta,
        fields: &Fields,
        tunnel: TunnelId,
        way: Way,
        view: &View<'_>,
        io: &mut T,
    ) {
        let tunnel = view.reader.tunnel(tunnel);
        let Some((tunnel, next)) = tunnel.and_then(|tunnel| {
            let next = view.reader.adjacency(tunnel.adjacency?)?;
            Some((tunnel, next))
        }) else {
            return self.drop(buf, Drop::TunnelUnresolved, view, io);
        };
        let Some(interface) = view.fib.interface_of(next.interface) else {
            return self.drop(buf, Drop::PortDown, view, io);
        };
        let data = buf.data().get(meta.at..).unwrap_or_default();
        let limit = Limit::of(data, fields.next_header);
        let overhead = limit.overhead();
        let room = usize::from(interface.mtu).saturating_sub(overhead);
        // An inner link carries at least what every IPv6 link does (RFC 2473 section 7.1).
        let mtu = usize::from(tunnel.mtu).min(room).max(MIN_MTU);
        let problem = if meta.origin != Origin::Here && fields.hop_limit <= 1 {
            Some(Problem::HOP_LIMIT)
        } else if let Limit::Exhausted { pointer } = limit {
            Some(Problem::limit(pointer))
        } else if fields.length > mtu {
            Some(Problem::too_big(mtu))
        } else {
            None
        };
        if let Some(problem) = problem {
            return self.tell(buf, meta, fields, problem, None, view, io);
        }
        if fields.length > room {
            return self.drop(buf, Drop::TooBig, view, io);
        }
        if meta.origin != Origin::Here {
            count_hop(&mut buf, meta.at);
        }
        let front = link_length(interface);
        let done = encapsulate(&mut buf, meta.at, &tunnel.header, limit, front)
            .and_then(|()| ethernet(&mut buf, front, interface, next.mac, interface.mac));
        match done {
            Ok(()) => self.send(interface.port, buf, fields, way, view, io),
            Err(_) => self.drop(buf, Drop::NoBuffer, view, io),
        }
    }

    /// To a neighbour.
    #[inline]
    #[allow(clippy::too_many_arguments)]
    fn neighbour(
        &mut self,
        mut buf: T::Buf,
        meta: Meta,
        fields: &Fields,
        adjacency: AdjacencyId,
        way: Way,
        view: &View<'_>,
        io: &mut T,
    ) {
        let Some(next) = view.reader.adjacency(adjacency) else {
            return self.drop(buf, Drop::NeighbourFailed, view, io);
        };
        let Some(interface) = view.fib.interface_of(next.interface) else {
            return self.drop(buf, Drop::PortDown, view, io);
        };
        if meta.origin != Origin::Here && fields.hop_limit <= 1 {
            return self.tell(buf, meta, fields, Problem::HOP_LIMIT, None, view, io);
        }
        if fields.length > usize::from(interface.mtu) {
            let problem = Problem::too_big(usize::from(interface.mtu));
            return self.tell(buf, meta, fields, problem, None, view, io);
        }
        if meta.origin != Origin::Here {
            count_hop(&mut buf, meta.at);
        }
        match ethernet(&mut buf, meta.at, interface, next.mac, interface.mac) {
            Ok(()) => self.send(interface.port, buf, fields, way, view, io),
            Err(_) => self.drop(buf, Drop::NoBuffer, view, io),
        }
    }

    #[inline]
    fn send(
        &mut self,
        port: PortId,
        buf: T::Buf,
        fields: &Fields,
        way: Way,
        view: &View<'_>,
        io: &mut T,
    ) {
        let sent = Sent {
            verdict: way.verdict,
            up: way.up,
            down: way.down,
            octets: fields.length,
        };
        self.output.send(port, buf, sent, view, io);
    }

    /// An answer straight back to where the question came from.
    fn back(&mut self, mut buf: T::Buf, meta: Meta, fields: &Fields, view: &View<'_>, io: &mut T) {
        let verdict = meta.success.unwrap_or(Verdict::Reply(Reply::EchoReply));
        let way = Way {
            verdict,
            up: None,
            down: None,
        };
        let Some(interface) = view.fib.interface_of(meta.interface) else {
            return self.drop(buf, Drop::PortDown, view, io);
        };
        match ethernet(&mut buf, meta.at, interface, meta.mac, interface.mac) {
            Ok(()) => self.send(interface.port, buf, fields, way, view, io),
            Err(_) => self.drop(buf, Drop::NoBuffer, view, io),
        }
    }

    /// A packet with an address that does not leave the link: for us, or for nobody.
    fn on_link(
        &mut self,
        buf: T::Buf,
        meta: Meta,
        fields: &Fields,
        looked: Looked,
        view: &View<'_>,
        io: &mut T,
    ) {
        let route = view.fib.route(meta.domain, fields.destination);
        if route != Some(crate::key::NextHop::Local) {
            let reason = match fields.destination.is_unicast_link_local() {
                true => Drop::DestinationInvalid,
                false => Drop::SourceInvalid,
            };
            return self.drop(buf, reason, view, io);
        }
        if meta.access && !fields.source.is_unicast_link_local() {
            let data = buf.data().get(meta.at..).unwrap_or_default();
            let discovery = matches!(
                own::unicast(data, fields, &meta),
                Own::Punt(Punt::NeighbourDiscovery)
            );
            if let (false, Err(step)) = (discovery, check_host(&meta, looked.source, view)) {
                return self.rest(buf, meta, fields, step, view, io);
            }
        }
        self.own(buf, meta, fields, view, io);
    }

    /// A packet to a group on the link.
    fn multicast(
        &mut self,
        buf: T::Buf,
        meta: Meta,
        fields: &Fields,
        looked: Looked,
        view: &View<'_>,
        io: &mut T,
    ) {
        let data = buf.data().get(meta.at..).unwrap_or_default();
        match own::multicast(data, fields, &meta) {
            Own::Punt(reason) => self.punt(buf, meta, fields, reason, view, io),
            Own::Listener if meta.access && !is_attached(&meta, looked.source, view) => {
                self.punt(buf, meta, fields, Punt::UnknownHost, view, io);
            }
            Own::Drop(reason) => self.drop(buf, reason, view, io),
            _ => self.to_host_stack_or(buf, meta, Err(Drop::MulticastUnwanted), fields, view, io),
        }
    }

    /// A packet for one of our unicast addresses.
    fn own(&mut self, mut buf: T::Buf, meta: Meta, fields: &Fields, view: &View<'_>, io: &mut T) {
        if meta.origin == Origin::Here {
            let reason = match meta.success {
                Some(Verdict::Forward(Forward::Injected)) => Drop::InjectInvalid,
                _ => Drop::Unanswerable,
            };
            return self.drop(buf, reason, view, io);
        }
        let data = buf.data().get(meta.at..).unwrap_or_default();
        match own::unicast(data, fields, &meta) {
            Own::Echo { icmp } => {
                if !self.limits.icmp.take(view.now) {
                    return self.drop(buf, Drop::IcmpLimited, view, io);
                }
                match icmp::echo_reply(&mut buf, meta.at, icmp) {
                    Ok(()) => self.answer(buf, meta, fields, Reply::EchoReply),
                    Err(_) => self.drop(buf, Drop::NoBuffer, view, io),
                }
            }
            Own::Punt(reason) => self.punt(buf, meta, fields, reason, view, io),
            Own::Tunnelled { inner } => self.nested(buf, meta, fields, inner, view, io),
            Own::Port => self.to_host_stack_or(buf, meta, Ok(Problem::PORT), fields, view, io),
            Own::Protocol { pointer } => {
                let (to, from) = (fields.destination, fields.source);
                let tunnel = view.reader.tunnel_between(meta.domain, to, from);
                if tunnel.is_some() && fields.next_header == next_header::IPV4 {
                    return self.drop(buf, Drop::TunnelPayload, view, io);
                }
                let problem = Problem::next_header(pointer);
                self.to_host_stack_or(buf, meta, Ok(problem), fields, view, io);
            }
            Own::Routing { pointer } => {
                let problem = Problem::routing(pointer);
                let own = Some(fields.destination);
                self.tell(buf, meta, fields, problem, own, view, io);
            }
            Own::Listener => {
                self.to_host_stack_or(buf, meta, Err(Drop::Unanswerable), fields, view, io);
            }
            Own::Other(reason) => {
                self.to_host_stack_or(buf, meta, Err(reason), fields, view, io);
            }
            Own::Drop(reason) => self.drop(buf, reason, view, io),
        }
    }

    /// A tunnel packet that only its route showed to be for us.
    fn nested(
        &mut self,
        mut buf: T::Buf,
        mut meta: Meta,
        fields: &Fields,
        inner: usize,
        view: &View<'_>,
        io: &mut T,
    ) {
        let (to, from) = (fields.destination, fields.source);
        let Some(tunnel) = view.reader.tunnel_between(meta.domain, to, from) else {
            return self.drop(buf, Drop::TunnelUnknown, view, io);
        };
        match decapsulate(&mut buf, meta.at, inner) {
            Ok(()) => {
                meta.at = 0;
                meta.origin = Origin::Tunnel(tunnel);
                self.once_more(buf, meta);
            }
            Err(reason) => self.drop(buf, reason, view, io),
        }
    }

    /// Sends an answer that stands at the front of `buf`; `fields` are the question's.
    fn answer(&mut self, buf: T::Buf, question: Meta, fields: &Fields, reply: Reply) {
        let mut meta = Meta::here(question.domain, Verdict::Reply(reply));
        if fields.source.is_unicast_link_local() {
            meta.back = true;
            meta.interface = question.interface;
            meta.mac = question.mac;
        }
        self.once_more(buf, meta);
    }

    /// Every packet of a round asks for this at most once, so there is room.
    fn once_more(&mut self, buf: T::Buf, meta: Meta) {
        self.again.push((buf, meta));
    }

    /// Tells a packet's sender what is wrong with it, where that is allowed. `own` is our address
    /// when the packet was for it.
    #[allow(clippy::too_many_arguments)]
    fn tell(
        &mut self,
        mut buf: T::Buf,
        meta: Meta,
        fields: &Fields,
        problem: Problem,
        own: Option<Ipv6Addr>,
        view: &View<'_>,
        io: &mut T,
    ) {
        let invoking = buf.data().get(meta.at..).unwrap_or_default();
        let allowed = meta.origin != Origin::Here
            && !meta.group
            && may_send_error(problem.error, invoking);
        let from = own.or_else(|| error_source(&meta, fields, view));
        let Some(from) = from.filter(|_| allowed) else {
            return self.drop(buf, problem.silently(), view, io);
        };
        if !self.limits.icmp.take(view.now) {
            return self.drop(buf, Drop::IcmpLimited, view, io);
        }
        match icmp::error(&mut buf, meta.at, from, problem.error) {
            Ok(()) => self.answer(buf, meta, fields, problem.reply),
            Err(_) => self.drop(buf, Drop::NoBuffer, view, io),
        }
    }

    /// Copies a packet to control. What the host's own stack behind a twin needs as well goes there
    /// too: it resolves its neighbours itself, and errors may be about its packets.
    fn punt(
        &mut self,
        buf: T::Buf,
        meta: Meta,
        fields: &Fields,
        reason: Punt,
        view: &View<'_>,
        io: &mut T,
    ) {
        let end = match self.copy(&buf, &meta, fields, reason, view) {
            Ok(()) => Verdict::Punt(reason),
            Err(reason) => Verdict::Drop(reason),
        };
        let shared = matches!(
            reason,
            Punt::NeighbourDiscovery | Punt::RouterAdvertisement | Punt::IcmpError
        );
        let twin = view.fib.interface_of(meta.interface).and_then(|i| i.twin);
        match twin.filter(|_| shared && meta.origin == Origin::Link) {
            None => self.output.end(buf, end, view, io),
            Some(twin) => {
                let verdict = match end {
                    Verdict::Drop(_) => Verdict::Forward(Forward::ToHostStack),
                    punted => punted,
                };
                self.whole_frame(buf, twin, verdict, view, io);
            }
        }
    }

    fn copy(
        &mut self,
        buf: &T::Buf,
        meta: &Meta,
        fields: &Fields,
        reason: Punt,
        view: &View<'_>,
    ) -> Result<(), Drop> {
        let source_allows = match reason {
            Punt::UnknownHost => {
                let [a, b, c, d, e, f] = meta.mac.0;
                let [g, h] = meta.interface.0.to_be_bytes();
                let key = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                self.limits.hosts.take(u128::from(key), view.now)
            }
            Punt::Mobility => self.limits.peers.take(fields.source.to_bits(), view.now),
            _ => true,
        };
        let bucket = self.limits.punts.get_mut(reason as usize);
        if !source_allows || !bucket.is_some_and(|bucket| bucket.take(view.now)) {
            return Err(Drop::PuntLimited);
        }
        let packet = buf.data().get(meta.at..).unwrap_or_default();
        let own = view.fib.interface_of(meta.interface).map(|i| i.mac);
        let mut header = ether::Header::new(
            own.unwrap_or_default(),
            meta.mac,
            ether::ethertype::IPV6,
        );
        if meta.origin == Origin::Link {
            if let Ok((received, _)) = ether::Header::ref_from_prefix(buf.data()) {
                header.destination = received.destination;
            }
        }
        let header = zerocopy::IntoBytes::as_bytes(&header);
        self.rings
            .punt(reason, meta.interface, &[header, packet])
            .map_err(|_| Drop::PuntFull)
    }

    /// Keeps a packet back until its next hop is known, and asks control for it.
    fn keep(
        &mut self,
        buf: T::Buf,
        meta: Meta,
        fields: &Fields,
        wanted: Wanted,
        view: &View<'_>,
        io: &mut T,
    ) {
        if !self.hold.accepts(wanted) {
            return self.drop(buf, Drop::NeighbourBusy, view, io);
        }
        if self.rings.want(wanted.interface, wanted.address).is_err() {
            return self.drop(buf, Drop::PuntFull, view, io);
        }
        let held = Held {
            buf,
            meta,
            destination: fields.destination,
            wanted,
            until: view.now.saturating_add(self.hold_nanos),
        };
        match self.hold.put(held) {
            Ok(()) => view
                .reader
                .count(Verdict::Hold(verdict::Hold::NeighbourUnresolved)),
            Err(buf) => self.drop(buf, Drop::NeighbourBusy, view, io),
        }
    }

    /// A held packet whose neighbour did not answer.
    pub(super) fn fail(&mut self, held: Held<T::Buf>, view: &View<'_>, io: &mut T) {
        let Held { buf, meta, .. } = held;
        let data = buf.data().get(meta.at..).unwrap_or_default();
        match crate::classify::packet::fields(data) {
            Some(fields) => self.tell(buf, meta, &fields, Problem::NEIGHBOUR, None, view, io),
            None => self.drop(buf, Drop::NeighbourFailed, view, io),
        }
    }

    /// Sends a frame of control's on an interface.
    pub(super) fn send_frame(
        &mut self,
        mut buf: T::Buf,
        interface: InterfaceId,
        view: &View<'_>,
        io: &mut T,
    ) {
        let whole = buf.data().len() >= ether::HEADER_LEN;
        let Some(interface) = view.fib.interface_of(interface).filter(|_| whole) else {
            return self.drop(buf, Drop::InjectInvalid, view, io);
        };
        if interface.vlan.is_some_and(|vlan| tag(&mut buf, vlan).is_err()) {
            return self.drop(buf, Drop::NoBuffer, view, io);
        }
        let sent = Sent::plain(Verdict::Forward(Forward::Injected));
        self.output.send(interface.port, buf, sent, view, io);
    }

    /// Hands a frame to the host's own stack behind `twin`.
    pub(super) fn to_host_stack(
        &mut self,
        buf: T::Buf,
        twin: PortId,
        view: &View<'_>,
        io: &mut T,
    ) {
        let verdict = Verdict::Forward(Forward::ToHostStack);
        self.whole_frame(buf, twin, verdict, view, io);
    }

    /// A frame as it was on the wire, its VLAN tag put back.
    fn whole_frame(
        &mut self,
        mut buf: T::Buf,
        port: PortId,
        verdict: Verdict,
        view: &View<'_>,
        io: &mut T,
    ) {
        let stripped = buf.stripped_vlan();
        if stripped.is_some_and(|control| tag(&mut buf, control).is_err()) {
            return self.drop(buf, Drop::NoBuffer, view, io);
        }
        self.output.send(port, buf, Sent::plain(verdict), view, io);
    }

    /// Hands a packet for us that we have no use for to the host's own stack, or if there is none
    /// tells its sender, or drops it.
    fn to_host_stack_or(
        &mut self,
        mut buf: T::Buf,
        meta: Meta,
        otherwise: Result<Problem, Drop>,
        fields: &Fields,
        view: &View<'_>,
        io: &mut T,
    ) {
        let interface = view.fib.interface_of(meta.interface);
        let twin = interface.and_then(|interface| Some((interface, interface.twin?)));
        match (twin, otherwise) {
            (Some((_, twin)), _) if meta.origin == Origin::Link => {
                self.to_host_stack(buf, twin, view, io);
            }
            (Some((interface, twin)), _) => match local_frame(&mut buf, &meta, interface) {
                Ok(()) => {
                    let sent = Sent::plain(Verdict::Forward(Forward::ToHostStack));
                    self.output.send(twin, buf, sent, view, io);
                }
                Err(reason) => self.drop(buf, reason, view, io),
            },
            (None, Ok(problem)) => {
                let own = Some(fields.destination);
                self.tell(buf, meta, fields, problem, own, view, io);
            }
            (None, Err(reason)) => self.drop(buf, reason, view, io),
        }
    }
}

/// Gives what came out of a tunnel a link-layer header, as if its bearer had sent it to us.
fn local_frame<B: Buf>(buf: &mut B, meta: &Meta, interface: &Interface) -> Result<(), Drop> {
    ethernet(buf, meta.at, interface, interface.mac, meta.mac).map_err(|_| Drop::NoBuffer)
}

/// The address that an error is sent from. A host or neighbour on the link sees the interface's;
/// anyone else must not learn from it where a host is (S1-45).
fn error_source(meta: &Meta, fields: &Fields, view: &View<'_>) -> Option<Ipv6Addr> {
    let on_link = meta.origin == Origin::Link
        && (meta.access || fields.source.is_unicast_link_local());
    let own = view.fib.interface_of(meta.interface).and_then(|i| i.address);
    own.filter(|_| on_link)
        .or_else(|| view.fib.error_source(meta.domain))
}
