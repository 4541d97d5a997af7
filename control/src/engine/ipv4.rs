//! IPv4 on access links (RFC 5844 sections 3.2.4 and 3.4): the gateway is every host's default router,
//! and the DHCPv4 server of those for whom the anchor says so.
//!
//! ```text
//!   who has …?  ours, its router's, or any other address of its home network ──► our link-layer address
//!               its own, or anything else                                    ──► nothing
//!
//!   DISCOVER, REQUEST … ──► served? ──yes──► dhcp::v4 ──► answer, in a frame for this host alone
//!                              │no
//!                              ▼
//!                   kept, one of each host, for when it is; the host has shown itself
//! ```
//!
//! A host asks before its anchor has answered: what it said last is answered then, and it need not say it
//! again (section 3.4.1).

mod claims;
mod relay;

use super::Engine;
use crate::counters::Counter;
use crate::dhcp::v4::relay::{Relay, Settings};
use crate::dhcp::v4::{Server, Silence};
use crate::frame;
use crate::routing::Link;
use dataplane::key::InterfaceId;
use hashbrown::HashMap;
use roles::effect::Ipv4Service;
use roles::event::{HostLink, Sign};
use roles::{Now, Role};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::dhcpv4::{kind, Message, CLIENT_PORT, SERVER_PORT};
use wire::ether::{ethertype, Frame};
use wire::ipv4::{protocol, Header};
use wire::mh::DhcpMode;

/// Messages of hosts that are not served yet, of all together.
const WAITING: usize = 1_024;

/// The hosts that have IPv4, and those that ask for it.
pub(super) struct Ipv4Hosts {
    lease: Duration,
    mtu: u16,
    served: HashMap<HostLink, Ipv4Service>,
    waiting: HashMap<HostLink, Message>,
    oldest: VecDeque<HostLink>,
    relay: Option<Relay>,
    claims: claims::Claims,
}

impl Ipv4Hosts {
    /// None yet. Leases last for `lease`, and `mtu` octets fit through the tunnels; there is a relay agent
    /// if it has settings.
    pub(super) fn new(lease: Duration, mtu: u16, relay: Option<Settings>) -> Self {
        Self {
            lease,
            mtu,
            served: HashMap::new(),
            waiting: HashMap::new(),
            oldest: VecDeque::new(),
            relay: relay.map(Relay::new),
            claims: claims::Claims::default(),
        }
    }

    /// What a host has.
    pub(super) fn service(&self, link: HostLink) -> Option<&Ipv4Service> {
        self.served.get(&link)
    }

    fn keep(&mut self, link: HostLink, message: Message) {
        if self.waiting.insert(link, message).is_none() {
            self.oldest.push_back(link);
        }
        while self.oldest.len() > WAITING {
            if let Some(link) = self.oldest.pop_front() {
                self.waiting.remove(&link);
            }
        }
    }

    fn take(&mut self, link: HostLink) -> Option<Message> {
        let message = self.waiting.remove(&link)?;
        self.oldest.retain(|other| *other != link);
        Some(message)
    }
}

/// Our IPv4 address on an access link: the identifier of its DHCPv4 server.
fn own(link: &Link) -> Option<Ipv4Addr> {
    link.interface.ipv4
}

impl<R: Role> Engine<R> {
    /// A host has IPv4 from now on, or no longer.
    pub(super) fn serve_ipv4(&mut self, host: HostLink, service: Option<Ipv4Service>) {
        let old = match service {
            Some(service) => self.ipv4.served.insert(host, service),
            None => self.ipv4.served.remove(&host),
        };
        if let Some(old) = old {
            self.ipv4.claims.remove(host, &old);
        }
        let Some(service) = service else {
            if let Some(relay) = &mut self.ipv4.relay {
                relay.forget(host);
            }
            return;
        };
        self.ipv4.claims.add(host, &service);
        if let Some(message) = self.ipv4.take(host) {
            self.answer_dhcp(host, &message);
        }
    }

    /// Whether a host on an access link that asks for `target` is told ours: the default router's
    /// address, and those of others of its home network, for all of them are reached through us.
    pub(super) fn answers_for(&self, host: HostLink, target: Ipv4Addr) -> bool {
        self.ipv4.service(host).is_some_and(|service| {
            let differ = service.address.to_bits() ^ target.to_bits();
            let common = differ.leading_zeros() >= u32::from(service.prefix_length);
            target == service.router || common && target != service.address
        })
    }

    /// A DHCPv4 client's message.
    pub(super) fn dhcpv4(&mut self, now: Now, interface: InterfaceId, bytes: &[u8]) {
        let frame = Frame::parse(bytes).ok();
        let frame = frame.filter(|frame| frame.ethertype == ethertype::IPV4);
        let read = frame.and_then(|frame| Some((frame.header.source, payload(frame.payload)?)));
        let Some((mac, payload)) = read.filter(|(mac, _)| !mac.is_group()) else {
            return self.out.counters.count(Counter::Dhcpv4Malformed);
        };
        let message = match Message::parse(payload) {
            Ok(message) if message.mac == mac => message,
            Ok(_) => return self.out.counters.count(Counter::Dhcpv4Ignored),
            Err(error) => {
                tracing::debug!(from = %mac, %error, "malformed DHCPv4 message");
                return self.out.counters.count(Counter::Dhcpv4Malformed);
            }
        };
        self.out.counters.count(Counter::Dhcpv4Received);
        let host = HostLink {
            interface: interface.0,
            mac,
        };
        self.hosts.heard(host);
        if self.ipv4.service(host).is_some() {
            return self.answer_dhcp(host, &message);
        }
        if matches!(message.kind(), Some(kind::DISCOVER | kind::REQUEST)) {
            self.ipv4.keep(host, message);
        }
        let source = Ipv6Addr::UNSPECIFIED;
        self.host_seen(now, host, Sign::Packet { source });
    }

    /// Answers a host that is served.
    fn answer_dhcp(&mut self, host: HostLink, message: &Message) {
        let interface = InterfaceId(host.interface);
        let Some(link) = self.routing.link(interface) else {
            return;
        };
        let (Some(identifier), Some(service)) = (own(link), self.ipv4.service(host).copied())
        else {
            return;
        };
        if service.dhcp == DhcpMode::Relay {
            return self.relay_dhcpv4(host, (identifier, &service), message);
        }
        let server = Server {
            identifier,
            lease: self.ipv4.lease,
            mtu: self.ipv4.mtu,
        };
        let answer = match server.answer(host.mac, &service, message) {
            Ok(answer) => answer,
            Err(Silence::GivenUp) => return self.out.counters.count(Counter::Dhcpv4GivenUp),
            Err(Silence::NotForUs | Silence::OtherServer) => {
                return self.out.counters.count(Counter::Dhcpv4Ignored);
            }
        };
        let counter = match answer.kind() {
            Some(kind::NAK) => Counter::Dhcpv4Refused,
            Some(kind::OFFER) => Counter::Dhcpv4Offered,
            _ => Counter::Dhcpv4Leased,
        };
        if self.tell_dhcp_client(host, identifier, &answer) {
            self.out.counters.count(counter);
        }
    }

    /// Sends a client its answer, in a frame for it alone, from the server that every gateway is; whether
    /// a ring took it.
    fn tell_dhcp_client(&mut self, host: HostLink, identifier: Ipv4Addr, answer: &Message) -> bool {
        let interface = InterfaceId(host.interface);
        let Some(link) = self.routing.link(interface) else {
            return false;
        };
        let to = match answer.client {
            _ if answer.broadcast => Ipv4Addr::BROADCAST,
            client if !client.is_unspecified() => client,
            _ => answer.given,
        };
        let macs = (link.interface.mac, host.mac);
        let ends = ((identifier, SERVER_PORT), (to, CLIENT_PORT));
        let frame = frame::datagram_frame(macs, ends, &answer.emit());
        self.out.frame(interface, &frame)
    }
}

/// The payload of the UDP datagram in an IPv4 packet; none when either is broken.
fn payload(packet: &[u8]) -> Option<&[u8]> {
    let parts = Header::split(packet).ok()?;
    if parts.header.protocol != protocol::UDP || parts.header.is_fragment() {
        return None;
    }
    let (header, _) = parts.payload.split_first_chunk::<8>()?;
    let [_, _, to @ .., a, b, _, _] = *header;
    let length = usize::from(u16::from_be_bytes([a, b]));
    let datagram = parts.payload.get(..length)?;
    let right = frame::datagram_sum(parts.header.source, parts.header.destination, datagram);
    let [_, _, _, _, _, _, sum @ ..] = *header;
    // Zero: its sender made none (RFC 768).
    (to == SERVER_PORT.to_be_bytes() && (sum == [0, 0] || right == 0)).then_some(())?;
    datagram.get(8..)
}
