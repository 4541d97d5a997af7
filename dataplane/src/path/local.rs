//! Packets for the gateway itself: its addresses, the groups on the link, the host's own stack.

use super::decide::{check_host, Looked};
use super::work::leave;
use super::{Packet, Path};
use crate::classify::inside::Inside;
use crate::classify::own::{self, Own};
use crate::classify::packet::Fields;
use crate::classify::{Family, Meta, Origin};
use crate::icmp::{self, Problem};
use crate::key::NextHop;
use crate::rewrite::ethernet;
use crate::tunnels::OuterPair;
use crate::verdict::{Drop, Forward, Punt, Reply, Verdict};
use crate::worker::{Meter, View};
use packet::{Buf, PortId, RxTx};
use wire::arp;
use wire::ipv4::address::mapped;

impl<T: RxTx, M: Meter> Path<T, M> {
    /// A packet with an address that does not leave the link: for us, or for nobody.
    pub(super) fn on_link(
        &mut self,
        packet: Packet<T::Buf>,
        looked: Looked,
        view: &View<'_>,
        io: &mut T,
    ) {
        let (meta, fields) = (&packet.meta, &packet.fields);
        let (ours, otherwise) = if fields.destination.is_unicast_link_local() {
            let interface = view.fib.interface_of(meta.interface);
            let link_local = interface.and_then(|interface| interface.link_local);
            (
                link_local == Some(fields.destination)
                    || view
                        .fib
                        .is_router_address(meta.interface, fields.destination),
                Drop::DestinationInvalid,
            )
        } else {
            let destination = meta.family.address(fields.destination);
            let route = view.fib.route(meta.domain, destination);
            let otherwise = match meta.family.is_link_local(fields.source) {
                true => Drop::SourceInvalid,
                false => Drop::DestinationInvalid,
            };
            (route == Some(NextHop::Local), otherwise)
        };
        if !ours {
            return self.drop(packet.buf, otherwise, view, io);
        }
        if meta.access && !fields.source.is_unicast_link_local() {
            let what = own::unicast(packet.data(), fields, meta);
            // A host that is not attached yet may still ask whether we are there.
            let discovery = what == Own::Punt(Punt::NeighbourDiscovery);
            if let (false, Err(step)) = (discovery, check_host(meta, looked.source, view)) {
                return self.step(packet, step, view, io);
            }
        }
        self.own(packet, view, io);
    }

    /// A packet to a group on the link.
    pub(super) fn multicast(
        &mut self,
        packet: Packet<T::Buf>,
        looked: Looked,
        view: &View<'_>,
        io: &mut T,
    ) {
        let meta = &packet.meta;
        match own::multicast(packet.data(), &packet.fields, meta) {
            Own::Punt(reason) => self.punt(packet, reason, view, io),
            Own::Listener if meta.access && check_host(meta, looked.source, view).is_err() => {
                self.punt(packet, Punt::UnknownHost, view, io);
            }
            Own::Drop(reason) => self.drop(packet.buf, reason, view, io),
            _ => self.host_stack_or(packet, Err(Drop::MulticastUnwanted), view, io),
        }
    }

    /// A packet for one of our unicast addresses.
    pub(super) fn own(&mut self, mut packet: Packet<T::Buf>, view: &View<'_>, io: &mut T) {
        let (meta, fields) = (packet.meta, packet.fields);
        if meta.origin == Origin::Here {
            let reason = match meta.success {
                Some(Verdict::Forward(Forward::Injected)) => Drop::InjectInvalid,
                _ => Drop::Unanswerable,
            };
            return self.drop(packet.buf, reason, view, io);
        }
        match own::unicast(packet.data(), &fields, &meta) {
            Own::Echo { icmp } => {
                if let Err(reason) = self.limits.take_icmp(&meta, fields.source, view.now) {
                    return self.drop(packet.buf, reason, view, io);
                }
                let done = match meta.family {
                    Family::V6 => icmp::echo_reply(&mut packet.buf, meta.at, icmp),
                    Family::V4 => icmp::ipv4::echo_reply(&mut packet.buf, meta.at, icmp),
                };
                match done {
                    Ok(()) => self.answer(packet, Reply::EchoReply),
                    Err(_) => self.drop(packet.buf, Drop::NoBuffer, view, io),
                }
            }
            Own::Punt(reason) => self.punt(packet, reason, view, io),
            Own::Tunnelled(inside) => self.nested(packet, inside, view, io),
            Own::Dhcp
                if meta.origin == Origin::Link
                    && !meta.access
                    && view.fib.expects(meta.domain, fields.source) =>
            {
                self.punt(packet, Punt::DhcpServer, view, io);
            }
            Own::Dhcp | Own::Port => self.host_stack_or(packet, Ok(Problem::PORT), view, io),
            Own::Protocol { pointer } => {
                self.host_stack_or(packet, Ok(Problem::next_header(pointer)), view, io);
            }
            Own::Routing { pointer } => {
                let own = Some(fields.destination);
                self.tell(packet, Problem::routing(pointer), own, view, io);
            }
            Own::Listener => self.host_stack_or(packet, Err(Drop::Unanswerable), view, io),
            Own::Other(reason) => self.host_stack_or(packet, Err(reason), view, io),
            Own::Drop(reason) => self.drop(packet.buf, reason, view, io),
        }
    }

    /// A tunnel packet that only its route showed to be for us.
    fn nested(&mut self, mut packet: Packet<T::Buf>, inside: Inside, view: &View<'_>, io: &mut T) {
        let pair = OuterPair {
            domain: packet.meta.domain,
            local: packet.fields.destination,
            remote: packet.fields.source,
        };
        let Some(tunnel) = view.reader.tunnel_marked(&pair, inside.mark) else {
            return self.drop(packet.buf, Drop::TunnelUnknown, view, io);
        };
        match leave(&mut packet.buf, &mut packet.meta, tunnel, inside, view) {
            Ok(()) => self.once_more(packet.buf, packet.meta),
            Err(reason) => self.drop(packet.buf, reason, view, io),
        }
    }

    /// An ARP packet. Control hears of those that ask for us or tell a neighbour's address, and of
    /// hosts' questions, for to a host its home network is behind us; questions between others are none
    /// of its business, and there can be many.
    pub(super) fn arp(&mut self, buf: T::Buf, meta: Meta, view: &View<'_>, io: &mut T) {
        let data = buf.data().get(meta.at..).unwrap_or_default();
        let Ok(message) = arp::Packet::parse(data).copied() else {
            return self.drop(buf, Drop::ArpMalformed, view, io);
        };
        let fields = Fields {
            source: mapped(message.sender().octets()),
            ..Fields::NONE
        };
        let packet = Packet { buf, meta, fields };
        let ours = view.fib.route(meta.domain, message.target()) == Some(NextHop::Local);
        let tells = !message.is_request() || message.is_announcement();
        if ours || tells || meta.access {
            self.punt(packet, Punt::Arp, view, io);
        } else {
            self.host_stack_or(packet, Err(Drop::ArpUnwanted), view, io);
        }
    }

    /// Hands a frame to the host's own stack behind `twin`.
    pub(super) fn host_stack(&mut self, buf: T::Buf, twin: PortId, view: &View<'_>, io: &mut T) {
        let verdict = Verdict::Forward(Forward::ToHostStack);
        self.whole_frame(buf, twin, verdict, view, io);
    }

    /// Hands a packet for us that we have no use for to the host's own stack, or if there is none
    /// tells its sender, or drops it.
    fn host_stack_or(
        &mut self,
        mut packet: Packet<T::Buf>,
        otherwise: Result<Problem, Drop>,
        view: &View<'_>,
        io: &mut T,
    ) {
        let meta = packet.meta;
        let interface = view.fib.interface_of(meta.interface);
        let twin = interface.and_then(|interface| Some((interface, interface.twin?)));
        match (twin, otherwise) {
            (Some((_, twin)), _) if meta.origin == Origin::Link => {
                self.host_stack(packet.buf, twin, view, io);
            }
            (Some((interface, twin)), _) => {
                // Out of a tunnel: as if the last hop had sent it to us bare.
                let buf = &mut packet.buf;
                let macs = (interface.mac, meta.mac);
                match ethernet(buf, meta.at, interface, meta.family, macs) {
                    Ok(()) => self.host_stack_bare(packet.buf, twin, view, io),
                    Err(_) => self.drop(packet.buf, Drop::NoBuffer, view, io),
                }
            }
            (None, Ok(problem)) => {
                let own = Some(packet.fields.destination);
                self.tell(packet, problem, own, view, io);
            }
            (None, Err(reason)) => self.drop(packet.buf, reason, view, io),
        }
    }

    /// Hands a frame with a link-layer header of our making, tag included, to the host's own stack.
    fn host_stack_bare(&mut self, buf: T::Buf, twin: PortId, view: &View<'_>, io: &mut T) {
        let verdict = Verdict::Forward(Forward::ToHostStack);
        self.give_twin(twin, buf, verdict, view, io);
    }
}
