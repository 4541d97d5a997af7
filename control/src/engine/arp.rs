//! ARP (RFC 826): for IPv4 addresses what neighbour discovery is for IPv6 ones. Who asks for an address
//! of ours is answered, neighbours are asked for and kept track of by the same cache.
//!
//! ```text
//!   request for ours      ─► reply, and on a core link its sender is a neighbour that told its address
//!   reply to us           ─► like a solicited Neighbour Advertisement
//!   announcement          ─► like an unsolicited one that overrides
//!   a host's request for anything that it reaches through us ─► reply ([`ipv4`](super::ipv4))
//!   anything else of a host that is not served ─► it has shown itself
//! ```
//!
//! A reply carries no mark that says whether it answers anything; one that came to our link-layer
//! address alone counts as an answer, one that came to everyone as an announcement.

use super::Engine;
use crate::counters::Counter;
use crate::frame;
use crate::neighbour::{Advertised, Neighbour};
use crate::routing::is_access;
use dataplane::key::InterfaceId;
use roles::event::{HostLink, Sign};
use roles::{Now, Role};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::arp::Packet;
use wire::ether::{ethertype, Frame, MacAddr};
use wire::ipv4::address::never_a_source;

impl<R: Role> Engine<R> {
    /// An ARP packet came in.
    pub(super) fn arp(&mut self, now: Now, interface: InterfaceId, bytes: &[u8]) {
        let frame = Frame::parse(bytes).ok();
        let frame = frame.filter(|frame| frame.ethertype == ethertype::ARP);
        let Some((frame, Ok(packet))) = frame.map(|frame| (frame, Packet::parse(frame.payload)))
        else {
            return self.out.counters.count(Counter::ArpMalformed);
        };
        let Some(link) = self.routing.link(interface) else {
            return self.out.counters.count(Counter::PacketUnexpected);
        };
        let (sender, mac) = (packet.sender(), packet.sender_mac());
        // Nobody has a group's address, and frames for it would reach everyone.
        if mac.is_group() || mac != frame.header.source || mac == link.interface.mac {
            return self.out.counters.count(Counter::ArpMalformed);
        }
        let host = is_access(link).then_some(HostLink {
            interface: interface.0,
            mac,
        });
        if host.is_some_and(|host| self.arp_spoofed(now, host, sender)) {
            return;
        }
        let Some(link) = self.routing.link(interface) else {
            return;
        };
        if let Some(host) = host {
            self.hosts.heard(host);
            if packet.is_request() && self.answers_for(host, packet.target()) {
                let ours = link.interface.mac;
                let reply = packet.reply_to(ours, packet.target());
                return self.send_arp(interface, (ours, mac), &reply);
            }
        }
        if let Some(host) = host {
            self.shown_by_arp(now, host);
        }
        let Some(link) = self.routing.link(interface) else {
            return;
        };
        if link.owns(sender) {
            if self.log.take(now.monotonic, &mut self.out.counters) {
                let interface = &link.interface.name;
                tracing::warn!(address = %sender, interface, node = %mac, "another node claims an address of ours");
            }
            return self.out.counters.count(Counter::ArpConflict);
        }
        let ours = link.interface.mac;
        let alone = frame.header.destination == ours;
        // The cache makes routes: nobody must draw the packets for an address of elsewhere to itself,
        // and hosts on an access link are found by their bindings.
        let known = !never_a_source(sender) && !is_access(link) && link.is_on_link(sender);
        let neighbour = Neighbour {
            interface,
            address: sender.into(),
        };
        if packet.is_request() && !packet.is_announcement() {
            if !link.owns(packet.target()) {
                return self.out.counters.count(Counter::ArpForeign);
            }
            let reply = packet.reply_to(ours, packet.target());
            self.send_arp(interface, (ours, mac), &reply);
            if known {
                let mut acts = Vec::new();
                self.neighbours.solicited_by(neighbour, mac, &mut acts);
                self.act(now, acts);
            }
        } else if known {
            let told = Advertised {
                mac: Some(mac),
                solicited: !packet.is_request() && alone,
                overriding: true,
            };
            let mut acts = Vec::new();
            self.neighbours.advertised(neighbour, told, &mut acts);
            self.act(now, acts);
        } else {
            self.out.counters.count(Counter::ArpForeign);
        }
    }

    /// A host with an address of its own, which asks no server for one and has no IPv6, shows itself by nothing but
    /// its question for the router. It asks again until it is served.
    fn shown_by_arp(&mut self, now: Now, host: HostLink) {
        if self.hosts.was_awaited(host) || !self.hosts.is_watched(host) {
            let source = Ipv6Addr::UNSPECIFIED;
            self.host_seen(now, host, Sign::Packet { source });
        }
    }

    /// Asks for a neighbour: everyone on the link, or itself.
    pub(super) fn ask_arp(
        &mut self,
        interface: InterfaceId,
        target: Ipv4Addr,
        mac: Option<MacAddr>,
    ) {
        let Some(link) = self.routing.link(interface) else {
            return;
        };
        // A host that is asked whether it is still there knows its router.
        let host = mac.map(|mac| HostLink {
            interface: interface.0,
            mac,
        });
        let router = host.and_then(|host| Some(self.ipv4.service(host)?.router));
        let source = match (router, link.source_for(target.into())) {
            (Some(router), _) => router,
            (None, Some(IpAddr::V4(source))) => source,
            _ => return,
        };
        let ours = link.interface.mac;
        let request = Packet::request(ours, source, target);
        let to = mac.unwrap_or(MacAddr::BROADCAST);
        self.send_arp(interface, (ours, to), &request);
    }

    /// Asks whether anybody else has an IPv4 address of ours on a core link (RFC 5227 section 2.1.1).
    /// Ours are configured and used at once; an answer is counted and named in the log.
    pub(super) fn probe_own_ipv4(&mut self) {
        let mut probes = Vec::new();
        for (interface, link) in self.routing.interfaces() {
            let own = link.addresses.iter().filter(|_| !is_access(link));
            let ipv4 = own.filter_map(|(address, _)| match address {
                IpAddr::V4(address) => Some(*address),
                IpAddr::V6(_) => None,
            });
            probes.extend(ipv4.map(|address| (interface, link.interface.mac, address)));
        }
        for (interface, ours, address) in probes {
            let probe = Packet::request(ours, Ipv4Addr::UNSPECIFIED, address);
            self.send_arp(interface, (ours, MacAddr::BROADCAST), &probe);
        }
    }

    fn send_arp(&mut self, interface: InterfaceId, macs: (MacAddr, MacAddr), packet: &Packet) {
        let frame = frame::arp_frame(macs, packet);
        if self.out.frame(interface, &frame) {
            let counter = match packet.is_request() {
                true => Counter::ArpRequestSent,
                false => Counter::ArpReplySent,
            };
            self.out.counters.count(counter);
        }
    }
}
