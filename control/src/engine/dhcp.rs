//! DHCPv6 messages that came in: from hosts on access links, and from servers on the core.

use super::Engine;
use crate::counters::Counter;
use crate::dhcp::v6::{Answer, Forward, Relay, Served, Settings};
use crate::frame::{self, Received};
use crate::routing::is_access;
use dataplane::key::InterfaceId;
use roles::effect::Path;
use roles::event::{HostLink, Sign};
use roles::{BoundPrefix, Event, Now, Role};
use std::net::{IpAddr, Ipv6Addr};
use wire::dhcpv6::{FormerLease, ALL_RELAYS_AND_SERVERS, CLIENT_PORT, SERVER_PORT};
use wire::ipv6::address::interface_id;
use wire::ipv6::next_header;
use wire::mh::HomeNetworkPrefix;
use wire::udp::Datagram;

/// What a message comes to: what the role is told, and what a host is sent after that.
type Done = (Option<Event>, Option<(HostLink, Answer)>);

impl<R: Role> Engine<R> {
    /// A DHCPv6 message came in.
    pub(super) fn dhcp(&mut self, now: Now, interface: InterfaceId, bytes: &[u8]) {
        let Ok(received) = Received::of(bytes) else {
            return self.out.counters.count(Counter::PacketMalformed);
        };
        let upper = match frame::upper(&received) {
            Ok(upper) if upper.kind == next_header::UDP => upper,
            Ok(_) => return self.out.counters.count(Counter::PacketUnexpected),
            Err(refusal) => return self.refuse(now, &received, refusal),
        };
        let (from, to) = (received.source, received.destination);
        let Ok(datagram) = Datagram::parse(from, to, upper.bytes) else {
            return self.out.counters.count(Counter::DhcpMalformed);
        };
        if datagram.destination != SERVER_PORT {
            return self.out.counters.count(Counter::PacketUnexpected);
        }
        let Some(mut relay) = self.dhcp.take() else {
            self.unserved(now, interface, &received);
            return self.out.counters.count(Counter::DhcpUnserved);
        };
        let done = match self.routing.link(interface).is_some_and(is_access) {
            true => self.dhcp_from_host(now, &mut relay, interface, &received, datagram.payload),
            false => self.dhcp_from_server(now, &relay, &received, datagram.payload),
        };
        self.dhcp = Some(relay);
        match done {
            // The role hears of it before the host does (S2-42).
            Ok((event, answer)) => {
                if let Some(event) = event {
                    self.deliver(now, event);
                }
                if let Some((link, answer)) = answer {
                    self.answer_or_hold(now, link, answer);
                }
            }
            Err(why) => {
                if why == Counter::DhcpUnserved {
                    self.unserved(now, interface, &received);
                }
                self.out.counters.count(why);
            }
        }
    }

    /// A host that is not served has shown itself; it asks again when it is (RFC 8415 section 15).
    fn unserved(&mut self, now: Now, interface: InterfaceId, received: &Received<'_>) {
        let access = self.routing.link(interface).is_some_and(is_access);
        if access && !received.mac.is_group() {
            let link = HostLink {
                interface: interface.0,
                mac: received.mac,
            };
            let source = received.source;
            self.host_seen(now, link, Sign::Packet { source });
        }
    }

    fn dhcp_from_host(
        &mut self,
        now: Now,
        relay: &mut Relay,
        interface: InterfaceId,
        received: &Received<'_>,
        bytes: &[u8],
    ) -> Result<Done, Counter> {
        let peer = received.source;
        let to_us = received.destination == ALL_RELAYS_AND_SERVERS;
        if received.mac.is_group() || !to_us || !peer.is_unicast_link_local() {
            return Err(Counter::DhcpSpoofed);
        }
        let link = HostLink {
            interface: interface.0,
            mac: received.mac,
        };
        let prefixes = self.home_prefixes(link);
        let host = self
            .served(link, &prefixes, &[])
            .ok_or(Counter::DhcpUnserved)?;
        let Forward {
            message,
            released,
            withdrawn,
            asker,
        } = relay.from_host(now.monotonic, host, peer, bytes)?;
        self.hosts.heard(link);
        if !self.waits_for_leases(link, asker.as_ref(), &message) {
            self.dhcp_to_servers(relay.settings(), &message);
        }
        let told = !released.is_empty() || !withdrawn.is_empty();
        let event = told.then_some(Event::Leases {
            link,
            server: None,
            granted: Vec::new(),
            ended: released,
            delegated: Vec::new(),
            withdrawn,
        });
        Ok((event, None))
    }

    /// Sends a host's message to every server.
    pub(super) fn dhcp_to_servers(&mut self, settings: &Settings, message: &[u8]) {
        for &server in &settings.servers {
            let datagram = Datagram {
                source: SERVER_PORT,
                destination: SERVER_PORT,
                payload: message,
            };
            let packet = frame::udp_packet(settings.address, server, datagram);
            if packet.is_some_and(|packet| self.out.packet(&packet)) {
                self.out.counters.count(Counter::DhcpRelayed);
            }
        }
    }

    fn dhcp_from_server(
        &mut self,
        now: Now,
        relay: &Relay,
        received: &Received<'_>,
        bytes: &[u8],
    ) -> Result<Done, Counter> {
        if received.destination != relay.settings().address {
            return Err(Counter::DhcpStranger);
        }
        let link = relay.addressee(received.source, bytes)?;
        let prefixes = self.home_prefixes(link);
        let former = self.former_leases(now, link, bytes);
        let host = self
            .served(link, &prefixes, &former)
            .ok_or(Counter::DhcpUnmatched)?;
        let answer = relay.from_server(host, bytes)?;
        if answer.mended {
            if self.log.take(now.monotonic, &mut self.out.counters) {
                let (host, server) = (link.mac, received.source);
                tracing::warn!(%host, %server, "a DHCP server leases what is not of the host's prefixes");
            }
            self.out.counters.count(Counter::DhcpMended);
        }
        self.former.leased(link, &answer.granted);
        let Answer {
            granted,
            ended,
            delegated,
            withdrawn,
            ..
        } = answer.clone();
        let addresses = !granted.is_empty() || !ended.is_empty();
        let told = addresses || !delegated.is_empty() || !withdrawn.is_empty();
        let server = Some(IpAddr::V6(received.source));
        let event = told.then_some(Event::Leases {
            link,
            server,
            granted,
            ended,
            delegated,
            withdrawn,
        });
        Ok((event, Some((link, answer))))
    }

    /// The home network prefixes that lead to a host: those of its link.
    ///
    /// At a MAAR those of other anchors are led here too, and the link's is our own.
    pub(super) fn home_prefixes(&self, link: HostLink) -> Vec<HomeNetworkPrefix> {
        let mut bound = self.hosts.prefixes(link).to_vec();
        let local = |it: &BoundPrefix| {
            let installed = self.bindings.get(it);
            installed.is_some_and(|it| matches!(it.path, Path::Local { .. }))
        };
        if bound.iter().any(local) {
            bound.retain(local);
        }
        let prefixes = bound.into_iter().filter_map(|bound| match bound {
            BoundPrefix::V6(prefix) if !self.is_delegated(bound) => Some(prefix),
            BoundPrefix::V6(_) | BoundPrefix::V4(_) | BoundPrefix::V4In(_) => None,
        });
        prefixes.collect()
    }

    /// Whether a prefix is delegated to its host.
    fn is_delegated(&self, bound: BoundPrefix) -> bool {
        let installed = self.bindings.get(&bound);
        installed.is_some_and(|it| matches!(it.path, Path::Access { delegated, .. } if delegated))
    }

    /// What the relay agent has to know of a host; `None` when it is not served, for then nobody has
    /// said who it is.
    fn served<'a>(
        &self,
        link: HostLink,
        prefixes: &'a [HomeNetworkPrefix],
        former: &'a [FormerLease],
    ) -> Option<Served<'a>> {
        let router = self.routing.link(InterfaceId(link.interface))?;
        let of_router = u64::from_be_bytes(interface_id(router.interface.mac));
        (!prefixes.is_empty()).then_some(Served {
            link,
            prefixes,
            identifier: self.routing.anchor_identifier.unwrap_or(of_router),
            former,
        })
    }

    /// Sends a server's message to its host, from the router that every gateway shows.
    pub(super) fn dhcp_answer(&mut self, host: HostLink, answer: &Answer) {
        let interface = InterfaceId(host.interface);
        let Some(link) = self.routing.link(interface) else {
            return;
        };
        let datagram = Datagram {
            source: SERVER_PORT,
            destination: CLIENT_PORT,
            payload: &answer.message,
        };
        let from: Ipv6Addr = link.link_local;
        let macs = (link.interface.mac, host.mac);
        let packet = frame::udp_packet(from, answer.to, datagram);
        if packet.is_some_and(|packet| {
            let frame = frame::ipv6_frame(macs, &packet);
            self.out.frame(interface, &frame)
        }) {
            self.out.counters.count(Counter::DhcpReplied);
        }
    }
}
