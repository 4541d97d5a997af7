//! Neighbour discovery messages that came in (RFC 4861), on core and access links.
//!
//! On an access link we are the default router of every host, and nobody else's neighbour: hosts
//! find one another through us, so a solicitation for anything but our own addresses is left
//! unanswered.

use super::Engine;
use crate::counters::Counter;
use crate::frame::{self, Received};
use crate::neighbour::{Advertised, Neighbour};
use crate::routing::{is_access, Link};
use dataplane::key::InterfaceId;
use roles::event::{HostLink, Sign};
use roles::{BoundPrefix, Now, Role};
use std::net::{IpAddr, Ipv6Addr};
use wire::icmpv6::kind;
use wire::ipv6::address::{multicast_mac, solicited_node, ALL_NODES};
use wire::ipv6::next_header;
use wire::nd::{NdMessage, NdOption, NeighbourAdvertisement, NeighbourSolicitation};

impl<R: Role> Engine<R> {
    /// A message of neighbour discovery came in.
    pub(super) fn discovery(&mut self, now: Now, interface: InterfaceId, bytes: &[u8]) {
        let Ok(received) = Received::of(bytes) else {
            return self.out.counters.count(Counter::PacketMalformed);
        };
        let upper = match frame::upper(&received) {
            Ok(upper) => upper,
            Err(refusal) => return self.refuse(now, &received, refusal),
        };
        if upper.kind != next_header::ICMPV6 || self.routing.link(interface).is_none() {
            return self.out.counters.count(Counter::PacketUnexpected);
        }
        if upper.bytes.first() == Some(&kind::REDIRECT) {
            return self.out.counters.count(Counter::RedirectIgnored);
        }
        let message = NdMessage::parse(
            received.source,
            received.destination,
            received.hop_limit,
            upper.bytes,
        );
        let message = match message {
            Ok(message) if !received.mac.is_group() => message,
            Ok(_) => return self.out.counters.count(Counter::DiscoveryMalformed),
            Err(error) => {
                tracing::debug!(from = %received.mac, %error, "malformed neighbour discovery");
                return self.out.counters.count(Counter::DiscoveryMalformed);
            }
        };
        let link = HostLink {
            interface: interface.0,
            mac: received.mac,
        };
        let access = self.routing.link(interface).is_some_and(is_access);
        if access {
            // Who plays the router is counted as that, too.
            let advertises = matches!(message, NdMessage::RouterAdvertisement(_));
            if self.claims_ours(now, link, &received, &message) && !advertises {
                return;
            }
            self.hear_host(now, link, &received, &message);
        }
        match message {
            NdMessage::RouterSolicitation(_) if access => {
                let source = link_local_or_none(received.source);
                self.host_seen(now, link, Sign::RouterSolicitation { source });
            }
            NdMessage::RouterSolicitation(_) => {
                self.out.counters.count(Counter::DiscoveryForeign);
            }
            NdMessage::RouterAdvertisement(_) if access => {
                if self.log.take(now.monotonic, &mut self.out.counters) {
                    tracing::warn!(node = %link.mac, "a host on an access link plays the router");
                }
                self.out.counters.count(Counter::RouterAdvertisementRogue);
            }
            NdMessage::RouterAdvertisement(_) => {
                self.out.counters.count(Counter::RouterAdvertisementSeen);
            }
            NdMessage::NeighbourSolicitation(ref solicitation) => {
                let mac = message.source_link_layer().filter(|mac| !mac.is_group());
                self.solicited(now, interface, &received, solicitation, mac);
            }
            NdMessage::NeighbourAdvertisement(ref advertisement) => {
                let mac = message.target_link_layer().filter(|mac| !mac.is_group());
                self.advertised(now, interface, &received, advertisement, mac);
            }
        }
    }

    /// A host on an access link showed itself by a message of neighbour discovery. What is news to the
    /// role goes there: whose an address is, the role knows.
    fn hear_host(
        &mut self,
        now: Now,
        link: HostLink,
        received: &Received<'_>,
        message: &NdMessage,
    ) {
        let sign = match message {
            // A solicitation is a sign of its own, an advertisement of a router none.
            NdMessage::RouterSolicitation(_) | NdMessage::RouterAdvertisement(_) => None,
            NdMessage::NeighbourSolicitation(asked) if received.source.is_unspecified() => {
                let target = asked.target;
                Some((target, Sign::Probe { target }))
            }
            NdMessage::NeighbourSolicitation(_) => {
                let source = received.source;
                Some((source, Sign::Packet { source }))
            }
            NdMessage::NeighbourAdvertisement(told) => {
                let source = told.target;
                Some((source, Sign::Packet { source }))
            }
        };
        self.hosts.heard(link);
        let Some((address, sign)) = sign else {
            return;
        };
        let awaited = self.hosts.was_awaited(link);
        let interface = InterfaceId(link.interface);
        let ours = |it: &Link| it.owns(address);
        if self.routing.link(interface).is_some_and(ours) {
            // It learns that from the answer; to us it tells that there is a host.
            if awaited || !self.hosts.is_watched(link) {
                let source = Ipv6Addr::UNSPECIFIED;
                self.host_seen(now, link, Sign::Packet { source });
            }
        } else if awaited || self.hosts.address(link) != Some(address.into()) {
            self.host_seen(now, link, sign);
        }
    }

    /// Whether an address is the one that its anchor has in a prefix of this host: on its link that is us,
    /// whoever anchors it (S2-39).
    fn is_anchor_to(&self, host: HostLink, target: Ipv6Addr) -> bool {
        let led = self.hosts.prefixes(host);
        let holds = |it: &BoundPrefix| matches!(it, BoundPrefix::V6(it) if it.contains(target));
        self.routing.is_anchor_address(target) && led.iter().any(holds)
    }

    /// Tells a host that an address is taken which it is about to take, in the place of its owner
    /// (RFC 4861 section 7.2.8): the owner's frames may not reach it, and its packets go by way of us.
    pub(super) fn defend(&mut self, host: HostLink, target: Ipv6Addr) {
        let interface = InterfaceId(host.interface);
        let Some(link) = self.routing.link(interface) else {
            return;
        };
        let ours = link.interface.mac;
        let answer = NdMessage::NeighbourAdvertisement(NeighbourAdvertisement {
            router: false,
            solicited: false,
            override_cache: false,
            target,
            options: vec![NdOption::TargetLinkLayer(ours)],
        });
        let macs = (ours, host.mac);
        let frame = frame::discovery_frame(macs, link.link_local, ALL_NODES, &answer);
        if frame.is_ok_and(|frame| self.out.frame(interface, &frame)) {
            self.out.counters.count(Counter::AdvertisementSent);
        }
    }

    /// Somebody asks for an address, or is about to take it.
    fn solicited(
        &mut self,
        now: Now,
        interface: InterfaceId,
        received: &Received<'_>,
        solicitation: &NeighbourSolicitation,
        mac: Option<wire::ether::MacAddr>,
    ) {
        let Some(link) = self.routing.link(interface) else {
            return;
        };
        let target = solicitation.target;
        let asks = HostLink {
            interface: interface.0,
            mac: received.mac,
        };
        let ours = link.owns(target) || (is_access(link) && self.is_anchor_to(asks, target));
        if !ours || received.mac == link.interface.mac {
            return self.out.counters.count(Counter::DiscoveryForeign);
        }
        let access = is_access(link);
        // The cache makes routes: whoever asks in the name of an address of elsewhere is answered,
        // but must not draw that address's packets to itself.
        let learn = !access && link.is_on_link(received.source);
        let ours = link.mac_of(target);
        let detects = received.source.is_unspecified();
        let destination = if detects { ALL_NODES } else { received.source };
        let to = match (detects, access) {
            // On an access link what is for one host is told to it alone.
            (true, false) => multicast_mac(ALL_NODES),
            _ => received.mac,
        };
        let answer = NdMessage::NeighbourAdvertisement(NeighbourAdvertisement {
            router: true,
            solicited: !detects,
            override_cache: true,
            target,
            options: vec![NdOption::TargetLinkLayer(ours)],
        });
        if let Ok(frame) = frame::discovery_frame((ours, to), target, destination, &answer) {
            if self.out.frame(interface, &frame) {
                self.out.counters.count(Counter::AdvertisementSent);
            }
        }
        if let (true, false, Some(mac)) = (learn, detects, mac) {
            let neighbour = Neighbour {
                interface,
                address: received.source.into(),
            };
            let mut acts = Vec::new();
            self.neighbours.solicited_by(neighbour, mac, &mut acts);
            self.act(now, acts);
        }
    }

    /// Asks whether anybody else has an address of ours on a core link (RFC 4862 section 5.4). Ours
    /// are configured and used at once; an answer is counted and named in the log. On access links
    /// every gateway of the domain has the same address, so there nobody is asked.
    pub(super) fn detect_duplicates(&mut self) {
        let mut probes = Vec::new();
        for (interface, link) in self.routing.interfaces() {
            if is_access(link) {
                continue;
            }
            let ours = link.addresses.iter().map(|(address, _)| *address);
            let global = ours.filter_map(|address| match address {
                IpAddr::V6(address) => Some(address),
                IpAddr::V4(_) => None,
            });
            for target in std::iter::once(link.link_local).chain(global) {
                let options = Vec::new();
                let message =
                    NdMessage::NeighbourSolicitation(NeighbourSolicitation { target, options });
                let group = solicited_node(target);
                let macs = (link.interface.mac, multicast_mac(group));
                let source = Ipv6Addr::UNSPECIFIED;
                let frame = frame::discovery_frame(macs, source, group, &message);
                probes.extend(frame.map(|frame| (interface, frame)));
            }
        }
        for (interface, frame) in probes {
            if self.out.frame(interface, &frame) {
                self.out.counters.count(Counter::SolicitationSent);
            }
        }
    }

    /// Somebody tells its link-layer address.
    fn advertised(
        &mut self,
        now: Now,
        interface: InterfaceId,
        received: &Received<'_>,
        advertisement: &NeighbourAdvertisement,
        mac: Option<wire::ether::MacAddr>,
    ) {
        let address = advertisement.target;
        let Some(link) = self.routing.link(interface) else {
            return;
        };
        if link.owns(address) {
            if self.log.take(now.monotonic, &mut self.out.counters) {
                let interface = &link.interface.name;
                tracing::warn!(%address, interface, node = %received.mac, "another node claims an address of ours");
            }
            return self.out.counters.count(Counter::DiscoveryConflict);
        }
        let told = Advertised {
            mac,
            solicited: advertisement.solicited,
            overriding: advertisement.override_cache,
        };
        let mut acts = Vec::new();
        let neighbour = Neighbour {
            interface,
            address: address.into(),
        };
        self.neighbours.advertised(neighbour, told, &mut acts);
        self.act(now, acts);
    }
}

/// The address if it is link-local; else the unspecified one, for the answer must not go to an
/// address that is not of this link.
fn link_local_or_none(address: Ipv6Addr) -> Ipv6Addr {
    if address.is_unicast_link_local() {
        address
    } else {
        Ipv6Addr::UNSPECIFIED
    }
}
