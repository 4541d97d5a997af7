//! Carrying out what was decided for one packet: sending it on.

use super::decide::{decide, Looked, Step, Way};
use super::fragment::Narrow;
use super::{Packet, Path};
use crate::classify::packet::Plan;
use crate::classify::{Family, Origin};
use crate::icmp::Problem;
use crate::key::{AdjacencyId, InterfaceId, TunnelId};
use crate::rewrite::encap::{encapsulate, Limit};
use crate::rewrite::{carrier, count_hop, ethernet, link_length, tag};
use crate::tunnels::HEADER;
use crate::verdict::{Drop, Forward, Reply, Verdict};
use crate::worker::output::{Sent, NOBODY};
use crate::worker::{Meter, View};
use packet::{Buf, PortId, RxTx};
use wire::ether;
use wire::ipv4;
use wire::ipv6::MIN_MTU;
use zerocopy::FromBytes;

impl<T: RxTx, M: Meter> Path<T, M> {
    /// The last stage of a round, for one packet.
    #[inline]
    pub(super) fn act(
        &mut self,
        packet: Packet<T::Buf>,
        plan: Plan,
        looked: Looked,
        view: &View<'_>,
        io: &mut T,
    ) {
        let step = match plan {
            Plan::Lookup { .. } | Plan::Tunnelled(_) => {
                match decide(&packet.meta, &packet.fields, looked, &self.known, view) {
                    Step::Own => Step::Own,
                    // Every router on the link has it and would forward it.
                    _ if packet.meta.group => Step::Drop(Drop::NotForUs),
                    step => step,
                }
            }
            Plan::Own { .. } => return self.on_link(packet, looked, view, io),
            Plan::Multicast => return self.multicast(packet, looked, view, io),
            Plan::Fragment => return self.collect(packet, view, io),
            Plan::Back => return self.back(packet, view, io),
            Plan::Drop(reason @ (Drop::Ipv6Malformed | Drop::Ipv4Malformed)) => {
                return self.malformed(packet, reason, view, io);
            }
            Plan::Drop(reason) => Step::Drop(reason),
        };
        self.step(packet, step, view, io);
    }

    /// Does what was decided.
    #[inline]
    pub(super) fn step(&mut self, packet: Packet<T::Buf>, step: Step, view: &View<'_>, io: &mut T) {
        match step {
            Step::Tunnel(tunnel, way) => self.tunnel(packet, tunnel, way, view, io),
            Step::Neighbour(adjacency, way) => self.neighbour(packet, adjacency, way, view, io),
            Step::Own => self.own(packet, view, io),
            Step::Punt(reason) => self.punt(packet, reason, view, io),
            Step::Hold(wanted) => self.keep(packet, wanted, view, io),
            Step::Tell(problem) => self.tell(packet, problem, None, view, io),
            Step::Drop(reason) => self.drop(packet.buf, reason, view, io),
        }
    }

    pub(super) fn drop(&mut self, buf: T::Buf, reason: Drop, view: &View<'_>, io: &mut T) {
        self.output.end(buf, Verdict::Drop(reason), view, io);
    }

    /// Into a tunnel.
    #[inline]
    fn tunnel(
        &mut self,
        mut packet: Packet<T::Buf>,
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
            return self.drop(packet.buf, Drop::TunnelUnresolved, view, io);
        };
        let Some(interface) = view.fib.interface_of(next.interface) else {
            return self.drop(packet.buf, Drop::PortDown, view, io);
        };
        let family = packet.meta.family;
        let limit = match family {
            Family::V6 => Limit::of(packet.data(), packet.fields.next_header),
            Family::V4 => Limit::None,
        };
        let plain = tunnel.is_plain();
        let (header, overhead) = match plain {
            true => (HEADER, limit.overhead()),
            false => (tunnel.overhead(Limit::None), tunnel.overhead(limit)),
        };
        // A path that carries less than every IPv6 link does is not believed in (RFC 8201 section 4).
        let path = (usize::from(tunnel.mtu) + header)
            .min(usize::from(interface.mtu))
            .max(MIN_MTU);
        let whole = path - overhead;
        // To its sender, the tunnel is a link that carries what every IPv6 link does (RFC 2473
        // section 7.1). No IPv4 sender expects that (section 7.2).
        let mtu = match family {
            Family::V6 => whole.max(MIN_MTU),
            Family::V4 => whole,
        };
        let problem = if packet.out_of_hops() {
            Some(Problem::HOP_LIMIT)
        } else if let Limit::Exhausted { pointer } = limit {
            Some(Problem::limit(pointer))
        } else if packet.fields.length > mtu && !packet.may_be_fragmented() {
            Some(Problem::too_big(mtu))
        } else {
            None
        };
        if let Some(problem) = problem {
            return self.tell(packet, problem, None, view, io);
        }
        if packet.fields.length > whole {
            let narrow = Narrow {
                tunnel: &tunnel,
                limit,
                mtu: u16::try_from(path).unwrap_or(u16::MAX),
                interface,
                to: next.mac,
                way,
            };
            return self.cut(packet, narrow, view, io);
        }
        packet.forward();
        let front = link_length(interface);
        let (buf, at) = (&mut packet.buf, packet.meta.at);
        let macs = (next.mac, interface.mac);
        let (done, outer) = match plain {
            true => (
                encapsulate(buf, at, family, &tunnel.header, limit, front),
                Family::V6,
            ),
            false => (
                carrier::encapsulate(buf, (at, front), family, &tunnel, limit, None),
                tunnel.outer(),
            ),
        };
        let done = done.and_then(|()| ethernet(buf, front, interface, outer, macs));
        match done {
            Ok(()) => self.send(interface.port, packet, way, view, io),
            Err(_) => self.drop(packet.buf, Drop::NoBuffer, view, io),
        }
    }

    /// To a neighbour.
    #[inline]
    fn neighbour(
        &mut self,
        mut packet: Packet<T::Buf>,
        adjacency: AdjacencyId,
        way: Way,
        view: &View<'_>,
        io: &mut T,
    ) {
        let Some(next) = view.reader.adjacency(adjacency) else {
            return self.drop(packet.buf, Drop::NeighbourFailed, view, io);
        };
        let Some(interface) = view.fib.interface_of(next.interface) else {
            return self.drop(packet.buf, Drop::PortDown, view, io);
        };
        if packet.out_of_hops() {
            return self.tell(packet, Problem::HOP_LIMIT, None, view, io);
        }
        if packet.fields.length > usize::from(interface.mtu) {
            if packet.may_be_fragmented() {
                return self.cut_ipv4(packet, (interface, next.mac), way, view, io);
            }
            let problem = Problem::too_big(usize::from(interface.mtu));
            return self.tell(packet, problem, None, view, io);
        }
        packet.forward();
        let macs = (next.mac, interface.mac);
        let (buf, at, family) = (&mut packet.buf, packet.meta.at, packet.meta.family);
        match ethernet(buf, at, interface, family, macs) {
            Ok(()) => self.send(interface.port, packet, way, view, io),
            Err(_) => self.drop(packet.buf, Drop::NoBuffer, view, io),
        }
    }

    /// An answer straight back to where the question came from.
    fn back(&mut self, mut packet: Packet<T::Buf>, view: &View<'_>, io: &mut T) {
        let meta = packet.meta;
        let Some(interface) = view.fib.interface_of(meta.interface) else {
            return self.drop(packet.buf, Drop::PortDown, view, io);
        };
        let verdict = meta.success.unwrap_or(Verdict::Reply(Reply::EchoReply));
        let way = Way {
            verdict,
            up: None,
            down: None,
        };
        let macs = (meta.mac, interface.mac);
        match ethernet(&mut packet.buf, meta.at, interface, meta.family, macs) {
            Ok(()) => self.send(interface.port, packet, way, view, io),
            Err(_) => self.drop(packet.buf, Drop::NoBuffer, view, io),
        }
    }

    #[inline]
    fn send(
        &mut self,
        port: PortId,
        packet: Packet<T::Buf>,
        way: Way,
        view: &View<'_>,
        io: &mut T,
    ) {
        let [up, down] = [way.up, way.down].map(|binding| binding.unwrap_or(NOBODY));
        let sent = Sent::counted(way.verdict, up, down, packet.fields.length as u32);
        self.output.send(port, packet.buf, sent, view, io);
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
        if interface
            .vlan
            .is_some_and(|vlan| tag(&mut buf, vlan).is_err())
        {
            return self.drop(buf, Drop::NoBuffer, view, io);
        }
        let sent = Sent::plain(Verdict::Forward(Forward::Injected));
        self.output.send(interface.port, buf, sent, view, io);
    }

    /// A frame as it was on the wire, its VLAN tag put back, to the host's own stack behind `twin`.
    pub(super) fn whole_frame(
        &mut self,
        mut buf: T::Buf,
        twin: PortId,
        verdict: Verdict,
        view: &View<'_>,
        io: &mut T,
    ) {
        let stripped = buf.stripped_vlan();
        if stripped.is_some_and(|control| tag(&mut buf, control).is_err()) {
            return self.drop(buf, Drop::NoBuffer, view, io);
        }
        self.give_twin(twin, buf, verdict, view, io);
    }
}

impl<B: Buf> Packet<B> {
    /// The packet from its IP header on.
    #[inline]
    pub(super) fn data(&self) -> &[u8] {
        self.buf.data().get(self.meta.at..).unwrap_or_default()
    }

    /// Whether it may not be forwarded once more. What is made here is not forwarded.
    #[inline]
    fn out_of_hops(&self) -> bool {
        self.meta.origin != Origin::Here && self.fields.hop_limit <= 1
    }

    /// Takes one hop from it for being forwarded.
    #[inline]
    pub(super) fn forward(&mut self) {
        if self.meta.origin != Origin::Here {
            count_hop(&mut self.buf, self.meta.at, self.meta.family);
        }
    }

    /// Whether routers may send it on in pieces: IPv4, and its sender does not forbid it.
    #[inline]
    fn may_be_fragmented(&self) -> bool {
        self.meta.family == Family::V4
            && ipv4::Header::ref_from_prefix(self.data())
                .is_ok_and(|(header, _)| !header.dont_fragment())
    }
}
