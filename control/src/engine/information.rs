//! Node Information (RFC 4620): questions to hosts on access links, and their replies. Who is asked
//! what, and whether a reply counts, is for the role to say.

use super::Engine;
use crate::counters::Counter;
use crate::frame::{self, Received};
use crate::routing::is_access;
use dataplane::key::InterfaceId;
use roles::event::HostLink;
use roles::{Event, Now, Role};
use std::net::Ipv6Addr;
use wire::ipv6::next_header;
use wire::niq::{NiMessage, NiQuery};

impl<R: Role> Engine<R> {
    /// Asks a host, from our link-local address on its link, in a frame for it alone.
    pub(super) fn query_node(&mut self, host: HostLink, to: Ipv6Addr, query: NiQuery) {
        let interface = InterfaceId(host.interface);
        let Some(link) = self.routing.link(interface) else {
            return;
        };
        let mut message = Vec::with_capacity(32);
        NiMessage::Query(query).emit(link.link_local, to, &mut message);
        let (from, macs) = (link.link_local, (link.interface.mac, host.mac));
        let packet = frame::icmpv6_packet(from, to, &message);
        if self.out.frame(interface, &frame::ipv6_frame(macs, &packet)) {
            self.out.counters.count(Counter::NodeQuerySent);
        }
    }

    /// A reply came in.
    pub(super) fn node_information(&mut self, now: Now, interface: InterfaceId, bytes: &[u8]) {
        let Ok(received) = Received::of(bytes) else {
            return self.out.counters.count(Counter::PacketMalformed);
        };
        let upper = match frame::upper(&received) {
            Ok(upper) if upper.kind == next_header::ICMPV6 => upper,
            Ok(_) => return self.out.counters.count(Counter::PacketUnexpected),
            Err(refusal) => return self.refuse(now, &received, refusal),
        };
        let access = self.routing.link(interface).is_some_and(is_access);
        let (source, destination) = (received.source, received.destination);
        match NiMessage::parse(source, destination, upper.bytes) {
            Ok(NiMessage::Reply(reply)) if access && !received.mac.is_group() => {
                let link = HostLink {
                    interface: interface.0,
                    mac: received.mac,
                };
                let from = source;
                self.deliver(now, Event::NodeInformation { link, from, reply });
            }
            Ok(_) => self.out.counters.count(Counter::PacketUnexpected),
            Err(error) => {
                tracing::debug!(from = %received.mac, %error, "malformed node information");
                self.out.counters.count(Counter::NodeReplyMalformed);
            }
        }
    }
}
